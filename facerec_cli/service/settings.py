"""What a service is started with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from facerec_cli.defaults import CPU, DEFAULT_MODEL
from facerec_cli.errors import UnusableSourceError
from facerec_cli.faces.sources import Source, check_file, parse_source

API = "/api/v1"
"""Below which all is that programs ask for."""


@dataclass(frozen=True)
class Limits:
    """What clients may ask for.

    Attributes:
        photos: in one request.
        photo_bytes: of one photo.
        request_bytes: of one request.
        bytes_in_work: of all requests that are arriving or answered, together.
        requests: that are answered or wait for it, once they have arrived; more are told to come again.
        sources: live ones that are watched at a time.
        connections: at once; what goes beyond is hung up on.
        seconds: a request has to arrive, however small, and a client to take its answer.
        least_rate: bytes a second that give a larger request more time.
    """

    photos: int = 50
    photo_bytes: int = 64 << 20
    request_bytes: int = 256 << 20
    bytes_in_work: int = 1 << 30
    requests: int = 64
    sources: int = 8
    connections: int = 512
    seconds: float = 30
    least_rate: int = 20_000


@dataclass(frozen=True)
class Settings:
    """How to serve.

    Attributes:
        database: the gallery's location.
        model: a bundle's folder, or its name.
        device: what it runs on, as ``Recognizer`` takes it.
        host: the address to listen at.
        port: to listen at; 0 for one that is free.
        token: what clients must show; None where nobody needs one.
        read_only: whether nobody can be enrolled or changed.
        watched: live sources.
        strangers_kept: how long the faces that nobody knew are remembered; None where they are not.
        allowed_hosts: names, besides its own, by which clients may call this service: a proxy's.
        certificate: files of the TLS certificate and of its key; None without TLS.
        limits: what clients may ask for.
    """

    database: str = "database"
    model: str = DEFAULT_MODEL
    device: str = CPU
    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    read_only: bool = False
    watched: tuple[Source, ...] = ()
    strangers_kept: timedelta | None = None
    allowed_hosts: tuple[str, ...] = ()
    certificate: tuple[str, str] | None = None
    limits: Limits = Limits()

    @property
    def is_local(self) -> bool:
        """Whether nobody but this machine's users can reach the service."""
        return is_loopback(self.host)


def watched_source(text: str) -> Source:
    """A source by what whoever starts the service calls it: a camera's number, an address, or a file.

    Clients are told a file's name, and not where it is.

    Raises:
        VideoError: it is something else, or a file that cannot be read.
    """
    source = parse_source(text)
    if source.is_live:
        return source
    check_file(source)
    path = Path(text).absolute()
    return replace(source, address=str(path), name=path.name)


def live_source(text: str) -> Source:
    """A source by what a client calls it: a camera's number, or an address.

    A file is none: a client could ask for any.

    Raises:
        UnusableSourceError: it is something else.
    """
    source = parse_source(text)
    if not source.is_live:
        raise UnusableSourceError(
            "This names no camera and no stream", "give a camera's number, or a URL such as rtsp://camera.example/door"
        )
    return source


def is_loopback(host: str) -> bool:
    """Whether a host name, or an address without brackets, is this machine's alone."""
    address = as_address(host)
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def as_address(host: str) -> IPv4Address | IPv6Address | None:
    """A host as an IP address; None of a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None
