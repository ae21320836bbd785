"""One chip shown in many ways, so that a network learns the face and not the photo."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field

from facerec_cli.faces.alignment import CHIP_SIZE, Chip
from facerec_cli.faces.opencv import cv2
from facerec_cli.training.relief import turned

LUMINANCE = np.array([0.299, 0.587, 0.114])
"""Of R, G and B (ITU-R BT.601)."""
_CENTRE = (CHIP_SIZE - 1) / 2
_BLUR = (0.5, 1.5)
"""Standard deviation, pixels."""
_QUALITY = (20, 80)
"""Of JPEG."""
_AREA = (0.02, 0.2)
_ASPECT = (0.3, 1 / 0.3)
"""Of the rectangle erased: its share of the chip, and height by width."""
_BORDER = 30
"""Most pixels of a side that are black."""
_PATCHES = 4
"""Light falls differently on so many by so many parts of a chip."""


Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(gt=0)]
AtMost = Annotated[float, Field(ge=0)]


def _rising(factors: tuple[float, float]) -> tuple[float, float]:
    if factors[0] > factors[1]:
        raise ValueError(f"{factors[0]} is above {factors[1]}")
    return factors


@dataclass(frozen=True)
class Augmentation:
    """How much chips are changed; a part at 0, or scales of 1, is switched off.

    Attributes:
        flip: probability of left and right exchanged.
        scale: lowest and highest factor of the face's size.
        shift: most pixels moved in x and in y.
        rotation: most degrees turned.
        brightness: most brightness added or taken, as a share of white.
        contrast: most contrast added or taken, as a share.
        saturation: most saturation added or taken, as a share.
        colour: most of R, G and B each added or taken, as a share: the colour of the light.
        yaw: most degrees that the head is turned to a side.
        pitch: most degrees that it is turned up or down.
        light: how unevenly light falls: the standard deviation of the logarithm of its strength.
        border: probability that the photo may end within the chip, by a coin's toss for each side, and is black beyond.
        blur: probability of a blur.
        jpeg: probability of a further JPEG compression.
        erasing: probability of a rectangle replaced by noise (Zhong et al., "Random Erasing Data Augmentation",
            AAAI 2020, arXiv 1708.04896).
    """

    flip: Share = 0.5
    scale: Annotated[tuple[Factor, Factor], AfterValidator(_rising)] = (0.82, 1.06)
    shift: AtMost = 3
    rotation: AtMost = 6
    brightness: Share = 0.15
    contrast: Share = 0.3
    saturation: Share = 0.4
    colour: Share = 0.06
    yaw: Annotated[float, Field(ge=0, le=45)] = 0
    pitch: Annotated[float, Field(ge=0, le=45)] = 0
    light: AtMost = 0
    border: Share = 0
    blur: Share = 0.1
    jpeg: Share = 0.15
    erasing: Share = 0.3


def augment(chip: Chip, augmentation: Augmentation, generator: np.random.Generator) -> Chip:
    """A chip changed at random.

    Args:
        chip: uint8 [112, 112, 3], RGB; left as it is.
        augmentation: how much.
        generator: decides everything; how much is drawn from it depends on what is drawn.

    Returns:
        uint8 [112, 112, 3], RGB.
    """
    moved = _moved(chip, augmentation, generator)
    if augmentation.light:
        moved = _lit(moved, augmentation.light, generator)
    changed = np.asarray(cv2.transform(moved, _light(augmentation, cv2.mean(moved)[:3], generator)), np.uint8)
    if generator.random() < augmentation.blur:
        changed = np.asarray(cv2.GaussianBlur(changed, (0, 0), generator.uniform(*_BLUR)), np.uint8)
    if generator.random() < augmentation.jpeg:
        changed = _recompress(changed, int(generator.integers(*_QUALITY)))
    if augmentation.border and generator.random() < augmentation.border:
        _end(changed, generator)
    if generator.random() < augmentation.erasing:
        _erase(changed, generator)
    return changed


def _moved(chip: Chip, augmentation: Augmentation, generator: np.random.Generator) -> Chip:
    """A chip moved, and its head turned."""
    movement = _movement(augmentation, generator)
    if not (augmentation.yaw or augmentation.pitch):
        size = (CHIP_SIZE, CHIP_SIZE)
        return np.asarray(cv2.warpAffine(chip, movement, size, borderMode=cv2.BORDER_REFLECT_101), np.uint8)
    yaw, pitch = generator.uniform(-1, 1, 2) * (augmentation.yaw, augmentation.pitch)
    maps = turned(movement, yaw, pitch)
    return np.asarray(cv2.remap(chip, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), np.uint8)


def _lit(chip: Chip, light: float, generator: np.random.Generator) -> Chip:
    """A chip in light that falls unevenly."""
    strength = np.exp(generator.normal(0, light, (_PATCHES, _PATCHES))).astype(np.float32)
    smooth = cv2.resize(strength, (CHIP_SIZE, CHIP_SIZE), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.multiply(chip, cv2.merge([smooth] * 3), dtype=cv2.CV_8U), np.uint8)


def _movement(augmentation: Augmentation, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """Flip, scale, rotation about the chip's centre and shift, in one: float64 [2, 3]."""
    scale = generator.uniform(*augmentation.scale)
    angle = math.radians(generator.uniform(-augmentation.rotation, augmentation.rotation))
    mirror = -1 if generator.random() < augmentation.flip else 1
    centre = generator.uniform(-augmentation.shift, augmentation.shift, 2) + _CENTRE
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    linear = np.array([[mirror * cosine, -sine], [mirror * sine, cosine]])
    return np.column_stack([linear, centre - linear.sum(axis=1) * _CENTRE])


def _light(
    augmentation: Augmentation, mean: tuple[float, ...], generator: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Saturation, colour, contrast about the chip's mean and brightness, in one: float64 [3, 4], on R, G, B and 1."""
    most = augmentation
    strengths = [most.brightness, most.contrast, most.saturation, most.colour, most.colour, most.colour]
    brightness, contrast, saturation, *colour = generator.uniform(-1, 1, 6) * strengths
    mix = np.diag(1 + np.array(colour)) @ ((1 + saturation) * np.eye(3) - saturation * LUMINANCE)
    level = LUMINANCE @ mix @ mean
    return np.column_stack([(1 + contrast) * mix, np.full(3, 255 * brightness - contrast * level)])


def _recompress(chip: Chip, quality: int) -> Chip:
    """A chip as JPEG leaves it."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(chip, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)


def _end(chip: Chip, generator: np.random.Generator) -> None:
    """Make what is beyond the photo's end black, on up to four sides."""
    top, right, bottom, left = generator.integers(1, _BORDER + 1, 4) * (generator.random(4) < 0.5)
    chip[:top], chip[:, :left] = 0, 0
    chip[CHIP_SIZE - bottom :], chip[:, CHIP_SIZE - right :] = 0, 0


def _erase(chip: Chip, generator: np.random.Generator) -> None:
    """Replace a rectangle of the chip by noise."""
    area = generator.uniform(*_AREA) * CHIP_SIZE**2
    aspect = math.exp(generator.uniform(*np.log(_ASPECT)))
    height = min(CHIP_SIZE, round(math.sqrt(area * aspect)))
    width = min(CHIP_SIZE, round(math.sqrt(area / aspect)))
    top, left = generator.integers(0, (CHIP_SIZE - height + 1, CHIP_SIZE - width + 1))
    chip[top : top + height, left : left + width] = generator.integers(0, 256, (height, width, 3), np.uint8)
