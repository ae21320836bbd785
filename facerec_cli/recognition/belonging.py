"""Photos that should show one person: the face that recurs in them, and the photo that does not look like the others.

The evidence at the limits below comes from Labeled Faces in the Wild and the pretrained encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerec_cli.defaults import DEFAULT_FMR
from facerec_cli.encoders.calibration import Curve
from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.encoders.metric import Metric

UNLIKE_FMR = 0.01
"""Two photos of one person are expected to be within the distance at this false match rate.

Of people with 10 photos or more, 0.19 % of the photos are farther from most others, 8 of 4,324 and some of them
mislabelled; with 5 to 9 photos 0.06 %, with 3 or 4 0.25 %. One photo of somebody else among a person's is found in 98
to 100 of 100 draws, two people half and half in 98.
"""


@dataclass(frozen=True, eq=False)
class Shown:
    """What one photo, or all photos enrolled of a person, show.

    Attributes:
        embeddings: float32 [faces, d]; of what is enrolled one, the template.
        photos: how many photos that stands for.
    """

    embeddings: Embeddings
    photos: int = 1


class Belonging:
    """Compares photos that should show one person."""

    def __init__(self, metric: Metric, curve: Curve) -> None:
        """Look up the limits.

        Args:
            metric: of the model.
            curve: of people enrolled, of the model.
        """
        self._metric = metric
        self._match, self._unlike = map(curve.threshold, (DEFAULT_FMR, UNLIKE_FMR))

    def recurring(self, shown: Sequence[Shown]) -> list[int | None]:
        """Which face of each photo is the one that recurs: in at least half of the others, by photos.

        It has to be the only one of its photo: another that recurs more than half as often makes it doubtful, and
        for those the limit is wider.

        Returns:
            For each photo the row of the face; None where nothing recurs clearly.
        """
        faces = np.concatenate([one.embeddings for one in shown])
        begins = np.cumsum([0, *(len(one.embeddings) for one in shown[:-1])])
        nearest = np.minimum.reduceat(self._metric.matrix(faces, faces), begins, axis=1)
        owner = np.repeat(np.arange(len(shown)), [len(one.embeddings) for one in shown])
        photos = np.array([one.photos for one in shown])
        # A photo says nothing about itself.
        nearest[np.arange(len(faces)), owner] = np.inf
        often, perhaps = ((nearest <= limit) @ photos for limit in (self._match, self._unlike))
        return [
            _clear(often[owner == number], perhaps[owner == number], int(photos.sum() - photos[number]))
            for number in range(len(shown))
        ]

    def unlike(self, faces: Embeddings, known: Sequence[Shown] = ()) -> list[float | None]:
        """How far each photo is from most of the others, where that is too far for one person.

        Args:
            faces: float32 [n, d], a face a photo.
            known: more photos of the person, of one face each.

        Returns:
            For each photo the distance within which half of the others are (the median; of an even number the lower
            one); None where that is near enough, or there is no other.
        """
        distances = self._metric.matrix(faces, np.concatenate([faces, *(one.embeddings for one in known)]))
        photos = np.array([1] * len(faces) + [one.photos for one in known])
        found = []
        for row, far in enumerate(distances):
            others = np.where(np.arange(len(photos)) == row, 0, photos)
            order = np.argsort(far, kind="stable")
            half = int(np.searchsorted(np.cumsum(others[order]), (others.sum() + 1) // 2))
            distance = float(far[order[half]])
            found.append(distance if others.any() and distance > self._unlike else None)
        return found


def _clear(often: npt.NDArray[np.int64], perhaps: npt.NDArray[np.int64], others: int) -> int | None:
    """The face that recurs in half of the other photos, of one photo's faces, if no other comes near to that."""
    if not len(often):
        return None
    best = int(often.argmax())
    rival = max(np.delete(perhaps, best).tolist(), default=0)
    return best if 2 * often[best] >= max(others, 1) and 2 * rival <= often[best] else None
