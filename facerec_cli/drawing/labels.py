"""Draw boxes and names on photos, in any script that a font on this machine can draw."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from facerec_cli.drawing.copies import copy_of, write_copy
from facerec_cli.errors import AnnotationError
from facerec_cli.faces.images import opened, picture_of

KNOWN_COLOUR = (22, 122, 60)
UNKNOWN_COLOUR = (176, 82, 0)
LEGIBLE_SIDE = 480
"""Longer side, pixels, below which a copy is enlarged."""
_COPY_BYTES = 7
"""Bytes a pixel that drawing takes: the photo, and the copy, of which Pillow holds four."""
_LEGIBLE, _SMALLEST = 12, 9
"""Height of letters, pixels: what is easily read, and what can be read at all."""
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Box = tuple[float, float, float, float]
"""x, y, width, height, pixels."""
Boxes = npt.NDArray[np.float64]
"""float64 [n, 4], of boxes."""

_FONT_FOLDERS = {
    "darwin": ["/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"],
    "win32": [os.path.join(os.environ.get("WINDIR", "C:/Windows"), "Fonts")],  # noqa: PTH118
}.get(sys.platform, ["/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts"])
# Tried first: wide coverage and a plain design. Whatever else is installed follows.
_PREFERRED = ("dejavusans.", "notosans-regular", "notosanscjk-regular", "arial.", "arial unicode", "pingfang", "msyh")


@dataclass(frozen=True)
class Label:
    """A box and the name to write at it, if there is any."""

    box: Box
    name: str
    known: bool


def annotate_photo(photo: Path, labels: Sequence[Label], folder: Path) -> list[str]:
    """Write a copy of a photo with boxes and names to a folder, under the photo's own name.

    A small photo's copy is enlarged by a whole factor, so that names can be read; that of one of more than 100
    megapixels is reduced by one.

    Args:
        photo: its file; never overwritten.
        labels: what to draw.
        folder: made if it is not there.

    Returns:
        A warning for each name that no font on this machine can draw.

    Raises:
        PhotoError: the photo cannot be read any more.
        AnnotationError: the copy cannot be written.
    """
    target = copy_of(photo, folder, AnnotationError)
    with opened(photo, _COPY_BYTES) as at_hand:
        picture = picture_of(at_hand)
        copy, scale = PillowImage.fromarray(picture.image), 1 / picture.reduction
        del picture  # a hundred megapixels are held once from here on
        factor = -(-LEGIBLE_SIDE // max(copy.size))
        if factor > 1:
            copy = copy.resize((copy.width * factor, copy.height * factor), PillowImage.Resampling.NEAREST)
        warnings = draw_labels(copy, [replace(label, box=_scaled(label.box, factor * scale)) for label in labels])

        def save(beside: Path, kind: str) -> None:
            # At its own level zlib takes 15 s for a hundred megapixels.
            copy.save(beside, kind, quality=92, compress_level=1)

        write_copy(target, save, AnnotationError)
    return warnings


def draw_labels(picture: PillowImage.Image, labels: Sequence[Label]) -> list[str]:
    """Draw labels on a picture.

    Args:
        picture: RGB; it is changed.
        labels: boxes and names.

    Returns:
        A warning for each name that no font here can draw whole.
    """
    draw = ImageDraw.Draw(picture)
    warnings = []
    taken = np.array([label.box for label in labels], np.float64).reshape(-1, 4)
    for label in labels:
        x, y, width, height = label.box
        line = max(1, round(min(max(picture.size) / 400, width / 30)))
        draw.rectangle((x, y, x + width, y + height), outline=_colour(label), width=line)
    for number, label in enumerate(labels):
        if not label.name:
            continue
        path = font_for(label.name)
        if path is None and not _draws(font_at(None, 32), label.name):
            warnings.append(f"No font on this machine draws the name {label.name}: install one, such as Noto.")
        font = _fitting(draw, label, path, picture.size)
        left, top, right, bottom = draw.textbbox((0, 0), label.name, font)
        pad = max(2, round(font.size / 6)) if isinstance(font, ImageFont.FreeTypeFont) else 2
        size = (right - left + 2 * pad, bottom - top + 2 * pad)
        x, y = _place(label.box, size, picture.size, np.delete(taken, number, axis=0))
        taken = np.vstack((taken, [(x, y, *size)]))
        draw.rectangle((x, y, x + size[0], y + size[1]), fill=_colour(label))
        draw.text((x + pad - left, y + pad - top), label.name, fill="white", font=font)
    return warnings


def _colour(label: Label) -> tuple[int, int, int]:
    return KNOWN_COLOUR if label.known else UNKNOWN_COLOUR


def _fitting(draw: ImageDraw.ImageDraw, label: Label, path: Path | None, picture: tuple[int, int]) -> Font:
    """A font of letters that can be read: a share of the photo or of a large face, smaller where a name is long."""
    width = label.box[2]
    size = max(_LEGIBLE, round(min(max(picture) / 40, width / 4)))
    # Not so wide that it covers the neighbour's.
    while size > _SMALLEST and draw.textlength(label.name, font_at(path, size)) > min(picture[0] - 4, 1.5 * width):
        size -= 1
    return font_at(path, size)


def _place(box: Box, size: tuple[float, float], picture: tuple[int, int], others: Boxes) -> tuple[float, float]:
    """Where a label goes: above or below its box or in it, in the photo, clear of others if it can.

    Args:
        box: the label's.
        size: of the label.
        picture: width and height of the photo.
        others: float64 [n, 4], boxes and labels that it should not cover.
    """
    x, y, width, height = box

    def inside(at_x: float, at_y: float) -> tuple[float, float]:
        return min(max(0.0, at_x), max(0.0, picture[0] - size[0])), min(max(0.0, at_y), max(0.0, picture[1] - size[1]))

    places = [
        inside(at_x, at_y)
        for at_y in (y - size[1], y + height)
        if 0 <= at_y <= picture[1] - size[1]
        for at_x in (x, x + width - size[0], x + (width - size[0]) / 2)
    ] or [inside(x, y)]
    return min(places, key=lambda place: _covered((*place, *size), others))


def _covered(box: Box, others: Boxes) -> float:
    """How much of other boxes a box covers, pixels."""
    begin = np.maximum(others[:, :2], box[:2])
    end = np.minimum(others[:, :2] + others[:, 2:], (box[0] + box[2], box[1] + box[3]))
    return float(np.maximum(end - begin, 0).prod(axis=1).sum())


def _scaled(box: Box, factor: float) -> Box:
    x, y, width, height = box
    return x * factor, y * factor, width * factor, height * factor


@lru_cache(maxsize=256)
def font_for(text: str) -> Path | None:
    """The first font on this machine that draws every letter of a text; None for Pillow's own, or where none does."""
    if _draws(font_at(None, 32), text):
        return None
    for path in _installed_fonts():
        try:
            if _draws(font_at(path, 32), text):
                return path
        except OSError:  # a font file that FreeType cannot read is no candidate
            continue
    return None


@lru_cache(maxsize=1)
def _installed_fonts() -> tuple[Path, ...]:
    found = [
        Path(parent, name)
        for folder in _FONT_FOLDERS
        # Path.expanduser raises where nobody has a home.
        for parent, _, names in os.walk(os.path.expanduser(folder))  # noqa: PTH111
        for name in names
        if name.lower().endswith((".ttf", ".otf", ".ttc"))
    ]

    def rank(path: Path) -> tuple[int, str]:
        name = path.name.lower()
        return next((i for i, start in enumerate(_PREFERRED) if name.startswith(start)), len(_PREFERRED)), str(path)

    return tuple(sorted(found, key=rank))


@lru_cache(maxsize=64)
def font_at(path: Path | None, size: int) -> Font:
    """A font of this size, pixels; Pillow's own where there is no path."""
    return ImageFont.load_default(size) if path is None else ImageFont.truetype(str(path), size)


def _draws(font: Font, text: str) -> bool:
    """Whether a font has a glyph for every letter: what it lacks comes out as the one for U+FFFF, which none has."""
    missing = bytes(font.getmask("\uffff"))
    return all(letter.isspace() or bytes(font.getmask(letter)) != missing for letter in text)
