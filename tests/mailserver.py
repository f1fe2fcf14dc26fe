"""A mail server to talk to: one that is slow, or refuses everybody."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Any


class MailServer(threading.Thread):
    """Takes every mail; with `refuses` no recipient, in words that name them. Thinks `slow_s` over each answer."""

    def __init__(self, *, refuses: bool = False, slow_s: float = 0) -> None:
        super().__init__(daemon=True)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._refuses, self._slow_s = refuses, slow_s
        self.port, self.taken, self.refused = self._socket.getsockname()[1], 0, 0
        self.start()

    def run(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._socket.accept()
                with caller, caller.makefile("rwb", buffering=0) as lines:
                    self._talk(lines)

    def _talk(self, lines: Any) -> None:
        lines.write(b"220 here\r\n")
        for line in iter(lines.readline, b""):
            time.sleep(self._slow_s)
            lines.write(self._answer(line))
            if line[:4].upper() == b"DATA":
                for _ in iter(lines.readline, b".\r\n"):
                    pass
                self.taken += 1
                lines.write(b"250 ok\r\n")

    def _answer(self, line: bytes) -> bytes:
        word = line[:4].upper()
        if word == b"RCPT" and self._refuses:
            self.refused += 1
            return b"550 no such user: " + line[8:].strip() + b"\r\n"
        known = {
            b"EHLO": b"250-here\r\n250 AUTH PLAIN\r\n",
            b"AUTH": b"235 ok\r\n",
            b"DATA": b"354 go on\r\n",
        }
        return known.get(word, b"250 ok\r\n")

    def close(self) -> None:
        """Take no more callers."""
        self._socket.close()
