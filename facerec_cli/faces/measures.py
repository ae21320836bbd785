"""What can be measured of a face, from its chip and landmarks; what the numbers mean is in ``quality``."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from facerec_cli.faces.alignment import Chip, similarity
from facerec_cli.faces.opencv import cv2

Luminance = npt.NDArray[np.float32]
"""Float32 [rows, columns], grey levels."""
Landmarks = npt.NDArray[np.float64]
"""Float64 [5, 2], pixels of the photo, as in ``Face``."""

CENTRE = (slice(28, 100), slice(28, 84))
"""Rows and columns of the chip from the brows to the chin, between the cheeks: hardly any hair or background."""
MOUTH = (slice(80, 102), slice(40, 72))
"""Rows and columns of the chip around the lips."""
CHEEKS = ((slice(58, 68), slice(32, 46)), (slice(58, 68), slice(66, 80)))
"""Rows and columns of the chip just below the eyes, which a mask leaves free."""
REBLUR = 2.0
"""Standard deviation, chip pixels, of the blur that sharpness is measured with; 1.5 and 3 separate no better."""
NOISE = 0.01
"""Gradient energy, squared grey levels, that counts as none: a plain chip has no sharpness."""
NOSE = 0.644
"""How far the nose tip stands out of the plane of eyes and mouth corners, over their mean half width.

Measured on the detector's landmarks of 2,500 photos: the rank-3 factorisation of Tomasi and Kanade (IJCV 1992).
"""
_LIPS = 0.85
"""Quantile of the mouth's redness that is the lips'; at 0.75 and 0.95 masks are told from faces no better."""
_LEAST_REDNESS = 6.0
"""Levels of Cr above grey: cheeks with less are those of a photo without colours, of which nothing is said."""


def sharpness(face: Luminance) -> float:
    """The share of gradient energy that a blur takes away."""
    blurred = np.asarray(cv2.GaussianBlur(face, (0, 0), REBLUR), np.float32)
    before, after = _gradient_energy(face), _gradient_energy(blurred)
    return max(0.0, before - after) / (before + NOISE)


def _gradient_energy(face: Luminance) -> float:
    steps = face[1:] - face[:-1], face[:, 1:] - face[:, :-1]
    return sum(float(np.vdot(step, step)) / step.size for step in steps)


def blockiness(face: Luminance, landmarks: Landmarks) -> float:
    """How far gradients go along the photo's rows and columns, as those of JPEG's blocks and waves do, from -1 to 1.

    The mean of cos 4a over pixels, where a is the gradient's angle to the photo's rows; steps of one level in one
    direction alone are rounding, and do not count.
    """
    across, down = face[:-1, 1:] - face[:-1, :-1], face[1:, :-1] - face[:-1, :-1]
    energy = across**2 + down**2
    counts = energy > 1
    across, down, energy = across[counts], down[counts], energy[counts]
    twice, twice_sine = (across**2 - down**2) / energy, 2 * across * down / energy
    # In the chip the photo's rows are turned back by as much as the eyes were turned.
    turn = -4 * _eyes_angle(landmarks)
    mean = np.cos(turn) * (2 * twice**2 - 1).sum() + np.sin(turn) * (2 * twice * twice_sine).sum()
    return float(mean) / (energy.size + 1)


def coverage(chip: Chip) -> float:
    """How much less red than the cheeks even the reddest part of the mouth is, as a share; lips are redder."""
    redness = np.asarray(cv2.cvtColor(chip, cv2.COLOR_RGB2YCrCb)[..., 1], np.uint8)
    cheeks = _quantile(np.concatenate([redness[place].ravel() for place in CHEEKS]), 0.5) - 128
    lips = _quantile(redness[MOUTH].ravel(), _LIPS) - 128
    return (cheeks - lips) / max(cheeks, _LEAST_REDNESS)


def warmth(chip: Chip) -> float:
    """How much more red than blue the middle of the face is, as a share of all light; 0 without colours."""
    red, green, blue = chip[CENTRE].reshape(-1, 3).mean(axis=0, dtype=np.float64).tolist()
    return float((red - blue) / max(red + green + blue, 1.0))


def _quantile(levels: npt.NDArray[np.uint8], share: float) -> float:
    place = int(share * (len(levels) - 1))
    return float(np.partition(levels, place)[place])


def roll(landmarks: Landmarks) -> float:
    """How far the line of the eyes is from level, degrees from 0 to 45; in a photo on its side, from plumb."""
    return abs((math.degrees(_eyes_angle(landmarks)) + 45) % 90 - 45)


def _eyes_angle(landmarks: Landmarks) -> float:
    """By how much the line of the eyes is turned, clockwise, radians."""
    across, down = landmarks[1] - landmarks[0]
    return math.atan2(down, across)


def yaw(landmarks: Landmarks) -> float:
    """How far a face is turned, degrees.

    Once it is upright, a face turned by an angle a shows its eyes and mouth corners w cos(a) to either side of their
    middle, and the nose tip, which stands out of their plane by d, at d sin(a) beside it. So tan(a) = (nose / width) /
    (d / w), seen from afar.
    """
    right_eye, left_eye, nose, right_mouth, left_mouth = landmarks @ similarity(landmarks)[0, :2]
    offset = nose - (right_eye + left_eye + right_mouth + left_mouth) / 4
    half_width = (left_eye - right_eye + left_mouth - right_mouth) / 4
    return float(np.degrees(np.arctan2(abs(offset), NOSE * max(half_width, 0.0))))
