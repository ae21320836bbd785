"""Copies of photos in which faces cannot be recognised any more.

A face is covered by plain grey, of which nothing can be undone: a mosaic of as few as three cells across a face still
tells who of 200 people it is sixteen times as often as chance (``benchmarks/blur.py``). What else of a file may show
the face goes too: EXIF and its thumbnail, XMP, previews, further pictures, videos and depth maps behind the picture.
What remains is the picture, its orientation and its colour profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage
from PIL import ImageDraw, JpegImagePlugin

from facerec_cli.drawing.copies import copy_of, write_copy
from facerec_cli.errors import ConcealmentError
from facerec_cli.faces.headers import inspect
from facerec_cli.faces.images import FULL_PIXELS, Photo, opened, picture_of
from facerec_cli.faces.pillow import as_stored, info_in
from facerec_cli.metadata.areas import Area, Canvas
from facerec_cli.metadata.embedded import embedded_in

Box = tuple[float, float, float, float]
"""x, y, width, height, pixels."""

_COPY_BYTES = 11
"""Bytes a pixel that hiding takes: the photo, and the copy, of each of which Pillow holds four; and decoding."""
_ACROSS, _UP, _DOWN = 1.5, 0.45, 0.25
"""Width of what is covered, in widths of the face's box, and what is covered above and below it, in its heights."""
_ORIENTATION = 0x0112
_GREY: dict[str, int | tuple[int, ...]] = {
    "L": 128,
    "LA": (128, 255),
    "RGB": (128,) * 3,
    "RGBA": (128, 128, 128, 255),
    "CMYK": (0, 0, 0, 127),
}
"""The covering colour by Pillow's modes; photos in other ones are copied in RGB."""
_MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "BMP": ("L", "RGB"),
    "WEBP": ("RGB", "RGBA"),
    "PNG": ("L", "LA", "RGB", "RGBA"),
    "TIFF": tuple(_GREY),
}
"""The modes that formats have."""
_SPACES = {"L": b"GRAY", "LA": b"GRAY", "RGB": b"RGB ", "RGBA": b"RGB ", "CMYK": b"CMYK"}
"""The colour spaces of profiles (ICC.1, bytes 16 to 19 of their header)."""
_LARGEST_QUANTUM = 255
"""In a JPEG of 8 bits as Pillow writes it."""


@dataclass(frozen=True, eq=False)
class _Bare:
    """A picture without anything else, how it is stored, and what a file of it is written with."""

    picture: PillowImage.Image
    canvas: Canvas
    options: dict[str, Any]


def hide_faces(photo: Path, boxes: Sequence[Box], size: tuple[int, int], folder: Path) -> Path:
    """Write a copy of a photo in which faces are covered to a folder, under the photo's own name.

    Of PNG, BMP, TIFF (turned upright) and lossless WebP all other pixels stay as they are, at 8 bits; a JPEG is encoded
    once more, with its own tables. A photo that is damaged, or of more than 100 megapixels, is copied as facerec sees
    it: upright, and reduced.

    Args:
        photo: its file; never overwritten.
        boxes: of the faces, in pixels of the upright photo.
        size: of the upright photo, pixels.
        folder: made if it is not there.

    Returns:
        Where the copy is.

    Raises:
        PhotoError: the photo cannot be read any more.
        ConcealmentError: the copy cannot be written.
    """
    target = copy_of(photo, folder, ConcealmentError)
    with opened(photo, _COPY_BYTES) as at_hand:

        def save(beside: Path, kind: str) -> None:
            bare = _bare(at_hand, size, kind)
            draw = ImageDraw.Draw(bare.picture)
            for box in boxes:
                draw.ellipse(_covered(box, size, bare.canvas), fill=_GREY[bare.picture.mode])
            # At its own level zlib takes 15 s for a hundred megapixels.
            bare.picture.save(beside, kind, compress_level=1, **bare.options)

        return write_copy(target, save, ConcealmentError)


