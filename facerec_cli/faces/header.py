"""What a photo file says of itself, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Literal

Format = Literal["JPEG", "PNG", "WebP", "BMP", "TIFF", "GIF", "HEIC", "AVIF"]
Order = Literal["little", "big"]

STEPS = 100_000
"""Segments, chunks or boxes after which a file is unsound: photos have at most some thousands."""


@dataclass(frozen=True)
class Header:
    """A photo file's own account.

    Attributes:
        format: by its content, whatever the file is called.
        width: as stored, pixels.
        height: as stored, pixels.
        beside: bytes that decoding takes beside the file and the picture.
        is_animation: there are more frames than the first.
        has_pages: there are more pages than the first.
        is_copied: what is decoded is a copy, made good.
        work: what a pass over the picture costs, in passes over a Huffman-coded one.
    """

    format: Format
    width: int
    height: int
    beside: int = 0
    is_animation: bool = False
    has_pages: bool = False
    is_copied: bool = False
    work: int = 1

    @property
    def pixels(self) -> int:
        """Width x height."""
        return self.width * self.height

    def memory(self, reduction: int = 1) -> int:
        """Bytes that decoding takes at its peak, beside the file itself.

        OpenCV hands over a copy, so that there are two pictures for a moment, as there are while one is turned upright.

        Args:
            reduction: the picture's width and height are divided by it; only a JPEG is smaller while it is decoded.
        """
        by = reduction if self.format == "JPEG" else 1
        picture = 3 * -(-self.width // by) * -(-self.height // by)
        return max(self.beside + picture, 2 * picture)


class Unsound(Exception):
    """A file is cut off, or contradicts itself."""


def take(file: BinaryIO, count: int) -> bytes:
    """The next bytes of a file.

    Raises:
        Unsound: there are fewer.
    """
    data = file.read(count)
    if len(data) < count:
        raise Unsound
    return data


def number(data: bytes, order: Order = "little") -> int:
    """Bytes as a whole number, not negative."""
    return int.from_bytes(data, order)
