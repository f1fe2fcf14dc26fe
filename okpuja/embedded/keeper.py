"""Stop the embedded PostgreSQL when its last user has ended, however it ended."""

from __future__ import annotations

import fcntl
import os
import time

from okpuja.embedded import server

LINGER_S = 2.0  # commands that follow one another should find the server still warm


def main() -> None:
    """Wait until nobody holds the users' lock, then stop the server. One keeper per data folder."""
    with server.KEEPER.open("a") as keeper, server.USERS.open("a") as users:
        try:
            fcntl.flock(keeper, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        while True:
            fcntl.flock(users, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_UN)
            time.sleep(LINGER_S)
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            server.stop()
            return


if __name__ == "__main__":
    if os.fork() == 0:  # detached: nobody's child, in nobody's terminal
        os.setsid()
        main()
