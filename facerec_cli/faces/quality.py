"""How good a photo of a face is, measured from the face's chip and landmarks.

The evidence at the limits below comes from Labeled Faces in the Wild (LFW, deep-funneled) and the pretrained encoder:
the distance of a photo to the mean of the same person's other photos. It is 0.24, the median over 2,000 photos as they
are and the mean over 120 of them that were then spoilt on purpose. Of 2,204 photos as they are, 1.9 % draw a complaint.
Nothing is said of faces that look up or down: where the nose is between eyes and mouth tells there of no failure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerec_cli.faces import measures
from facerec_cli.faces.alignment import TEMPLATE, Chip
from facerec_cli.faces.opencv import cv2

MEASUREMENT = 2
"""Counts up when ``measure`` begins to give other numbers: measures that were kept are then made anew."""
MIN_SHARPNESS = 0.55
"""0.5 % of LFW is below, at a distance of 0.35. So are nearly all photos that are blurred by 2 chip pixels, at 0.32, or
by 3, at 0.43, and less than a fifth of those blurred by 1, at 0.25."""
MIN_SIZE = 20.0
"""Pixels. Photos reduced and saved as JPEG: 0.24 at 30 pixels between the eyes, 0.28 at 20, 0.33 at 15, 0.46 at 10."""
MAX_YAW = 57.0
"""Degrees. LFW's photos turned up to 45 are at 0.24, from 50 to 55 at 0.27, from 55 to 60 at 0.30, beyond at 0.38."""
MAX_ROLL = 25.0
"""Degrees. LFW has none beyond 20. Turned by 25 to 30, 12 % of its photos are not matched at a false match rate of
1e-3, upright 6 %: those whose tilt goes unseen. Where it is seen and levelled, two photos are at 0.36 for 0.34."""
MIN_BRIGHTNESS = 40.0
"""Grey levels. Darkened by gamma: 0.26 at 80, 0.30 at 52, 0.36 at 36, 0.50 at 19; LFW's darkest of 3,000 is 43."""
MAX_BRIGHTNESS = 220.0
"""Grey levels. Brightened until it clips: 0.28 at 194, 0.38 at 224, 0.58 at 242; LFW's brightest of 3,000 is 207."""
MAX_BLOCKINESS = 0.15
"""Above are 0.4 % of LFW as it is and 90 % of it saved as JPEG of quality 10, which puts two photos of one person at
0.44 in place of 0.33. Large faces that were compressed so are not, nor do they suffer."""
MAX_COVERAGE = 0.35
"""Above are 0.1 % of LFW as it is, and 99 to 100 % with a mask painted on that is blue, black or white, at 0.41 in
place of 0.33. A red, pink or skin-coloured mask is not seen, nor is any in a photo without colours."""
MIN_WARMTH = -0.05
"""Below are 99 % of LFW's photos as negatives, and none of 3,000 as they are: without colours they are at 0."""

_COVERED = 1.2
"""What a covered mouth takes from the logit of the quality score: of painted masks 16 % fail where 5 % do without."""
_INTERCEPT, _SHARPNESS, _BRIGHTNESS, _BLOCKINESS, _SCORE = -33.97, 4.09, 1.075, -4.02, 31.76
"""The logistic regression that is the quality score: see ``quality_score``."""


@dataclass(frozen=True)
class Quality:
    """What may spoil a photo of a face.

    Attributes:
        sharpness: the share of the chip's gradient energy that another blur takes away, from 0 (blurred already) to 1;
            exposure and contrast cancel out. The idea is that of Crete et al., "The blur effect", SPIE 2007.
        size: distance between the eyes, pixels of the photo (ISO/IEC 19794-5's inter-eye distance).
        yaw: how far the face is turned to either side, degrees from 0 to 90, roughly.
        roll: how far the line of the eyes is from level, or from plumb in a photo on its side, degrees from 0 to 45.
        brightness: mean luminance of the middle of the face, grey levels from 0 to 255.
        blockiness: how far gradients go along the photo's rows and columns, from -1 to 1; natural ones are near 0.
        coverage: how much less red than the cheeks the mouth is, as a share; near or below 0 where lips are seen.
        warmth: how much more red than blue the face is, as a share of all light; skin of any tone is above 0.
    """

    sharpness: float
    size: float
    yaw: float
    roll: float
    brightness: float
    blockiness: float
    coverage: float
    warmth: float


