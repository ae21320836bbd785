"""Training: from a recipe and people to a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras

from facerec_cli.encoders.metric import Metric
from facerec_cli.training.batches import Batches
from facerec_cli.training.build import build_model, build_sampler
from facerec_cli.training.checkpoint import BEST, Checkpoint
from facerec_cli.training.data import TrainingData
from facerec_cli.training.fitting import fitted_dictionaries
from facerec_cli.training.history import Epoch, TrainingWatcher, best_of
from facerec_cli.training.loop import Loop
from facerec_cli.training.recipe import Recipe
from facerec_cli.training.sampling import PhotosByPerson


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


def train(
    recipe: Recipe,
    data: TrainingData,
    work: Path,
    watcher: TrainingWatcher,
    *,
    name: str = "",
    seed: int = 0,
    minutes: float | None = None,
    logs: Path | None = None,
    loop: Loop | None = None,
) -> Trained:
    """Train a network, going on from the checkpoint in ``work`` if there is one.

    Of processes that train together the chief alone reads and writes ``work`` and ``logs`` and validates: the others'
    encoder is the last epoch's, and their history is empty.

    Args:
        recipe: how.
        data: on whom, and whose pairs decide which epoch is the best.
        work: folder of the checkpoint.
        watcher: told how it goes.
        name: the model's, for the watcher.
        seed: of everything random.
        minutes: end after the epoch in which so many have passed, over all runs.
        logs: folder for TensorBoard.
        loop: in which it learns.

    Raises:
        DataError: there are too few people, photos or triplets for the recipe's batches.
        DivergedError: the loss is not a number any more.
        CheckpointError, DamagedCheckpointError: a checkpoint cannot be written or read.
    """
    loop = loop or Loop()
    sampler = build_sampler(recipe.among(loop.replicas), data.source)
    keras.utils.set_random_seed(seed)
    batches = Batches(data.chips.chips, sampler, recipe.augmentation, seed, worker=loop.worker)
    first = batches.batch(0)
    people = int(data.source.numbers[-1]) + 1 if isinstance(data.source, PhotosByPerson) else 0
    with loop.scope():
        model, schedule = build_model(recipe, first, people)
    photos, is_chief = len(first[0]) * loop.replicas, loop.worker == 0
    # Outside of the scope: inside, all devices would take part in validation, and only the chief asks for it.
    fitted = fitted_dictionaries(recipe, data, work, watcher, seed) if is_chief else []
    checkpoint = Checkpoint(model, recipe, data.unseen, work, watcher, schedule, fitted, minutes, photos, is_chief)
    begun = checkpoint.resume()
    watcher.begun(name, recipe.epochs, checkpoint.history)
    if is_chief and not checkpoint.history and recipe.network_spec.is_trained:
        checkpoint.measure_start()
    if begun and checkpoint.is_over():
        begun = recipe.epochs
    callbacks: list[keras.callbacks.Callback] = [checkpoint]
    if logs and is_chief:
        callbacks.append(keras.callbacks.TensorBoard(logs, write_graph=False))
    with loop.learning():
        loop.fit(model, batches, recipe.steps_per_epoch, recipe.epochs, begun, callbacks)
    if is_chief:
        model.load_weights(work / BEST)
    watcher.ended()
    return Trained(checkpoint.encoder, model.head.metric, checkpoint.history)
