"""nginx as configured, in front of both services as the units start them."""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import pytest

from tests.deploy.tools import DEPLOY, PATH, run
from tests.journeys import customer
from tests.ports import free_port
from tests.processes import _answers, started
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
HOST = "shop.example"


@dataclass(frozen=True, slots=True)
class Front:
    """A running nginx at the ports of this test."""

    folder: Path
    at: dict[str, int]
    site: dict[str, str]
    service: subprocess.Popen[bytes]  # the web service

    def connect(self, *, name: str = HOST, source: str = "127.0.0.1") -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(self.folder / "fullchain.pem"))
        line = socket.create_connection(("127.0.0.1", self.at["https"]), 10, source_address=(source, 0))
        return context.wrap_socket(line, server_hostname=name)

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes = b"",
        source: str = "127.0.0.1",
        **headers: str,
    ) -> tuple[int, str, Message]:
        """Status, body and headers of one request."""
        lines = {"Host": HOST, "Connection": "close", "Content-Length": str(len(body)), **headers}
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
        with self.connect(source=source) as line:
            line.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
            answer = http.client.HTTPResponse(line)
            answer.begin()
            return answer.status, answer.read().decode(), answer.headers


def configured(folder: Path, **ports: int) -> Path:
    """Our file with a certificate, ports and a folder of the test, inside a main file as Debian's."""
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    command = f"openssl req -x509 {key} -days 2 -subj /CN={HOST} -addext subjectAltName=DNS:{HOST}"
    files = ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    text = (DEPLOY / "nginx" / "okpuja.conf").read_text()
    text = re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE)
    changes = {
        "listen 80": f"listen 127.0.0.1:{ports['http']}",
        "listen 443 ssl": f"listen 127.0.0.1:{ports['https']} ssl",
        "127.0.0.1:8000": f"127.0.0.1:{ports['web']}",
        "127.0.0.1:8010": f"127.0.0.1:{ports['spare']}",
        "127.0.0.1:8001": f"127.0.0.1:{ports['stream']}",
        "/etc/ssl/okpuja": str(folder),
        "/opt/okpuja/staticfiles/": f"{folder}/static/",
        "/opt/okpuja/deploy/nginx": str(DEPLOY / "nginx"),
        "client_header_timeout 10s": "client_header_timeout 1s",
    }
    for ours, tests in changes.items():
        assert ours in text, ours
        text = text.replace(ours, tests)
    (folder / "okpuja.conf").write_text(text)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    as_me = "user root;\n" if os.geteuid() == 0 else ""  # pytest's folders are closed to others
    (folder / "nginx.conf").write_text(
        f"{as_me}daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\n"
        f"access_log {folder}/access.log;\n{temporary}default_type application/octet-stream;\n"
        f"include {folder}/okpuja.conf;\n}}\n"
    )
    return folder / "nginx.conf"


def allowed_hosts() -> str:
    """As the example of the environment file has them."""
    (found,) = re.findall(r"^ALLOWED_HOSTS=(.*)$", (DEPLOY / "okpuja.env.example").read_text(), re.MULTILINE)
    return str(found)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ports() -> dict[str, int]:
    return {name: free_port() for name in ("http", "https", "web", "spare", "stream")}


