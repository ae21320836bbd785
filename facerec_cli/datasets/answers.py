"""Ask a server, and hold what it answers against what may be: headers, redirects, pace."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType

import anyio
import httpx
from socksio.exceptions import SOCKSError

from facerec_cli.datasets.addresses import PublicAlone, is_web_address
from facerec_cli.defaults import VERSION
from facerec_cli.environment import heeding_environment
from facerec_cli.http import retry_after

_RETRIED = {408, 425, 429, 500, 502, 503, 504}
_MOST_REDIRECTS = 20
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Settings:
    """How hard to try.

    Attributes:
        jobs: connections a file.
        timeout: seconds without a byte after which a connection is given up; three times as long for all that comes
            before an answer's body.
        attempts: failures in a row, without a byte between them, after which a source is given up.
        pause: first wait after a failure, seconds; doubled at each further one.
        slowest: bytes a second; a connection that brings less, all through ``timeout``, is given up. So nothing takes
            longer than its size at that rate, and eight connections live on a line of 32 kbit/s.
    """

    jobs: int = 8
    timeout: float = 20.0
    attempts: int = 6
    pause: float = 0.5
    slowest: float = 500.0


DEFAULT_SETTINGS = Settings()


class SourceError(Exception):
    """A source cannot give the file; the text says why."""


class PassingError(Exception):
    """A failure that may not come again; ``wait`` is how long the server asked to be left alone, seconds."""

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


class SlowError(PassingError):
    """A connection brought next to nothing; what it did bring is no sign of life."""


def new_client(settings: Settings, files: int = 1, public_alone: PublicAlone | None = None) -> httpx.AsyncClient:
    """A client that heeds the environment's proxies and certificates.

    Args:
        settings: for how many connections, and how patient.
        files: how many come at once.
        public_alone: keeps it to public addresses, where that is wanted.

    Raises:
        NetworkSettingsError: what the environment says about the network cannot be used.
    """
    with heeding_environment():
        return httpx.AsyncClient(
            timeout=settings.timeout,
            limits=httpx.Limits(max_connections=settings.jobs * files + files, max_keepalive_connections=settings.jobs),
            headers={"Accept-Encoding": "identity", "User-Agent": f"facerec/{VERSION}"},
            event_hooks={"request": [public_alone] if public_alone else []},
        )


@asynccontextmanager
async def answer(
    client: httpx.AsyncClient, url: str, settings: Settings, headers: Mapping[str, str] = _NOTHING
) -> AsyncIterator[httpx.Response]:
    """The successful answer to a GET, its body still to come; redirects are followed.

    Raises:
        SourceError, PassingError, httpx.TransportError: there is none.
        PrivateAddressError: a client that keeps to public addresses was led elsewhere.
    """
    response = await _ask(client, url, settings, headers)
    try:
        _check(response)
        yield response
    finally:
        await response.aclose()


async def _ask(client: httpx.AsyncClient, url: str, settings: Settings, headers: Mapping[str, str]) -> httpx.Response:
    try:
        request = client.build_request("GET", url, headers=headers)
        for _ in range(_MOST_REDIRECTS):
            if not is_web_address(request.url):
                raise SourceError(f"it leads to {request.url}, which is no web address")
            with anyio.fail_after(3 * settings.timeout):
                response = await client.send(request, stream=True)
            if response.next_request is None:
                return response
            await response.aclose()
            request = response.next_request
    except (httpx.InvalidURL, UnicodeError) as error:
        raise SourceError(f"it leads to what is no web address ({error})") from error
    except TimeoutError as error:
        raise PassingError("no answer in time") from error
    except SOCKSError as error:
        raise SourceError("what the environment names as a SOCKS proxy is none") from error
    raise SourceError("it leads from one address to the next, without end")


async def body(response: httpx.Response, settings: Settings) -> AsyncIterator[bytes]:
    """What an answer holds, as it comes.

    Raises:
        SlowError: it comes too slowly.
        httpx.TransportError: it breaks off, or nothing comes at all.
    """
    since, came = time.monotonic(), 0
    chunks = response.aiter_raw()
    while chunk := await _next(chunks, settings.timeout):
        came += len(chunk)
        passed = time.monotonic() - since
        if passed >= settings.timeout:
            if came < settings.slowest * passed:
                raise SlowError(f"it sends fewer than {settings.slowest:,.0f} bytes a second")
            since, came = time.monotonic(), 0
        yield chunk


async def _next(chunks: AsyncIterator[bytes], timeout: float) -> bytes:
    """The next chunk of a body, empty after the last; headers between chunks, which come one by one, are none."""
    try:
        with anyio.fail_after(timeout):
            return await anext(chunks, b"")
    except TimeoutError as error:
        raise PassingError("no answer in time") from error


def whole_size(response: httpx.Response) -> int | None:
    """The whole file's size, in bytes, where an answer tells it: partial or not.

    Raises:
        SourceError: it tells one that no file has.
    """
    if response.status_code == 206:
        _, _, told = response.headers.get("Content-Range", "").rpartition("/")
    else:
        told = response.headers.get("Content-Length", "")
    if not re.fullmatch("[0-9]+", told):
        return None
    if len(told) > 18:
        raise SourceError("it tells a size that no file has")
    return int(told)


def is_page(response: httpx.Response) -> bool:
    """Whether an answer is a web page, such as a network's that wants one to log in."""
    return str(response.headers.get("Content-Type", "")).lower().startswith("text/html")


def strong_etag(response: httpx.Response) -> str | None:
    """The version's tag, unless it is a weak one, which says nothing about bytes (RFC 9110, 8.8.3)."""
    etag = response.headers.get("ETag")
    return None if etag is None or etag.startswith("W/") else str(etag)


def _check(response: httpx.Response) -> None:
    """Raise for a status that is no success."""
    status = response.status_code
    if status in _RETRIED:
        raise PassingError(f"HTTP {status}", retry_after(response))
    if not response.is_success:
        raise SourceError(f"HTTP {status}")
