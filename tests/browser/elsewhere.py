"""A front end of somebody else's: pages at an origin of its own, which has no server side."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGES: dict[str, str] = {}  # by how the path begins


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = next((html for start, html in PAGES.items() if self.path.startswith(start)), "")
        self.send_response(200 if page else 204)  # 204: a browser asks for an icon
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def front_end(host: str = "localhost") -> Iterator[str]:
    """The origin at which `PAGES` are served while the block runs."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{host}:{server.server_address[1]}"
        server.shutdown()
        PAGES.clear()
