"""Draw boxes and names on photos, in any script that a font on this machine can draw."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from facerec_cli.errors import AnnotationError
from facerec_cli.faces.decoding import Image
from facerec_cli.faces.images import opened, picture_of
from facerec_cli.files import new_file

KNOWN_COLOUR = (22, 122, 60)
UNKNOWN_COLOUR = (176, 82, 0)
LEGIBLE_SIDE = 480
"""Longer side, pixels, below which a copy is enlarged."""
_FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg"), "JPEG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **{".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"},
}
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_FONT_FOLDERS = {
    "darwin": ["/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"],
    "win32": [os.path.join(os.environ.get("WINDIR", "C:/Windows"), "Fonts")],  # noqa: PTH118
}.get(sys.platform, ["/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts"])
# Tried first: wide coverage and a plain design. Whatever else is installed follows.
_PREFERRED = ("dejavusans.", "notosans-regular", "notosanscjk-regular", "arial.", "arial unicode", "pingfang", "msyh")


@dataclass(frozen=True)
class Label:
    """A box (x, y, width, height in pixels) and the name to write at it."""

    box: tuple[float, float, float, float]
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
    target = folder / photo.name
    if target.suffix.lower() not in _FORMATS:
        target = target.with_suffix(".png")
    if target.resolve().parent == photo.resolve().parent:
        raise AnnotationError(f"{target} would lie beside the photo itself", "choose another folder")
    number = 1
    while target.exists():
        number += 1
        target = target.with_name(f"{photo.stem}-{number}{target.suffix}")
    with opened(photo) as at_hand:
        picture = picture_of(at_hand)
        image = picture.image
        factor = -(-LEGIBLE_SIDE // max(image.shape[:2]))
        if factor > 1:
            image = np.repeat(np.repeat(image, factor, axis=0), factor, axis=1)
        scale = factor / picture.reduction
        labels = [replace(label, box=_scaled(label.box, scale)) for label in labels]
        drawn, warnings = draw_labels(image, labels)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with new_file(target) as beside:
            PillowImage.fromarray(drawn).save(beside, _FORMATS[target.suffix.lower()], quality=92)
    except (OSError, ValueError) as error:  # Pillow says ValueError where a format has no room for such a picture
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise AnnotationError(f"{target} cannot be written ({reason})", "choose another folder") from error
    return warnings


def draw_labels(image: Image, labels: Sequence[Label]) -> tuple[Image, list[str]]:
    """Draw labels on a copy of an image.

    Args:
        image: uint8 [height, width, 3], RGB.
        labels: boxes and names.

    Returns:
        The copy, uint8 [height, width, 3], RGB, and a warning for each name that no font here can draw whole.
    """
    picture = PillowImage.fromarray(image)
    draw = ImageDraw.Draw(picture)
    width, height = picture.size
    line = max(1, round(max(width, height) / 400))
    warnings = []
    for label in labels:
        x, y, box_width, box_height = label.box
        colour = KNOWN_COLOUR if label.known else UNKNOWN_COLOUR
        draw.rectangle((x, y, x + box_width, y + box_height), outline=colour, width=line)
        # Legible at the photo's own size: a share of it, but never letters below 12 pixels.
        size = max(12, round(max(width, height) / 40))
        path = font_for(label.name)
        if path is None and not _draws(_font(None, 32), label.name):
            warnings.append(f"No font on this machine draws the name {label.name}: install one, such as Noto.")
        font = _font(path, size)
        # Not so wide that it covers the neighbour's.
        while size > 12 and draw.textlength(label.name, font) > min(width - 2 * line, 1.5 * box_width):
            size -= 1
            font = _font(path, size)
        left, top, right, bottom = draw.textbbox((0, 0), label.name, font)
        text_width, text_height, pad = right - left, bottom - top, max(2, size // 6)
        # Above the box if there is room, else below it, else inside; never outside the photo.
        at_y = y - text_height - 2 * pad
        if at_y < 0:
            at_y = y + box_height if y + box_height + text_height + 2 * pad <= height else max(0.0, y)
        at_x = min(max(0.0, x), max(0.0, width - text_width - 2 * pad))
        draw.rectangle((at_x, at_y, at_x + text_width + 2 * pad, at_y + text_height + 2 * pad), fill=colour)
        draw.text((at_x + pad - left, at_y + pad - top), label.name, fill="white", font=font)
    return np.asarray(picture), warnings


def _scaled(box: tuple[float, float, float, float], factor: float) -> tuple[float, float, float, float]:
    x, y, width, height = box
    return x * factor, y * factor, width * factor, height * factor


@lru_cache(maxsize=256)
def font_for(text: str) -> Path | None:
    """The first font on this machine that draws every letter of a text; None for Pillow's own, or where none does."""
    if _draws(_font(None, 32), text):
        return None
    for path in _installed_fonts():
        try:
            if _draws(_font(path, 32), text):
                return path
        except OSError:  # a font file that FreeType cannot read is no candidate
            continue
    return None


@lru_cache(maxsize=1)
def _installed_fonts() -> tuple[Path, ...]:
    found = [
        Path(parent, name)
        for folder in _FONT_FOLDERS
        for parent, _, names in os.walk(Path(folder).expanduser())
        for name in names
        if name.lower().endswith((".ttf", ".otf", ".ttc"))
    ]

    def rank(path: Path) -> tuple[int, str]:
        name = path.name.lower()
        return next((i for i, start in enumerate(_PREFERRED) if name.startswith(start)), len(_PREFERRED)), str(path)

    return tuple(sorted(found, key=rank))


@lru_cache(maxsize=64)
def _font(path: Path | None, size: int) -> Font:
    return ImageFont.load_default(size) if path is None else ImageFont.truetype(str(path), size)


def _draws(font: Font, text: str) -> bool:
    """Whether a font has a glyph for every letter: what it lacks comes out as the one for U+FFFF, which none has."""
    missing = bytes(font.getmask("\uffff"))
    return all(letter.isspace() or bytes(font.getmask(letter)) != missing for letter in text)
