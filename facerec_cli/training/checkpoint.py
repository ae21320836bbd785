"""After each epoch: validation, and a checkpoint from which training goes on as if unbroken."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
from keras import ops

from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.errors import CheckpointError, DamagedCheckpointError
from facerec_cli.files import new_file, refusal, write_file
from facerec_cli.json_text import json_text
from facerec_cli.training.build import Schedule, build_network
from facerec_cli.training.data import Unseen
from facerec_cli.training.history import Epoch, TrainingWatcher, best_of
from facerec_cli.training.networks import joined, mirrored
from facerec_cli.training.recipe import Recipe
from facerec_cli.training.siamese import Siamese
from facerec_cli.training.validation import measure, not_numbers, predicted

BEST = "best.weights.h5"
"""The best epoch's weights."""
_STATE = "state.json"


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Validates after each epoch, keeps the best weights, and everything that going on needs: the chief alone does."""

    def __init__(
        self,
        model: Siamese,
        recipe: Recipe,
        unseen: Unseen,
        work: Path,
        watcher: TrainingWatcher,
        schedule: Schedule,
        fitted: Sequence[keras.Model],
        minutes: float | None,
        batch: int,
        is_chief: bool,
    ) -> None:
        super().__init__()
        # What is measured is what is saved, and that computes in float32.
        self._exact = model.network if recipe.precision == "float32" else build_network(recipe.in_float32())
        # Some compare only the embeddings that they were learned with, and those are no mirror images' sums.
        learned = mirrored(self._exact) if model.head.metric.adds_views else self._exact
        self._learned = learned
        self._encoder = joined([learned, *fitted]) if fitted else learned
        self.trained, self.unseen, self.work, self.batch = model, unseen, work, batch
        self.watcher, self.schedule, self.minutes, self.is_chief = watcher, schedule, minutes, is_chief
        self.history: list[Epoch] = []
        self._before = 0.0
        # The same after every epoch.
        self._seen = [predicted(network, unseen.chips, model.head.metric) for network in fitted]
        self._started = time.monotonic()

    @property
    def encoder(self) -> keras.Model:
        """What is saved of the network, with its weights as they are now."""
        self._take_over()
        return self._encoder

    def _take_over(self) -> None:
        """Give what is saved the weights of what learns, where they are not one."""
        if self._exact is not self.trained.network:
            self._exact.set_weights(self.trained.network.get_weights())

    def _embedded(self) -> Embeddings:
        """The encoder's embeddings of who is unseen."""
        metric = self.trained.head.metric
        self._take_over()
        learned = predicted(self._learned, self.unseen.chips, metric)
        return metric.scaled(np.concatenate([learned, *self._seen], axis=1))

    def resume(self) -> int:
        """Go back to the checkpoint; returns the epochs done.

        Raises:
            DamagedCheckpointError: it cannot be read.
        """
        if not self.is_chief or not (self.work / _STATE).exists():
            return 0
        try:
            state = json.loads((self.work / _STATE).read_text(encoding="utf-8"))
            self.history = [Epoch(**epoch) for epoch in state["history"]]
            self.trained.load_weights(self.work / state["weights"])
            for generator, value in zip(self._generators(), state["generators"], strict=True):
                generator.assign(np.array(value, np.uint32))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise damaged(self.work, error) from error
        self._before = self.history[-1].seconds
        return self.history[-1].epoch

    def is_over(self) -> bool:
        """Whether the time is up."""
        return self.minutes is not None and self._seconds() >= 60 * self.minutes

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch_began = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss = float((logs or {})["loss"])
        if not math.isfinite(loss):
            raise not_numbers()
        rate = (batch + 1) * self.batch / (time.monotonic() - self._epoch_began)
        self.watcher.stepped(batch + 1, int(self.params["steps"]), loss, rate)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if not self.is_chief:
            return
        images = int(self.params["steps"]) * self.batch
        seconds = time.monotonic() - self._epoch_began
        logs = {} if logs is None else logs
        done = self._validate(epoch + 1, float(logs["loss"]), images / seconds)
        # What TensorBoard is told, which comes next.
        logs |= {"held_out_accuracy": done.accuracy, "held_out_auc": done.auc, "learning_rate": done.rate}
        if self.is_over():
            self.trained.stop_training = True

    def measure_start(self) -> None:
        """Note how good a network is that was trained before, so that only a better one takes its place."""
        self._validate(0, None, 0.0)

    def _validate(self, epoch: int, loss: float | None, images_per_second: float) -> Epoch:
        accuracy, error, threshold, auc = measure(self._embedded(), self.trained.head.metric, self.unseen)
        step = int(ops.convert_to_numpy(self.trained.optimizer.iterations))
        done = Epoch(
            epoch=epoch,
            loss=loss,
            accuracy=accuracy,
            error=error,
            threshold=threshold,
            auc=auc,
            rate=float(ops.convert_to_numpy(self.schedule(step))),
            images_per_second=images_per_second,
            seconds=self._seconds(),
        )
        self.history.append(done)
        is_best = best_of(self.history) is done
        try:
            self._save(is_best)
        except OSError as error_on_disk:
            reason, remedy = refusal(error_on_disk)
            raise CheckpointError(
                f"The checkpoint in {self.work} cannot be written, {reason}", remedy
            ) from error_on_disk
        self.watcher.validated(done, is_best)
        return done

    def _save(self, is_best: bool) -> None:
        """Weights first, then the file that names them: killed in between, the older checkpoint counts."""
        self.work.mkdir(parents=True, exist_ok=True)
        for stray in self.work.glob(".*"):  # of a training that was killed while it saved
            if stray.is_dir():
                shutil.rmtree(stray)
            else:
                stray.unlink()
        if is_best:
            save_weights(self.trained, self.work / BEST)
        weights = self.work / f"epoch-{self.history[-1].epoch:04d}.weights.h5"
        save_weights(self.trained, weights)
        state = {
            "weights": weights.name,
            "generators": [ops.convert_to_numpy(generator).tolist() for generator in self._generators()],
            "history": [asdict(epoch) for epoch in self.history],
        }
        write_file(self.work / _STATE, f"{json_text(state, indent=2)}\n".encode())
        for old in self.work.glob("epoch-*.weights.h5"):
            if old != weights:
                old.unlink()

    def _generators(self) -> list[keras.Variable]:
        """Where the random numbers of dropout stand, which Keras does not save with the weights."""
        return [variable for variable in self.trained.variables if variable.path.endswith("seed_generator_state")]

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._started


def save_weights(model: keras.Model, path: Path) -> None:
    """Write a model's weights, whole or not at all."""
    with new_file(path) as beside, TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        written = Path(folder, path.name)  # Keras insists on the end of the name
        model.save_weights(written)
        written.replace(beside)


def damaged(work: Path, error: Exception) -> DamagedCheckpointError:
    """What to raise where a checkpoint cannot be read."""
    return DamagedCheckpointError(f"The checkpoint in {work} is damaged ({type(error).__name__})", "begin anew")
