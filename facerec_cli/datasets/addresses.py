"""Which addresses are the public network's, and a guard that keeps requests from all others.

A list of URLs comes from anybody, and a redirect from any server: without the guard both could have a machine ask its
own services, its network's, or its cloud's for things.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import httpx

from facerec_cli.errors import FetchError, PrivateAddressError

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public network.

    Private, loopback, link-local, multicast and reserved ones (RFC 6890) are not, nor are IPv6 addresses that stand
    for such IPv4 ones (IPv4-mapped, 6to4, NAT64).
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.is_site_local:
            return False
        standing_for = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            standing_for = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        ip = standing_for or ip
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


class PublicAlone:
    """A request hook of an httpx client: raises PrivateAddressError before anything is sent to what is not public.

    A name is resolved, and every address of it must be public; since it could resolve to another one a moment later,
    the address that was connected to is looked at too. Behind a proxy the proxy resolves names, and only it can judge
    them: there, addresses and ``localhost`` are refused, and names are left to it.
    """

    def __init__(self, trusted: frozenset[str]) -> None:
        """Guard all requests but those to trusted hosts, as ``host_of`` names them."""
        self._trusted = trusted

    @classmethod
    def but_for(cls, url: str | None) -> PublicAlone:
        """Guard all requests but those to the host of a URL, where one is given.

        Raises:
            FetchError: it is no web address.
        """
        if url is None:
            return cls(frozenset())
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise FetchError(f"{url} is no web address ({error})", "correct it") from error
        if not is_web_address(parsed):
            raise FetchError(f"{url} is no web address", "correct it")
        return cls(frozenset({host_of(parsed)}))

    async def __call__(self, request: httpx.Request) -> None:
        """Look at a request before it is sent."""
        host = host_of(request.url)
        if host in self._trusted:
            return
        address = _literal(host)
        if _is_localhost(host) or (address is not None and not is_public(address)):
            raise _private(host)
        request.extensions = {**request.extensions, "trace": _watch(host)}


def is_web_address(url: httpx.URL) -> bool:
    """Whether a URL can be asked for."""
    return url.scheme in ("http", "https") and bool(url.host) and 0 < (url.port or 80) < 1 << 16


def host_of(url: httpx.URL) -> str:
    """The host of a URL, as it is connected to."""
    return url.raw_host.decode("ascii").lower()


def _watch(host: str) -> Callable[[str, Mapping[str, Any]], Awaitable[None]]:
    """Looks at the addresses of a connection to a host before it is made, and at the one it came to."""
    is_direct = False

    async def watch(event: str, about: Mapping[str, Any]) -> None:
        nonlocal is_direct
        if event == "connection.connect_tcp.started":
            # Another host than the request's is the proxy, which the user has chosen.
            is_direct = about["host"].lower() == host
            addresses = await _addresses(host, about["port"]) if is_direct else []
            if not all(map(is_public, addresses)):
                raise _private(host)
        elif event == "connection.connect_tcp.complete" and is_direct:
            stream = about["return_value"]
            if not is_public(stream.get_extra_info("server_addr")[0]):
                await stream.aclose()
                raise _private(host)

    return watch


async def _addresses(host: str, port: int) -> list[str]:
    """All addresses of a host; none where it has none, which connecting will find too."""
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return []
    return [str(address[0]) for *_, address in found]


def _literal(host: str) -> str | None:
    """The address that a host's text is, in any spelling that systems take (127.1, 0x7f000001); None for a name."""
    bare = host.rstrip(".")
    try:
        return str(ipaddress.ip_address(bare.partition("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(bare))
    except OSError:
        return None


def _is_localhost(host: str) -> bool:
    return f".{host.rstrip('.')}".endswith(".localhost")


def _private(host: str) -> PrivateAddressError:
    return PrivateAddressError(f"{host} is not on the public network", "leave it out")
