"""How much of who it was is left in a face that is hidden: mosaics of several coarseness, and plain grey.

Two photos each of many people; the attacker has the first, clean or hidden in the same way, knows where the face was,
and looks for the person in the second, hidden.

    python benchmarks/blur.py data/lfw
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from facerec_cli import Recognizer
from facerec_cli.faces.alignment import align
from facerec_cli.faces.extraction import Face
from facerec_cli.faces.images import pixels

Pixels = npt.NDArray[np.uint8]
Vectors = npt.NDArray[np.float32]
_PEOPLE = 200


def around(face: Face) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is hidden."""
    x, y, width, height = face.box
    left, top = max(0, round(x - 0.25 * width)), max(0, round(y - 0.45 * height))
    return left, top, round(x + 1.25 * width), round(y + 1.25 * height)


def mosaic(image: Pixels, face: Face, cells: int) -> Pixels:
    """So many cells across a face, brought back to size as smoothly as can be."""
    picture = Image.fromarray(image)
    part = picture.crop(around(face))
    across = round(cells * 1.5)
    small = part.resize((across, max(1, across * part.height // part.width)), Image.Resampling.BOX)
    picture.paste(small.resize(part.size, Image.Resampling.BICUBIC), around(face)[:2])
    return np.asarray(picture)


def grey(image: Pixels, face: Face) -> Pixels:
    """Plain grey."""
    picture = Image.fromarray(image)
    picture.paste((128, 128, 128), around(face))
    return np.asarray(picture)


def rank1(asked: Vectors, known: Vectors) -> float:
    """The share of people whose own photo is the most alike of all."""
    return float(((asked @ known.T).argmax(axis=1) == np.arange(len(asked))).mean())


def main(folder: Path) -> None:
    """Measure, and print a table."""
    recognizer = Recognizer()
    people = [sorted(person.glob("*.jpg"))[:2] for person in sorted(folder.iterdir()) if person.is_dir()]
    known: list[tuple[Pixels, Face]] = []
    asked: list[tuple[Pixels, Face]] = []
    for photos in people:
        found = [recognizer.extract(photo).faces for photo in photos]
        if len(found) == 2 and all(found) and len(known) < _PEOPLE:
            for photo, faces, where in zip(photos, found, (known, asked), strict=True):
                where.append((pixels(photo), faces[0]))

    def embedded(photos: list[tuple[Pixels, Face]], hide: Callable[[Pixels, Face], Pixels]) -> Vectors:
        return recognizer.embed([align(hide(image, face), face.landmarks) for image, face in photos])

    clean = embedded(known, lambda image, _: image)
    best = rank1(embedded(asked, lambda image, _: image), clean)
    print(f"{len(known)} people; chance {1 / len(known):.1%}; nothing hidden: {best:.1%}")
    ways: dict[str, Callable[[Pixels, Face], Pixels]] = {
        f"{cells} cells": partial(mosaic, cells=cells) for cells in (16, 12, 8, 6, 4, 3)
    }
    for name, hide in (ways | {"grey": grey}).items():
        hidden = embedded(asked, hide)
        likewise = rank1(hidden, embedded(known, hide))
        print(f"{name}: {rank1(hidden, clean):.1%} of clean photos, {likewise:.1%} of those hidden likewise")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
