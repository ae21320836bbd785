"""How models are trained: each recipe is data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from facerec_cli.training.augmentation import Augmentation


@dataclass(frozen=True)
class Recipe:
    """A training, whole.

    Attributes:
        name: what ``--recipe`` calls it.
        description: the network and the loss, in a line.
        network: a function of ``training.networks``.
        options: its arguments.
        objective: a key of ``training.trainer.OBJECTIVES``.
        objective_options: its arguments.
        people: people a batch.
        photos: photos a person in a batch.
        composites: share of a batch's people that are composites of two.
        singles: share of a batch's people that are one photo, augmented.
        optimiser: a class of ``keras.optimizers``.
        optimiser_options: its arguments but the learning rate.
        rate: peak learning rate.
        warm_up: steps until it is reached, at most a quarter of all; a cosine to zero follows.
        epoch: steps between two validations.
        epochs: how many.
        augmentation: how much chips are changed.
    """

    name: str
    description: str
    network: str
    objective: str
    options: Mapping[str, Any] = field(default_factory=dict)
    objective_options: Mapping[str, Any] = field(default_factory=dict)
    people: int = 32
    photos: int = 4
    composites: float = 0.5
    singles: float = 0.1
    optimiser: str = "SGD"
    optimiser_options: Mapping[str, Any] = field(default_factory=dict)
    rate: float = 0.1
    warm_up: int = 150
    epoch: int = 100
    epochs: int = 60
    augmentation: Augmentation = field(default_factory=Augmentation)


_NESTEROV = {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "siamese",
            "compact residual network, supervised contrastive loss on people, half of them composites",
            network="residual",
            objective="supervised-contrastive",
            optimiser_options=_NESTEROV,
        ),
        Recipe(
            "triplet",
            "convolutions and a 128-d unit-length embedding, semi-hard triplets with margin 0.2",
            network="plain",
            options={"unit": True},
            objective="triplet",
            composites=0.0,
            optimiser="Adam",
            rate=1e-3,
            epochs=40,
        ),
    )
}
