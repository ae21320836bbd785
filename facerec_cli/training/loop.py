"""The loop over epochs and batches in which a network learns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from typing import Any

import keras

from facerec_cli.training.batches import Batches
from facerec_cli.training.siamese import Siamese


class Loop:
    """Learns on one device; in ``distribution`` on several together.

    Keras's ``fit`` makes an iterator of TensorFlow's an epoch, which TensorFlow 2.21 ends only when its autotuning next
    wakes: an epoch of 30 seconds waited for 10 more. It fails besides where there are several machines, which Keras
    3.15 does not support (https://github.com/keras-team/keras/issues/20585). So a loop stands in its place, over
    Keras's networks, losses, optimisers and callbacks.

    Attributes:
        replicas: how many devices, on all machines; each learns from its own share of every batch.
        here: how many of them are this process's.
        worker: which of the processes that train together this is; 0, the chief, decides, validates and writes.
    """

    replicas = 1
    here = 1
    worker = 0

    def scope(self) -> AbstractContextManager[Any]:
        """Wherein variables are made."""
        return nullcontext()

    def learning(self) -> AbstractContextManager[Any]:
        """Wherein ``fit`` runs: says what the end of another machine's training means."""
        return nullcontext()

    def fit(
        self,
        model: Siamese,
        batches: Batches,
        steps: int,
        epochs: int,
        begun: int,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> None:
        """Train.

        Args:
            model: compiled and built; ``stop_training`` ends it after an epoch.
            batches: from the first step of all on.
            steps: in an epoch.
            epochs: how many in all.
            begun: how many are done.
            callbacks: told of epochs and, with the mean loss of the epoch so far, of batches.
        """
        told = keras.callbacks.CallbackList(callbacks, model=model)
        told.set_params({"epochs": epochs, "steps": steps})
        begun = self._agree(model, begun)
        losses = self._losses(model, batches, begun * steps)
        model.stop_training = False
        told.on_train_begin()
        for epoch in range(begun, epochs):
            told.on_epoch_begin(epoch)
            total = 0.0
            for step in range(steps):
                told.on_train_batch_begin(step)
                total += next(losses)
                told.on_train_batch_end(step, {"loss": total / (step + 1)})
            told.on_epoch_end(epoch, {"loss": total / steps})
            if self._is_over(model):
                break
        told.on_train_end()

    def _agree(self, model: Siamese, begun: int) -> int:
        """The epochs done; processes that train together go on after the chief's, with its variables."""
        return begun

    def _losses(self, model: Siamese, batches: Batches, begun: int) -> Iterator[float]:
        """Learn from a batch after the other, from a step on."""
        return (model.train_on_batch(*batches[step]) for step in count(begun))

    def _is_over(self, model: Siamese) -> bool:
        """Whether the chief ends training."""
        return bool(model.stop_training)
