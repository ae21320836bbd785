"""What ``facerec watch`` shows: how far it is, rows of visits, and who was seen in all."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

from facerec_cli.cli.progress import Reporter
from facerec_cli.cli.streams import shown
from facerec_cli.words import clock, count

if TYPE_CHECKING:
    from typing_extensions import Self

    from facerec_cli.faces.video import Frame, Stream
    from facerec_cli.recognition.visits import Event, Visit
    from facerec_cli.recognition.watching import Look

CSV_COLUMNS = (
    *("event", "source", "visit", "name", "stranger", "time", "position", "seconds", "frames"),
    *("distance", "threshold", "probability", "x", "y", "width", "height", "score", "quality", "at"),
)
LEAST_WIDTHS = {"time": 8, "position": 8, "name": 20, "nearest": 20, "distance": 8, "probability": 11, "seen for": 8}
"""Cells of a table's columns: a visit is shown when it is known, and nobody knows those that follow."""
_RECENT = 50
"""Frames by which the rate is told."""
_LISTED = 10
"""People in a summary, at most."""


class WatchReporter(Reporter):
    """A ``Reporter`` of an open source: of a file with position and time left, of a live one with what is skipped.

    Its items are the frames that were looked at.
    """

    def __init__(self, stream: Stream, output_format: str) -> None:
        """Prepare; the work's time counts from here."""
        super().__init__(f"Watching {stream.source.name}", output_format=output_format)
        self._stream = stream
        self._looked: deque[float] = deque(maxlen=_RECENT)
        self._seen: defaultdict[str, float] = defaultdict(float)
        self._last: Frame | None = None

    def __enter__(self) -> Self:
        """Show the bar, or the line."""
        if self._may_show:
            from rich.progress import BarColumn, TextColumn

            state, seconds = TextColumn("{task.fields[state]}"), self._stream.seconds
            columns = [BarColumn(), state] if seconds else [state]
            self._progress = self._new_progress(*columns, has_end=bool(seconds))
            self._progress.start()
            self._task = self._progress.add_task(shown(self.title), total=seconds or None, state="")
        return self

    @property
    def seconds(self) -> float:
        """From the beginning to the last frame: what is waited for afterwards, other programs, is no work."""
        return (self._looked[-1] if self._looked else time.monotonic()) - self._started

    def look(self, look: Look) -> None:
        """A frame was looked at."""
        if look.frame is self._last:  # the end, where whoever is there is gone
            return
        self._last = look.frame
        self.done += 1
        self._looked.append(time.monotonic())
        if self._progress and self._task is not None:
            position = look.frame.position
            self._progress.update(self._task, completed=position, state=self._state(position))

    def left(self, visit: Visit) -> None:
        """A visit is over."""
        self._seen[visit.label] += visit.seconds

    def sum_up(self) -> None:
        """Say what was done, and who was seen."""
        stream = self._stream
        parts = [f"{count(self.done, 'frame')} looked at, {self.seconds:.1f} s, {self.rate:.1f} frames/s"]
        if stream.is_live:
            parts += [f"{stream.skipped:,} skipped", count(stream.interruptions, "interruption")]
        self.note(f"{', '.join(parts)}.")
        seen = sorted(self._seen.items(), key=lambda one: -one[1])
        people = [f"{name} for {duration(seconds)}" for name, seconds in seen[:_LISTED]]
        if len(seen) > _LISTED:
            people.append(f"and {len(seen) - _LISTED:,} more")
        self.note(f"Seen: {', '.join(people)}." if people else "Nobody was seen.")

    def _state(self, position: float) -> str:
        stream, looked = self._stream, self._looked
        rate = (len(looked) - 1) / max(looked[-1] - looked[0], 1e-9)
        if stream.is_live:
            return f"{rate:.1f} frames/s, {stream.skipped:,} skipped"
        whole = f" of {clock(stream.seconds)}" if stream.seconds else ""
        return f"{clock(position)}{whole}  {rate:.1f} frames/s"


def duration(seconds: float) -> str:
    """How long somebody was seen: ``4.2 s``, ``0:01:05``."""
    return f"{seconds:.1f} s" if seconds < 60 else clock(seconds)


def csv_row(record: dict[str, Any]) -> dict[str, Any]:
    """What an event's record says, flat."""
    return record | dict(zip(("x", "y", "width", "height"), record["box"], strict=True))


def table_columns(*, is_live: bool, departures: bool) -> tuple[str, ...]:
    """The columns of a table: when an arrival is told, nobody knows how long it will be."""
    begin = ("time", "event") if departures else ("time",)
    columns = ("name", "nearest", "distance", "probability")
    return (*begin, *columns, *(["seen for"] if departures else [])) if is_live else ("position", *columns, "seen for")


def table_row(event: Event) -> dict[str, Any]:
    """An event for people."""
    from facerec_cli.recognition.results import rounded_beside

    visit, decision = event.visit, event.visit.decision
    nearest = decision.candidates[0] if decision.candidates else None
    at = visit.last.time if event.kind == "left" else visit.first.time
    return {
        "time": f"{at.astimezone():%H:%M:%S}" if at else "",
        "position": clock(visit.first.position),
        "event": event.kind,
        "name": visit.label,
        "nearest": nearest.name if nearest and not decision.is_known else "",
        "distance": rounded_beside(nearest.distance, decision.threshold, 3) if nearest else None,
        "probability": nearest.probability if nearest else None,
        "seen for": duration(visit.seconds) if event.kind == "left" else "",
    }
