"""From whom a request comes. What a client says of itself is believed of our own proxies only."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import structlog
from django.conf import settings
from django.http import HttpRequest

log = structlog.get_logger(__name__)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_CHAIN = 20
A_HOUSEHOLD = 64  # has 2^64 addresses of IPv6: they count as one caller


def networks(names: list[str]) -> tuple[Network, ...]:
    """Addresses and networks as `TRUSTED_PROXIES` lists them. Raises ValueError."""
    return tuple(ip_network(name.strip()) for name in names)


def client(request: HttpRequest) -> str:
    """The caller's address (of IPv6: its network), or "" when nothing tells one caller from another.

    X-Forwarded-For is read from its end, as far as trusted proxies have written it; what stands before
    that, anybody may have invented. "" is a proxy of ours itself, when it forwards no address.
    """
    peer = _parsed(request.META.get("REMOTE_ADDR", ""))
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    if peer is not None and not _is_ours(peer):  # None: a Unix socket, whose other end is on this machine
        if forwarded and peer.is_private:
            _tell_of_proxy(str(peer))
        return _named(peer)
    for written in reversed(forwarded.split(",")[-LONGEST_CHAIN:]):
        address = _parsed(written.strip())
        if address is None:
            return ""
        if not _is_ours(address):
            return _named(address)
    return ""


@lru_cache(maxsize=100)
def _tell_of_proxy(address: str) -> None:
    """Once for each: behind an unlisted proxy all customers share one address, and its throttles."""
    log.error("X-Forwarded-For of a proxy that is not in TRUSTED_PROXIES is not believed", address=address)


@lru_cache(maxsize=10_000)
def _parsed(written: str) -> Address | None:
    try:
        address = ip_address(written)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_ours(address: Address) -> bool:
    return any(address in proxy for proxy in settings.TRUSTED_PROXIES)


def _named(address: Address) -> str:
    is_one = address.version == 4
    return str(address if is_one else ip_network(f"{address}/{A_HOUSEHOLD}", strict=False))
