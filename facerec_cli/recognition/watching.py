"""Watch a video: frames to faces, faces to tracks, tracks to visits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from facerec_cli.errors import FacerecError
from facerec_cli.faces.extraction import Face
from facerec_cli.faces.images import Photo
from facerec_cli.faces.video import Frame
from facerec_cli.parallel import ordered_map
from facerec_cli.recognition.attendance import Attendance
from facerec_cli.recognition.cuts import Cuts
from facerec_cli.recognition.following import Instant, Portrait, Subject
from facerec_cli.recognition.identification import Identifier
from facerec_cli.recognition.likeness import Likeness
from facerec_cli.recognition.numbering import Numbering, Remembered
from facerec_cli.recognition.recognizer import Recognizer
from facerec_cli.recognition.tracking import Step, Track, Tracker
from facerec_cli.recognition.visits import Event, label


@dataclass(frozen=True, eq=False)
class TrackedFace:
    """A face of a frame, and whose it is.

    Attributes:
        box: x, y of the top-left corner, width, height, pixels.
        name: the person's, or ``unknown 3``; empty while that is undecided, or in doubt.
        is_known: whether they are enrolled.
        visit: its number; None while that is undecided.
    """

    box: tuple[float, float, float, float]
    name: str
    is_known: bool
    visit: int | None


@dataclass(frozen=True, eq=False)
class Look:
    """What came of one frame.

    Attributes:
        frame: which.
        tracks: its faces.
        events: who arrived and who left.
    """

    frame: Frame
    tracks: tuple[TrackedFace, ...]
    events: tuple[Event, ...]


def watch(
    recognizer: Recognizer,
    identifier: Callable[[], Identifier | None],
    frames: Iterable[Frame],
    *,
    source: str,
    strangers: Numbering | None = None,
    is_live: bool,
) -> Iterator[Look]:
    """Follow people through a video, and tell each once a visit.

    Whatever ends the watch on its way, what was seen until then is told first.

    Args:
        recognizer: the model.
        identifier: who may be named, asked whenever a face was embedded, since the gallery may change meanwhile; None:
            nobody is enrolled.
        frames: of the video, in their order.
        source: what people know it by.
        strangers: who gives strangers numbers; by default they are remembered for this watch.
        is_live: look at one frame at a time, as late ones are of no use; otherwise at several.

    Returns:
        A look a frame; another at the last frame when the video is over, with whoever is then gone.

    Raises:
        UncalibratedModelError: the model does not say who is alike.
        ModelError, DatabaseError: the model or the gallery cannot be used.
        VideoError: as the frames do.
    """
    likeness = Likeness(recognizer.bundle)
    watcher = _Watcher(recognizer, identifier, likeness, source, strangers or Remembered(likeness))
    return _looks(recognizer, watcher, frames, source, is_live=is_live)


def _looks(
    recognizer: Recognizer, watcher: _Watcher, frames: Iterable[Frame], source: str, *, is_live: bool
) -> Iterator[Look]:
    def extract(frame: Frame) -> tuple[Frame, tuple[Face, ...]]:
        return frame, recognizer.extract(Photo(source, frame.image)).faces

    last = None
    try:
        for frame, faces in map(extract, frames) if is_live else ordered_map(extract, frames):
            last = frame
            yield watcher.look(frame, faces)
    except FacerecError:
        if last is not None:  # what was seen is told first
            yield watcher.end(last)
        raise
    if last is not None:
        yield watcher.end(last)


class _Watcher:
    """Looks at frames, one after another."""

    def __init__(
        self,
        recognizer: Recognizer,
        identifier: Callable[[], Identifier | None],
        likeness: Likeness,
        source: str,
        strangers: Numbering,
    ) -> None:
        self._recognizer, self._identifier, self._likeness = recognizer, identifier, likeness
        self._tracker, self._cuts = Tracker(), Cuts()
        self._attendance = Attendance(likeness, source, strangers)
        self._subjects: dict[Track, Subject] = {}
        self._before: float | None = None

    def look(self, frame: Frame, faces: tuple[Face, ...]) -> Look:
        """Follow the faces of the next frame."""
        now = Instant(frame.position, frame.time)
        interval = 0.0 if self._before is None else now.position - self._before
        self._before = now.position
        if self._cuts.is_cut(frame.image):
            self._tracker.cut()
        steps = self._tracker.follow(faces, now.position)
        self._drop_lost(interval)
        portraits = [Portrait(step.face, now) for step in steps]
        for step, portrait in zip(steps, portraits, strict=True):
            subject = self._subjects.get(step.track)
            if subject is None or subject.is_lost(now.position):
                subject = self._begin(step.track, portrait, interval)
            subject.see(portrait, step, interval)
        seen = [self._subjects[step.track] for step in steps]
        self._attendance.see(seen)
        self._embed(steps, portraits, interval)
        self._attendance.close(now)
        for step in steps:
            if before := self._attendance.place(self._subjects[step.track], interval):
                self._end_track_of(before)
        return Look(frame, tuple(map(self._shown, steps)), self._attendance.take_events())

    def end(self, frame: Frame) -> Look:
        """Everybody is gone."""
        self._tracker.cut()
        self._drop_lost(0.0)
        self._attendance.close()
        return Look(frame, (), self._attendance.take_events())

    def _embed(self, steps: list[Step], portraits: list[Portrait], interval: float) -> None:
        """Look closer at the faces that need it."""
        looked = [
            (step, portrait)
            for step, portrait in zip(steps, portraits, strict=True)
            if self._subjects[step.track].wants_look(portrait)
        ]
        if not looked:
            return
        embeddings = self._recognizer.embed([portrait.face.chip for _, portrait in looked])
        self._attendance.ask(self._identifier())
        learned = []
        for (step, portrait), embedding in zip(looked, embeddings, strict=True):
            subject = self._subjects[step.track]
            if not subject.is_still(embedding, portrait):
                subject = self._begin(step.track, portrait, interval)
                subject.see(portrait, step, interval)
                subject.is_still(embedding, portrait)
            elif not subject.is_in_doubt:
                learned.append((subject, embedding, portrait))
        for subject, embedding, portrait in learned:  # once it is settled who is gone
            self._attendance.learn(subject, embedding, portrait)

    def _begin(self, track: Track, portrait: Portrait, interval: float) -> Subject:
        """Somebody whom a track shows from now on."""
        if before := self._subjects.get(track):
            self._finish(before, interval)
        subject = self._subjects[track] = Subject(self._likeness, portrait)
        return subject

    def _finish(self, subject: Subject, interval: float) -> None:
        """Somebody's track is over."""
        self._attendance.place(subject, interval, is_over=True)
        self._attendance.lose(subject)

    def _drop_lost(self, interval: float) -> None:
        for track in [track for track in self._subjects if not self._tracker.is_followed(track)]:
            self._finish(self._subjects.pop(track), interval)

    def _end_track_of(self, subject: Subject) -> None:
        """Whoever a track showed is shown by another."""
        for track in [track for track, shown in self._subjects.items() if shown is subject]:
            del self._subjects[track]
            if self._tracker.is_followed(track):
                self._tracker.forget(track)

    def _shown(self, step: Step) -> TrackedFace:
        subject = self._subjects[step.track]
        stay = self._attendance.of(subject)
        if stay is None or subject.is_in_doubt:
            return TrackedFace(step.face.box, "", False, None)
        return TrackedFace(step.face.box, label(stay.decision, stay.stranger), stay.decision.is_known, stay.number)
