"""Ports for the servers that tests and benchmarks start."""

from __future__ import annotations

import random
import socket
from pathlib import Path

OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
ENOUGH = 2_000  # ports for all servers of a run
_given: set[int] = set()


def free_port() -> int:
    """A TCP port of this machine that nobody uses and that this process was not given before.

    None of those that the kernel gives to outgoing connections: one of them could be somebody's by the time,
    seconds later, that the server binds it.
    """
    while (port := random.choice(_not_outgoing())) in _given or not _can_be_bound(port):
        pass
    _given.add(port)
    return port


def _not_outgoing() -> list[int]:
    """The unprivileged ports from 10,000 on that no outgoing connection gets; all of them where that leaves few."""
    first, last = map(int, OUTGOING.read_text().split()) if OUTGOING.exists() else (32_768, 65_535)
    outside = [*range(10_000, first), *range(last + 1, 65_536)]
    return outside if len(outside) >= ENOUGH else [*range(10_000, 65_536)]


def _can_be_bound(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
