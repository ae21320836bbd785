"""What a recipe describes, built with Keras: its network, what it learns by, its optimiser, and all of it together."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import keras
import numpy as np

from facerec_cli.errors import RecipeError
from facerec_cli.training import heads, losses
from facerec_cli.training.batches import Batch
from facerec_cli.training.distances import Tensor
from facerec_cli.training.networks import UnitLength
from facerec_cli.training.recipe import Recipe
from facerec_cli.training.sampling import (
    PairSampler,
    PeopleSampler,
    PhotosByPerson,
    Sampler,
    TripletPairSampler,
    Triplets,
    TripletSampler,
)
from facerec_cli.training.siamese import Siamese

Schedule = Callable[[int], Tensor]
"""The learning rate by step."""


def build_network(recipe: Recipe) -> keras.Model:
    """A recipe's network, with its precision."""
    spec = recipe.network_spec
    function = getattr(import_module(f"facerec_cli.training.{spec.module}"), spec.function)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if recipe.precision == "bfloat16" else "float32")
    try:
        return function(**recipe.options)
    finally:
        keras.config.set_dtype_policy(before)


def build_head(recipe: Recipe, people: int) -> heads.Head:
    """What a recipe learns by: networks for several regions each for itself, where its loss can.

    Args:
        recipe: whose.
        people: labels are below it.
    """
    spec, options = recipe.objective_spec, recipe.objective_options
    if not spec.is_head:
        if spec.by_region and recipe.network_spec.has_regions:
            options = {"parts": len(recipe.options.get("regions", [None])), **options}
        return heads.LossHead(getattr(losses, spec.place), options)
    if spec.knows_people:
        options = {"count": people, **options}
    head: heads.Head = getattr(heads, spec.place)(**options)
    return head


def build_optimiser(recipe: Recipe, rate: Any) -> keras.optimizers.Optimizer:
    """A recipe's optimiser, with a learning rate or the schedule of one."""
    return getattr(keras.optimizers, recipe.optimiser)(rate, **recipe.optimiser_options)


def build_model(recipe: Recipe, first: Batch, people: int) -> tuple[Siamese, Schedule]:
    """A recipe's model and its learning rate by step.

    Args:
        recipe: whose.
        first: a batch; all others are of its shape.
        people: labels are below it.
    """
    network = build_network(recipe)
    model = Siamese(network, build_head(recipe, people))
    steps = recipe.steps_per_epoch * recipe.epochs
    warm_up = min(recipe.warm_up, steps // 4)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warm_up, warmup_target=recipe.learning_rate, warmup_steps=warm_up
    )
    optimiser = build_optimiser(recipe, schedule)
    # XLA, which Keras takes by default, is slower on CPUs: 205 images a second where there are 352 without.
    model.compile(optimizer=optimiser, jit_compile=False)
    model.head.build((len(first[0]), network.output_shape[-1]), first[1].shape)
    model.build(first[0].shape)
    optimiser.build(model.trainable_variables)
    return model, schedule


def build_sampler(recipe: Recipe, source: PhotosByPerson | Triplets) -> Sampler:
    """What draws a recipe's batches.

    Raises:
        DataError: there are too few people, photos or triplets.
        RecipeError: there are only triplets, and the recipe needs people.
    """
    reads = recipe.objective_spec.reads
    if isinstance(source, PhotosByPerson):
        if reads == "pairs":
            return PairSampler(source, recipe.pairs, recipe.composites)
        return PeopleSampler(source, recipe.people, recipe.photos, recipe.composites, recipe.singles)
    if reads == "pairs":
        return TripletPairSampler(source, max(1, recipe.batch // 4))
    if reads == "triplets":
        return TripletSampler(source, max(1, recipe.people * recipe.photos // 3))
    raise RecipeError(
        f"The recipe {recipe.name} compares people, and a folder of triplets does not say who is who",
        "choose triplet, koch, euclidean or contrastive, or sort the photos into a sub-folder a person",
    )


def check_parts(recipe: Recipe) -> None:
    """Build a recipe's parts, and hold them against each other, as one of a user's own needs it.

    Raises:
        RecipeError: they do not fit.
    """
    try:
        build_optimiser(recipe, recipe.learning_rate)
        network = build_network(recipe)
        if not (recipe.objective_spec.takes_any_length or isinstance(network.layers[-1], UnitLength)):
            raise ValueError(
                f"{recipe.objective} compares embeddings of unit length: set unit = true, or another network"
            )
        embeddings = np.eye(4, network.output_shape[-1], dtype=np.float32)
        labels = np.array([0, 0, 1, 1], np.int32)
        head = build_head(recipe, people=2)
        head.build(embeddings.shape, labels.shape)
        head.call(embeddings, labels)  # as a layer it would hide what is wrong behind where
    except (TypeError, ValueError, ArithmeticError) as error:
        reason = (str(error).splitlines() or [""])[0].rstrip(".")
        raise RecipeError(
            f"The recipe {recipe.name} is none, its parts do not fit together ({reason})", "correct it"
        ) from error