WORSE_WHERE_MORE = frozenset({"yaw", "roll", "blockiness", "coverage"})
"""The measures of which more is worse; of the others less is, down to where there is enough."""


def measure(chip: Chip, landmarks: npt.NDArray[np.float32]) -> Quality:
    """Measure the quality of a face.

    Args:
        chip: uint8 [112, 112, 3], RGB.
        landmarks: float32 [5, 2], pixels of the photo, as in ``Face``.
    """
    face = cv2.cvtColor(chip[measures.CENTRE], cv2.COLOR_RGB2GRAY).astype(np.float32)
    points = landmarks.astype(np.float64)
    return Quality(
        sharpness=measures.sharpness(face),
        size=float(np.hypot(*(points[1] - points[0]))),
        yaw=measures.yaw(points),
        roll=measures.roll(points),
        brightness=float(face.mean()),
        blockiness=measures.blockiness(face, points),
        coverage=measures.coverage(chip),
        warmth=measures.warmth(chip),
    )


def measure_chip(chip: Chip) -> Quality:
    """Measure what a chip alone tells, uint8 [112, 112, 3] RGB: the face counts as frontal, level, of a good size."""
    return measure(chip, TEMPLATE.astype(np.float32))


def complaint(quality: Quality) -> str | None:
    """What is poor about a photo, such as "it is very dark"; None where nothing is."""
    found = []
    if quality.size < MIN_SIZE:  # and so it is blurred, which goes without saying
        found.append(f"the face is small ({quality.size:.0f} pixels between the eyes)")
    elif quality.sharpness < MIN_SHARPNESS:
        found.append("it is blurred")
    elif quality.blockiness > MAX_BLOCKINESS:
        found.append("it is heavily compressed")
    if quality.yaw > MAX_YAW:
        found.append(f"the face is turned away (about {quality.yaw:.0f} degrees)")
    if quality.roll > MAX_ROLL:
        found.append(f"the face is tilted (about {quality.roll:.0f} degrees)")
    if quality.warmth < MIN_WARMTH:
        found.append("its colours are those of a negative")
    if quality.brightness < MIN_BRIGHTNESS:  # in which colours say nothing
        found.append("it is very dark")
    elif is_covered(quality):
        found.append("something covers the mouth")
    if quality.brightness > MAX_BRIGHTNESS:
        found.append("it is overexposed")
    return " and ".join(found) or None


def is_covered(quality: Quality) -> bool:
    """Whether a mask or the like covers the mouth, as far as colours tell."""
    return quality.coverage > MAX_COVERAGE and quality.brightness >= MIN_BRIGHTNESS


def quality_score(quality: Quality, score: float) -> float:
    """How likely a photo of a face is to be matched with a good one of the same person, from 0 to 1.

    What ISO/IEC 29794-1 calls a unified quality score. It is the share of such faces that match at a false match rate
    of 1e-5, as strict as identification among a thousand people is: a logistic regression on sharpness, brightness,
    blockiness and the detector's score, fitted to 1,403 photos of LFW's peopleDevTrain as they are and spoilt (faces 24
    pixels wide, JPEG of quality 10, dark, blurred, black borders), each against the person's other photos as they are.

    On 800 photos of peopleDevTest's other people, as they are and spoilt so (``benchmarks/quality.py``):

    | quality | below 0.4 | to 0.6 | to 0.7 | to 0.8 | to 0.9 | to 0.95 | above |
    |---|---|---|---|---|---|---|---|
    | FNMR at FMR 1e-5, % | 84 | 46 | 31 | 29 | 17 | 8 | 4 |
    | FNMR at FMR 1e-3, % | 54 | 20 | 9 | 8 | 4 | 2 | 1 |

    Of LFW as it is 90 % are between 0.89 and 0.96.

    Args:
        quality: as ``measure`` gives it.
        score: detection confidence in [0, 1].
    """
    logit = (
        _INTERCEPT
        + _SHARPNESS * min(quality.sharpness, 0.7)
        + _BRIGHTNESS * math.log(min(max(quality.brightness, 5.0), 80.0))
        + _BLOCKINESS * min(max(quality.blockiness, 0.0), 0.3)
        + _SCORE * score
        - _COVERED * is_covered(quality)
    )
    return 1 / (1 + math.exp(-logit))
