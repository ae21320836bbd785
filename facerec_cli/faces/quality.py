"""How good a photo of a face is, measured from the face's chip and landmarks.

The evidence at the limits below comes from Labeled Faces in the Wild (LFW, deep-funneled) and the pretrained encoder:
the distance of a photo to the mean of the same person's other photos. It is 0.24, the median over 2,000 photos as they
are and the mean over 120 of them that were then spoilt on purpose. Of 3,000 photos as they are, 1.7 % draw a complaint.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerec_cli.faces.alignment import TEMPLATE, Chip, similarity
from facerec_cli.faces.opencv import cv2

CENTRE = (slice(28, 100), slice(28, 84))
"""Rows and columns of the chip from the brows to the chin, between the cheeks: hardly any hair or background."""
REBLUR = 2.0
"""Standard deviation, chip pixels, of the blur that sharpness is measured with; 1.5 and 3 separate no better."""
NOISE = 0.01
"""Gradient energy, squared grey levels, that counts as none: a plain chip has no sharpness."""
NOSE = 0.644
"""How far the nose tip stands out of the plane of eyes and mouth corners, over their mean half width.

Measured on the detector's landmarks of 2,500 photos: the rank-3 factorisation of Tomasi and Kanade (IJCV 1992).
"""

MEASUREMENT = 1
"""Counts up when ``measure`` begins to give other numbers: measures that were kept are then made anew."""
MIN_SHARPNESS = 0.55
"""0.5 % of LFW is below, at a distance of 0.35. So are nearly all photos that are blurred by 2 chip pixels, at 0.32, or
by 3, at 0.43, and less than a fifth of those blurred by 1, at 0.25."""
MIN_SIZE = 20.0
"""Pixels. Photos reduced and saved as JPEG: 0.24 at 30 pixels between the eyes, 0.28 at 20, 0.33 at 15, 0.46 at 10."""
MAX_YAW = 57.0
"""Degrees. LFW's photos turned up to 45 are at 0.24, from 50 to 55 at 0.27, from 55 to 60 at 0.30, beyond at 0.38."""
MIN_BRIGHTNESS = 40.0
"""Grey levels. Darkened by gamma: 0.26 at 80, 0.30 at 52, 0.36 at 36, 0.50 at 19; LFW's darkest of 3,000 is 43."""
MAX_BRIGHTNESS = 220.0
"""Grey levels. Brightened until it clips: 0.28 at 194, 0.38 at 224, 0.58 at 242; LFW's brightest of 3,000 is 207."""


@dataclass(frozen=True)
class Quality:
    """What may spoil a photo of a face.

    Attributes:
        sharpness: the share of the chip's gradient energy that another blur takes away, from 0 (blurred already) to 1;
            exposure and contrast cancel out. The idea is that of Crete et al., "The blur effect", SPIE 2007.
        size: distance between the eyes, pixels of the photo (ISO/IEC 19794-5's inter-eye distance).
        yaw: how far the face is turned to either side, degrees from 0 to 90, roughly.
        brightness: mean luminance of the middle of the face, grey levels from 0 to 255.
    """

    sharpness: float
    size: float
    yaw: float
    brightness: float


def measure(chip: Chip, landmarks: npt.NDArray[np.float32]) -> Quality:
    """Measure the quality of a face.

    Args:
        chip: uint8 [112, 112, 3], RGB.
        landmarks: float32 [5, 2], pixels of the photo, as in ``Face``.
    """
    face = cv2.cvtColor(chip[CENTRE], cv2.COLOR_RGB2GRAY).astype(np.float32)
    points = landmarks.astype(np.float64)
    return Quality(
        sharpness=_sharpness(face),
        size=float(np.hypot(*(points[1] - points[0]))),
        yaw=_yaw(points),
        brightness=float(face.mean()),
    )


def measure_chip(chip: Chip) -> Quality:
    """Measure what a chip alone tells, uint8 [112, 112, 3] RGB: the face counts as frontal, and of a good size."""
    return measure(chip, TEMPLATE.astype(np.float32))


def complaint(quality: Quality) -> str | None:
    """What is poor about a photo, such as "it is very dark"; None where nothing is."""
    found = []
    if quality.size < MIN_SIZE:  # and so it is blurred, which goes without saying
        found.append(f"the face is small ({quality.size:.0f} pixels between the eyes)")
    elif quality.sharpness < MIN_SHARPNESS:
        found.append("it is blurred")
    if quality.yaw > MAX_YAW:
        found.append(f"the face is turned away (about {quality.yaw:.0f} degrees)")
    if quality.brightness < MIN_BRIGHTNESS:
        found.append("it is very dark")
    elif quality.brightness > MAX_BRIGHTNESS:
        found.append("it is overexposed")
    return " and ".join(found) or None


def _sharpness(face: npt.NDArray[np.float32]) -> float:
    """The share of gradient energy that a blur takes from luminance, float32 [rows, columns]."""
    blurred = np.asarray(cv2.GaussianBlur(face, (0, 0), REBLUR), np.float32)
    before, after = _gradient_energy(face), _gradient_energy(blurred)
    return max(0.0, before - after) / (before + NOISE)


def _gradient_energy(face: npt.NDArray[np.float32]) -> float:
    steps = face[1:] - face[:-1], face[:, 1:] - face[:, :-1]
    return sum(float(np.vdot(step, step)) / step.size for step in steps)


def _yaw(landmarks: npt.NDArray[np.float64]) -> float:
    """How far a face is turned, degrees, from its landmarks [5, 2].

    Once it is upright, a face turned by an angle a shows its eyes and mouth corners w cos(a) to either side of their
    middle, and the nose tip, which stands out of their plane by d, at d sin(a) beside it. So tan(a) = (nose / width) /
    (d / w), seen from afar.
    """
    right_eye, left_eye, nose, right_mouth, left_mouth = landmarks @ similarity(landmarks)[0, :2]
    offset = nose - (right_eye + left_eye + right_mouth + left_mouth) / 4
    half_width = (left_eye - right_eye + left_mouth - right_mouth) / 4
    return float(np.degrees(np.arctan2(abs(offset), NOSE * max(half_width, 0.0))))
