"""Decode photos safely."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facerec_cli.errors import PhotoError
from facerec_cli.faces.opencv import MAX_PIXELS, cv2

Image = npt.NDArray[np.uint8]
"""uint8 [height, width, 3], RGB, upright."""

MAX_BYTES = 512 * 1024 * 1024
"""Largest file that is read; with the largest picture beside it, decoding stays below 1 GB."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff"})
"""File name endings that count as photos when a folder is searched."""

_PNG = b"\x89PNG\r\n\x1a\n"
# What OpenCV reads beyond these is refused: JPEG 2000 takes 1.7 GB for a file of 264 bytes, AVIF comes out unturned.
_SIGNATURES = (b"\xff\xd8\xff", _PNG, b"RIFF", b"BM", b"II*\x00", b"MM\x00*")
_MAX_SCANS = 500
"""A progressive JPEG of more scans is an attack: each costs a pass over the picture (libjpeg-turbo's advice)."""


@dataclass(frozen=True)
class PhotoFile:
    """The bytes of a photo file, not yet decoded."""

    path: Path
    data: bytes

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's bytes, 64 hex digits."""
        return hashlib.sha256(self.data).hexdigest()


def read_photo(path: Path) -> PhotoFile:
    """Read a photo file whole, refusing what cannot be a photo before its content is read.

    Raises:
        PhotoError: the path does not exist, is not a regular file, is empty, too large or unreadable.
    """
    try:
        # Non-blocking, so that a FIFO without a writer cannot hang the open.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
                raise PhotoError(f"{path} is {kind}: give a photo file.")
            if status.st_size == 0:
                raise PhotoError(f"{path} is empty: give a photo file.")
            if status.st_size > MAX_BYTES:
                raise PhotoError(f"{path} has more than {MAX_BYTES >> 20} MB: give a smaller photo.")
            return PhotoFile(path, file.read())
    except FileNotFoundError as error:
        raise PhotoError(f"{path} does not exist: check the path.") from error
    except IsADirectoryError as error:
        raise PhotoError(f"{path} is a folder: give a photo file.") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise PhotoError(f"{path} cannot be read ({reason}): check the file and its permissions.") from error


def decode_photo(photo: PhotoFile) -> Image:
    """Decode a photo to an upright RGB image.

    EXIF orientation is applied, alpha is dropped, grey and palette become RGB, 16 bit becomes 8 bit.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        PhotoError: the bytes are no picture that OpenCV reads, are damaged, or exceed 100 megapixels. The size
            is taken from the header before memory is; where a host program imported cv2 before facerec, OpenCV's
            own limit of 2^30 pixels is the one in force until the picture is decoded.
    """
    if not _is_sound(photo.data):
        raise _not_a_photo(photo.path)
    buffer = np.frombuffer(photo.data, np.uint8)
    try:
        image = cv2.imdecode(buffer, cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        if "CV_IO_MAX_IMAGE" in str(error):
            raise _too_large(photo.path) from error
        raise _not_a_photo(photo.path) from error
    if image is None:
        raise _not_a_photo(photo.path)
    if image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise _too_large(photo.path)
    return np.asarray(image, np.uint8)


def photos_in(folder: Path) -> list[Path]:
    """All photos below a folder, sorted; files and folders whose name starts with a dot are left out.

    Raises:
        PhotoError: a folder cannot be read.
    """
    found: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(parent, name)
            for name in sorted(files)
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return found


def _raise(error: OSError) -> None:
    raise PhotoError(f"{error.filename} cannot be read ({error.strerror}): check the folder.") from error


def _is_sound(data: bytes) -> bool:
    """Whether a file is of a known format, and not one of those that cost a decoder far more than their size."""
    if not data.startswith(_SIGNATURES):
        return False
    if data.startswith(_PNG):
        return _is_sound_png(data)
    if data.startswith(b"RIFF"):
        is_animated = data[12:16] == b"VP8X" and data[20:21] > b"\x00" and bool(data[20] & 2)
        return data[8:12] == b"WEBP" and not is_animated
    return not data.startswith(b"\xff\xd8") or data.count(b"\xff\xda") <= _MAX_SCANS


def _is_sound_png(data: bytes) -> bool:
    """Whether a PNG is no animation and no chunk claims to be longer than the file, which OpenCV believes at first."""
    position = len(_PNG)
    while position + 8 <= len(data):
        if data[position + 4 : position + 8] == b"acTL":
            return False
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    return position <= len(data)


def _too_large(path: Path) -> PhotoError:
    return PhotoError(f"{path} has more than {MAX_PIXELS // 1_000_000} megapixels: scale it down first.")


def _not_a_photo(path: Path) -> PhotoError:
    return PhotoError(
        f"{path} is damaged or not a picture that facerec reads: give a JPEG, PNG, WebP, BMP or TIFF file."
    )
