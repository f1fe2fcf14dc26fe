"""The cable between a browser and the site: it can be pulled, held back, and plugged in again."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress

from tests.ports import free_port


class Cable:
    """A TCP relay at a port of its own. `cut` ends every connection and refuses new ones, `mute` swallows all bytes
    and says nothing, `mend` is as new."""

    def __init__(self, to_port: int) -> None:
        self._to = ("127.0.0.1", to_port)
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._muted = threading.Event()
        self._listening: socket.socket | None = None
        self.port = free_port()  # `mend` wants it again
        self.mend()

    def mend(self) -> None:
        """Let everything through."""
        self._muted.clear()
        if self._listening is None:
            self._listening = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=[self._listening], daemon=True).start()

    def cut(self) -> None:
        """End what is open, refuse what comes."""
        listening, self._listening = self._listening, None
        if listening:
            listening.shutdown(socket.SHUT_RDWR)
            listening.close()
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for one in (end for pair in pairs for end in pair):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mute(self) -> None:
        """Keep every connection and let nothing through: a dead spot, or a proxy that has fallen asleep."""
        self._muted.set()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listening.accept()
                pair = (near, socket.create_connection(self._to))
                with self._lock:
                    self._pairs.add(pair)
                threading.Thread(target=self._relay, args=pair, daemon=True).start()

    def _relay(self, near: socket.socket, far: socket.socket) -> None:
        other = {near: far, far: near}
        with suppress(OSError), near, far:
            while True:
                for end in select.select([near, far], [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    if not self._muted.is_set():
                        other[end].sendall(data)
