"""How models are trained: each recipe is data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from facerec_cli.training.augmentation import Augmentation
from facerec_cli.training.sampling import PairSampler, PeopleSampler, PhotosByPerson, Sampler


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
        pairs: pairs a batch, half of them genuine; 0: a batch is so many photos of so many people.
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
    pairs: int = 0
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

    def sampler(self, photos: PhotosByPerson) -> Sampler:
        """What draws its batches.

        Raises:
            DataError: there are too few people or photos.
        """
        if self.pairs:
            return PairSampler(photos, self.pairs)
        return PeopleSampler(photos, self.people, self.photos, self.composites, self.singles)

    def of_batch(self, photos: int) -> Recipe:
        """The recipe with about so many photos a batch."""
        if self.pairs:
            return replace(self, pairs=max(2, photos // 4 * 2))
        return replace(self, people=max(2, photos // self.photos))


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
        # On embeddings of unit length the Euclidean distance orders pairs as the cosine does (its square is 2 - 2 cos),
        # so the recipes that learn one end in models that are searched with the other.
        Recipe(
            "euclidean",
            "convolutions, binary cross-entropy on the Euclidean distance of pairs",
            network="plain",
            options={"unit": True},
            objective="euclidean-bce",
            pairs=64,
            optimiser="Adam",
            rate=1e-3,
            epochs=40,
        ),
        Recipe(
            "euclidean-mae",
            "convolutions, mean absolute error on the Euclidean distance of pairs",
            network="plain",
            options={"unit": True},
            objective="euclidean-mae",
            pairs=64,
            optimiser="Adam",
            rate=1e-3,
            epochs=40,
        ),
        Recipe(
            "contrastive",
            "convolutions on grey chips, contrastive loss with margin 1 on the Euclidean distance of pairs",
            network="plain",
            options={"unit": True, "grey": True},
            objective="contrastive",
            pairs=64,
            optimiser="Adam",
            rate=1e-3,
            epochs=40,
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
