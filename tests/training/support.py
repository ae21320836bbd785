"""Data sets that need no photos, a recipe and a watcher for trainings of seconds, and photos of twelve people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageOps

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.faces.quality import Quality
from facerec_cli.training.augmentation import Augmentation
from facerec_cli.training.data import people_data
from facerec_cli.training.history import Epoch, Unwatched
from facerec_cli.training.recipe import load_recipe


def chip_set(chips: npt.NDArray[np.uint8], people: Sequence[str], folder: Path = Path("people")) -> ChipSet:
    """The chips of these people, uint8 [n, 112, 112, 3] RGB, a photo each."""
    count = len(people)
    return ChipSet(
        folder=folder,
        photos=[f"{person}/{number}.jpg" for number, person in enumerate(people)],
        people=list(people),
        chips=chips,
        scores=np.ones(count, np.float32),
        quality={field.name: np.ones(count, np.float32) for field in fields(Quality)},
        has_face=np.ones(count, np.bool_),
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

CHIPS = np.random.default_rng(0).integers(0, 255, (48, 112, 112, 3), dtype=np.uint8)
PEOPLE = [f"person {number // 4}" for number in range(48)]
CHIP_SET = chip_set(CHIPS, PEOPLE)
DATA = people_data(CHIP_SET, PEOPLE, 2 / 3, 0, "people")
# With dropout, whose random numbers a checkpoint keeps too; small, since building its graph is what takes time.
TINY = replace(
    load_recipe("siamese"),
    network="plain",
    options={"size": 32, "unit": True},
    people=4,
    photos=2,
    steps_per_epoch=2,
    epochs=3,
    warm_up=1,
    learning_rate=0.01,
    dictionaries=(),
)


class Noting(Unwatched):
    """Notes what a watcher is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def begun(self, name: str, epochs: int, history: Sequence[Epoch]) -> None:
        self.told.append(f"begun {name} for {epochs} after {len(history)}")

    def noted(self, what: str) -> None:
        self.told.append(what)

    def stepped(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        assert 1 <= step <= steps

    def validated(self, epoch: Epoch, is_best: bool) -> None:
        self.told.append(f"epoch {epoch.epoch}")

    def ended(self) -> None:
        self.told.append("ended")


def outcome(history: list[Epoch]) -> list[tuple[float | None, float, float]]:
    """Loss, accuracy and AUC of epochs: what does not depend on the clock."""
    return [(epoch.loss, epoch.accuracy, epoch.auc) for epoch in history]


def people(samples: Path, folder: Path) -> Path:
    """Twelve people of four photos: the samples, as they are and in parts that look like somebody else."""
    for number, path in enumerate(sorted(samples.glob("*.jpg")) * 2):
        with Image.open(path) as opened:
            photo = ImageOps.exif_transpose(opened).convert("RGB")
        photo = ImageOps.mirror(photo) if number >= 6 else photo
        person = folder / f"person {number}"
        person.mkdir(parents=True)
        for variant, brightness in enumerate((0.8, 0.95, 1.0, 1.1)):
            ImageEnhance.Brightness(photo).enhance(brightness).save(person / f"{variant}.jpg")
    return folder
