"""Bulk enrolment in the background: jobs that go on whoever listens, a batch of one person's photos at a time."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from facerec_cli.errors import FacerecError
from facerec_cli.faces.images import Photo
from facerec_cli.gallery.base import Gallery, written
from facerec_cli.recognition.enrolment import enroll_all
from facerec_cli.recognition.recognizer import Recognizer
from facerec_cli.recognition.results import Enrolment
from facerec_cli.service.people import outcome_of
from facerec_cli.service.problems import LOG, BusyProblem, Problem, problem_of

MOST_WAITING = 512 << 20
"""Bytes of the photos that wait, all jobs together."""
MOST_TOLD = 100_000
"""Photos of all jobs that are remembered: what became of each is told to whoever asks."""
MOST_JOBS = 100
_IDLE = 600.0
"""Seconds without photos after which a job takes no more."""
_REMEMBERED = 3_600.0
"""Seconds for which a job that has ended is remembered."""
_GRACE = 10.0
"""Seconds for what waits when the service is to end."""
_LATER = 5
"""Seconds after which a client who brings too much is to come again."""


@dataclass(frozen=True, eq=False)
class _Batch:
    """Photos of one person that came together."""

    name: str
    photos: Sequence[Photo]

    @property
    def bytes(self) -> int:
        return sum(len(photo.content) for photo in self.photos)


@dataclass(eq=False)
class Job:
    """Photos to enrol, and what became of them.

    Attributes:
        id: 16 hex digits that nobody guesses.
        created: Unix seconds.
        touched: when photos last came.
        received: photos that came.
        outcomes: what became of each that is done, as ``outcome_of`` has it.
        counts: how many of them came to what.
        is_closed: whether no more photos come.
        is_stopped: whether what is not enrolled yet is not to be.
        at_work: whether a batch is being enrolled.
        waiting: batches that are not begun.
        finished: when the last of it was done.
    """

    created: float
    touched: float
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    received: int = 0
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    is_closed: bool = False
    is_stopped: bool = False
    at_work: bool = False
    waiting: deque[_Batch] = field(default_factory=deque)
    finished: float | None = None

    @property
    def state(self) -> str:
        """``receiving``, ``finishing``, ``done`` or ``stopped``."""
        if self.is_stopped:
            return "stopped"
        if not self.is_closed:
            return "receiving"
        return "done" if self.finished else "finishing"

    def tell(self, outcome: dict[str, Any]) -> None:
        """Say what became of a photo."""
        self.counts[outcome["status"]] += 1
        self.outcomes.append(outcome)

    def to_json(self) -> dict[str, Any]:
        """The job as clients see it."""
        return {
            "id": self.id,
            "state": self.state,
            "received": self.received,
            "done": len(self.outcomes),
            "enrolled": self.counts["enrolled"],
            "already": self.counts["already enrolled"],
            "refused": self.counts["refused"],
            "created": _written(self.created),
            "finished": None if self.finished is None else _written(self.finished),
        }


class Jobs:
    """All jobs of a service, in turn on one thread; may be shared by threads."""

    def __init__(self, recognizer: Recognizer, gallery: Gallery, clock: Callable[[], float] = time.time) -> None:
        """Begin without any.

        Args:
            recognizer: the model.
            gallery: where people are enrolled.
            clock: tells the time, Unix seconds.
        """
        self._recognizer, self._gallery, self._clock = recognizer, gallery, clock
        self._lock = threading.RLock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="facerec-jobs")
        self._jobs: dict[str, Job] = {}
        self._turn: deque[Job] = deque()
        self._bytes = 0

    def create(self) -> Job:
        """A job that takes photos.

        Raises:
            BusyProblem: there are too many that have not ended.
        """
        with self._lock:
            self.tidy()
            self._make_room(MOST_JOBS - 1, MOST_TOLD)
            if len(self._jobs) >= MOST_JOBS:
                raise BusyProblem(_LATER)
            now = self._clock()
            job = Job(now, now)
            self._jobs[job.id] = job
            return job

    def all(self) -> list[Job]:
        """Those that are remembered, in the order of their creation."""
        with self._lock:
            self.tidy()
            return list(self._jobs.values())

    def get(self, number: str) -> Job | None:
        """A job by its id, where it is remembered."""
        with self._lock:
            self.tidy()
            return self._jobs.get(number)

    def add(self, job: Job, name: str, photos: Sequence[Photo]) -> None:
        """Take photos of one person on.

        Args:
            job: which.
            name: the person's, as it is stored.
            photos: files' bytes.

        Raises:
            BusyProblem: too many wait.
            Problem: the job takes no more.
        """
        batch = _Batch(name, photos)
        with self._lock:
            self.tidy()
            if job.is_closed:
                raise Problem("invalid", "The job takes no more photos: begin another.")
            self._make_room(MOST_JOBS, MOST_TOLD - len(photos))
            told = sum(one.received for one in self._jobs.values())
            if (self._bytes and self._bytes + batch.bytes > MOST_WAITING) or told + len(photos) > MOST_TOLD:
                raise BusyProblem(_LATER)
            self._bytes += batch.bytes
            job.received += len(photos)
            job.touched = self._clock()
            job.waiting.append(batch)
            if job not in self._turn:
                self._turn.append(job)
            self._worker.submit(self._work).add_done_callback(_log)

    def finish(self, job: Job) -> None:
        """Have a job take no more photos; what waits is enrolled."""
        with self._lock:
            job.is_closed = True
            self._end(job)

    def stop(self, job: Job) -> None:
        """Stop a job: photos that are not being looked at are not enrolled any more."""
        with self._lock:
            if job.finished is None:
                job.is_closed = job.is_stopped = True
                self._bytes -= sum(batch.bytes for batch in job.waiting)
                job.waiting.clear()
                if job in self._turn:
                    self._turn.remove(job)
                self._end(job)

    def tidy(self) -> None:
        """Have jobs end that have seen no photos for long, and forget those that ended long ago."""
        with self._lock:
            now = self._clock()
            for job in list(self._jobs.values()):
                if not (job.is_closed or job.waiting or job.at_work) and now - job.touched > _IDLE:
                    self.finish(job)
                if job.finished is not None and now - job.finished > _REMEMBERED:
                    del self._jobs[job.id]

    def close(self) -> None:
        """Enrol what waits; past some seconds, stop it."""
        through = threading.Event()
        self._worker.submit(through.set)
        through.wait(_GRACE)
        for job in self.all():
            self.stop(job)
        self._worker.shutdown()

    def _make_room(self, jobs: int, told: int) -> None:
        """Forget jobs that have ended, the first first, until there are no more than so many, and so many photos."""
        for job in [job for job in self._jobs.values() if job.finished is not None]:
            if len(self._jobs) <= jobs and sum(one.received for one in self._jobs.values()) <= told:
                return
            del self._jobs[job.id]

    def _end(self, job: Job) -> None:
        if job.is_closed and job.finished is None and not job.waiting and not job.at_work:
            job.finished = self._clock()

    def _work(self) -> None:
        """Enrol a batch: the next of the job whose turn it is; none where it was stopped meanwhile."""
        with self._lock:
            if not self._turn:
                return
            job = self._turn.popleft()
            batch = job.waiting.popleft()
            if job.waiting:
                self._turn.append(job)
            job.at_work = True
        left = [photo.source for photo in batch.photos]
        problem = "The service met something it did not expect: its log says what."
        try:
            named = [(batch.name, photo) for photo in batch.photos]
            for outcome in enroll_all(self._recognizer, self._gallery, named, is_stopped=lambda: job.is_stopped):
                left.remove(outcome.source)
                job.tell(outcome_of(outcome))
        except FacerecError as error:
            problem = problem_of(error).detail
        finally:
            with self._lock:
                for source in () if job.is_stopped else left:
                    job.tell(outcome_of(Enrolment(source, batch.name)) | {"status": "refused", "error": problem})
                self._bytes -= batch.bytes
                job.at_work = False
                self._end(job)


def _log(work: Future[None]) -> None:
    error = work.exception()
    if error is not None:
        LOG.error("A batch of a job ended unexpectedly", exc_info=error)


def _written(seconds: float) -> str:
    return written(datetime.fromtimestamp(seconds, timezone.utc))
