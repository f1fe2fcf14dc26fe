"""A merchant's webhook URL: keeps what arrives."""

from __future__ import annotations

import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """Listens on a free port of this machine; `next()` gives the callbacks in the order of arrival."""

    def __init__(self) -> None:
        arrived: queue.Queue[tuple[str, str]] = queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                arrived.put((self.headers.get("Authorization", ""), body.decode()))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._arrived = arrived
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhook"

    def next(self) -> tuple[str, str]:
        """The Authorization header and the body, as `validate_callback` wants them."""
        return self._arrived.get(timeout=5)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
