"""Faces side by side on one sheet, with what is to be said of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from facerec_cli.drawing.labels import Font, font_at, font_for
from facerec_cli.faces.alignment import CHIP_SIZE

_LETTERS = 12
"""Height of letters, pixels."""
_LINE = 15
_GAP = 4
"""Between the faces of an entry, pixels."""
_MARGIN = 12
"""Around an entry, pixels."""
_WIDTH = 1000
"""Of a sheet, pixels; where an entry is wider, as wide as that."""


@dataclass(frozen=True, eq=False)
class Tile:
    """A face: its chip, uint8 [112, 112, 3] RGB, and lines to stand below it, cut to its width."""

    chip: npt.NDArray[np.uint8]
    lines: Sequence[str]


@dataclass(frozen=True, eq=False)
class Entry:
    """Faces that belong together, and a line above them."""

    heading: str
    tiles: Sequence[Tile]


def contact_sheet(entries: Sequence[Entry]) -> bytes:
    """A PNG of entries, row by row; all of them have as many faces and lines."""
    faces = max(len(entry.tiles) for entry in entries)
    lines = max(len(tile.lines) for entry in entries for tile in entry.tiles)
    width = faces * CHIP_SIZE + (faces - 1) * _GAP + 2 * _MARGIN
    height = CHIP_SIZE + (1 + lines) * _LINE + 2 * _MARGIN
    columns = min(len(entries), max(1, _WIDTH // width))
    sheet = Image.new("RGB", (columns * width, -(-len(entries) // columns) * height), "white")
    draw = ImageDraw.Draw(sheet)
    for number, entry in enumerate(entries):
        x, y = number % columns * width + _MARGIN, number // columns * height + _MARGIN
        _write(draw, (x, y), entry.heading, width - 2 * _MARGIN)
        for tile in entry.tiles:
            sheet.paste(Image.fromarray(tile.chip), (x, y + _LINE))
            for line, text in enumerate(tile.lines):
                _write(draw, (x, y + CHIP_SIZE + (1 + line) * _LINE), text, CHIP_SIZE)
            x += CHIP_SIZE + _GAP
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, width: int) -> None:
    """Write a text, its middle left out where it is too wide."""
    plain = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    font = font_at(font_for(plain), _LETTERS)
    draw.text(place, _cut(draw, plain, font, width), fill="black", font=font)


def _cut(draw: ImageDraw.ImageDraw, text: str, font: Font, width: int) -> str:
    kept, shown = len(text), text
    while kept > 1 and draw.textlength(shown, font) > width:
        kept -= 1
        shown = f"{text[: kept // 2]}…{text[len(text) - (kept - kept // 2) :]}"
    return shown
