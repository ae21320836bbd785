"""A comparison that knows who is enrolled: what a gallery's people share tells none of them apart.

1. Embeddings are centred by what those enrolled share (sex, age, light, how photos are cut): by the mean of their
   templates, shrunk towards nothing where they are few. Whoever a probe is compared with has no part in that, as a
   stranger has none.
2. How alike strangers still are to them, its mean and its deviation, follows for average people from those that the
   model was calibrated on, the prior, and for these people from how alike they are to each other; the threshold is the
   calibration's in standard deviations from the mean, and never farther out than for average people. (So does the
   Z-norm of Auckenthaler et al., "Score normalization for text-independent speaker verification systems", 2000; here
   the gallery is its own cohort.)
3. Of few people nobody knows whether they are average. Where the model is centred, the deviation includes that doubt,
   which fades with every one that is enrolled. (Others, which know fewer people apart, it would cost a quarter of whom
   they find.)

Similarities, which are cosines, are looked at by Fisher's z-transformation, the inverse hyperbolic tangent ("On the
'probable error' of a coefficient of correlation", 1921): near 1 a deviation of the cosine itself means little.

Centre, mean and deviation weigh n people by n / (n + 10), empirical Bayes (Efron and Morris, "Stein's estimation rule
and its competitors", 1973) with ten people's worth of prior; the doubt fades with 20 / (n + 20).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerec_cli.encoders.metric import Centre, Vectors

_WEIGHT = 10
"""People as whom the prior counts."""
_DOUBT = 0.5
"""How far the mean similarity of one kind of people, or of photos, may be from everybody's, in standard deviations: of
LFW's women, Spanish and Arab first names, tight crops, dark photos it is 0.1, 0.2, 0.5, -0.4, -0.3, and their deviation
differs by up to 9 %."""
_DOUBT_WEIGHT = 20
"""People after whom half of the doubt is gone."""
MOST_PEOPLE = 256
"""Most people whose similarities are looked at: enough for their mean within 0.003 and their deviation within 2 %."""
_MOST_FACES = 512
"""Most photos of theirs."""
_TOO_SIMILAR = 4.0
"""Deviations above the mean, or the gallery's median: one pair in 10,000 of two persons is beyond."""
_LEAST = 1e-6
"""The least that people have in common: of some models' people it is nothing, by chance a little less."""
_NO_LENGTH = 1e-12
"""The square of a length that is none."""
_MOST = 0.999999
"""A similarity beyond which all are the same photo's."""


