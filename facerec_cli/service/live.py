"""Live sources: cameras and streams that are watched, a thread each, and what is told of them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from facerec_cli.defaults import UNKNOWN
from facerec_cli.errors import DatabaseError, FacerecError, VideoError
from facerec_cli.faces.sources import Source
from facerec_cli.faces.video import Frame, Stream
from facerec_cli.gallery.base import written
from facerec_cli.parallel import usable_cores
from facerec_cli.recognition.numbering import Numbering
from facerec_cli.recognition.recognizer import Recognizer
from facerec_cli.recognition.visits import GONE, Event, Visit
from facerec_cli.recognition.watching import Look, watch
from facerec_cli.service.engine import Engine
from facerec_cli.service.picture import Picture
from facerec_cli.service.problems import LOG, BusyProblem, Problem, problem_of
from facerec_cli.service.strangers import Strangers

MOST_VIEWERS = 16
"""Who may wait for the next picture at a time, of all sources together."""
MOST_EVENTS = 300
"""Of a source: the newest are told to whoever asks."""
EVENTS_KEPT = 86_400.0
"""Seconds for which an event is told."""
_EVERY = 0.15
"""Seconds between two frames of a source that are looked at."""
_COUNTED = 10.0
"""Seconds over which it is counted how many frames are looked at."""
_SOON, _LATE = 5.0, 60.0
"""Seconds after which a source that could not be opened is tried again: at first, and at most."""


@dataclass(frozen=True, eq=False)
class _Told:
    """An event: when it was, by the clock that never goes back; whose; and what is told of it."""

    time: float
    visit: Visit
    record: dict[str, Any]


@dataclass(eq=False)
class _There:
    """Somebody who is there: how they were told, whether they are enrolled still, and when they were seen last."""

    visit: Visit
    is_known: bool
    seen: float

    def to_json(self) -> dict[str, Any]:
        came = self.visit.first.time
        return {
            "visit": self.visit.number,
            "name": self.visit.decision.name if self.is_known else UNKNOWN,
            "stranger": self.visit.stranger,
            "since": written(came) if came else None,
        }


class LiveSource:
    """One that is watched.

    Attributes:
        id: its number; none is used twice while the service runs.
        source: where its pictures come from.
        picture: what it shows now.
    """

    def __init__(self, number: int, source: Source) -> None:
        """Begin without a picture."""
        self.id, self.source, self.picture = number, source, Picture()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._stream: Stream | None = None
        self._state, self._why, self._since = "opening", "", time.time()
        self._times: deque[float] = deque(maxlen=1_000)
        self._looked = 0
        self._there: dict[int, _There] = {}
        self._forgotten: set[int] = set()  # visits of whoever is there and forgotten
        # Higher than any of a run before this one, so that a client who goes on behind its last event misses none.
        self._number = time.time_ns() // 1_000_000
        self._events: deque[_Told] = deque(maxlen=MOST_EVENTS)

    # ------------------------------------------------------------------ what is told

    def to_json(self) -> dict[str, Any]:
        """The source as clients see it."""
        with self._lock:
            now, stream = time.monotonic(), self._stream
            seen = [at for at in self._times if now - at <= _COUNTED]
            is_running = self._state == "running"
            width, height = stream.size if stream else (0, 0)
            return {
                "id": self.id,
                "name": self.source.name,
                "state": self._state,
                "why": self._why or None,
                "since": written(datetime.fromtimestamp(self._since, timezone.utc)),
                "width": width,
                "height": height,
                "rate": round(len(seen) / max(1.0, now - seen[0]), 1) if seen else 0.0,
                "looked": self._looked,
                "skipped": stream.skipped if stream else 0,
                "interruptions": stream.interruptions if stream else 0,
                "present": [there.to_json() for there in self._there.values() if is_running],
            }

    def events(self, after: int) -> list[dict[str, Any]]:
        """Who came and went, behind an event's number, the oldest first."""
        with self._lock:
            self._forget_old()
            return [event.record for event in self._events if event.record["id"] > after]

    def forget(self, is_of: Callable[[Visit], bool]) -> None:
        """Forget who came and went, where it is somebody's visit; that they leave is not told then."""
        with self._lock:
            for number, there in self._there.items():
                if is_of(there.visit):
                    there.is_known = False
                    self._forgotten.add(number)
            self._events = deque((event for event in self._events if not is_of(event.visit)), MOST_EVENTS)

    # ------------------------------------------------------------------ what is watched

    def run(self, looks: Callable[[Stream], Iterator[Look]]) -> None:
        """Watch until it ends, or ``stop`` is called; what cannot be opened is tried again.

        Args:
            looks: what comes of the frames of a stream.
        """
        pause = _SOON
        while not self._ended.is_set():
            try:
                self._watch(Stream(self.source, every=_EVERY, on_state=self._heard), looks)
                return self._tell("ended")
            except VideoError as error:
                self.fail(f"{error}: {error.remedy}." if error.remedy else f"{error}.")
            except FacerecError as error:
                self.fail(problem_of(error).detail)
            if self._ended.wait(pause):
                return None
            pause = min(2 * pause, _LATE)
        return None

    def _watch(self, stream: Stream, looks: Callable[[Stream], Iterator[Look]]) -> None:
        with self._lock:
            self._stream = stream
        if self._ended.is_set():
            stream.stop()
        with stream:
            self._tell("running")
            for look in looks(stream):
                self._take(look)
                self.picture.show(look)

    def _take(self, look: Look) -> None:
        now = look.frame.position
        with self._lock:
            self._looked += 1
            self._times.append(time.monotonic())
            for event in look.events:
                self._note(event, now)
            for track in look.tracks:
                if track.visit in self._there:
                    self._there[track.visit].seen, self._there[track.visit].is_known = now, track.is_known
            # A visit that turned out to be another's goes on as that one, and nobody says that it is over.
            self._there = {number: there for number, there in self._there.items() if now - there.seen <= GONE}

    def paced(self, stream: Stream) -> Iterator[Frame]:
        """The frames of a stream in real time: those of a file when their time has come, and as if seen then."""
        begun = time.monotonic()
        for frame in stream:
            if stream.is_live:
                yield frame
            elif not self._ended.wait(max(0.0, begun + frame.position - time.monotonic())):
                yield replace(frame, time=datetime.now(timezone.utc))

    def stop(self) -> None:
        """Have it end soon."""
        self._ended.set()
        with self._lock:
            stream = self._stream
        if stream:
            stream.stop()

    def fail(self, why: str) -> None:
        """It is not watched, for now: one sentence says why."""
        with self._lock:
            self._there.clear()
            self._forgotten.clear()
        self._tell("failed", why)

    def _heard(self, _told: str) -> None:
        if self._stream and self._stream.is_lost:
            self._tell("lost", "It gives no picture any more, and is sought until it is back.")
        else:
            self._tell("running")

    def _tell(self, state: str, why: str = "") -> None:
        with self._lock:
            if (state, why) != (self._state, self._why):
                self._state, self._why, self._since = state, why, time.time()
                LOG.info("%s: %s", self.source.name, why or state)

    def _note(self, event: Event, now: float) -> None:
        number = event.visit.number
        is_forgotten = number in self._forgotten
        self._forgotten.discard(number)
        if event.kind == "arrived":
            self._there[number] = _There(event.visit, event.visit.decision.is_known, now)
        else:
            self._there.pop(number, None)
            if is_forgotten:
                return
        self._number += 1
        self._events.append(_Told(time.monotonic(), event.visit, {"id": self._number} | event.to_json()))
        self._forget_old()

    def _forget_old(self) -> None:
        while self._events and time.monotonic() - self._events[0].time > EVENTS_KEPT:
            self._events.popleft()


