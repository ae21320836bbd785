"""People who do not exist, made of parts of two people's chips: more people to tell apart than a data set has.

Hu, Peng, Yang, Hospedales, Verbeek: "Frankenstein: Learning Deep Face Representations using Small Data", IEEE
Transactions on Image Processing 2018, arXiv 1603.06470. Aligned chips have eyes, nose and mouth in the same places, so
that a part is a place.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from facerec_cli.faces.alignment import CHIP_SIZE, TEMPLATE, Chip
from facerec_cli.faces.opencv import cv2

Weights = npt.NDArray[np.float32]
Parts = tuple[str, ...]

PART_SETS: tuple[Parts, ...] = (
    ("eyes",),
    ("nose",),
    ("mouth",),
    ("eyes", "nose"),
    ("eyes", "mouth"),
    ("nose", "mouth"),
    ("eyes", "nose", "mouth"),
    ("upper",),
    ("lower",),
    ("left",),
    ("right",),
)
"""What a composite may take from its second person."""

_FEATHER = 4.0
"""Softness of a part's edge, a standard deviation in pixels."""
_CELLS = 28
"""Colours are compared on a grid of this many cells a side."""
_REACH = 5.0
"""How far into a part its edge decides the colours, a standard deviation in cells."""


def composite(first: Chip, second: Chip, parts: Parts) -> Chip:
    """The first chip with parts of the second blended in.

    Two skins or two lights would give composites away, so the parts take on the first chip's colours along their edges,
    carried inwards smoothly: the membrane of Poisson editing (Pérez et al., SIGGRAPH 2003), by a normalised convolution
    (Knutsson and Westin, CVPR 1993).

    Args:
        first: uint8 [112, 112, 3], RGB.
        second: uint8 [112, 112, 3], RGB.
        parts: one of ``PART_SETS``.

    Returns:
        uint8 [112, 112, 3], RGB; outside the mask it is the first chip.
    """
    wanted, own = _edge_colours(first, parts), _edge_colours(second, parts)
    # Darker by a share and lighter by a sum: black stays black, and highlights do not grow.
    share = cv2.resize(np.minimum(wanted / own, 1), (CHIP_SIZE, CHIP_SIZE))
    light = cv2.resize(np.maximum(wanted - own, 0), (CHIP_SIZE, CHIP_SIZE))
    matched = cv2.add(cv2.multiply(second, share, dtype=cv2.CV_32F), light, dtype=cv2.CV_8U)
    return np.asarray(cv2.blendLinear(first, matched, *_masks(parts)), np.uint8)


def mask(parts: Parts) -> Weights:
    """Where a composite shows its second person: float32 [112, 112] in [0, 1], with soft edges."""
    return _masks(parts)[1]


@cache
def _masks(parts: Parts) -> tuple[Weights, Weights]:
    """The weights of the first and of the second chip."""
    hard = np.zeros((CHIP_SIZE, CHIP_SIZE), np.float32)
    for part in parts:
        _fill(hard, part)
    second = np.asarray(cv2.GaussianBlur(hard, (0, 0), _FEATHER), np.float32)
    return 1 - second, second


def _fill(hard: Weights, part: str) -> None:
    """Set one part's pixels to 1, by the places that alignment gives the landmarks."""
    left_eye, _, nose, left_mouth, _ = TEMPLATE.round().astype(int).tolist()
    middle, eyes, tip, mouth = nose[0], left_eye[1], nose[1], left_mouth[1]
    bridge = (eyes + tip) // 2
    match part:
        case "eyes":  # with the brows
            _fill_ellipse(hard, (middle, eyes - 4), (36, 15))
        case "nose":
            _fill_ellipse(hard, (middle, tip - 4), (14, 17))
        case "mouth":
            _fill_ellipse(hard, (middle, mouth), (25, 13))
        case "upper":
            hard[:bridge] = 1
        case "lower":
            hard[bridge:] = 1
        case "left":
            hard[:, :middle] = 1
        case "right":
            hard[:, middle:] = 1
        case _:
            raise ValueError(f"no part of a face is called {part}")


def _fill_ellipse(image: Weights, centre: tuple[int, int], axes: tuple[int, int]) -> None:
    cv2.ellipse(image, centre, axes, angle=0, startAngle=0, endAngle=360, color=1.0, thickness=cv2.FILLED)


def _edge_colours(chip: Chip, parts: Parts) -> Weights:
    """A chip's colours along the edge of some parts, carried to every cell: float32 [28, 28, 3] in [1, 256]."""
    edge, total = _edge(parts)
    return _spread(_reduce(chip) * edge) / total + 1


@cache
def _edge(parts: Parts) -> tuple[Weights, Weights]:
    """Each cell's weight as the parts' edge, and these weights spread: float32 [28, 28, 1] each."""
    # The background is of another colour, and nobody's skin.
    face = np.zeros((CHIP_SIZE, CHIP_SIZE), np.float32)
    _fill_ellipse(face, (CHIP_SIZE // 2, 68), (34, 46))
    inside = _reduce(mask(parts))
    edge = inside * (1 - inside) * _reduce(face)
    return edge[..., None], np.maximum(_spread(edge), np.finfo(np.float32).tiny)[..., None]


def _reduce(image: Chip | Weights) -> Weights:
    return np.asarray(cv2.resize(image, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA), np.float32)


def _spread(cells: Weights) -> Weights:
    return np.asarray(cv2.GaussianBlur(cells, (0, 0), _REACH), np.float32)
