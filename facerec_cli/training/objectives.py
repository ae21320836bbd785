"""What a network learns by: a loss, or a head with a loss, as recipes name them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, TypeAlias

from facerec_cli.training import heads, losses
from facerec_cli.training.distances import Tensor

ObjectiveName = Literal[
    "l1",
    "euclidean",
    "contrastive",
    "triplet",
    "triplet-batch-all",
    "triplet-batch-hard",
    "given-triplets",
    "supervised-contrastive",
    "cosface",
    "arcface",
]
Objective: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Embeddings, float [n, d], and people, int [n], to one number."""

PAIRWISE = ("l1", "euclidean", "contrastive")
"""Those that read consecutive rows as pairs."""
CLASSIFIERS = ("cosface", "arcface")
"""Those that know the people trained on, and no others."""
_OBJECTIVES: Mapping[ObjectiveName, Callable[..., Any]] = {
    "l1": heads.L1Head,
    "euclidean": heads.EuclideanHead,
    "contrastive": losses.contrastive,
    "triplet": losses.triplet_semi_hard,
    "triplet-batch-all": losses.triplet_batch_all,
    "triplet-batch-hard": losses.triplet_batch_hard,
    "given-triplets": losses.triplets,
    "supervised-contrastive": losses.supervised_contrastive,
    "cosface": heads.CosFaceHead,
    "arcface": heads.ArcFaceHead,
}


def objective(name: ObjectiveName, options: Mapping[str, Any], people: int) -> Objective:
    """An objective.

    Args:
        name: a recipe's.
        options: further arguments of the loss or head.
        people: labels are below it.
    """
    made = _OBJECTIVES[name]
    if name in CLASSIFIERS:
        return made(people, **options)  # type: ignore[no-any-return]
    return made(**options) if isinstance(made, type) else partial(made, **options)
