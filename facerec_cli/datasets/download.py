"""Parallel, resumable, verified downloads over HTTP."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol, TypeVar

import anyio
import httpx

from facerec_cli.datasets.pieces import Pieces, Span, Version
from facerec_cli.datasets.remote import RemoteFile
from facerec_cli.defaults import VERSION
from facerec_cli.errors import FetchError, FetchFolderError, SourcesError
from facerec_cli.files import move_in, refusal

Outcome = TypeVar("Outcome")

SPLIT = 1 << 20
"""No range smaller than this is split between connections, bytes."""
LONGEST_WAIT = 60.0
_RETRIED = {408, 425, 429, 500, 502, 503, 504}


class DownloadWatcher(Protocol):
    """Told how downloads go."""

    def started(self, name: str, done: int, total: int | None) -> None:
        """A file begins, or begins anew, with so many bytes there already."""

    def advanced(self, name: str, count: int) -> None:
        """So many more bytes of a file have come."""

    def finished(self, name: str) -> None:
        """A file is there, whole and verified."""

    def noted(self, sentence: str) -> None:
        """Something went wrong and is being dealt with."""


class NoWatcher(DownloadWatcher):
    """For whoever wants to know nothing."""

    def started(self, name: str, done: int, total: int | None) -> None:
        pass

    def advanced(self, name: str, count: int) -> None:
        pass

    def finished(self, name: str) -> None:
        pass

    def noted(self, sentence: str) -> None:
        pass


@dataclass(frozen=True)
class Settings:
    """How hard to try.

    Attributes:
        jobs: connections a file.
        timeout: seconds without a byte after which a connection is given up.
        attempts: failures in a row, without a byte between them, after which a source is given up.
        pause: first wait after a failure, seconds; doubled at each further one.
    """

    jobs: int = 8
    timeout: float = 20.0
    attempts: int = 6
    pause: float = 0.5


DEFAULT_SETTINGS = Settings()


def new_client(settings: Settings, files: int = 1) -> httpx.AsyncClient:
    """A client that follows redirects and heeds the environment's proxies and certificates."""
    limits = httpx.Limits(max_connections=settings.jobs * files + files, max_keepalive_connections=settings.jobs)
    headers = {"Accept-Encoding": "identity", "User-Agent": f"facerec/{VERSION}"}
    return httpx.AsyncClient(follow_redirects=True, timeout=settings.timeout, limits=limits, headers=headers)


def download(
    files: Sequence[RemoteFile], folder: Path, watcher: DownloadWatcher, settings: Settings = DEFAULT_SETTINGS
) -> dict[str, FetchError | None]:
    """Fetch files into a folder, all at the same time; each is whole and verified, or absent.

    What came of a file that could not be finished is kept, and gone on with at the next call.

    Returns:
        For each file's name None, or why it could not be fetched.
    """
    outcomes: dict[str, FetchError | None] = {}

    async def one(client: httpx.AsyncClient, file: RemoteFile) -> None:
        try:
            await _Download(client, file, folder, watcher, settings).run()
            outcomes[file.name] = None
        except FetchError as error:
            outcomes[file.name] = error
        except OSError as error:
            outcomes[file.name] = unwritable(folder / file.name, error)

    async def everything() -> None:
        async with new_client(settings, len(files)) as client, anyio.create_task_group() as tasks:
            for file in files:
                tasks.start_soon(one, client, file)

    anyio.run(everything)
    return outcomes


class _SourceError(Exception):
    """A source cannot give the file; the text says why."""


class _ChangedError(Exception):
    """The file is not the one that the pieces on disk belong to."""


class _PassingError(Exception):
    """A failure that may not come again; ``wait`` is how long the server asked to be left alone, seconds."""

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


@dataclass
class _Segment:
    """A range being fetched: where it began, how far it is, and where it ends.

    The end moves when another connection takes a share.
    """

    start: int
    position: int
    stop: int


