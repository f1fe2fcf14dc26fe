"""Machines as network namespaces on one switch: each with its own link, that can be cut and mended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.missing import missing
from tests.postgres import Server
from tests.processes import ROOT

NET = f"10.{64 + os.getpid() % 128}.77"
NAME = f"okp{os.getpid() % 100_000}"


def need_namespaces() -> None:
    """Skip where this machine may not make network namespaces; fail there in CI."""
    if why := _why_not():
        missing(f"no network namespaces here: {why}")


def _why_not() -> str:
    for tool in ("ip", "nsenter", "setpriv"):
        if not shutil.which(tool):
            return f"`{tool}` is not installed (iproute2, util-linux)"
    if os.geteuid() != 0:
        return "only root may make them"
    made = subprocess.run(["ip", "netns", "add", f"{NAME}-try"], capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "del", f"{NAME}-try"], capture_output=True, check=False)
    return made.stderr.strip()


class Machine:
    """A namespace with the address `NET.number`, wired to the switch."""

    def __init__(self, switch: Switch, number: int) -> None:
        self._switch, self._link = switch, f"{NAME}m{number}"
        self.space, self.address = f"{NAME}-{number}", f"{NET}.{number}"
        switch.spaces.append(self.space)
        _ip("netns", "add", self.space)
        switch.plug(self._link, "eth0", self.space)
        _ip("-n", self.space, "addr", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", self.space, "link", "set", device, "up")

    @property
    def inside(self) -> list[str]:
        """What to put before a command that shall run there."""
        return inside(self.space)

    def cut(self) -> None:
        """Pull the cable: nothing comes in or out any more, and nobody is told."""
        _ip("-n", self._switch.space, "link", "set", self._link, "down")

    def mend(self) -> None:
        _ip("-n", self._switch.space, "link", "set", self._link, "up")

    def start(self, *command: str, log: Path, **environment: str) -> subprocess.Popen[bytes]:
        """A Python process of the project on this machine."""
        with log.open("ab") as output:
            return subprocess.Popen(
                [*self.inside, sys.executable, *command],
                cwd=ROOT,
                env={**os.environ, "DJANGO_SETTINGS_MODULE": "okpuja.settings", **environment},
                stdout=output,
                stderr=output,
            )


class Switch:
    """What connects the machines; this process has a port of its own."""

    def __init__(self) -> None:
        self.space, self.spaces = f"{NAME}-sw", [f"{NAME}-sw"]
        _ip("netns", "add", self.space)
        _ip("-n", self.space, "link", "add", "bridge", "type", "bridge")
        for device in ("lo", "bridge"):
            _ip("-n", self.space, "link", "set", device, "up")
        _ip("-n", self.space, "addr", "add", f"{NET}.254/24", "dev", "bridge")
        self.plug(f"{NAME}here", f"{NAME}me", None)
        _ip("addr", "add", f"{NET}.253/24", "dev", f"{NAME}me")
        _ip("link", "set", f"{NAME}me", "up")

    def plug(self, port: str, device: str, space: str | None) -> None:
        """A cable from `port` of the switch to `device` in a namespace, or here."""
        there = ["netns", space] if space else []
        _ip("link", "add", port, "netns", self.space, "type", "veth", "peer", "name", device, *there)
        _ip("-n", self.space, "link", "set", port, "master", "bridge", "up")

    def close(self) -> None:
        for space in self.spaces:
            subprocess.run(["ip", "netns", "del", space], check=False)


class Database(Server):
    """A PostgreSQL on a machine of its own, reached over TCP; here also by its socket."""

    def __init__(self, folder: Path, machine: Machine) -> None:
        super().__init__(folder)
        self._machine = machine
        try:
            self._move()
        except BaseException:
            self.close()
            raise

    def _move(self) -> None:
        folder, machine = self.folder, self._machine
        self.pg_ctl("-m", "fast", "-w", "stop")
        with (folder / "pg_hba.conf").open("a") as access:
            access.write(f"host all all {NET}.0/24 trust\n")
        subprocess.run(
            [
                *machine.inside,
                *("setpriv", "--reuid=pgserver", "--regid=pgserver", "--clear-groups"),
                *(f"{self._bin}/pg_ctl", "-D", folder, "-l", folder / "log", "-w"),
                *("-o", f"-h {machine.address} -k {self.host} -c max_connections=60", "start"),
            ],
            stdout=subprocess.DEVNULL,
            cwd="/",
            check=True,
        )

    @property
    def tcp_url(self) -> str:
        return f"postgresql://postgres@{self._machine.address}:5432/okpuja"


def inside(space: str) -> list[str]:
    return ["nsenter", f"--net=/run/netns/{space}"]


def end(processes: Sequence[subprocess.Popen[Any]]) -> None:
    """Ask all to stop, then make them."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