class _Remembering(Numbering):
    """Numbers strangers by the groups in which they are remembered."""

    def __init__(self, strangers: Strangers, source: str) -> None:
        self._strangers, self._source = strangers, source

    def number(self, visit: Visit) -> int | None:
        try:
            return self._strangers.remember_visit(self._source, visit)
        except DatabaseError as error:  # a full disk keeps nobody from being seen
            LOG.error("Strangers could not be remembered: %s", error)
            return None


class Live:
    """All live sources of a service; may be shared by threads."""

    def __init__(self, engine: Engine) -> None:
        """Watch nothing yet."""
        self._engine = engine
        self._most = engine.settings.limits.sources
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(self._most, thread_name_prefix="facerec-live")
        # A core is left to photos: who asks about one waits for no camera.
        self._turn = threading.BoundedSemaphore(max(1, usable_cores() - 1))
        self._sources: dict[int, LiveSource] = {}
        self._loading = threading.Lock()
        self._recognizer: Recognizer | None = None
        self._last = self._viewers = 0

    def all(self) -> list[LiveSource]:
        """The sources, in the order in which they were added."""
        with self._lock:
            return list(self._sources.values())

    def get(self, number: int) -> LiveSource | None:
        """A source by its id, if it is watched."""
        with self._lock:
            return self._sources.get(number)

    def add(self, source: Source) -> tuple[LiveSource, bool]:
        """Watch a source.

        Returns:
            The source, and whether it was not watched before.

        Raises:
            Problem: there are too many.
        """
        with self._lock:
            known = next((one for one in self._sources.values() if one.source == source), None)
            if known:
                return known, False
            if len(self._sources) >= self._most:
                raise Problem("sources", f"{self._most} sources are watched already: remove one first.")
            self._last += 1
            added = self._sources[self._last] = LiveSource(self._last, source)

        def log(work: Future[None]) -> None:
            if error := work.exception():
                LOG.error("A source is no longer watched", exc_info=error)
                added.fail("The service met something it did not expect: its log says what.")

        self._threads.submit(added.run, lambda stream: self._looks(added, stream)).add_done_callback(log)
        return added, True

    def remove(self, source: LiveSource) -> None:
        """Watch a source no more, and forget what was told of it."""
        with self._lock:
            self._sources.pop(source.id, None)
        source.stop()

    def forget(self, is_of: Callable[[Visit], bool]) -> None:
        """Forget who came and went, where it is somebody's visit."""
        for source in self.all():
            source.forget(is_of)

    @contextmanager
    def viewing(self) -> Iterator[None]:
        """Take on somebody who waits for pictures, for the block.

        Raises:
            BusyProblem: too many do.
        """
        with self._lock:
            if self._viewers >= MOST_VIEWERS:
                raise BusyProblem
            self._viewers += 1
        try:
            yield
        finally:
            with self._lock:
                self._viewers -= 1

    def close(self) -> None:
        """Watch nothing any more."""
        for source in self.all():
            source.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)

    # ------------------------------------------------------------------ at work

    def _looks(self, source: LiveSource, stream: Stream) -> Iterator[Look]:
        name, strangers = source.source.name, self._engine.strangers
        with closing(self._in_turn(source.paced(stream))) as frames:
            yield from watch(
                self._eyes(),
                self._engine.latest_identifier,
                frames,
                source=name,
                strangers=_Remembering(strangers, name) if strangers else None,
                is_live=True,
            )

    def _eyes(self) -> Recognizer:
        """The model as it looks at frames, loaded with the first source; who asks about others waits for none."""
        settings = self._engine.settings
        with self._loading:
            self._recognizer = self._recognizer or Recognizer(settings.model, device=settings.device, quick=True)
            return self._recognizer

    def _in_turn(self, frames: Iterator[Frame]) -> Generator[Frame]:
        """The frames of a source; whoever is given one has the turn until it asks for the next."""
        for frame in frames:
            with self._turn:
                yield frame