class _Download:
    """One file on its way."""

    def __init__(
        self, client: httpx.AsyncClient, file: RemoteFile, folder: Path, watcher: DownloadWatcher, settings: Settings
    ) -> None:
        self.client, self.file, self.watcher, self.settings = client, file, watcher, settings
        self.target = folder / file.name
        self.pieces = Pieces(self.target)

    async def run(self) -> None:
        """Try each source until the file is there."""
        if self.target.exists() and self.file.sha256 in (None, sha256_of(self.target)):
            return
        failures = []
        for url in self.file.urls:
            try:
                await self._from(url)
            except _SourceError as error:
                failures.append(f"{url}: {error}")
                if url != self.file.urls[-1]:
                    self.watcher.noted(f"{self.file.name} does not come from {failures[-1]}; trying the next source.")
            else:
                self.watcher.finished(self.file.name)
                return
        raise SourcesError(f"{self.file.name} could not be fetched ({'; '.join(failures)})", "try again later")

    async def _from(self, url: str) -> None:
        for _ in range(3):
            try:
                await self._bring(url)
            except _ChangedError:
                self.watcher.noted(f"{self.file.name} changed at its source on the way: starting it anew.")
                self.pieces.discard()
            else:
                self._finish()
                return
        raise _SourceError("the file keeps changing there")

    async def _bring(self, url: str) -> None:
        """Bring every byte, as pieces on disk."""
        source = None
        if self.file.size is None or self.file.size > SPLIT:
            source = await self._persist(lambda: self._probe(url))
        if source is None:
            await self._persist(lambda: self._whole(url))
            return
        known = self.pieces.source()
        same_bytes = known is not None and known.size == source.size
        if known and known.url == url:
            same_bytes = same_bytes and known.etag == source.etag
        elif self.file.sha256 is None:
            # Without a checksum nothing says that two sources have the same bytes.
            same_bytes = False
        if not same_bytes:
            self.pieces.discard()
        self.pieces.begin(source)
        gaps = self.pieces.gaps(source.size)
        missing = sum(stop - start for start, stop in gaps)
        self._check_space(missing)
        self.watcher.started(self.file.name, source.size - missing, source.size)
        await self._fetch_gaps(source, gaps)

    async def _fetch_gaps(self, source: Version, gaps: list[Span]) -> None:
        waiting = [_Segment(start, start, stop) for start, stop in _split(gaps, self.settings.jobs)]
        running: list[_Segment] = []
        failures: list[Exception] = []

        def take() -> _Segment | None:
            if waiting:
                return waiting.pop(0)
            longest = max(running, key=lambda segment: segment.stop - segment.position, default=None)
            if longest is None or longest.stop - longest.position < 2 * SPLIT:
                return None
            middle = (longest.position + longest.stop) // 2
            share = _Segment(middle, middle, longest.stop)
            longest.stop = middle
            return share

        async def work() -> None:
            try:
                while (segment := take()) is not None:
                    running.append(segment)
                    await self._persist(
                        lambda current=segment: self._range(source, current),  # type: ignore[misc]
                        lambda current=segment: current.position,  # type: ignore[misc]
                    )
                    running.remove(segment)
            except (_SourceError, _ChangedError) as error:
                failures.append(error)
                tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            for _ in range(self.settings.jobs):
                tasks.start_soon(work)
        if failures:
            raise failures[0]

    async def _probe(self, url: str) -> Version | None:
        """The file's size and version, or None where the server does not give ranges."""
        async with self.client.stream("GET", url, headers={"Range": "bytes=0-0"}) as response:
            _check(response)
            total = _total(response)
            return None if total is None else Version(url, total, _strong_etag(response))

    async def _range(self, source: Version, segment: _Segment) -> None:
        """Bring the rest of a segment."""
        headers = {"Range": f"bytes={segment.position}-{segment.stop - 1}"}
        if source.etag:
            headers["If-Range"] = source.etag
        async with self.client.stream("GET", source.url, headers=headers) as response:
            if response.status_code == 416:
                raise _ChangedError
            _check(response)
            if _total(response) != source.size or _strong_etag(response) != source.etag:
                raise _ChangedError
            with self.pieces.piece(segment.start).open("ab", buffering=0) as piece:
                async for chunk in response.aiter_raw():
                    wanted = chunk[: segment.stop - segment.position]
                    piece.write(wanted)
                    segment.position += len(wanted)
                    self.watcher.advanced(self.file.name, len(wanted))
                    if segment.position >= segment.stop:
                        return
        if segment.position < segment.stop:
            raise _PassingError("the connection ended early")

    async def _whole(self, url: str) -> None:
        """Bring the file in one stream, from its first byte."""
        self.pieces.discard()
        async with self.client.stream("GET", url) as response:
            _check(response)
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else None
            self._check_space(total or 0)
            self.watcher.started(self.file.name, 0, total)
            self.pieces.begin(Version(url, total or 0, None))
            came = 0
            with self.pieces.piece(0).open("wb", buffering=0) as piece:
                async for chunk in response.aiter_raw():
                    piece.write(chunk)
                    came += len(chunk)
                    self.watcher.advanced(self.file.name, len(chunk))
        if total is not None and came < total:
            raise _PassingError("the connection ended early")

    def _finish(self) -> None:
        """Join the pieces, verify them, and put the file in its place."""
        whole = self.pieces.assemble()
        if self.file.sha256 is not None and sha256_of(whole) != self.file.sha256:
            self.pieces.discard()
            raise _SourceError("what came from there is not the right file, its SHA-256 differs")
        move_in(whole, self.target)
        self.pieces.discard()

    def _check_space(self, needed: int) -> None:
        free = shutil.disk_usage(self.target.parent).free
        if free < needed:
            raise FetchFolderError(
                f"{self.file.name} needs {needed / 1e6:,.0f} MB more and the disk of {self.target.parent} has "
                f"{free / 1e6:,.0f} MB free",
                "make room",
            )

    async def _persist(
        self, work: Callable[[], Awaitable[Outcome]], position: Callable[[], int] = lambda: 0
    ) -> Outcome:
        """Work until it succeeds; wait after each failure, the longer the more there were without a byte between."""
        failures = 0
        while True:
            before = position()
            try:
                return await work()
            except (httpx.TransportError, _PassingError) as error:
                failures = 1 if position() > before else failures + 1
                if failures >= self.settings.attempts:
                    raise _SourceError(_reason(error)) from error
                asked = error.wait if isinstance(error, _PassingError) else None
            wait = self.settings.pause * 2 ** (failures - 1) * random.uniform(0.5, 1.5)
            await anyio.sleep(min(LONGEST_WAIT, wait if asked is None else asked))


