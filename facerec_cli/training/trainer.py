"""Training: the loop, validation on unseen people, and checkpoints from which it goes on as if unbroken."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from facerec_cli.encoders.metric import Cosine
from facerec_cli.errors import FacerecError
from facerec_cli.evaluation.protocols import Pairs
from facerec_cli.evaluation.verification import accuracy_at, area_under, best_threshold, roc
from facerec_cli.training import heads, losses, networks
from facerec_cli.training.batches import Batches
from facerec_cli.training.distances import Tensor
from facerec_cli.training.networks import UnitLength
from facerec_cli.training.recipes import Recipe
from facerec_cli.training.sampling import Sampler

OBJECTIVES: Mapping[str, Callable[..., Callable[[Tensor, Tensor], Tensor]]] = {
    "supervised-contrastive": lambda **options: partial(losses.supervised_contrastive, **options),
    "contrastive": lambda **options: partial(losses.contrastive, **options),
    "euclidean-bce": lambda: heads.EuclideanHead("bce"),
    "euclidean-mae": lambda: heads.EuclideanHead("mae"),
    "triplet": lambda **options: partial(losses.triplet_semi_hard, **options),
}
_STATE = "state.json"


class TrainingError(FacerecError):
    """A training cannot go on."""


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to.

    Attributes:
        epoch: counted from 1.
        loss: mean over its steps.
        accuracy: on pairs of unseen people, as many genuine as impostors, at their best threshold.
        error: its standard error.
        auc: area under the ROC of the same pairs.
        rate: learning rate at its end.
        images_per_second: of training alone.
        seconds: since training began, validation included, over all runs.
    """

    epoch: int
    loss: float
    accuracy: float
    error: float
    auc: float
    rate: float
    images_per_second: float
    seconds: float


class Watcher(Protocol):
    """Told how training goes."""

    def stepped(self, step: int, steps: int, loss: float) -> None:
        """A step of an epoch is done."""

    def validated(self, epoch: Epoch, is_best: bool) -> None:
        """An epoch is done."""


@dataclass(frozen=True, eq=False)
class Unseen:
    """People held out of training: their chips, uint8 [n, 112, 112, 3], and pairs of them, as rows of these chips."""

    chips: npt.NDArray[np.uint8]
    pairs: Pairs

    def measure(self, encoder: keras.Model) -> tuple[float, float, float]:
        """Accuracy, its standard error, and AUC."""
        embeddings = np.asarray(encoder.predict(self.chips, batch_size=128, verbose=0), np.float32)
        if not np.isfinite(embeddings).all():
            raise _not_numbers()
        same = self.pairs.same
        distances = self.pairs.distances(embeddings, Cosine())
        weights = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
        accuracy = accuracy_at(distances, same, best_threshold(distances, same, weights), weights)
        error = math.sqrt(accuracy * (1 - accuracy) / (2 * min(same.sum(), (~same).sum())))
        return accuracy, error, area_under(roc(distances, same))


