"""Photos as people have them: files, bytes, pixels. Decode them safely."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from facerec_cli.errors import PhotoError, PhotoTooLargeError, UnreadablePhotoError, UnsupportedPhotoError
from facerec_cli.faces.opencv import MAX_PIXELS, cv2

Image = npt.NDArray[np.uint8]
"""uint8 [height, width, 3], RGB, upright."""

MAX_BYTES = 512 * 1024 * 1024
"""Largest file that is read; with the largest picture beside it, decoding stays below 1 GB."""

_PNG = b"\x89PNG\r\n\x1a\n"
# What OpenCV reads beyond these is refused: JPEG 2000 takes 1.7 GB for a file of 264 bytes, AVIF comes out unturned.
_SIGNATURES = (b"\xff\xd8\xff", _PNG, b"RIFF", b"BM", b"II*\x00", b"MM\x00*")
_MAX_SCANS = 500
"""A progressive JPEG of more scans is an attack: each costs a pass over the picture (libjpeg-turbo's advice)."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo at hand, and what to call it: a file that was read, an upload, a frame of a video.

    Attributes:
        source: what people know it by: a path, a file name, a moment of a video.
        content: the bytes of a photo file, or pixels, uint8 [height, width, 3], RGB, upright.
    """

    source: str
    content: bytes | Image

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's bytes, or of the pixels and their shape, 64 hex digits."""
        if isinstance(self.content, bytes):
            return hashlib.sha256(self.content).hexdigest()
        return hashlib.sha256(repr(self.content.shape).encode() + self.content.tobytes()).hexdigest()


PhotoLike: TypeAlias = str | Path | bytes | bytearray | memoryview | Image | Photo
"""A photo's file by its path, the bytes of one, pixels (uint8 [height, width, 3], RGB, upright), or any with a name."""


def open_photo(photo: PhotoLike) -> Photo:
    """A photo at hand, read where it is a path.

    Raises:
        UnreadablePhotoError, PhotoTooLargeError: as ``read_photo``.
    """
    if isinstance(photo, Photo):
        return photo
    if isinstance(photo, str | Path):
        return read_photo(Path(photo))
    return Photo("The photo", bytes(photo) if isinstance(photo, bytearray | memoryview) else photo)


def source_of(photo: PhotoLike) -> str:
    """What people know a photo by, without reading it."""
    return photo.source if isinstance(photo, Photo) else str(photo) if isinstance(photo, str | Path) else "The photo"


def read_photo(path: Path) -> Photo:
    """Read a photo file whole, refusing what cannot be a photo before its content is read.

    Raises:
        UnreadablePhotoError: the path does not exist, is not a regular file, is empty or unreadable.
        PhotoTooLargeError: it has too many bytes.
    """
    try:
        # Non-blocking, so that a FIFO without a writer cannot hang the open.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
                raise UnreadablePhotoError(f"{path} is {kind}", "give a photo file")
            if status.st_size == 0:
                raise UnreadablePhotoError(f"{path} is empty", "give a photo file")
            if status.st_size > MAX_BYTES:
                raise _too_many_bytes(str(path))
            return Photo(str(path), file.read())
    except FileNotFoundError as error:
        raise UnreadablePhotoError(f"{path} does not exist", "check the path") from error
    except IsADirectoryError as error:
        raise UnreadablePhotoError(f"{path} is a folder", "give a photo file") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UnreadablePhotoError(f"{path} cannot be read ({reason})", "check the file and its permissions") from error


def pixels(photo: PhotoLike) -> Image:
    """The upright RGB image of a photo.

    EXIF orientation is applied, alpha is dropped, grey and palette become RGB, 16 bit becomes 8 bit.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        UnreadablePhotoError: as ``read_photo``.
        UnsupportedPhotoError: the bytes are no picture that OpenCV reads, or are damaged; or pixels are not of that
            shape and type.
        PhotoTooLargeError: it exceeds 100 megapixels. The size is taken from the header before memory is; where a host
            program imported cv2 before facerec, OpenCV's own limit of 2^30 pixels is the one in force until the picture
            is decoded.
    """
    opened = open_photo(photo)
    if isinstance(opened.content, bytes):
        return _decoded(opened.source, opened.content)
    shape, kind = opened.content.shape, opened.content.dtype
    if len(shape) == 3 and shape[0] * shape[1] > MAX_PIXELS:
        raise _too_large(opened.source)
    if kind != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise UnsupportedPhotoError(
            f"{opened.source} is {kind} {list(shape)}", "give uint8 [height, width, 3], red, green and blue"
        )
    return opened.content


def _decoded(source: str, data: bytes) -> Image:
    if len(data) > MAX_BYTES:
        raise _too_many_bytes(source)
    if not _is_sound(data):
        raise _unsupported(source)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        if "CV_IO_MAX_IMAGE" in str(error):
            raise _too_large(source) from error
        raise _unsupported(source) from error
    if image is None:
        raise _unsupported(source)
    if image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise _too_large(source)
    return np.asarray(image, np.uint8)


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


def _too_many_bytes(source: str) -> PhotoError:
    return PhotoTooLargeError(f"{source} has more than {MAX_BYTES >> 20} MB", "give a smaller photo")


def _too_large(source: str) -> PhotoError:
    return PhotoTooLargeError(f"{source} has more than {MAX_PIXELS // 1_000_000} megapixels", "scale it down first")


def _unsupported(source: str) -> PhotoError:
    return UnsupportedPhotoError(
        f"{source} is damaged or not a picture that facerec reads", "give a JPEG, PNG, WebP, BMP or TIFF file"
    )
