"""Photos as people have them: files, bytes, pixels. Read and decode them safely, many at once.

All photos in work share ``MEMORY``, whatever the threads: file, picture, and what the decoder holds beside them; the
detector takes 60 MB a core besides. A photo's header says what it needs, and it waits until there is so much; one that
never fits is refused unread. A photo of more than ``FULL_PIXELS`` is worked on at half or a quarter of its width and
height, as is a JPEG that fits only so.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np

from facerec_cli.errors import PhotoTooLargeError, UnreadablePhotoError, UnsupportedPhotoError
from facerec_cli.faces.decoding import REDUCTIONS, Image, Picture, decode, unsupported
from facerec_cli.faces.header import Header
from facerec_cli.faces.headers import inspect
from facerec_cli.faces.memory import Memory
from facerec_cli.faces.opencv import MAX_PIXELS
from facerec_cli.storage import Url, read

MEMORY = Memory(1_000_000_000)
"""What the photos in work may take, all threads together, bytes."""
MAX_BYTES = 512 * 1024 * 1024
"""Largest file that is read."""
FULL_PIXELS = 100_000_000
"""Largest image that is worked on."""


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


@contextmanager
def opened(photo: PhotoLike, beside: int = 0) -> Iterator[Photo]:
    """A photo at hand for the block, read where it is a path; the memory to decode it in is set aside meanwhile.

    Args:
        photo: which.
        beside: bytes a pixel of its image that the block takes when the photo is decoded, its image among them.

    Raises:
        UnreadablePhotoError: the path does not exist, is not a regular file, is empty or unreadable.
        UnsupportedPhotoError: the file is no picture, or is damaged.
        PhotoTooLargeError: it is not read for its size.
    """
    if isinstance(photo, Url):
        with _telling(photo):
            content = read(photo, MAX_BYTES)
        with opened(Photo(str(photo), content), beside) as at_hand:
            yield at_hand
        return
    if isinstance(photo, str | Path):
        path = Path(photo)
        with photo_file(path) as (file, size):
            with _telling(path):
                needed = _needed(str(path), file, size, beside)
            with MEMORY.set_aside(needed):
                with _telling(path):
                    at_hand = Photo(str(path), file.read(size))
                yield at_hand
        return
    at_hand = _named(photo)
    if isinstance(at_hand.content, bytes):
        needed = _needed(at_hand.source, io.BytesIO(at_hand.content), len(at_hand.content), beside)
        with MEMORY.set_aside(needed):
            yield at_hand
    else:
        yield at_hand


@contextmanager
def photo_file(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """A photo's file for the block, unread, and its bytes.

    Raises:
        UnreadablePhotoError: as ``opened``.
    """
    with _telling(path):
        file, size = _open(path)
    with file:
        yield file, size


def source_of(photo: PhotoLike) -> str:
    """What people know a photo by, without reading it."""
    return str(photo) if isinstance(photo, str | Path) else _named(photo).source


def pixel_count(photo: Photo) -> int:
    """How many pixels a photo at hand says that it has, without decoding it; 0 where that cannot be told."""
    if not isinstance(photo.content, bytes):
        return photo.content[..., 0].size
    header = inspect(io.BytesIO(photo.content), len(photo.content))
    return header.pixels if header else 0


def pixels(photo: PhotoLike) -> Image:
    """The image of a photo; see ``picture_of``."""
    return picture_of(photo).image


def picture_of(photo: PhotoLike) -> Picture:
    """The upright RGB image of a photo.

    What turns a photo upright is what its format has for that: EXIF, or HEIC's and AVIF's own. Alpha is dropped, grey
    and palette become RGB, 16 bit becomes 8 bit. Of an animation it is the first frame, of a TIFF the first page. A
    JPEG whose end mark alone is missing is read, and one that lacks more is damaged; where something follows the cut,
    an end mark or zeros, it is believed, and what is missing is grey.

    Raises:
        UnreadablePhotoError: as ``opened``.
        UnsupportedPhotoError: the bytes are no picture that is read, or are damaged; or pixels are not of that shape
            and type.
        MissingDecoderError: a format is met whose library is not installed.
        PhotoTooLargeError: it exceeds 512 MB or 250 megapixels (pixels as such: 100), needs more than 1 GB to be
            decoded, or has far more scans than photos have.
    """
    with opened(photo) as at_hand:
        if not isinstance(at_hand.content, bytes):
            return _checked(at_hand.source, at_hand.content)
        header, reduction, _ = _planned(at_hand.source, io.BytesIO(at_hand.content), len(at_hand.content))
        return decode(at_hand.source, at_hand.content, header, reduction)


def _named(photo: bytes | bytearray | memoryview | Image | Photo) -> Photo:
    if isinstance(photo, Photo):
        return photo
    return Photo("The photo", bytes(photo) if isinstance(photo, bytearray | memoryview) else photo)


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Say in a sentence why a file cannot be read."""
    try:
        yield
    except FileNotFoundError as error:
        raise UnreadablePhotoError(f"{path} does not exist", "check the path") from error
    except IsADirectoryError as error:
        raise UnreadablePhotoError(f"{path} is a folder", "give a photo file") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UnreadablePhotoError(f"{path} cannot be read ({reason})", "check the file and its permissions") from error


