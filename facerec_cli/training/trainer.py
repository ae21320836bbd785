"""Training: from a recipe and people to a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras

from facerec_cli.encoders.metric import Metric
from facerec_cli.training.batches import Batch, Batches
from facerec_cli.training.checkpoint import Checkpoint
from facerec_cli.training.data import TrainingData
from facerec_cli.training.device import Device, Siamese
from facerec_cli.training.distances import Tensor
from facerec_cli.training.progress import Epoch, Watcher, best_of
from facerec_cli.training.recipes import Recipe
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
    checkpoint = Checkpoint(model, recipe, data.unseen, work, watcher, schedule, minutes, photos, is_chief)
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
