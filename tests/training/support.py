"""Data sets that need no photos, and the augmentation that changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.training.augmentation import Augmentation


def chip_set(chips: npt.NDArray[np.uint8], people: Sequence[str], folder: Path = Path("people")) -> ChipSet:
    """The chips of these people, uint8 [n, 112, 112, 3] RGB, a photo each."""
    count = len(people)
    return ChipSet(
        folder=folder,
        photos=[f"{person}/{number}.jpg" for number, person in enumerate(people)],
        people=list(people),
        chips=chips,
        scores=np.ones(count, np.float32),
        quality={name: np.ones(count, np.float32) for name in ("sharpness", "size", "yaw", "brightness")},
        found=np.ones(count, np.bool_),
        faceless=[],
        unreadable=[],
        is_lfw=False,
    )


UNCHANGED = Augmentation(
    flip=0,
    scale=(1, 1),
    shift=0,
    rotation=0,
    brightness=0,
    contrast=0,
    saturation=0,
    colour=0,
    blur=0,
    jpeg=0,
    erasing=0,
)
