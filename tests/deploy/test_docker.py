"""Dockerfile and Compose file, as far as they can be judged without an engine."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.deploy.tools import DEPLOY, run
from tests.processes import ROOT

DOCKERFILE = (DEPLOY / "docker" / "Dockerfile").read_text()
IGNORED = (ROOT / ".dockerignore").read_text().split()


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Compose file as Compose itself reads it."""
    folder = tmp_path_factory.mktemp("docker")
    shutil.copy(DEPLOY / "docker" / "compose.yaml", folder)
    shutil.copy(DEPLOY / "okpuja.env.example", folder / "okpuja.env")
    (folder / ".env").write_text("POSTGRES_PASSWORD=secret\n")
    read = run(
        "docker-compose", "--project-directory", folder, "-f", folder / "compose.yaml", "config",
        package="docker-compose",
    )  # fmt: skip
    assert read.returncode == 0, read.stderr
    return read.stdout


def test_compose_reads_its_file_and_knows_every_service(composed):
    services = re.findall(
        r"^  ([a-z]+):$", composed.partition("services:")[2].partition("\nvolumes:")[0], re.MULTILINE
    )

    assert set(services) == {"db", "migrate", "web", "stream", "checker", "nginx"}


def test_containers_run_what_the_units_run(composed):
    def told(unit: str) -> list[str]:
        line = re.search(r"^ExecStart=(.*)$", (DEPLOY / unit).read_text(), re.MULTILINE)
        assert line
        program, *arguments = shlex.split(line[1].replace("127.0.0.1", "0.0.0.0"))
        return [program.rpartition("/")[2], *arguments]

    def composes(service: str) -> list[str]:
        block = re.search(
            rf"^  {service}:\n(?:    .*\n)*?    command:\n((?:    - .*\n)+)", composed, re.MULTILINE
        )
        assert block
        return re.findall(r"- '?(.*?)'?\n", block[1])

    (command,) = re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)
    assert json.loads(command) == told("okpuja-web.service")
    assert composes("stream") == told("okpuja-stream.service")
    assert composes("checker") == told("okpuja-payment-checker.service")
    assert composes("migrate") == ["python", "manage.py", "migrate_in_turn"]


def test_customers_are_told_apart_behind_the_nginx_of_compose(composed):
    """The services believe nginx, whose address is fixed and given to no other container."""
    (nginx,) = re.findall(r"^ +ipv4_address: (\S+)$", composed, re.MULTILINE)
    (subnet,) = re.findall(r"subnet: (\S+)$", composed, re.MULTILINE)
    (dynamic,) = re.findall(r"ip_range: (\S+)$", composed, re.MULTILINE)
    trusted = re.findall(r"^ +TRUSTED_PROXIES: (\S+)$", composed, re.MULTILINE)

    assert trusted == [nginx] * 4  # migrate, web, stream, checker
    assert ipaddress.ip_address(nginx) in ipaddress.ip_network(subnet)
    assert ipaddress.ip_address(nginx) not in ipaddress.ip_network(dynamic)
    assert "X-Forwarded-For $remote_addr;" in (DEPLOY / "docker" / "nginx.conf").read_text()


def test_prometheus_on_the_machine_reaches_the_web_container_and_nobody_else_does(composed):
    block = re.search(r"^  web:\n(?:    .*\n)*", composed, re.MULTILINE)

    assert block
    assert re.search(
        r"ports:\n    - (127\.0\.0\.1:8000:8000/tcp|.*\n      host_ip: 127\.0\.0\.1)", block[0]
    ), block[0]


def test_the_image_gets_every_package_and_nothing_that_is_ignored():
    copied = [
        line.split()[1:-1]
        for line in DOCKERFILE.splitlines()
        if line.startswith("COPY") and "--from" not in line
    ]
    sources = [source for names in copied for source in names]
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}

    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert packages <= set(sources)
    assert set(sources) & set(IGNORED) == set()
    assert {".env", ".git", "var"} <= set(IGNORED)


def test_the_image_runs_as_nobody_special_and_keeps_no_secret():
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE) == ["www-data"]
    assert not re.search(r"^(ENV|ARG).*(SECRET|PASSWORD)", DOCKERFILE, re.MULTILINE)


def test_the_filled_in_environment_is_neither_committed_nor_sent_to_the_engine():
    file = "deploy/docker/okpuja.env"

    assert f"/{file}" in (ROOT / ".gitignore").read_text().split()
    assert file in IGNORED


def test_static_files_can_be_collected_with_what_the_image_says():
    (line,) = re.findall(r"^RUN (SECRET_KEY=\S+) (DATABASE_URL=\S+)", DOCKERFILE, re.MULTILINE)
    said = dict(one.split("=", 1) for one in line)

    done = subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--noinput", "--dry-run"],
        cwd=ROOT, env={"PATH": os.environ["PATH"], "DEBUG": "0", **said},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr


def test_descriptors_and_connections_suffice_for_streams_as_on_a_machine():
    compose = (DEPLOY / "docker" / "compose.yaml").read_text()
    unit = (DEPLOY / "okpuja-stream.service").read_text()
    told = (ROOT / "docs" / "operations.md").read_text()

    assert re.findall(r"nofile: (\d+)", compose) == re.findall(r"LimitNOFILE=(\d+)", unit)
    for name in ("worker_connections", "worker_rlimit_nofile"):
        (contained,) = re.findall(rf"{name} (\d+);", compose)
        assert f"{name} {contained};" in told
        assert int(contained) >= 3 * 4096  # a stream is two of nginx's connections, and pages come as well


def test_nginx_in_its_container_does_as_on_a_machine():
    own = (DEPLOY / "nginx" / "okpuja.conf").read_text().splitlines()[2:]
    contained = (DEPLOY / "docker" / "nginx.conf").read_text().splitlines()[1:]

    names = {"127.0.0.1:8000": "web:8000", "127.0.0.1:8010": "web:8010", "127.0.0.1:8001": "stream:8001"}
    for address, name in names.items():
        own = [line.replace(address, name) for line in own]
    assert contained == own
