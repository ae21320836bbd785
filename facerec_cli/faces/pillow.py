"""The one place that decodes with Pillow and pillow-heif: HEIC, AVIF, GIF and animated WebP.

Imported when the first such photo is met, which others do not wait for.
"""

from __future__ import annotations

import io
import struct

import numpy as np
import numpy.typing as npt
from PIL import GifImagePlugin, Image, ImageFile, ImageOps, WebPImagePlugin

from facerec_cli.errors import MissingDecoderError
from facerec_cli.faces.headers import Header

Pixels = npt.NDArray[np.uint8]

_UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, RuntimeError, IndexError, struct.error),
    Image.DecompressionBombError,
)
"""What the two raise for files that are not what they should be."""


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
    return {"GIF": GifImagePlugin.GifImageFile, "WebP": WebPImagePlugin.WebPImageFile}[kind]


def _upright(picture: ImageFile.ImageFile, most: int) -> Pixels | None:
    """The first frame's pixels; an AVIF's own turn comes as an EXIF orientation, in place of that in its EXIF."""
    with picture:
        if picture.width * picture.height > most:
            return None
        picture.load()
        ImageOps.exif_transpose(picture, in_place=True)
        return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))
