"""Parallel, resumable, verified downloads over HTTP."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, TypeVar

import anyio
import httpx

from facerec_cli.datasets.answers import (
    DEFAULT_SETTINGS,
    PassingError,
    Settings,
    SlowError,
    SourceError,
    answer,
    body,
    is_page,
    new_client,
    strong_etag,
    whole_size,
)
from facerec_cli.datasets.pieces import Pieces, Span, Version
from facerec_cli.datasets.remote import LARGEST, RemoteFile
from facerec_cli.datasets.workplace import unwritable
from facerec_cli.errors import FetchError, FetchFolderError, SourcesError
from facerec_cli.files import move_in
from facerec_cli.http import reason

Outcome = TypeVar("Outcome")

SPLIT = 1 << 20
"""No range smaller than this is split between connections, bytes."""
LONGEST_WAIT = 60.0


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


def download(
    files: Sequence[RemoteFile], folder: Path, watcher: DownloadWatcher, settings: Settings = DEFAULT_SETTINGS
) -> dict[str, FetchError | None]:
    """Fetch files into a folder, all at the same time; each is whole and verified, or absent.

    What came of a file that could not be finished is kept, and gone on with at the next call.

    Returns:
        For each file's name None, or why it could not be fetched.

    Raises:
        NetworkSettingsError: what the environment says about the network cannot be used.
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

    async def everything(client: httpx.AsyncClient) -> None:
        async with client, anyio.create_task_group() as tasks:
            for file in files:
                tasks.start_soon(one, client, file)

    anyio.run(everything, new_client(settings, len(files)))
    return outcomes


class _ChangedError(Exception):
    """The file is not the one that the pieces on disk belong to."""


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
        if self.target.exists() and sha256_of(self.target) == self.file.sha256:
            self.pieces.discard()
            return
        failures = []
        for url in self.file.urls:
            try:
                await self._from(url)
            except SourceError as error:
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
        raise SourceError("the file keeps changing there")

    async def _bring(self, url: str) -> None:
        """Bring every byte, as pieces on disk."""
        source = await self._persist(url, lambda: self._probe(url))
        if source is None:
            await self._persist(url, lambda: self._whole(url))
            return
        known = self.pieces.source()
        # Two sources of one size have the same bytes, or the checksum will tell; one source may have two versions.
        if known is None or known.size != source.size or (known.url == url and known.etag != source.etag):
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
                        source.url,
                        lambda current=segment: self._range(source, current),  # type: ignore[misc]
                        lambda current=segment: current.position,  # type: ignore[misc]
                    )
                    running.remove(segment)
            except (SourceError, _ChangedError, OSError) as error:
                failures.append(error)
                tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            for _ in range(self.settings.jobs):
                tasks.start_soon(work)
        if failures:
            raise failures[0]

    async def _probe(self, url: str) -> Version | None:
        """The file's size and version, or None where the server does not give ranges."""
        async with answer(self.client, url, self.settings, {"Range": "bytes=0-0"}) as response:
            total = self._checked_size(response)
            return None if total is None or response.status_code != 206 else Version(url, total, strong_etag(response))

    async def _range(self, source: Version, segment: _Segment) -> None:
        """Bring the rest of a segment."""
        headers = {"Range": f"bytes={segment.position}-{segment.stop - 1}"}
        if source.etag:
            headers["If-Range"] = source.etag
        async with answer(self.client, source.url, self.settings, headers) as response:
            if response.status_code != 206 or whole_size(response) != source.size:
                raise _ChangedError
            if strong_etag(response) != source.etag:
                raise _ChangedError
            with self.pieces.piece(segment.start).open("ab", buffering=0) as piece:
                async for chunk in body(response, self.settings):
                    wanted = chunk[: segment.stop - segment.position]
                    _write(piece, wanted)
                    segment.position += len(wanted)
                    self.watcher.advanced(self.file.name, len(wanted))
                    if segment.position >= segment.stop:
                        return
        if segment.position < segment.stop:
            raise PassingError("the connection ended early")

    async def _whole(self, url: str) -> None:
        """Bring the file in one stream, from its first byte."""
        self.pieces.discard()
        async with answer(self.client, url, self.settings) as response:
            total = self._checked_size(response)
            most = self.file.size or LARGEST
            self._check_space(total or 0)
            self.watcher.started(self.file.name, 0, total)
            self.pieces.begin(Version(url, total or 0, None))
            came = 0
            with self.pieces.piece(0).open("wb", buffering=0) as piece:
                async for chunk in body(response, self.settings):
                    came += len(chunk)
                    if came > most:
                        raise SourceError(f"it does not end after {most:,} bytes")
                    _write(piece, chunk)
                    self.watcher.advanced(self.file.name, len(chunk))
        if total is not None and came < total:
            raise PassingError("the connection ended early")

    def _checked_size(self, response: httpx.Response) -> int | None:
        """The file's size, where the answer tells it, which must be the one that is known."""
        total = whole_size(response)
        if total is None or (total == self.file.size if self.file.size else total <= LARGEST):
            return total
        if is_page(response):
            raise SourceError("a web page is there in place of the file, perhaps to log in to this network")
        wanted = f"{self.file.size:,}" if self.file.size else f"at most {LARGEST:,}"
        raise SourceError(f"{total:,} bytes are there, and the file has {wanted}")

    def _finish(self) -> None:
        """Join the pieces, verify them, and put the file in its place."""
        whole = self.pieces.assemble()
        if sha256_of(whole) != self.file.sha256:
            is_markup = _begins_with_markup(whole)
            self.pieces.discard()
            raise SourceError(
                "a web page came from there in place of the file, perhaps to log in to this network"
                if is_markup
                else "what came from there is not the right file, its SHA-256 differs"
            )
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
        self, url: str, work: Callable[[], Awaitable[Outcome]], position: Callable[[], int] = lambda: 0
    ) -> Outcome:
        """Work until it succeeds; wait after each failure, the longer the more there were without a byte between."""
        failures = 0
        while True:
            before = position()
            try:
                return await work()
            except (httpx.TransportError, PassingError) as error:
                came = position() > before and not isinstance(error, SlowError)
                failures = 1 if came else failures + 1
                if failures >= self.settings.attempts:
                    raise SourceError(reason(error, url)) from error
                asked = error.wait if isinstance(error, PassingError) else None
            wait = self.settings.pause * 2 ** (failures - 1) * random.uniform(0.5, 1.5)
            await anyio.sleep(min(LONGEST_WAIT, wait if asked is None else asked))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _write(piece: IO[bytes], data: bytes) -> None:
    """Write all of it: an unbuffered file writes what it has room for, and tells of the rest at the next time."""
    rest = memoryview(data)
    while rest:
        rest = rest[piece.write(rest) :]


def _begins_with_markup(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


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
