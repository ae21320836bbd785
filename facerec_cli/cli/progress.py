"""How work looks while it goes on: bars on a terminal, plain lines elsewhere; all to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from facerec_cli.cli.remedies import sentence
from facerec_cli.cli.streams import say, shown
from facerec_cli.parallel import OrderedMap, ordered_map
from facerec_cli.words import clock, count, some

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID
    from typing_extensions import Self

    from facerec_cli.datasets.chips import ChipSet
    from facerec_cli.datasets.folder import LeftOut
    from facerec_cli.errors import FacerecError
    from facerec_cli.gallery.base import Gallery
    from facerec_cli.recognition.recognizer import Recognizer
    from facerec_cli.training.history import Epoch


class _Bars:
    """What may show bars on a terminal, and says its lines above them; a context manager that takes them away."""

    _progress: Progress | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._take_away()

    def _take_away(self) -> None:
        if self._progress:
            self._progress.stop()
            self._progress = None

    def _new_progress(self, *columns: ProgressColumn, has_end: bool = True) -> Progress:
        """Bars with a name, these columns and the time left, if there is an end; not shown yet."""
        from rich.console import Console
        from rich.progress import Progress, TextColumn, TimeRemainingColumn

        return Progress(
            TextColumn("{task.description}", markup=False),
            *columns,
            *([TimeRemainingColumn()] if has_end else []),
            console=Console(stderr=True, highlight=False),
            transient=True,
            # Results on the same terminal go above the bars.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=False,
        )

    def _say(self, line: str, colour: str = "") -> None:
        if self._progress:
            from rich.text import Text

            self._progress.console.print(Text(shown(line), style=colour), soft_wrap=True)
        else:
            say(line, colour or None)


class Reporter(_Bars):
    """Errors, warnings, progress and summaries, to stderr; use as a context manager.

    On a terminal a bar with rate and time left is shown; elsewhere there is none.
    """

    def __init__(self, title: str = "", total: int | None = None, *, output_format: str = "table") -> None:
        """Prepare; the work's time counts from here.

        Args:
            title: what is being done.
            total: how many items, where that is known; a single one gets no bar.
            output_format: of the results; json and csv come while the work goes on, and a bar on the same terminal
                would run into them.
        """
        self._may_show = sys.stderr.isatty() and (output_format == "table" or not sys.stdout.isatty())
        self.title = title
        self.total = total
        self.errors = 0
        self.done = 0
        self._started = time.monotonic()
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Show the bar."""
        if self._may_show and self.total != 1:
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

            self._progress = self._new_progress(BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
            self._progress.start()
            self._task = self._progress.add_task(shown(self.title), total=self.total, rate="")
        return self

    def advance(self) -> None:
        """One more item is done."""
        self.done += 1
        if self._progress and self._task is not None:
            self._progress.update(self._task, completed=self.done, rate=f"{self.rate:.1f}/s")

    def update(self, done: int, total: int) -> None:
        """So many items are done, of so many."""
        if self._progress and self._task is not None:
            self._progress.update(self._task, total=total)
        self.done = done - 1
        self.advance()

    @property
    def shows_bar(self) -> bool:
        """Whether people see how far it is."""
        return self._progress is not None

    @property
    def seconds(self) -> float:
        """Since the work began."""
        return time.monotonic() - self._started

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.done / max(self.seconds, 1e-9)

    @property
    def status(self) -> int:
        """The exit status: 1 after an error."""
        return 1 if self.errors else 0

    def error(self, what: FacerecError | str) -> None:
        """Something could not be done; the rest goes on."""
        self.errors += 1
        self._say(f"Error: {sentence(what)}", "red")

    def warn(self, what: FacerecError | str) -> None:
        """Something the user should know."""
        self._say(f"Warning: {sentence(what)}", "yellow")

    def left_out(self, left_out: Mapping[LeftOut, Sequence[Path]]) -> None:
        """What of a folder was left out, a line a kind."""
        for reason, paths in left_out.items():
            noun, why = reason.value
            self.warn(f"Left out {count(len(paths), noun)} ({why}): {some(paths)}.")

    def note(self, what: str) -> None:
        """A summary."""
        self._say(what)


_EVERYTHING = "all"


class DownloadBars(_Bars):
    """A ``DownloadWatcher`` for people; use as a context manager."""

    def __init__(self) -> None:
        """Prepare."""
        self._done: dict[str, int] = {}
        self._total: dict[str, int | None] = {}
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Prepare to show bars, from the first file on."""
        if sys.stderr.isatty():
            from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn

            self._progress = self._new_progress(BarColumn(), DownloadColumn(), TransferSpeedColumn())
        return self

    def started(self, name: str, done: int, total: int | None) -> None:
        self._done[name], self._total[name] = done, total
        if self._progress:
            self._progress.start()  # not before: a data set's terms may be asked about first
            if name not in self._tasks:
                self._tasks[name] = self._progress.add_task(shown(name))
            self._progress.reset(self._tasks[name], total=total, completed=done)
            if len(self._tasks) > 1 and _EVERYTHING not in self._tasks:
                self._tasks[_EVERYTHING] = self._progress.add_task(_EVERYTHING)
            self._sum_up()
        elif total is not None:
            there = f", {done / 1e6:,.1f} MB of it already here" if done else ""
            self._say(f"{name}: {total / 1e6:,.1f} MB{there}")

    def advanced(self, name: str, count: int) -> None:
        before = self._done.get(name, 0)
        self._done[name] = before + count
        total = self._total.get(name)
        if self._progress:
            self._progress.advance(self._tasks[name], count)
            self._sum_up()
        elif total and before * 10 // total < self._done[name] * 10 // total < 10:
            self._say(f"{name}: {self._done[name] * 100 // total} %")

    def finished(self, name: str) -> None:
        if self._progress and name in self._tasks:
            self._progress.update(self._tasks[name], completed=self._total[name] or self._done[name])
        self._say(f"{name}: done")

    def noted(self, sentence: str) -> None:
        self._say(f"Warning: {sentence}")

    def _sum_up(self) -> None:
        if self._progress and _EVERYTHING in self._tasks:
            totals = [total for total in self._total.values() if total is not None]
            self._progress.update(
                self._tasks[_EVERYTHING], total=sum(totals), completed=min(sum(totals), sum(self._done.values()))
            )


_JUDGED = 100
"""Steps after which it can be told how long a training takes."""


class TrainingView(_Bars):
    """A ``TrainingWatcher`` for people, of one training or several in turn; use as a context manager."""

    def __init__(self, chips: ChipSet) -> None:
        """Prepare; ``chips`` are what is trained from."""
        self._chips = chips
        self._task: TaskID | None = None
        self._epochs = self._done = self._steps = 0
        self._started = 0.0
        self._best = ""

    def begun(self, name: str, epochs: int, history: Sequence[Epoch]) -> None:
        from facerec_cli.training.history import best_of

        self._epochs, self._done, self._steps, self._best = epochs, 0, 0, ""
        if sys.stderr.isatty():
            from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

            state = TextColumn("{task.fields[state]}")
            self._progress = self._new_progress(BarColumn(bar_width=None), state, TimeElapsedColumn())
            self._progress.start()
            self._task = self._progress.add_task(shown(name), total=None, state="")
        else:  # the first epoch may take minutes
            photos = count(int(self._chips.has_face.sum()), "photo")
            done = f" after the {len(history)} done" if history else ""
            self._say(
                f"Training {name} from {photos} in {self._chips.folder}: up to {count(epochs, 'epoch')}{done}, with "
                "a line here after each."
            )
        for epoch in history:
            self._note(epoch, is_best=epoch is best_of(history))

    def noted(self, what: str) -> None:
        self._say(what)

    def stepped(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        self._steps += 1
        if self._steps == 1:
            self._started = time.monotonic()
        left = (self._epochs - self._done) * steps - step
        if self._steps == _JUDGED and left:
            time_left = clock(left * (time.monotonic() - self._started) / (_JUDGED - 1))
            self._say(f"At {images_per_second:.0f} images/s all epochs take about {time_left} from here.")
        if self._progress and self._task is not None:
            state = f"epoch {self._done + 1}/{self._epochs}  loss {loss:.3f}  {images_per_second:.0f} images/s"
            self._progress.update(
                self._task,
                total=self._epochs * steps,
                completed=self._done * steps + step,
                state=state + self._best,
            )

    def validated(self, epoch: Epoch, is_best: bool) -> None:
        self._note(epoch, is_best)
        parts = [f"epoch {epoch.epoch}/{self._epochs}"]
        if epoch.loss is not None:
            parts.append(f"loss {epoch.loss:.3f}")
        parts.append(f"held out {epoch.accuracy:.2%} ± {epoch.error:.2%}")
        parts.append(f"AUC {epoch.auc:.4f}")
        if epoch.loss is not None:
            parts.append(f"{epoch.images_per_second:.0f} images/s")
        self._say("  ".join(parts + ["best"] * is_best))

    def ended(self) -> None:
        self._take_away()

    def _note(self, epoch: Epoch, is_best: bool) -> None:
        self._done = epoch.epoch
        if is_best:
            self._best = f"  best {epoch.accuracy:.2%} ± {epoch.error:.2%}"


_SILENCE = 15.0
"""Seconds in which nothing is said where there is no bar."""


def load_data_set(data: Path, reporter: Reporter, spread: OrderedMap = ordered_map) -> ChipSet:
    """The chips of a data set, and a word about what gives none."""
    from facerec_cli.datasets.chips import load_chips

    def waiting(who: str) -> None:
        reporter.note(f"Waiting for {who}, which does the same.")

    told = time.monotonic()

    def updated(done: int, total: int) -> None:
        nonlocal told
        reporter.update(done, total)
        if not reporter.shows_bar and time.monotonic() - told >= _SILENCE:
            told = time.monotonic()
            left = clock((total - done) / reporter.rate)
            reporter.note(f"Finding faces, once: {done:,} of {total:,} photos are done, the others take about {left}.")

    chips = load_chips(data, updated, waiting, spread)
    for error in chips.unreadable:
        reporter.error(error)
    if chips.faceless:
        none = f"{count(len(chips.faceless), 'photo')} of {len(chips.photos):,} show no face"
        reporter.warn(f"{none}: {some(chips.faceless)}.")
    reporter.left_out(chips.left_out)
    return chips


def show_embedding(recognizer: Recognizer, gallery: Gallery) -> int:
    """Embed the chips that this model has not embedded yet, and say so; returns the exit status.

    Chips that cannot be used are warned about; a person without any that can is an error.
    """
    from facerec_cli.recognition.embedding import embed_pending

    pending = gallery.snapshot().pending_count(recognizer.comparison.digest)
    if not pending:
        return 0
    recognizer.expect(pending)
    with Reporter(f"Embedding for {recognizer.bundle.name}", pending) as reporter:
        embedded = embed_pending(recognizer, gallery, reporter.update)
        for lost in embedded.lost:
            reporter.warn(lost)
        for nobody in embedded.nobodies:
            reporter.error(nobody)
        done = pending - len(embedded.lost)
        if done > 0:
            reporter.note(
                f"Embedded {count(done, 'enrolled chip')} with the model {recognizer.bundle.name}, once: "
                "the photos were not needed."
            )
        return reporter.status
