"""Whose call it is: believed of our own proxies alone."""

from __future__ import annotations

import logging

import pytest
from django.test import RequestFactory

from guard import clients
from guard.clients import client, networks


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # a stranger's word
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        (
            "10.0.0.1",
            "1.1.1.1, 198.51.100.1",
            "198.51.100.1",
        ),  # what the client itself has sent stands before
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),  # two proxies of ours
        ("", "198.51.100.1", "198.51.100.1"),  # a Unix socket
        ("10.0.0.1", "", ""),
        ("10.0.0.1", "10.0.0.2", ""),
        ("10.0.0.1", "198.51.100.1, unknown", ""),
        ("10.0.0.1", "1.1.1.1," * 5000 + "198.51.100.1", "198.51.100.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "", "2001:db8:1:2::/64"),
    ],
)
def test_client_is_the_first_address_that_no_proxy_of_ours_has(settings, peer, forwarded, expected):
    settings.TRUSTED_PROXIES = networks(["10.0.0.0/8", "fd00::1"])

    request = RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)

    assert client(request) == expected


def test_a_proxy_that_is_not_listed_is_told_of_once(settings, caplog):
    settings.TRUSTED_PROXIES = networks(["127.0.0.1"])
    clients._tell_of_proxy.cache_clear()
    caplog.set_level(logging.ERROR)

    for peer in ("10.0.0.7", "10.0.0.7", "8.8.8.8"):
        client(RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR="198.51.100.1"))

    (told,) = [record.msg for record in caplog.records]
    assert (told["address"], "TRUSTED_PROXIES" in told["event"]) == ("10.0.0.7", True)
