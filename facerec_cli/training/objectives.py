"""What a network can learn by: each objective that a recipe names, and all that the rest of training asks about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ObjectiveSpec:
    """An objective: a loss, or a head that learns something of its own.

    Attributes:
        reads: a batch as consecutive pairs; as people, every photo compared with every other; or as triplets that are
            given, in threes.
        place: the function in ``losses``, or the class in ``heads``; imported when it is built, since it needs Keras.
        is_head: a class of ``heads``.
        knows_people: a classifier over the people trained on, and no others.
        takes_any_length: embeddings need not be of unit length.
        by_region: networks of several regions of the face learn each for itself.
        on_triplets: the objective in its place where triplets are given and it would look for its own among people.
        is_chosen: recipes can name it.
    """

    reads: Literal["pairs", "people", "triplets"]
    place: str
    is_head: bool = False
    knows_people: bool = False
    takes_any_length: bool = False
    by_region: bool = False
    on_triplets: str | None = None
    is_chosen: bool = True


OBJECTIVES: Mapping[str, ObjectiveSpec] = {
    "l1": ObjectiveSpec("pairs", "L1Head", is_head=True, takes_any_length=True),
    "l1-batch-all": ObjectiveSpec("people", "L1BatchAllHead", is_head=True, takes_any_length=True, on_triplets="l1"),
    "euclidean": ObjectiveSpec("pairs", "EuclideanHead", is_head=True),
    "contrastive": ObjectiveSpec("pairs", "contrastive"),
    "triplet": ObjectiveSpec("people", "triplet_semi_hard", on_triplets="given-triplets"),
    "triplet-batch-all": ObjectiveSpec("people", "triplet_batch_all", on_triplets="given-triplets"),
    "triplet-batch-hard": ObjectiveSpec("people", "triplet_batch_hard", on_triplets="given-triplets"),
    "given-triplets": ObjectiveSpec("triplets", "triplets", is_chosen=False),
    "supervised-contrastive": ObjectiveSpec("people", "supervised_contrastive", by_region=True),
    "cosface": ObjectiveSpec("people", "CosFaceHead", is_head=True, knows_people=True),
    "arcface": ObjectiveSpec("people", "ArcFaceHead", is_head=True, knows_people=True),
}
"""By the name that recipes call them."""
