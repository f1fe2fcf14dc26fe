"""The systemd units: right by systemd's own word, closed to what they do not need, and about real commands."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.deploy.tools import DEPLOY, run
from tests.processes import ROOT

UNITS = sorted(path.name for path in DEPLOY.glob("okpuja-*.service"))
WORST = 2.0


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a machine on which the units are installed, as docs/operations.md says."""
    root = tmp_path_factory.mktemp("machine")
    shutil.copytree("/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    (root / "lib").symlink_to("usr/lib")
    installed = root / "etc/systemd/system"
    installed.mkdir(parents=True)
    for unit in UNITS:
        shutil.copy(DEPLOY / unit, installed)
    shutil.copytree(DEPLOY / "okpuja-.service.d", installed / "okpuja-.service.d")
    for program in ("python", "granian"):
        file = root / "opt/okpuja/.venv/bin" / program
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755)
    (root / "bin").mkdir()
    shutil.copy(root / "opt/okpuja/.venv/bin/python", root / "bin/kill")
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/false\n")
    return root


def settings(unit: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", (DEPLOY / unit).read_text(), re.MULTILINE)


def test_there_are_the_services_of_the_contract():
    assert {
        "okpuja-web.service",
        "okpuja-stream.service",
        "okpuja-payment-checker.service",
        "okpuja-payment-checker@.service",
    } <= set(UNITS)


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_wrong(unit, machine):
    verified = run("systemd-analyze", "verify", "--man=no", f"--root={machine}", unit, package="systemd")

    assert (verified.returncode, verified.stderr.strip()) == (0, "")


def test_systemd_would_notice_a_setting_that_it_does_not_know(machine, tmp_path):
    copy = tmp_path / "machine"
    shutil.copytree(machine, copy, symlinks=True)
    unit = copy / "etc/systemd/system/okpuja-web.service"
    unit.write_text(unit.read_text().replace("Restart=always", "Restart=sometimes"))

    verified = run("systemd-analyze", "verify", "--man=no", f"--root={copy}", unit.name, package="systemd")

    assert "Failed to parse service restart specifier" in verified.stderr


@pytest.mark.parametrize("unit", UNITS)
def test_little_is_open_to_a_service_that_was_taken_over(unit, machine):
    judged = run(
        "systemd-analyze", "security", "--no-pager", "--offline=true", f"--root={machine}",
        f"--threshold={round(WORST * 10)}", unit, package="systemd",
    )  # fmt: skip

    found = re.search(r"exposure level for \S+: ([\d.]+)", judged.stdout)
    assert found, judged.stderr
    assert float(found[1]) <= WORST, judged.stdout
    assert judged.returncode == 0


@pytest.mark.parametrize("unit", UNITS)
def test_a_service_is_started_again_runs_as_www_data_and_migrates_first(unit):
    for name, value in (("Restart", "always"), ("RestartSec", "10"), ("User", "www-data")):
        assert settings(unit, name) == [value]
    assert settings(unit, "ExecStartPre") == ["/opt/okpuja/.venv/bin/python manage.py migrate_in_turn"]
    assert settings(unit, "TimeoutStartSec") == ["infinity"]  # a migration may take its time


@pytest.mark.parametrize("unit", UNITS)
def test_what_a_unit_starts_exists(unit):
    for line in settings(unit, "ExecStart") + settings(unit, "ExecStartPre"):
        program, *arguments = shlex.split(line)
        assert (ROOT / ".venv/bin" / Path(program).name).exists()
        if arguments[0] == "manage.py":
            assert list(ROOT.glob(f"*/management/commands/{arguments[1]}.py"))
        else:
            module = arguments[-1].partition(":")[0]
            assert (ROOT / f"{module.replace('.', '/')}.py").exists()


@pytest.mark.parametrize("name", ["okpuja-payment-checker", "okpuja-web"])
def test_one_more_is_as_the_first(name):
    one, more = (
        [
            line
            for line in (DEPLOY / f"{name}{kind}").read_text().splitlines()
            if not line.startswith(("Description", "#"))
        ]
        for kind in (".service", "@.service")
    )

    assert [line.replace("--port %i", "--port 8000") for line in more] == one


def test_stream_service_has_descriptors_for_all_that_granian_serves_at_a_time():
    (line,) = settings("okpuja-stream.service", "ExecStart")
    (descriptors,) = map(int, settings("okpuja-stream.service", "LimitNOFILE"))
    (at_a_time,) = map(int, re.findall(r"--backlog (\d+)", line))

    assert at_a_time >= 2000
    assert descriptors >= 2 * at_a_time


def test_the_settings_of_the_example_are_ones_that_are_read():
    known = (ROOT / ".env.example").read_text()
    named = re.findall(r"^#?([A-Z_]+)=", (DEPLOY / "okpuja.env.example").read_text(), re.MULTILINE)

    assert [name for name in named if f"{name}=" not in known] == []
    assert len(named) > 10


def test_logrotate_accepts_its_file(tmp_path):
    log = tmp_path / "okpuja.log"
    log.write_text("{}\n")
    text = (DEPLOY / "logrotate" / "okpuja").read_text()
    assert "/var/log/django/okpuja.log {" in text
    mine = tmp_path / "okpuja"
    me = f"{pwd.getpwuid(os.getuid()).pw_name} {grp.getgrgid(os.getgid()).gr_name}"
    mine.write_text(text.replace("/var/log/django/okpuja.log", str(log)).replace("www-data www-data", me))
    mine.chmod(0o644)

    judged = run("logrotate", "-d", "-s", tmp_path / "state", mine, package="logrotate")

    assert judged.returncode == 0, judged.stderr
    assert "error" not in judged.stderr
    assert str(log) in judged.stderr
