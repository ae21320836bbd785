"""A photo file's bytes to its picture, by the library that reads the format."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerec_cli.errors import PhotoTooLargeError, UnsupportedPhotoError
from facerec_cli.faces.header import Header
from facerec_cli.faces.headers import plain_png
from facerec_cli.faces.jpeg import jpeg_scans
from facerec_cli.faces.opencv import cv2

Image = npt.NDArray[np.uint8]
"""uint8 [height, width, 3], RGB, upright."""

MAX_WORK = 5_000_000_000
"""Pixels that the scans of a JPEG may pass over: 25 scans of 200 megapixels. Progressive photos have about 10."""
MAX_SCANS = 500
"""Most scans of a JPEG, however small: libjpeg-turbo's advice."""
_FLAGS = {
    1: cv2.IMREAD_COLOR_RGB,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
}
REDUCTIONS = tuple(_FLAGS)


@dataclass(frozen=True, eq=False)
class Picture:
    """A photo, decoded.

    Attributes:
        image: uint8 [height, width, 3], RGB, upright.
        width: of the upright photo, pixels.
        height: of the upright photo, pixels.
        reduction: 1, or how many times smaller than the photo the image is, in width and in height.
        note: what of the photo the image does not show, as a clause that names it; None where nothing.
    """

    image: Image
    width: int
    height: int
    reduction: int = 1
    note: str | None = None


def decode(source: str, data: bytes, header: Header, reduction: int) -> Picture:
    """The picture of a photo file.

    Args:
        source: what people know it by.
        data: the file.
        header: its own.
        reduction: one of ``REDUCTIONS``: how many times smaller the image is to be.

    Raises:
        UnsupportedPhotoError: the file is damaged.
        PhotoTooLargeError: it takes far longer than a photo of its size.
        MissingDecoderError: nothing that is installed reads its format.
    """
    image = _jpeg(source, data, header, reduction) if header.format == "JPEG" else _whole(source, data, header)
    if image is None or image.size > 3 * header.pixels:
        raise unsupported(source)
    height, width = image.shape[:2]
    if header.format == "JPEG" and reduction > 1:
        is_turned = width != -(-header.width // reduction)
        width, height = (header.height, header.width) if is_turned else (header.width, header.height)
    elif reduction > 1:
        smaller = -(-width // reduction), -(-height // reduction)
        image = np.asarray(cv2.resize(image, smaller, interpolation=cv2.INTER_AREA), np.uint8)
    return Picture(image, width, height, reduction, _note(source, header))


def unsupported(source: str) -> UnsupportedPhotoError:
    """The error for what no decoder knows or can make a picture of."""
    return UnsupportedPhotoError(
        f"{source} is damaged or not a picture that facerec reads",
        "give a JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF file",
    )


def _note(source: str, header: Header) -> str | None:
    if header.is_animation:
        return f"{source} is an animation, of which the first picture alone was looked at"
    if header.has_pages:
        return f"{source} has several pages, of which the first alone was looked at"
    return None


def _whole(source: str, data: bytes, header: Header) -> Image | None:
    if header.format in {"HEIC", "AVIF", "GIF"} or (header.format == "WebP" and header.is_animation):
        from facerec_cli.faces.pillow import first_frame  # noqa: PLC0415 - Pillow, only when such a photo is met

        return first_frame(source, data, header)
    return _by_opencv(plain_png(data) if header.format == "PNG" and header.is_copied else data)


def _jpeg(source: str, data: bytes, header: Header, reduction: int) -> Image | None:
    enough = min(MAX_SCANS, MAX_WORK // (header.pixels * header.work))
    if data.count(b"\xff\xda") > enough and jpeg_scans(data, enough).count > enough:
        raise PhotoTooLargeError(f"{source} has more scans than a photo of its size", "save it without them")
    image = _by_opencv(data, reduction)
    if image is not None:
        return image
    scans = jpeg_scans(data, enough)
    if scans.is_ended:
        return None
    # OpenCV waits for the end mark.
    from facerec_cli.faces.pillow import JPEG_END, is_cut_off  # noqa: PLC0415 - Pillow, only when such a photo is met

    begun = data.removesuffix(b"\xff")
    if not scans.is_complete or is_cut_off(begun, reduction):
        raise UnsupportedPhotoError(f"{source} is cut off: part of the picture is missing", "copy it once more")
    return _by_opencv(begun + JPEG_END, reduction)


def _by_opencv(data: bytes, reduction: int = 1) -> Image | None:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS[reduction])
    except cv2.error:
        return None
    if image is not None and reduction > 1:  # reduced, OpenCV knows blue, green and red alone
        cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
    return image if image is None else np.asarray(image, np.uint8)
