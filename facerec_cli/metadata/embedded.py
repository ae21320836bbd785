"""What a photo file holds beside its picture: its orientation, and its XMP.

Read where they lie, without the picture (XMP specification, part 3; PNG, RIFF and TIFF by their own).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from facerec_cli.faces.header import STEPS, Header, Order, Unsound, number, take

MAX_PACKET = 16 << 20
"""Largest XMP packet that is read, bytes."""
_EXIF, _XMP, _EXTENSION = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_KEYWORD = b"XML:com.adobe.xmp\0"
_ORIENTATION, _PACKET = 274, 700
"""Tags of TIFF."""
_WIDTHS = {1: 1, 3: 2, 7: 1}
"""Bytes of a value of TIFF's types BYTE, SHORT and UNDEFINED."""


@dataclass(frozen=True)
class Embedded:
    """What a photo file holds beside its picture.

    Attributes:
        orientation: that which turns the picture upright, 1 to 8.
        packets: its XMP: the packet that every program knows, and what did not fit in there.
    """

    orientation: int = 1
    packets: tuple[bytes, ...] = ()


def embedded_in(file: BinaryIO, size: int, header: Header) -> Embedded:
    """What a photo file holds beside its picture; damaged parts count as missing.

    Args:
        file: is moved about in.
        size: its bytes.
        header: its own.

    Raises:
        OSError: it cannot be read.
    """
    if header.format in ("HEIC", "AVIF"):  # turned by means of their own, of which nobody else has to know
        from facerec_cli.faces.pillow import info_in  # noqa: PLC0415 - Pillow, only when such a photo is met

        file.seek(0)
        packet = bytes(info_in(header.format, file.read(size)).get("xmp") or b"")
        return Embedded(packets=(packet,) if 0 < len(packet) <= MAX_PACKET else ())
    found = _Parts()
    if header.format in _READERS:
        with suppress(Unsound):  # what comes before the damage is as good as ever
            _READERS[header.format](file, found)
    return Embedded(found.orientation, found.packets())


class _Parts:
    """What was found so far; of each kind the first counts."""

    def __init__(self) -> None:
        self.orientation = 1
        self.packet = b""
        self._has_exif = False
        self._extensions: dict[int, bytes] = {}

    def add_exif(self, tiff: bytes) -> None:
        """EXIF, which is a TIFF file of its own."""
        if not self._has_exif:
            self._has_exif = True
            with suppress(Unsound):
                self.add_tags(io.BytesIO(tiff))

    def add_tags(self, file: BinaryIO) -> None:
        """The first directory of a TIFF file."""
        for tag, order, value in _tags(file):
            if tag == _ORIENTATION and 1 <= number(value, order) <= 8:
                self.orientation = number(value, order)
            elif tag == _PACKET:
                self.add_packet(value)

    def add_packet(self, packet: bytes) -> None:
        """XMP."""
        self.packet = self.packet or packet

    def add_extension(self, part: bytes) -> None:
        """A part of what did not fit in a JPEG's packet: the digest by which that names it, length, place, data."""
        # Those that it does not name are left over from other programs.
        if part[:32] in self.packet and sum(map(len, self._extensions.values())) <= MAX_PACKET:
            self._extensions[number(part[36:40], "big")] = part[40:]

    def packets(self) -> tuple[bytes, ...]:
        """All XMP."""
        extension = b"".join(data for _, data in sorted(self._extensions.items()))
        return tuple(packet for packet in (self.packet, extension) if 0 < len(packet) <= MAX_PACKET)


def _jpeg(file: BinaryIO, found: _Parts) -> None:
    """Segments up to the first scan."""
    file.seek(2)
    for _ in range(STEPS):
        if take(file, 1) != b"\xff":
            raise Unsound
        marker = take(file, 1)[0]
        if marker == 0xFF:  # the markers' filling
            file.seek(-1, 1)
            continue
        if marker in (0xDA, 0xD9):
            return
        length = number(take(file, 2), "big") - 2
        if marker != 0xE1:
            file.seek(max(0, length), 1)
            continue
        part = take(file, max(0, length))
        if part.startswith(_EXIF):
            found.add_exif(part[len(_EXIF) :])
        elif part.startswith(_XMP):
            found.add_packet(part[len(_XMP) :])
        elif part.startswith(_EXTENSION):
            found.add_extension(part[len(_EXTENSION) :])


def _png(file: BinaryIO, found: _Parts) -> None:
    """Chunks up to the end: some programs write metadata after the picture."""
    file.seek(8)
    for _ in range(STEPS):
        length, kind = number(take(file, 4), "big"), take(file, 4)
        if kind in (b"eXIf", b"iTXt") and length <= MAX_PACKET:
            data = take(file, length)
            if kind == b"eXIf":
                found.add_exif(data)
            elif data.startswith(_KEYWORD) and data[len(_KEYWORD) : len(_KEYWORD) + 2] == b"\0\0":  # uncompressed
                # A language and a translated keyword, which are empty.
                found.add_packet(data[len(_KEYWORD) + 2 :].split(b"\0", 2)[-1])
            file.seek(4, 1)
        else:
            file.seek(length + 4, 1)


def _webp(file: BinaryIO, found: _Parts) -> None:
    file.seek(12)
    for _ in range(STEPS):
        kind, length = take(file, 4), number(take(file, 4))
        if kind in (b"EXIF", b"XMP ") and length <= MAX_PACKET:
            data = take(file, length)
            if kind == b"EXIF":
                found.add_exif(data.removeprefix(_EXIF))
            else:
                found.add_packet(data)
            file.seek(length % 2, 1)
        else:
            file.seek(length + length % 2, 1)


def _tiff(file: BinaryIO, found: _Parts) -> None:
    file.seek(0)
    found.add_tags(file)


_READERS = {"JPEG": _jpeg, "PNG": _png, "WebP": _webp, "TIFF": _tiff}


def _tags(file: BinaryIO) -> Iterator[tuple[int, Order, bytes]]:
    """The tags that are of use in the first directory of a TIFF file, with the order of their values' bytes."""
    start = take(file, 8)
    order: Order = "little" if start[:2] == b"II" else "big"
    file.seek(number(start[4:8], order))
    entries = take(file, 12 * number(take(file, 2), order))
    for at in range(0, len(entries), 12):
        tag, kind, count = (number(entries[at + a : at + b], order) for a, b in ((0, 2), (2, 4), (4, 8)))
        length = _WIDTHS.get(kind, 0) * count
        if tag not in (_ORIENTATION, _PACKET) or not 0 < length <= MAX_PACKET:
            continue
        value = entries[at + 8 : at + 12]
        if length > 4:
            file.seek(number(value, order))
            value = take(file, length)
        yield tag, order, value[:length]
