"""The one place that decodes with Pillow and pillow-heif: HEIC, AVIF, GIF, animated WebP, and what JPEGs may lack.

Imported when the first such photo is met, which others do not wait for.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from facerec_cli.errors import MissingDecoderError
from facerec_cli.faces.header import Header

Pixels = npt.NDArray[np.uint8]

_UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, RuntimeError, ArithmeticError, LookupError, struct.error),
    Image.DecompressionBombError,
)
"""What the two raise for files that are not what they should be."""
JPEG_END = b"\xff\xd9"
_FILLING = random.Random(0).randbytes(4096).replace(b"\xff", b"\0")
"""What is decoded to something, where a picture is not over."""
_EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK")
"""Pillow's modes of pictures that it holds as they are, or less finely."""
_ROWS = 64
"""Rows of a JPEG that are compared at once."""
_BLOCK = 16 + 1
"""Rows of a JPEG's largest block, and the one above that its colours reach: every viewer shows a photo without them."""


def first_frame(source: str, data: bytes, header: Header) -> Pixels | None:
    """The picture of a photo file, or the first frame of an animation.

    Args:
        source: what people know it by.
        data: the file.
        header: its own.

    Returns:
        uint8 [height, width, 3], RGB, upright; None where the file is damaged.

    Raises:
        MissingDecoderError: nothing that is installed reads the format.
    """
    try:
        if header.format == "HEIC":
            return _heic(data, header.pixels)
        return _upright(_plugin(header.format)(io.BytesIO(data)), header.pixels)
    except ImportError as error:
        problem = f"{source} is {header.format}, and no library that reads it is installed"
        raise MissingDecoderError(problem) from error
    except _UNREADABLE:
        return None


def _heic(data: bytes, most: int) -> Pixels | None:
    """The primary picture; libheif turns it as the file says, and EXIF has no say (ISO/IEC 23008-12)."""
    import pillow_heif  # noqa: PLC0415 - not everybody has it

    picture = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    if picture.size[0] * picture.size[1] > most:
        return None
    pixels = np.asarray(picture)
    if pixels.ndim == 2:
        pixels = pixels[..., np.newaxis]
    colours = pixels[..., :3] if pixels.shape[2] > 2 else np.repeat(pixels[..., :1], 3, axis=2)
    return np.ascontiguousarray(colours, np.uint8)


def _plugin(kind: str) -> type[ImageFile.ImageFile]:
    """Pillow's reader of a format; called as such, it warns of no bombs, which the header has shown not to be ones."""
    if kind == "AVIF":
        from PIL import AvifImagePlugin  # noqa: PLC0415 - Pillow has it since 11.3

        if not AvifImagePlugin.SUPPORTED:
            raise ImportError("Pillow without AVIF")
        return AvifImagePlugin.AvifImageFile
    return {
        "BMP": BmpImagePlugin.BmpImageFile,
        "GIF": GifImagePlugin.GifImageFile,
        "JPEG": JpegImagePlugin.JpegImageFile,
        "PNG": PngImagePlugin.PngImageFile,
        "TIFF": TiffImagePlugin.TiffImageFile,
        "WebP": WebPImagePlugin.WebPImageFile,
    }[kind]


def _upright(picture: ImageFile.ImageFile, most: int) -> Pixels | None:
    """The first frame's pixels; an AVIF's own turn comes as an EXIF orientation, in place of that in its EXIF."""
    with picture:
        if picture.width * picture.height > most:
            return None
        picture.load()
        ImageOps.exif_transpose(picture, in_place=True)
        return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))


def is_cut_off(jpeg: bytes, reduction: int) -> bool:
    """Whether a JPEG that does not end lacks more than its last row of blocks.

    What follows a complete picture is skipped. Otherwise it is decoded, to something or, at an end mark, to nothing.

    Args:
        jpeg: the file, without an end mark.
        reduction: 1, 2, 4 or 8: by how much the picture is smaller that is looked at.
    """
    try:
        return _rows(jpeg + JPEG_END, reduction) != _rows(jpeg + _FILLING + JPEG_END, reduction)
    except _UNREADABLE:
        return True


def _rows(jpeg: bytes, reduction: int) -> list[int]:
    """Checksums of a JPEG's rows, all but the last."""
    with JpegImagePlugin.JpegImageFile(io.BytesIO(jpeg)) as picture:
        picture.draft(None, (picture.width // reduction, picture.height // reduction))
        picture.load()
        width, end = picture.width, picture.height - _BLOCK
        return [zlib.crc32(picture.crop((0, y, width, min(y + _ROWS, end))).tobytes()) for y in range(0, end, _ROWS)]


def info_in(kind: str, data: bytes) -> dict[Any, Any]:
    """What Pillow knows of a photo file beside its picture, such as ``xmp`` and ``icc_profile``.

    Nothing where the file is damaged, or nothing that is installed reads the format.
    """
    try:
        if kind == "HEIC":
            import pillow_heif  # noqa: PLC0415 - not everybody has it

            return dict(pillow_heif.open_heif(io.BytesIO(data)).info)
        with _plugin(kind)(io.BytesIO(data)) as picture:
            return dict(picture.info)
    except (ImportError, *_UNREADABLE):
        return {}


def as_stored(kind: str, data: bytes) -> ImageFile.ImageFile | None:
    """The first picture of a photo file as it is stored: in its own mode, with its tables; a TIFF is turned upright.

    None where it is damaged or of more than 8 bits, and of formats that turn pictures by means of their own.
    """
    if kind not in ("BMP", "JPEG", "PNG", "TIFF", "WebP"):
        return None
    try:
        picture = _plugin(kind)(io.BytesIO(data))
        picture.load()
    except _UNREADABLE:
        return None
    return picture if picture.mode in _EIGHT_BITS else None
