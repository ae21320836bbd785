"""N-way one-shot accuracy (Koch et al., "Siamese Neural Networks for One-shot Image Recognition", 2015)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

WAYS = 20
TRIALS = 400


@dataclass(frozen=True, eq=False)
class Trials:
    """One-shot trials: a probe, and one support photo of each of N people, the first of whom is the probe's own.

    Attributes:
        probe: int [trials], rows of photos.
        support: int [trials, ways], rows of photos.
        person: int [trials], whose probe it is.
    """

    probe: npt.NDArray[np.int64]
    support: npt.NDArray[np.int64]
    person: npt.NDArray[np.int64]


def draw_trials(rows: Sequence[Sequence[int]], ways: int = WAYS, trials: int = TRIALS, seed: int = 0) -> Trials:
    """Draw trials: the person asked about among those with two photos or more, the others among everybody else.

    Args:
        rows: the rows of each person's photos.
        ways: people a trial.
        trials: how many.
        seed: of the draws.

    Raises:
        ValueError: there are fewer than ``ways`` people, or nobody has two photos.
    """
    repeated = [person for person, own in enumerate(rows) if len(own) >= 2]
    if len(rows) < ways or not repeated:
        raise ValueError(f"{len(rows)} people, {len(repeated)} of them with two photos, are too few")
    generator = np.random.default_rng(seed)
    probe, support, asked = [], [], []
    for _ in range(trials):
        person = int(generator.choice(repeated))
        first, second = generator.choice(rows[person], size=2, replace=False)
        others = generator.choice(len(rows) - 1, size=ways - 1, replace=False)
        others += others >= person
        probe.append(second)
        support.append([first, *(generator.choice(rows[other]) for other in others)])
        asked.append(person)
    return Trials(np.array(probe, np.int64), np.array(support, np.int64), np.array(asked, np.int64))


def is_right(
    trials: Trials,
    embeddings: npt.NDArray[np.float32],
    distances: Callable[[npt.NDArray[np.float32], npt.NDArray[np.float32]], npt.NDArray[np.float32]],
) -> npt.NDArray[np.bool_]:
    """Whether the nearest support photo of each trial is the probe's own person; a tie is wrong.

    Args:
        trials: from ``draw_trials``.
        embeddings: float32 [photos, d], by row.
        distances: all-against-all, float32 [n, m] from [n, d] and [m, d].
    """
    right = []
    for probe, support in zip(trials.probe, trials.support, strict=True):
        own, *others = distances(embeddings[probe][np.newaxis], embeddings[support])[0]
        right.append(bool(own < min(others)))
    return np.array(right)
