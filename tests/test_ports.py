"""A test's server finds its port free, however many connections the machine makes meanwhile."""

from __future__ import annotations

import socket

from tests import ports


def test_no_outgoing_connection_can_take_a_port_that_was_given():
    first, last = map(int, ports.OUTGOING.read_text().split())
    given = [ports.free_port() for _ in range(200)]
    assert len(set(given)) == 200
    leaves_few = first < 10_000 + ports.ENOUGH and last > 65_535 - ports.ENOUGH
    assert leaves_few or not [port for port in given if first <= port <= last]


def test_where_outgoing_connections_get_nearly_all_ports_any_is_given(tmp_path, monkeypatch):
    monkeypatch.setattr(ports, "OUTGOING", tmp_path / "range")
    ports.OUTGOING.write_text("10100\t65535\n")
    assert len({ports.free_port() for _ in range(200)}) == 200


def test_a_taken_port_is_not_given(monkeypatch):
    monkeypatch.setattr(ports, "_given", set())
    other = ports.free_port()
    monkeypatch.setattr(ports, "_given", set())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(ports, "_not_outgoing", lambda: [taken.getsockname()[1], other])
        assert ports.free_port() == other
