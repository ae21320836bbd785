"""How a training looks: a bar and the best so far on a terminal, a line an epoch everywhere; to stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from facerec_cli.training.progress import Epoch


class TrainingView:
    """A ``Watcher`` for people; use as a context manager."""

    def __init__(self, title: str, epochs: int) -> None:
        """Prepare for so many epochs."""
        self.title, self.epochs = title, epochs
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._done = 0
        self._best = ""
        self._say: Callable[[str], None] = lambda line: click.echo(line, err=True)

    def __enter__(self) -> TrainingView:
        """Show the bar."""
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[state]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()
            self._task = self._progress.add_task(self.title, total=None, state="")
            self._say = self._progress.console.print
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        if self._progress:
            self._progress.stop()

    def begun(self, history: Sequence[Epoch]) -> None:
        from facerec_cli.training.progress import best_of

        for epoch in history:
            self._note(epoch, is_best=epoch is best_of(history))

    def stepped(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        if self._progress and self._task is not None:
            state = f"epoch {self._done + 1}/{self.epochs}  loss {loss:.3f}  {images_per_second:.0f} images/s"
            self._progress.update(
                self._task,
                total=self.epochs * steps,
                completed=self._done * steps + step,
                state=state + self._best,
            )

    def validated(self, epoch: Epoch, is_best: bool) -> None:
        self._note(epoch, is_best)
        parts = [f"epoch {epoch.epoch}/{self.epochs}"]
        if epoch.loss is not None:
            parts.append(f"loss {epoch.loss:.3f}")
        parts.append(f"held out {epoch.accuracy:.2%} ± {epoch.error:.2%}")
        parts.append(f"AUC {epoch.auc:.4f}")
        if epoch.loss is not None:
            parts.append(f"{epoch.images_per_second:.0f} images/s")
        self._say("  ".join(parts + ["best"] * is_best))

    def _note(self, epoch: Epoch, is_best: bool) -> None:
        self._done = epoch.epoch
        if is_best:
            self._best = f"  best {epoch.accuracy:.2%} ± {epoch.error:.2%}"