class Siamese(keras.Model):  # type: ignore[misc]
    """A network and its objective, as Keras trains them."""

    def __init__(self, network: keras.Model, objective: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Join them.

        Args:
            network: chips, uint8 [n, 112, 112, 3] RGB, to embeddings, float [n, d].
            objective: of embeddings and people, int [n].
        """
        super().__init__()
        self.network, self.objective = network, objective

    def call(self, chips: Tensor, training: bool | None = None) -> Tensor:
        return self.network(chips, training=training)

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        return self.objective(y_pred, y) + sum(self.network.losses)


@keras.saving.register_keras_serializable(package="facerec")
class Mirror(keras.layers.Layer):  # type: ignore[misc]
    """Chips seen in a mirror; [n, h, w, c] to the same."""

    def call(self, chips: Tensor) -> Tensor:
        return ops.flip(chips, axis=2)


def mirrored(network: keras.Model) -> keras.Model:
    """An encoder that adds up the embeddings of a chip and of its mirror image, at unit length."""
    chips = keras.Input(networks.CHIP_SHAPE, dtype="uint8", name="chips")
    both = keras.layers.add([network(chips), network(Mirror()(chips))])
    return keras.Model(chips, UnitLength(name="embedding")(both), name="mirrored")


def train(
    recipe: Recipe,
    chips: npt.NDArray[np.uint8],
    sampler: Sampler,
    unseen: Unseen,
    work: Path,
    watcher: Watcher,
    *,
    seed: int = 0,
    minutes: float | None = None,
) -> tuple[keras.Model, list[Epoch]]:
    """Train a network, going on from the checkpoint in ``work`` if there is one.

    Args:
        recipe: how.
        chips: uint8 [photos, 112, 112, 3], RGB.
        sampler: draws rows of ``chips``.
        unseen: people that decide which epoch is the best.
        work: folder of the checkpoint.
        watcher: told how it goes.
        seed: of everything random.
        minutes: end after the epoch in which so many have passed, over all runs.

    Returns:
        The best epoch's encoder, and what every epoch came to.

    Raises:
        TrainingError: the loss is not a number any more.
    """
    keras.utils.set_random_seed(seed)
    network = getattr(networks, recipe.network)(**recipe.options)
    model = Siamese(network, OBJECTIVES[recipe.objective](**recipe.objective_options))
    steps = recipe.epoch * recipe.epochs
    warm_up = min(recipe.warm_up, steps // 4)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warm_up, warmup_target=recipe.rate, warmup_steps=warm_up
    )
    optimiser = getattr(keras.optimizers, recipe.optimiser)(schedule, **recipe.optimiser_options)
    # XLA, which Keras takes by default, is slower on CPUs: 205 images a second where there are 352 without.
    model.compile(optimizer=optimiser, jit_compile=False)
    batches = Batches(chips, sampler, recipe.augmentation, recipe.epoch, seed)
    first = batches.batch(0)
    model.build(first[0].shape)
    if isinstance(model.objective, keras.layers.Layer):
        # Before the optimiser, which learns its weights too.
        model.objective.build((len(first[0]), network.output_shape[-1]), first[1].shape)
    optimiser.build(model.trainable_variables)
    checkpoint = _Checkpoint(model, mirrored(network), unseen, work, watcher, schedule, minutes, len(first[0]))
    begun = checkpoint.resume()
    if begun == 0 or (begun < recipe.epochs and not checkpoint.is_over()):
        model.fit(
            batches,
            epochs=recipe.epochs,
            initial_epoch=begun,
            shuffle=False,
            verbose=0,
            callbacks=[batches.callback, checkpoint],
        )
    model.load_weights(work / "best.weights.h5")
    return checkpoint.encoder, checkpoint.history


class _Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Validates after each epoch, keeps the best weights, and everything that going on needs."""

    def __init__(
        self,
        model: Siamese,
        encoder: keras.Model,
        unseen: Unseen,
        work: Path,
        watcher: Watcher,
        schedule: Callable[[int], Tensor],
        minutes: float | None,
        batch: int,
    ) -> None:
        super().__init__()
        self.batch = batch
        self.trained, self.encoder, self.unseen, self.work = model, encoder, unseen, work
        self.watcher, self.schedule, self.minutes = watcher, schedule, minutes
        self.history: list[Epoch] = []
        self._before = 0.0
        self._started = time.monotonic()

    def resume(self) -> int:
        """Go back to the checkpoint; returns the epochs done."""
        try:
            state = json.loads((self.work / _STATE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return 0
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        self.trained.load_weights(self.work / state["weights"])
        self._before = self.history[-1].seconds
        return len(self.history)

    def is_over(self) -> bool:
        """Whether the time is up."""
        return self.minutes is not None and self._seconds() >= 60 * self.minutes

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch_began = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss = float((logs or {})["loss"])
        if not math.isfinite(loss):
            raise _not_numbers()
        self.watcher.stepped(batch + 1, int(self.params["steps"]), loss)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        trained = time.monotonic() - self._epoch_began
        accuracy, error, auc = self.unseen.measure(self.encoder)
        step = int(ops.convert_to_numpy(self.trained.optimizer.iterations))
        done = Epoch(
            epoch=epoch + 1,
            loss=float((logs or {})["loss"]),
            accuracy=accuracy,
            error=error,
            auc=auc,
            rate=float(ops.convert_to_numpy(self.schedule(step))),
            images_per_second=int(self.params["steps"]) * self.batch / trained,
            seconds=self._seconds(),
        )
        is_best = all(accuracy > earlier.accuracy for earlier in self.history)
        self.history.append(done)
        self._save(is_best)
        self.watcher.validated(done, is_best)
        if self.is_over():
            self.trained.stop_training = True

    def _save(self, is_best: bool) -> None:
        """Weights first, then the file that names them: killed in between, the older checkpoint counts."""
        self.work.mkdir(parents=True, exist_ok=True)
        if is_best:
            beside = self.work / "new.weights.h5"
            self.trained.save_weights(beside)
            beside.replace(self.work / "best.weights.h5")
        weights = self.work / f"epoch-{len(self.history):04d}.weights.h5"
        self.trained.save_weights(weights)
        state = {"weights": weights.name, "history": [asdict(epoch) for epoch in self.history]}
        beside = self.work / f"{_STATE}.new"
        beside.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        beside.replace(self.work / _STATE)
        for old in self.work.glob("epoch-*.weights.h5"):
            if old != weights:
                old.unlink()

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._started


def _not_numbers() -> TrainingError:
    return TrainingError(
        "The training has come to numbers that are none (NaN): lower the recipe's learning rate, or try another --seed."
    )
