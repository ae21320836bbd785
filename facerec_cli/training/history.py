"""How a training goes: what each epoch came to, and who is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to.

    Attributes:
        epoch: counted from 1; 0 is a network that was trained before, as it came.
        loss: mean over its steps; None of epoch 0.
        accuracy: on pairs of unseen people, as many genuine as impostors, at their best threshold.
        error: its standard error, as if the pairs were independent.
        threshold: that threshold, a distance.
        auc: area under the ROC of the same pairs.
        rate: learning rate at its end.
        images_per_second: of training alone.
        seconds: since training began, validation included, over all runs.
    """

    epoch: int
    loss: float | None
    accuracy: float
    error: float
    threshold: float
    auc: float
    rate: float
    images_per_second: float
    seconds: float


class TrainingWatcher(Protocol):
    """Told how training goes."""

    def begun(self, name: str, epochs: int, history: Sequence[Epoch]) -> None:
        """The training of a model begins, for so many epochs in all, or goes on after these."""

    def noted(self, what: str) -> None:
        """What is done before the first epoch, or after the last, as a sentence."""

    def stepped(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        """A step of an epoch is done."""

    def validated(self, epoch: Epoch, is_best: bool) -> None:
        """An epoch is done."""

    def ended(self) -> None:
        """The network has learnt; saving it comes next."""


class Unwatched(TrainingWatcher):
    """Where nobody wants to know; what derives from it is told what it has a method for."""

    def begun(self, name: str, epochs: int, history: Sequence[Epoch]) -> None:
        pass

    def noted(self, what: str) -> None:
        pass

    def stepped(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        pass

    def validated(self, epoch: Epoch, is_best: bool) -> None:
        pass

    def ended(self) -> None:
        pass


def best_of(history: Sequence[Epoch]) -> Epoch:
    """The first of the epochs with the highest accuracy."""
    return max(history, key=lambda epoch: epoch.accuracy)