def _open(path: Path) -> tuple[BinaryIO, int]:
    """A photo's file and its size now; a FIFO, device or socket is not even opened, which alone may do something."""
    _check(path, path.stat())
    # What has taken the file's place since must not be waited for either.
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    try:
        status = os.fstat(file.fileno())
        _check(path, status)
    except UnreadablePhotoError:
        file.close()
        raise
    return file, status.st_size


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise UnreadablePhotoError(f"{path} is {kind}", "give a photo file")
    if status.st_size == 0:
        raise UnreadablePhotoError(f"{path} is empty", "give a photo file")


def _needed(source: str, file: BinaryIO, size: int, beside: int) -> int:
    """The bytes to set aside for a photo and for what is done with it: all that there are, if it comes to that."""
    header, reduction, needed = _planned(source, file, size)
    return max(needed, min(size + beside * header.pixels // reduction**2, MEMORY.size))


def _planned(source: str, file: BinaryIO, size: int) -> tuple[Header, int, int]:
    """A photo's header, by how much it is reduced, and the bytes to set aside for it, its file included."""
    if size > MAX_BYTES:
        raise PhotoTooLargeError(f"{source} has more than {MAX_BYTES >> 20} MB", "give a smaller photo")
    header = inspect(file, size)
    file.seek(0)
    if header is None:
        raise unsupported(source)
    if header.pixels > MAX_PIXELS:
        raise _too_large(source, MAX_PIXELS)
    for reduction in REDUCTIONS:
        needed = size + header.memory(reduction)
        if header.pixels <= FULL_PIXELS * reduction**2 and needed <= MEMORY.size:
            return header, reduction, needed
    problem = f"{source} would take more than {MEMORY.size / 1e9:.0f} GB of memory"
    raise PhotoTooLargeError(problem, "scale it down, or save it as a plain JPEG")


def _checked(source: str, image: Image) -> Picture:
    shape, kind = image.shape, image.dtype
    if len(shape) == 3 and shape[0] * shape[1] > FULL_PIXELS:
        raise _too_large(source, FULL_PIXELS)
    if kind != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise UnsupportedPhotoError(
            f"{source} is {kind} {list(shape)}", "give uint8 [height, width, 3], red, green and blue"
        )
    return Picture(image, shape[1], shape[0])


def _too_large(source: str, limit: int) -> PhotoTooLargeError:
    return PhotoTooLargeError(f"{source} has more than {limit // 1_000_000} megapixels", "scale it down first")