def unwritable(path: Path, error: OSError) -> FetchFolderError:
    """What the system's refusal to write a data set's file or folder means."""
    reason, remedy = refusal(error)
    return FetchFolderError(f"{path} cannot be written, {reason}", remedy)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _split(gaps: list[Span], jobs: int) -> list[Span]:
    """The gaps, the longest halved until there is work for every connection."""
    spans = sorted(gaps)
    while spans and len(spans) < jobs:
        longest = max(spans, key=lambda span: span[1] - span[0])
        if longest[1] - longest[0] < 2 * SPLIT:
            break
        middle = (longest[0] + longest[1]) // 2
        spans.remove(longest)
        spans += [(longest[0], middle), (middle, longest[1])]
    return sorted(spans)


def _check(response: httpx.Response) -> None:
    """Raise for a status that is no success."""
    status = response.status_code
    if status in _RETRIED:
        raise _PassingError(f"HTTP {status}", _retry_after(response))
    if not response.is_success:
        raise _SourceError(f"HTTP {status}")


def _total(response: httpx.Response) -> int | None:
    """The whole file's size, from a partial response; None for a response that is not partial."""
    _, _, total = response.headers.get("Content-Range", "").rpartition("/")
    return int(total) if response.status_code == 206 and total.isdigit() else None


def _strong_etag(response: httpx.Response) -> str | None:
    """The version's tag, unless it is a weak one, which says nothing about bytes (RFC 9110, 8.8.3)."""
    etag = response.headers.get("ETag")
    return None if etag is None or etag.startswith("W/") else str(etag)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds to wait, from a header that holds seconds or a date (RFC 9110, 10.2.3)."""
    value = response.headers.get("Retry-After", "")
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError):
        return None


def _reason(error: Exception) -> str:
    """A failure in few words."""
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        return "no connection"
    return str(error) or type(error).__name__
