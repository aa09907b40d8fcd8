"""Where a callback_url may lead."""

from __future__ import annotations

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx

from deployments.core.errors import BadInput

_MAX_URL = 2048
"""Characters: what all browsers and proxies take."""
_HOST = re.compile(r"[0-9a-z._:-]{1,253}")
_UNICAST = ip_network("2000::/3")
"""Where all public IPv6 addresses are."""
_TRANSLATED = ip_network("64:ff9b::/96")
"""NAT64: the last 32 bits are an IPv4 address."""
_NEVER = tuple(
    map(
        ip_network,
        (
            "192.0.0.0/24",  # of the protocols themselves; Oracle keeps a machine's secrets at 192.0.0.192
            "192.88.99.0/24",  # relays of 6to4
            "168.63.129.16",  # Azure's services for its machines
            "2002::/16",  # 6to4: may hold any IPv4 address; given up
            "3fff::/20",  # of examples
        ),
    )
)
"""What ipaddress takes for public, in some Python at least. Teredo is private everywhere."""


def callback_address(url: str, allow_private: bool) -> httpx.URL:
    """An address as it was given, checked without asking a name server.

    Raises:
        BadInput: not http or https, too long, with a password, or private.
    """
    parsed = _parsed(url)
    if not allow_private and _names_inside(parsed.raw_host.decode()):
        raise private_address()
    return parsed


def _parsed(url: str) -> httpx.URL:
    """By the parser that the delivery uses: where two differ, one of them can be deceived."""
    if len(url) > _MAX_URL:
        raise BadInput(f"callback_url: is longer than {_MAX_URL} characters.", hint="Give a shorter address.")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):  # the latter for half a character
        raise _no_address() from None
    if parsed.scheme not in ("http", "https") or not _HOST.fullmatch(parsed.raw_host.decode()):
        raise _no_address()
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise _no_address()
    if parsed.userinfo:
        raise BadInput(
            "callback_url: holds a user name or a password.",
            hint="Leave it out: the X-Avatar-Signature header proves who sends.",
        )
    return parsed


def _no_address() -> BadInput:
    return BadInput(
        "callback_url: is not an http or https address.", hint="Give one such as https://example.com/rendered."
    )


def private_address() -> BadInput:
    """What is said of a callback_url that leads inside."""
    return BadInput(
        "callback_url: leads to this machine or into a private network.",
        hint="Give a public address, or allow private ones: jobs.webhook_allow_private "
        "(AVATAR_JOBS__WEBHOOK_ALLOW_PRIVATE).",
    )


def _names_inside(host: str) -> bool:
    """Whether a host is, without asking anybody, one of the private network."""
    name = host.removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        # Reads 127.1, 0x7f000001 and 017700000001 as a connection would.
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        return False
    return not all(is_public(str(entry[4][0])) for entry in found)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to one machine of the internet; one that holds another is judged by that.

    Raises:
        ValueError: it is none.
    """
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        inner = IPv4Address(int(found) & 0xFFFFFFFF) if found in _TRANSLATED else found.ipv4_mapped
        if inner:
            return is_public(str(inner))
        if found not in _UNICAST:
            return False
    return found.is_global and not found.is_multicast and not any(found in network for network in _NEVER)
