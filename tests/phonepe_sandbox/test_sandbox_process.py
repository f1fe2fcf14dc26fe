"""The emulator as its own process."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from phonepe_sandbox.app import run
from phonepe_sandbox.config import read

ROOT = Path(__file__).parents[2]


def start(*argv):
    command = [sys.executable, "-m", "phonepe_sandbox", "--port", "0", *argv]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, env=os.environ.copy())


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_process_says_where_it_listens_and_ends_cleanly(ending):
    with start() as process:
        line = process.stdout.readline()
        url = line.removeprefix("PhonePe sandbox listening on ").strip()
        with urllib.request.urlopen(f"{url}/sandbox/api/health") as answer:
            health = answer.read()

        process.send_signal(ending)
        out, err = process.communicate(timeout=10)

    assert (health, process.returncode, out, err) == (b'{"ok": true}', 0, "", "")


def test_process_ends_in_time_with_an_answer_hanging():
    with start() as process:
        url = process.stdout.readline().removeprefix("PhonePe sandbox listening on ").strip()
        rule = b'{"on":"token","kind":"hang","seconds":600}'
        urllib.request.urlopen(urllib.request.Request(f"{url}/sandbox/api/faults", data=rule)).close()
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as hanging:
            hanging.sendall(
                b"POST /apis/pg-sandbox/v1/oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
            )
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=10)

    assert process.returncode == 0


def test_run_when_the_port_is_taken_then_one_line_and_exit_1():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "phonepe_sandbox", "--port", str(port)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=20,
        )

    told = f"phonepe_sandbox: cannot listen on 127.0.0.1:{port}: "
    assert (done.returncode, done.stdout, done.stderr.startswith(told)) == (1, "", True)
    assert done.stderr.count("\n") == 1


def test_run_when_asked_for_help_then_it_teaches_and_returns_0(capsys):
    code = run(["--help"])

    out = capsys.readouterr().out
    wanted = ["/apis/pg-sandbox", "/sandbox/api/faults", "--webhook-url", "$PHONEPE_CLIENT_ID"]
    assert (code, [text for text in wanted if text not in out]) == (0, [])


@pytest.mark.parametrize(
    "argv", [["--port", "70000"], ["--port", "x"], ["--token-life", "0"], ["--nonsense"]]
)
def test_run_when_an_argument_is_wrong_then_2(argv, capsys):
    assert run(argv) == 2


def test_configuration_comes_from_arguments_then_the_environment_then_fallbacks():
    env = {
        "PHONEPE_CLIENT_ID": "ID",
        "PHONEPE_CLIENT_SECRET": "",
        "SANDBOX_WEBHOOK_URL": "http://shop.test/hook",
    }

    config = read(["--client-version", "7", "--webhook-username", "someone"], env)

    credentials = (
        config.credentials.client_id,
        config.credentials.client_secret,
        config.credentials.client_version,
    )
    assert credentials == ("ID", "sandbox-secret", "7")
    assert (config.settings.webhook_url, config.settings.webhook_username) == (
        "http://shop.test/hook",
        "someone",
    )
    assert (config.host, config.port) == ("127.0.0.1", 8900)