def _bare(photo: Photo, size: tuple[int, int], kind: str) -> _Bare:
    """A photo's picture for a copy of a kind."""
    data = photo.content
    assert isinstance(data, bytes)
    header = inspect(BytesIO(data), len(data))
    assert header  # which was looked at when it was opened
    is_plain = header.pixels <= FULL_PIXELS and not header.is_animation
    stored = as_stored(header.format, data) if is_plain else None
    canvas = Canvas(*size)
    if stored:
        # Pillow turns a TIFF while it loads it.
        is_turned = header.format == "TIFF"
        orientation = 1 if is_turned else embedded_in(BytesIO(data), len(data), header).orientation
        canvas = Canvas(*stored.size, orientation)
    if stored is None or canvas.upright_size != size or (kind == "BMP" and canvas.orientation > 1):
        bare = PillowImage.fromarray(picture_of(photo).image)
        profile = info_in(header.format, data).get("icc_profile")
        return _Bare(bare, Canvas(*bare.size), _options(kind, bare.mode, profile))
    mode = _mode(stored, kind)
    bare = PillowImage.new(mode, stored.size)
    bare.paste(stored if stored.mode == mode else stored.convert(mode))
    options = _options(kind, mode, stored.info.get("icc_profile"), canvas.orientation)
    if kind == "JPEG" and isinstance(stored, JpegImagePlugin.JpegImageFile):
        options |= _tables(stored)
    if kind == "WEBP" and b"VP8L" in data:
        options |= {"lossless": True, "exact": True}
    return _Bare(bare, canvas, options)


def _mode(stored: PillowImage.Image, kind: str) -> str:
    """The mode in which a picture is copied: its own, where the format has it, or the one that loses least."""
    has_alpha = "transparency" in stored.info or stored.mode in ("LA", "PA", "RGBA")
    own = "L" if stored.mode == "1" else "RGBA" if has_alpha and stored.mode != "LA" else stored.mode
    if own in _MODES[kind]:
        return own
    return "RGBA" if has_alpha and "RGBA" in _MODES[kind] else "RGB"


def _options(kind: str, mode: str, profile: bytes | None, orientation: int = 1) -> dict[str, Any]:
    """What a file of this kind is written with, whatever photo it is of."""
    # The profile of what was there before the mode changed says nothing of this picture.
    fits = profile is not None and profile[16:20] == _SPACES[mode]
    options: dict[str, Any] = {"icc_profile": profile if fits else None}
    if orientation > 1:
        exif = PillowImage.Exif()
        exif[_ORIENTATION] = orientation
        options["exif"] = exif
    special: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": 95, "subsampling": 0},
        "WEBP": {"quality": 95},
        "TIFF": {"compression": "tiff_adobe_deflate"},
    }
    return options | special.get(kind, {})


def _tables(stored: JpegImagePlugin.JpegImageFile) -> dict[str, Any]:
    """The tables of a JPEG, so that encoding it once more changes next to nothing; none of a rare kind of JPEG."""
    if max(max(table) for table in stored.quantization.values()) > _LARGEST_QUANTUM:
        return {}
    sampling = JpegImagePlugin.get_sampling(stored)
    # Of tables and a quality Pillow takes the quality; -1 is none.
    tables = {"qtables": stored.quantization, "quality": -1}
    return tables if sampling < 0 else tables | {"subsampling": sampling}


def _covered(box: Box, size: tuple[int, int], canvas: Canvas) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the ellipse that covers a face, in the stored picture: hair and ears with it."""
    x, y, width, height = box
    top, tall = y - _UP * height, (1 + _UP + _DOWN) * height
    middle = ((x + width / 2) / size[0], (top + tall / 2) / size[1])
    area = Area(*middle, _ACROSS * width / size[0], tall / size[1])
    left, upper, across, down = canvas.stored(area).box(canvas.width, canvas.height)
    return left, upper, left + across, upper + down