@dataclass(frozen=True, eq=False)
class Cohort:
    """The people of a gallery, as far as the rule looks at them.

    Attributes:
        people: how many have a template.
        total: float64 [d], the sum of their templates.
        templates: float32 [some, d], of at most ``MOST_PEOPLE`` of them.
        embeddings: float32 [faces, d], of photos of those, ``photos_each`` of each at most.
        owner: int64 [faces], the row in ``templates`` of each photo's person.
    """

    people: int
    total: npt.NDArray[np.float64]
    templates: Vectors
    embeddings: Vectors
    owner: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Prior:
    """How alike two people are by a model, as it was calibrated.

    Attributes:
        similarity: the mean similarity of their photos, transformed: what everybody shares.
        deviation: its standard deviation over pairs of people.
        centred: the deviation once what everybody shares is taken away, when the mean is 0; None where the model finds
            more people when it is left.
    """

    similarity: float
    deviation: float
    centred: float | None

    def centre(self, cohort: Cohort) -> Centre | None:
        """What embeddings are seen from in a gallery; None: from where they are."""
        if self.centred is None or cohort.people < 2:
            return None
        share = 1 / (cohort.people - 1 + _WEIGHT)
        return Centre(np.asarray(cohort.total * share, np.float32), share)

    def distance(self, plain: float, centred: float, cohort: Cohort) -> tuple[float, float]:
        """The distance of a match in a gallery.

        Args:
            plain: what it is for average people, compared as they are.
            centred: what it is for average people, once what everybody shares is taken away.
            cohort: the gallery's people.

        Returns:
            The distance, and what it would be for as many average people.
        """
        mean, deviation, left = self._expected(cohort.people)
        steps, doubt = (_transformed(1 - plain) - self.similarity) / self.deviation, 0.0
        if self.centred is not None:
            steps = left * steps + (1 - left) * _transformed(1 - centred) / self.centred
            doubt = _DOUBT_WEIGHT / (cohort.people + _DOUBT_WEIGHT) * (_DOUBT * deviation) ** 2
        average = _distance(mean + steps * math.sqrt(deviation**2 + doubt))
        alike = similarities(cohort, is_centred=self.centred is not None, expected=(mean, deviation))
        if alike is None:
            return average, average
        weight = cohort.people / (cohort.people + _WEIGHT)
        mean += weight * (alike[0] - mean)
        deviation *= (alike[1] / deviation) ** weight
        return min(average, _distance(mean + steps * math.sqrt(deviation**2 + doubt))), average

    def _expected(self, people: int) -> tuple[float, float, float]:
        """Mean and deviation of average people's similarities in a gallery, and the share of the prior's that is left.

        The centre is a(μ + e): a = (n - 1) / (n - 1 + 10) of what everybody shares, μ, and of what n - 1 people happen
        to, e, of length² (1 - μ²) / (n - 1). So two people still share h = (1 - a)² μ² + a² (1 - μ²) / (n - 1), and the
        square of a centred embedding's length is 1 - μ² + h. The variance of a product of two is linear in h.
        """
        if self.centred is None or people < 2:
            return self.similarity, self.deviation, 1.0
        others = people - 1
        share = others / (others + _WEIGHT)
        shared = min(max(math.tanh(self.similarity), _LEAST), _MOST)
        own = 1 - shared
        left = (1 - share) ** 2 * shared + share**2 * own / others
        least, most = (self.centred * own) ** 2, self.deviation**2
        kept = min(1.0, left / shared)
        variance = least + (most - least) * kept
        return math.atanh(left / (own + left)), math.sqrt(variance) / (own + left), kept


def similarities(
    cohort: Cohort, *, is_centred: bool, expected: tuple[float, float] | None = None
) -> tuple[float, float] | None:
    """Mean and standard deviation of the transformed similarities of photos of two people, each two weighing the same.

    Whoever is compared is left out of the centre.

    Args:
        cohort: the people.
        is_centred: whether they are seen from their centre.
        expected: mean and deviation of average people, by which photos are left out that are too similar to show two
            persons: one person under two names must not move everybody's threshold.

    Returns:
        None where there are fewer than two people, or all are equally alike.
    """
    if len(cohort.templates) < 2:
        return None
    owner, rows = cohort.owner, cohort.embeddings.astype(np.float64)
    found = rows @ rows.T
    if is_centred:
        centres = ((cohort.total - cohort.templates) / (cohort.people - 1 + _WEIGHT))[owner]
        # (x - c)(y - c) and |y - c|² for each x, with the centre c that leaves its person out, and each y.
        beside = centres @ rows.T
        own, square = np.diag(beside)[:, None], (centres**2).sum(axis=1)[:, None]
        lengths = np.diag(found) - 2 * beside + square
        product = np.maximum(lengths * np.diag(lengths)[:, None], _NO_LENGTH)
        found = (found - own - beside + square) / np.sqrt(product)
    found = np.arctanh(np.clip(found, -_MOST, _MOST))
    share = 1 / np.bincount(owner, minlength=len(cohort.templates))[owner]
    weights = share[:, None] * share * (owner[:, None] != owner)
    if expected is not None:
        mean, deviation = expected
        weights[found > max(mean, float(np.median(found[weights > 0]))) + _TOO_SIMILAR * deviation] = 0
        if not weights.any():
            return None
    mean = float((weights * found).sum() / weights.sum())
    deviation = float(np.sqrt((weights * (found - mean) ** 2).sum() / weights.sum()))
    return (mean, deviation) if deviation > 0 else None


def _transformed(similarity: float) -> float:
    return math.atanh(min(max(similarity, -_MOST), _MOST))


def _distance(transformed: float) -> float:
    return 1 - math.tanh(transformed)


def photos_each(people: int) -> int:
    """How many photos of each person are looked at, where so many people are."""
    return max(1, _MOST_FACES // max(people, 1))
