"""Training: the loop, validation on unseen people, and checkpoints from which it goes on as if unbroken."""

from __future__ import annotations

import errno
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from facerec_cli.columns import sync_folder
from facerec_cli.encoders.metric import Cosine, LearnedL1, Metric
from facerec_cli.errors import FacerecError
from facerec_cli.evaluation.verification import accuracy_at, area_under, best_threshold, roc
from facerec_cli.training.batches import Batch, Batches
from facerec_cli.training.data import TrainingData, Unseen
from facerec_cli.training.distances import Tensor
from facerec_cli.training.heads import L1Head
from facerec_cli.training.networks import CHIP_SHAPE, UnitLength
from facerec_cli.training.objectives import Objective
from facerec_cli.training.recipes import Recipe
from facerec_cli.training.sampling import PhotosByPerson

_STATE = "state.json"


class TrainingError(FacerecError):
    """A training cannot go on."""


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


class Watcher(Protocol):
    """Told how training goes."""

    def begun(self, history: Sequence[Epoch]) -> None:
        """Training begins, or goes on after these epochs."""

    def stepped(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        """A step of an epoch is done."""

    def validated(self, epoch: Epoch, is_best: bool) -> None:
        """An epoch is done."""


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training leaves.

    Attributes:
        encoder: chips, uint8 [n, 112, 112, 3] RGB, to embeddings, float32 [n, d]; the best epoch's.
        metric: how its embeddings are compared.
        history: what every epoch came to.
    """

    encoder: keras.Model
    metric: Metric
    history: list[Epoch]

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        return best_of(self.history)


def best_of(history: Sequence[Epoch]) -> Epoch:
    """The first of the epochs with the highest accuracy."""
    return max(history, key=lambda epoch: epoch.accuracy)


class Siamese(keras.Model):  # type: ignore[misc]
    """A network and its objective, as Keras trains them."""

    def __init__(self, network: keras.Model, objective: Objective) -> None:
        """Join them.

        Args:
            network: chips, uint8 [n, 112, 112, 3] RGB, to embeddings, float [n, d].
            objective: what it learns by.
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
        return self.objective(ops.cast(y_pred, "float32"), y) + sum(self.network.losses)

    @property
    def metric(self) -> Metric:
        """How its embeddings are compared: by the head that learned it, or by the cosine."""
        if isinstance(self.objective, L1Head):
            weight, bias = map(ops.convert_to_numpy, (self.objective.weight, self.objective.bias))
            return LearnedL1(weight, float(bias))
        return Cosine()


class Device:
    """Where a network learns: here one device; in ``distribution`` several together.

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


@keras.saving.register_keras_serializable(package="facerec")
class Mirror(keras.layers.Layer):  # type: ignore[misc]
    """Chips seen in a mirror; [n, h, w, c] to the same."""

    def call(self, chips: Tensor) -> Tensor:
        return ops.flip(chips, axis=2)


def mirrored(network: keras.Model) -> keras.Model:
    """An encoder that adds up the embeddings of a chip and of its mirror image, at unit length."""
    chips = keras.Input(CHIP_SHAPE, dtype="uint8", name="chips")
    both = keras.layers.add([network(chips), network(Mirror()(chips))])
    return keras.Model(chips, UnitLength(name="embedding")(both), name="mirrored")


def embed(encoder: keras.Model, chips: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Embeddings of chips, uint8 [n, 112, 112, 3] RGB, with n at least 1: float32 [n, d].

    ``predict`` ends as slowly as ``fit`` does, see ``Device``.
    """
    return np.concatenate([encoder.predict_on_batch(chips[row : row + 128]) for row in range(0, len(chips), 128)])


def measure(encoder: keras.Model, metric: Metric, unseen: Unseen) -> tuple[float, float, float, float]:
    """Accuracy, its standard error, the threshold it is reached at, and AUC.

    Raises:
        TrainingError: an embedding is not a number.
    """
    embeddings = metric.scaled(embed(encoder, unseen.chips))
    if not np.isfinite(embeddings).all():
        raise _not_numbers()
    same = unseen.pairs.same
    distances = unseen.pairs.distances(embeddings, metric)
    weights = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    threshold = best_threshold(distances, same, weights)
    accuracy = accuracy_at(distances, same, threshold, weights)
    error = math.sqrt(accuracy * (1 - accuracy) / (2 * min(same.sum(), (~same).sum())))
    return accuracy, error, threshold, area_under(roc(distances, same))


def train(
    recipe: Recipe,
    data: TrainingData,
    work: Path,
    watcher: Watcher,
    *,
    seed: int = 0,
    minutes: float | None = None,
    logs: Path | None = None,
    device: Device | None = None,
) -> Trained:
    """Train a network, going on from the checkpoint in ``work`` if there is one.

    Of processes that train together the chief alone reads and writes ``work`` and ``logs`` and validates: the others'
    encoder is the last epoch's, and their history is empty.

    Args:
        recipe: how.
        data: on whom, and whose pairs decide which epoch is the best.
        work: folder of the checkpoint.
        watcher: told how it goes.
        seed: of everything random.
        minutes: end after the epoch in which so many have passed, over all runs.
        logs: folder for TensorBoard.
        device: where it learns.

    Raises:
        DataError: there are too few people, photos or triplets for the recipe's batches.
        TrainingError: the loss is not a number any more, or a checkpoint cannot be written.
    """
    device = device or Device()
    sampler = recipe.among(device.replicas).sampler(data.source)
    keras.utils.set_random_seed(seed)
    batches = Batches(data.chips.chips, sampler, recipe.augmentation, seed, worker=device.worker)
    first = batches.batch(0)
    people = int(data.source.numbers[-1]) + 1 if isinstance(data.source, PhotosByPerson) else 0
    with device.scope():
        model, schedule = _model(recipe, first, people)
    photos, is_chief = len(first[0]) * device.replicas, device.worker == 0
    # Outside of the scope: inside, all devices would take part in validation, and only the chief asks for it.
    checkpoint = _Checkpoint(model, recipe, data.unseen, work, watcher, schedule, minutes, photos, is_chief)
    begun = checkpoint.resume()
    watcher.begun(checkpoint.history)
    if is_chief and not checkpoint.history and recipe.network == "pretrained":
        checkpoint.measure_start()
    if begun and checkpoint.is_over():
        begun = recipe.epochs
    callbacks: list[keras.callbacks.Callback] = [checkpoint]
    if logs and is_chief:
        callbacks.append(keras.callbacks.TensorBoard(logs, write_graph=False))
    with device.learning():
        device.fit(model, batches, recipe.steps_per_epoch, recipe.epochs, begun, callbacks)
    if is_chief:
        model.load_weights(work / "best.weights.h5")
    return Trained(checkpoint.encoder, model.metric, checkpoint.history)


def _model(recipe: Recipe, first: Batch, people: int) -> tuple[Siamese, Callable[[int], Tensor]]:
    """A recipe's model, built for batches like the first with labels below a number, and its learning rate by step."""
    network = recipe.made_network()
    model = Siamese(network, recipe.made_objective(people))
    steps = recipe.steps_per_epoch * recipe.epochs
    warm_up = min(recipe.warm_up, steps // 4)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warm_up, warmup_target=recipe.learning_rate, warmup_steps=warm_up
    )
    optimiser = recipe.made_optimiser(schedule)
    # XLA, which Keras takes by default, is slower on CPUs: 205 images a second where there are 352 without.
    model.compile(optimizer=optimiser, jit_compile=False)
    if isinstance(model.objective, keras.layers.Layer):
        model.objective.build((len(first[0]), network.output_shape[-1]), first[1].shape)
    model.build(first[0].shape)
    optimiser.build(model.trainable_variables)
    return model, schedule


class _Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Validates after each epoch, keeps the best weights, and everything that going on needs: the chief alone does."""

    def __init__(
        self,
        model: Siamese,
        recipe: Recipe,
        unseen: Unseen,
        work: Path,
        watcher: Watcher,
        schedule: Callable[[int], Tensor],
        minutes: float | None,
        batch: int,
        is_chief: bool,
    ) -> None:
        super().__init__()
        # What is measured is what is saved, and that computes in float32.
        self._exact = model.network if recipe.precision == "float32" else recipe.in_float32().made_network()
        # A learned head compares the embeddings that it was learned with, and those are no mirror images' sums.
        self._encoder = mirrored(self._exact) if isinstance(model.metric, Cosine) else self._exact
        self.trained, self.unseen, self.work, self.batch = model, unseen, work, batch
        self.watcher, self.schedule, self.minutes, self.is_chief = watcher, schedule, minutes, is_chief
        self.history: list[Epoch] = []
        self._before = 0.0
        self._started = time.monotonic()

    @property
    def encoder(self) -> keras.Model:
        """What is saved of the network, with its weights as they are now."""
        if self._exact is not self.trained.network:
            self._exact.set_weights(self.trained.network.get_weights())
        return self._encoder

    def resume(self) -> int:
        """Go back to the checkpoint; returns the epochs done."""
        if not self.is_chief:
            return 0
        if not (self.work / _STATE).exists():
            return 0
        try:
            state = json.loads((self.work / _STATE).read_text(encoding="utf-8"))
            self.history = [Epoch(**epoch) for epoch in state["history"]]
            self.trained.load_weights(self.work / state["weights"])
            for generator, value in zip(self._generators(), state["generators"], strict=True):
                generator.assign(np.array(value, np.uint32))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"The checkpoint in {self.work} is damaged ({type(error).__name__}): begin anew with --overwrite."
            ) from error
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
            raise _not_numbers()
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
        accuracy, error, threshold, auc = measure(self.encoder, self.trained.metric, self.unseen)
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
            raise _not_saved(self.work, error_on_disk) from error_on_disk
        self.watcher.validated(done, is_best)
        return done

    def _save(self, is_best: bool) -> None:
        """Weights first, then the file that names them: killed in between, the older checkpoint counts."""
        self.work.mkdir(parents=True, exist_ok=True)
        if is_best:
            beside = self.work / "new.weights.h5"
            self.trained.save_weights(beside)
            _sync(beside)
            beside.replace(self.work / "best.weights.h5")
        weights = self.work / f"epoch-{self.history[-1].epoch:04d}.weights.h5"
        self.trained.save_weights(weights)
        _sync(weights)
        state = {
            "weights": weights.name,
            "generators": [ops.convert_to_numpy(generator).tolist() for generator in self._generators()],
            "history": [asdict(epoch) for epoch in self.history],
        }
        beside = self.work / f"{_STATE}.new"
        beside.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        _sync(beside)
        beside.replace(self.work / _STATE)
        sync_folder(self.work)
        for old in self.work.glob("epoch-*.weights.h5"):
            if old != weights:
                old.unlink()

    def _generators(self) -> list[keras.Variable]:
        """Where the random numbers of dropout stand, which Keras does not save with the weights."""
        return [variable for variable in self.trained.variables if variable.path.endswith("seed_generator_state")]

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._started


def _sync(path: Path) -> None:
    """Have a file on the disk before another names it."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _not_numbers() -> TrainingError:
    return TrainingError(
        "The training has come to numbers that are none (NaN): lower the recipe's learning rate, or try another --seed."
    )


def _not_saved(work: Path, error: OSError) -> TrainingError:
    full = error.errno == errno.ENOSPC or "No space left" in str(error)
    why = "the disk is full" if full else str(error.strerror or error)
    return TrainingError(
        f"The checkpoint in {work} cannot be written ({why}): free some space there and go on with --resume."
    )
