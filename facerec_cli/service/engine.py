"""What does the work of a service: the model, loaded once, the gallery, and threads for both."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from facerec_cli.defaults import DEFAULT_FPIR
from facerec_cli.errors import NobodyEnrolledError
from facerec_cli.faces.images import Photo, pixel_count
from facerec_cli.gallery.opening import open_gallery
from facerec_cli.gallery.place import STRANGERS
from facerec_cli.parallel import usable_cores
from facerec_cli.recognition.embedding import embed_pending
from facerec_cli.recognition.identification import Identifier
from facerec_cli.recognition.recognizer import Recognizer
from facerec_cli.service.problems import LOG, BusyProblem, Problem
from facerec_cli.service.settings import Settings
from facerec_cli.service.strangers import Strangers

Result = TypeVar("Result")

LARGE = 16_000_000
"""Pixels from which on a photo waits for the thread of large ones, and the others need not wait for it."""
_MOST_KEPT = 64
"""Things made of one gallery that are kept, such as the identifiers for so many rates."""


class PendingError(Exception):
    """The model does not know everybody enrolled yet."""


class Engine:
    """Looks at photos and at the gallery; its coroutines belong to one event loop.

    Attributes:
        settings: what the service was started with.
        recognizer: the model.
        gallery: the people.
        strangers: those who are remembered; None where they are not.
        stopping: set when the service is to end; whatever listens without end heeds it.
    """

    def __init__(self, settings: Settings) -> None:
        """Open the gallery and begin to load the model.

        Raises:
            DatabaseError: there is no such gallery, and none may be made, or it cannot be used.
            ModelError: there is no such model.
        """
        self.settings = settings
        self.recognizer = Recognizer(settings.model, device=settings.device)
        self.gallery = open_gallery(settings.database, create=not settings.read_only)
        self.gallery.snapshot()
        self.strangers = self._strangers()
        self.stopping = threading.Event()
        self._small = ThreadPoolExecutor(usable_cores(), thread_name_prefix="facerec-photos")
        self._large = ThreadPoolExecutor(1, thread_name_prefix="facerec-large")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="facerec-writer")
        self._reader = ThreadPoolExecutor(4, thread_name_prefix="facerec-reader")
        self._student = ThreadPoolExecutor(1, thread_name_prefix="facerec-student")
        self._requests = 0
        self._lock = threading.Lock()
        self._version: Hashable = None
        self._embedded: Hashable = None
        self._kept: dict[Hashable, Future[Any]] = {}

    def _strangers(self) -> Strangers | None:
        folder, kept = self.gallery.beside, self.settings.strangers_kept
        if kept:
            return Strangers(folder, self.recognizer, self.gallery, kept)
        if (folder / STRANGERS).exists():
            LOG.warning("%s remembers strangers from before: delete it, or go on remembering.", folder / STRANGERS)
        return None

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Take on a request for the block.

        Raises:
            BusyProblem: too many are being answered, or wait.
        """
        if self._requests >= self.settings.limits.requests:
            raise BusyProblem
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    @property
    def requests(self) -> int:
        """How many have been taken on and are not answered yet."""
        return self._requests

    async def look(
        self, photos: Sequence[Photo], function: Callable[[Photo], Result], left: Callable[[], Awaitable[object]]
    ) -> list[Result]:
        """Apply a function to each photo of a request, on threads, a few of one request at a time.

        Args:
            photos: of the request.
            function: what to do with each.
            left: returns when the client is gone: then photos that are not begun need no look.

        Raises:
            BusyProblem: as ``admitted``.
            Problem: nobody waits for the answer any more.
        """
        turn = asyncio.Semaphore(usable_cores() + 1)

        async def one(photo: Photo) -> Result:
            async with turn:
                lane = self._large if pixel_count(photo) >= LARGE else self._small
                return await asyncio.get_running_loop().run_in_executor(lane, function, photo)

        async with self.admitted():
            asked = [asyncio.ensure_future(one(photo)) for photo in photos]
            looked, leaving = asyncio.gather(*asked), asyncio.ensure_future(left())
            waited: list[asyncio.Future[Any]] = [looked, leaving]
            try:
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                if not looked.done():
                    raise Problem("invalid", "The client left before the answer was there: ask again.")
                return await looked
            finally:
                # Of a request that has failed the other photos need no look: nobody counts them any more.
                for task in (leaving, *asked):
                    task.cancel()

    async def write(self, function: Callable[[], Result]) -> Result:
        """Call what changes the gallery, one at a time.

        Raises:
            BusyProblem: as ``admitted``.
        """
        async with self.admitted():
            return await asyncio.get_running_loop().run_in_executor(self._writer, function)

    async def read(self, function: Callable[[], Result]) -> Result:
        """Call what takes a quick look at the gallery."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, function)

    async def study(self, function: Callable[[], Result]) -> Result:
        """Call what takes a long look at the gallery, one at a time; quick looks go on beside it.

        Raises:
            BusyProblem: as ``admitted``.
        """
        async with self.admitted():
            return await asyncio.get_running_loop().run_in_executor(self._student, function)

    def identifier(self, fpir: float, threshold: float | None) -> Identifier:
        """Who names faces by the gallery as it is now; blocks.

        Raises:
            NobodyEnrolledError: nobody is enrolled.
            PendingError: ``embed_pending`` has something to do first: that may take minutes.
            UncalibratedModelError: there is neither a calibration nor a threshold.
            DatabaseError, ModelError: the gallery or the model cannot be used.
        """
        return self.kept(
            ("identifier", fpir, threshold),
            lambda: self._identifier(fpir, threshold),
        )

    def _identifier(self, fpir: float, threshold: float | None) -> Identifier:
        if self.is_pending():
            raise PendingError
        return Identifier(self.recognizer, self.gallery, fpir=fpir, threshold=threshold)

    def is_pending(self) -> bool:
        """Whether ``embed_pending`` has something to do."""
        snapshot = self.gallery.snapshot()
        return snapshot.version != self._embedded and snapshot.pending_count(self.recognizer.comparison.digest) > 0

    async def embed_pending(self) -> None:
        """Have the model embed whom it does not know yet; a chip that is lost is asked for once.

        Raises:
            BusyProblem: as ``admitted``.
            DatabaseError, ModelError: the gallery or the model cannot be used.
        """
        await self.write(self._embed_pending)

    def _embed_pending(self) -> None:
        self._embedded = embed_pending(self.recognizer, self.gallery).snapshot.version

    def latest_identifier(self) -> Identifier | None:
        """Who names faces by the gallery as it is now, once the model knows everybody; None where nobody is enrolled.

        For threads other than the engine's: it blocks, for minutes where many people are not embedded yet.

        Raises:
            UncalibratedModelError: the model is not calibrated.
            DatabaseError, ModelError: the gallery or the model cannot be used.
        """
        while True:
            try:
                return self.identifier(DEFAULT_FPIR, None)
            except NobodyEnrolledError:
                return None
            except PendingError:
                self._writer.submit(self._embed_pending).result()

    def kept(self, key: Hashable, make: Callable[[], Result]) -> Result:
        """What was made of the gallery as it is now: made once for all who ask, until something changes; blocks.

        Args:
            key: what it is.
            make: makes it; what it raises is raised, and not kept.
        """
        with self._lock:
            version = self.gallery.snapshot().version
            if version != self._version or len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
                self._version = version
            maker: Future[Result] = Future()
            kept: Future[Result] = self._kept.setdefault(key, maker)
        if kept is maker:
            try:
                kept.set_result(make())
            except Exception as error:
                with self._lock:
                    if self._kept.get(key) is kept:
                        del self._kept[key]
                kept.set_exception(error)
        return kept.result()

    def load(self) -> None:
        """Wait until the model is loaded.

        Raises:
            ModelError: it cannot be.
        """
        self.recognizer.embed([])

    def close(self) -> None:
        """End the threads, once they have finished what they are at."""
        for lane in (self._small, self._large, self._writer, self._reader, self._student):
            lane.shutdown(wait=True, cancel_futures=True)
        if self.strangers:
            self.strangers.close()