@contextmanager
def service(unit: str, port: int, log: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """What the unit starts, at another port."""
    line = re.search(r"^ExecStart=\S+/granian (.*)$", (DEPLOY / unit).read_text(), re.MULTILINE)
    assert line
    arguments = re.sub(r"--port \S+", f"--port {port}", line[1])
    with started("-m", "granian", *shlex.split(arguments), log=log, **settings) as process:
        wait_until(
            lambda: process.poll() is not None or _answers(f"http://127.0.0.1:{port}/healthz"), within_s=30
        )
        assert process.poll() is None, log.read_text()
        yield process


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """nginx, web and stream. The settings are those of a real site."""
    at = ports()
    main = configured(tmp_path, **at)
    checked = run("nginx", "-t", "-p", tmp_path, "-c", main, package="nginx-light")
    assert checked.returncode == 0, checked.stderr
    site = {"PUBLIC_URL": f"https://{HOST}", "ALLOWED_HOSTS": allowed_hosts()}
    with ExitStack() as running:
        web = running.enter_context(service("okpuja-web.service", at["web"], tmp_path / "web.log", **site))
        running.enter_context(service("okpuja-stream.service", at["stream"], tmp_path / "stream.log", **site))
        mine = Front(tmp_path, at, site, web)
        nginx = subprocess.Popen([shutil.which("nginx", path=PATH) or "nginx", "-p", tmp_path, "-c", main])
        try:
            wait_until(lambda: is_open(at["https"]))
            yield mine
        finally:
            nginx.terminate()
            nginx.wait(10)


def test_nginx_accepts_its_file(tmp_path):
    main = configured(tmp_path, **ports())

    checked = run("nginx", "-t", "-p", tmp_path, "-c", main, package="nginx-light")

    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr


def test_the_site_behind_nginx(front: Front, sandbox: Sandbox):
    """One story, since the three services take seconds to start."""
    status, body, headers = front.ask("/")
    assert (status, "Puja" in body) == (200, True), body  # no endless redirect: it knows that this is https
    assert "max-age" in headers["Strict-Transport-Security"]

    assert ask_plainly(front, HOST).startswith(b"HTTP/1.1 301")
    assert f"Location: https://{HOST}/catalogue/".encode() in ask_plainly(front, HOST)
    assert ask_plainly(front, "127.0.0.1") == b""  # that name is for the machine itself
    with pytest.raises(ssl.SSLError, match="unrecognized name"):
        front.connect(name="127.0.0.1")

    assert front.ask("/api/payments/webhook/phonepe/", method="POST", body=b"x" * 300_000)[0] == 413
    for path in ("/metrics", "/readyz", "/%6detrics", "//readyz"):
        assert front.ask(path)[0] != 403  # from this machine
        assert front.ask(path, source="127.0.0.2")[0] == 403
    assert front.ask("/healthz", source="127.0.0.2")[0] == 200
    assert front.ask("/static/ops/now.js")[0] == 200  # without collectstatic the web service has it

    (front.folder / "static").mkdir()
    (front.folder / "static" / "own.txt").write_text("from the folder")
    assert front.ask("/static/own.txt")[1] == "from the folder"
    module_may_be_imported_elsewhere(front)

    order = customer.orders_known_to(sandbox, 1)[0]
    watch_events(front, order.cart_id)
    slow_header_is_given_up(front)
    slow_bodies_hold_no_thread(front)
    restart_refuses_nobody(front)
    logs_are_json_lines(front)
    outage_is_told_to_people_and_to_programs(front, order.cart_id)


def test_stream_service_stops_soon_although_a_stream_is_open(tmp_path, sandbox: Sandbox):
    order, port = customer.orders_known_to(sandbox, 1)[0], free_port()
    with (
        service("okpuja-stream.service", port, tmp_path / "stream.log", ALLOWED_HOSTS="127.0.0.1") as process,
        socket.create_connection(("127.0.0.1", port), 10) as line,
    ):
        path = f"/api/payments/cart/{order.cart_id}/events/"
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        assert line.recv(4096).startswith(b"HTTP/1.1 200")

        process.terminate()

        assert process.wait(6) == 0


def module_may_be_imported_elsewhere(front: Front) -> None:
    """A browser runs a module of another origin only as JavaScript and only with leave, whoever serves it."""
    script = "/static/storefront/payment-status.mjs"
    origin = {"Origin": "https://www.shop.example"}
    from_web = front.ask(script, **origin)
    own = front.folder / "static" / "storefront"
    own.mkdir()
    (own / "payment-status.mjs").write_text("// from the folder")
    from_folder = front.ask(script, **origin)
    assert from_folder[:2] == (200, "// from the folder")
    for _, _, headers in (from_web, from_folder):
        assert headers["Content-Type"].startswith("text/javascript")
        assert headers.get_all("Access-Control-Allow-Origin") == ["*"]
    assert front.ask("/static/own.txt", **origin)[2].get_all("Access-Control-Allow-Origin") == ["*"]


def ask_plainly(front: Front, host: str) -> bytes:
    with socket.create_connection(("127.0.0.1", front.at["http"]), 10) as line:
        line.sendall(f"GET /catalogue/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: line.recv(4096), b""))


def watch_events(front: Front, cart_id: str) -> None:
    """An event passes at once, not when a buffer is full; only the stream service can have sent it."""
    with front.connect() as line:
        line.sendall(f"GET /api/payments/cart/{cart_id}/events/ HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        answer = http.client.HTTPResponse(line)
        answer.begin()
        assert answer.getheader("Content-Type", "").startswith("text/event-stream")
        assert answer.readline() == b"retry: 3000\n"


def slow_header_is_given_up(front: Front) -> None:
    with front.connect() as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: ")
        begun = time.monotonic()
        line.settimeout(10)
        assert line.recv(100) == b""  # closed without a word
        assert time.monotonic() - begun < 5


def slow_bodies_hold_no_thread(front: Front) -> None:
    """More of them than the web service has threads."""
    head = f"POST /api/cart/ HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    with ExitStack() as open_lines:
        lines = [open_lines.enter_context(front.connect()) for _ in range(40)]
        for part in (head + "{", " ", " "):
            for line in lines:
                line.sendall(part.encode())
            begun = time.monotonic()
            assert front.ask("/healthz")[0] == 200
            assert time.monotonic() - begun < 3


def restart_refuses_nobody(front: Front) -> None:
    """An upgrade of the web service costs no request while a second one, new already, stands in for it."""
    port, log = front.at["spare"], front.folder / "spare.log"
    with service("okpuja-web@.service", port, log, **front.site), ThreadPoolExecutor(4) as pool:
        front.service.terminate()
        asked: list[int] = []
        while front.service.poll() is None or len(asked) < 100:
            asked += pool.map(lambda _: front.ask("/healthz")[0], range(20))
    assert set(asked) == {200}
    assert front.service.returncode == 0


def outage_is_told_to_people_and_to_programs(front: Front, cart_id: str) -> None:
    """Without the web service, which `restart_refuses_nobody` has stopped."""
    for path in ("/", "/api/payments/return/OKP-1/", "/static/gone.js"):
        status, body, headers = front.ask(path)
        assert (status, headers["Content-Type"]) == (502, "text/html; charset=utf-8"), path
        assert "If you have paid, do not pay again" in body
        assert "यदि आपने भुगतान कर दिया है, तो दोबारा न करें" in body
        assert re.findall("src=|href=", body) == []  # all of it is here
        assert (headers["Retry-After"], headers["Cache-Control"]) == ("60", "no-store")
    for method, path in (("GET", f"/api/payments/cart/{cart_id}/status/"), ("POST", "/api/payments/cart/")):
        status, body, headers = front.ask(path, method=method, body=b"{}")
        assert (status, headers["Content-Type"], headers["Retry-After"]) == (502, "application/json", "60")
        told = json.loads(body)
        assert (told["success"], told["code"]) == (False, "unavailable")
        assert "do not pay again" in told["message"]


def logs_are_json_lines(front: Front) -> None:
    """Of the services and of granian itself, from the start to the end."""
    for name in ("web", "stream", "spare"):
        lines = [json.loads(line) for line in (front.folder / f"{name}.log").read_text().splitlines()]
        assert any("Starting granian" in line["event"] for line in lines), name
