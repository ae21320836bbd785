"""What a photo file says of itself before it is decoded: its format, its size, and the memory that decoding takes.

Nothing here takes time or memory by what a file claims: headers are read where they lie, and every walk has an end.
The bytes a pixel were measured on opencv-python 4.14, Pillow 13 and pillow-heif 1.8: ``benchmarks/hostile_photos.py``.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from facerec_cli.faces.header import STEPS, Header, Order, Unsound, number, take
from facerec_cli.faces.jpeg import jpeg_header

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_BMP_HEADER = 124
"""Bytes of the longest header that a BMP has: any text may begin with BM."""
_GIF_BLOCKS = 1_000_000
"""Blocks, of at most 255 bytes, in which a GIF's second frame is looked for: a frame of 100 megapixels has fewer."""
_ANIMATION_CHUNKS = frozenset({b"acTL", b"fcTL", b"fdAT"})


def inspect(file: BinaryIO, size: int) -> Header | None:
    """The header of a photo file; None where the file is of no known format, or unsound.

    Args:
        file: at its beginning; is moved about in.
        size: its bytes.

    Raises:
        OSError: it cannot be read.
    """
    start = file.read(32)
    try:
        header = _inspected(file, start, size)
    except Unsound:
        return None
    return header if header and header.width > 0 and header.height > 0 else None


def _inspected(file: BinaryIO, start: bytes, size: int) -> Header | None:
    if start.startswith(b"\xff\xd8\xff"):
        return jpeg_header(file, size)
    if start.startswith(_PNG):
        return _png(file, size)
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return _webp(start)
    if start.startswith(b"BM"):
        return _bmp(start)
    if start.startswith((b"II*\0", b"MM\0*")):
        return _tiff(file, start)
    if start.startswith((b"GIF87a", b"GIF89a")):
        return _gif(file, start)
    if start[4:8] == b"ftyp":
        return _heif(file, size)
    return None


# ------------------------------------------------------------------ PNG (W3C Recommendation, third edition)


def _png(file: BinaryIO, size: int) -> Header:
    """No chunk may claim to be longer than the file, which OpenCV believes at first; the end itself may be missing."""
    file.seek(len(_PNG))
    chunk = take(file, 16)
    if chunk[4:8] != b"IHDR":
        raise Unsound
    width, height = number(chunk[8:12], "big"), number(chunk[12:16], "big")
    file.seek(len(_PNG))
    is_animation = False
    for _ in range(STEPS):
        begin = file.tell()
        chunk = file.read(8)
        if len(chunk) < 8 or chunk[4:] == b"IEND":
            is_whole = begin + len(_PNG_END) <= size
            copied = size if is_animation or not is_whole else 0
            return Header("PNG", width, height, copied, is_animation, is_copied=copied > 0)
        if chunk[4:] == b"acTL":
            is_animation = True
        if file.seek(number(chunk[:4], "big") + 4, 1) > size:
            break
    raise Unsound


def plain_png(data: bytes) -> bytes:
    """A PNG without its animation, which leaves the picture that every viewer knows, and with its end."""
    kept, position = [_PNG], len(_PNG)
    while position + 8 <= len(data):
        end = position + 12 + number(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        if kind == b"IEND":
            break
        if kind not in _ANIMATION_CHUNKS:
            kept.append(data[position:end])
        position = end
    return b"".join([*kept, _PNG_END])


# ------------------------------------------------------------------ WebP (RFC 9649), BMP


def _webp(start: bytes) -> Header:
    kind = start[12:16]
    if kind == b"VP8 " and start[23:26] == b"\x9d\x01\x2a":
        return Header("WebP", number(start[26:28]) & 0x3FFF, number(start[28:30]) & 0x3FFF)
    if kind == b"VP8L" and start[20:21] == b"\x2f":
        bits = number(start[21:25])
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        return Header("WebP", width, height, 4 * width * height)
    if kind == b"VP8X" and len(start) >= 30:
        width, height = number(start[24:27]) + 1, number(start[27:30]) + 1
        is_animation = bool(start[20] & 2)
        return Header("WebP", width, height, (20 if is_animation else 4) * width * height, is_animation)
    raise Unsound


def _bmp(start: bytes) -> Header:
    if start[14:18] == b"\x0c\0\0\0":
        return Header("BMP", number(start[18:20]), number(start[20:22]))
    if number(start[14:18]) > _BMP_HEADER:
        raise Unsound
    width, height = (int.from_bytes(start[at : at + 4], "little", signed=True) for at in (18, 22))
    return Header("BMP", abs(width), abs(height))


# ------------------------------------------------------------------ TIFF (revision 6.0)

_WIDTH, _HEIGHT, _BITS, _SAMPLES, _ROWS, _TILE_WIDTH, _TILE_HEIGHT, _KIND = 256, 257, 258, 277, 278, 322, 323, 254
_WIDTHS = {1: 1, 3: 2, 4: 4}
"""Bytes of a TIFF's kinds of whole numbers."""


def _tiff(file: BinaryIO, start: bytes) -> Header:
    """The first page of a TIFF; what is decoded at once is a strip, or a tile: as stored, and as four bytes a pixel."""
    order: Order = "little" if start[:2] == b"II" else "big"
    tags, following = _directory(file, order, number(start[4:8], order))
    width, height = tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)
    part = width * min(height, tags.get(_ROWS, height))
    if _TILE_WIDTH in tags:
        part = tags[_TILE_WIDTH] * tags.get(_TILE_HEIGHT, 0)
    stored = part * tags.get(_SAMPLES, 1) * tags.get(_BITS, 1) // 8
    # A further directory may also be the picture once more, reduced.
    has_pages = following > 0 and not _directory(file, order, following)[0].get(_KIND, 0) & 1
    return Header("TIFF", width, height, stored + 4 * part, has_pages=has_pages)


def _directory(file: BinaryIO, order: Order, offset: int) -> tuple[dict[int, int], int]:
    """The first whole number of each tag of a directory, and where the next directory is, 0 for nowhere."""
    file.seek(offset)
    count = number(take(file, 2), order)
    entries = take(file, 12 * count)
    following = number(file.read(4), order)
    tags: dict[int, int] = {}
    for at in range(0, len(entries), 12):
        tag, kind, values = (number(entries[at + a : at + b], order) for a, b in ((0, 2), (2, 4), (4, 8)))
        width = _WIDTHS.get(kind)
        if width is None or tag in tags:
            continue
        value = entries[at + 8 : at + 12]
        if values * width > 4:
            file.seek(number(value, order))
            value = file.read(width)
        tags[tag] = number(value[:width], order)
    return tags, following


# ------------------------------------------------------------------ GIF (89a)


def _gif(file: BinaryIO, start: bytes) -> Header:
    """As large as its first frame where that is larger, as Pillow makes it."""
    if len(start) < 13:
        raise Unsound
    width, height = number(start[6:8]), number(start[8:10])
    file.seek(13 + _table(start[10]))
    frames = 0
    for _ in range(STEPS):
        block = file.read(1)
        if block == b"," and frames:
            frames += 1
            break
        if block == b",":
            frame = take(file, 9)
            left, top, across, down = (number(frame[at : at + 2]) for at in range(0, 8, 2))
            width, height, frames = max(width, left + across), max(height, top + down), 1
            file.seek(_table(frame[8]) + 1, 1)
        elif block == b"!":
            file.seek(1, 1)
        else:
            break
        _skip_blocks(file)
    return Header("GIF", width, height, 10 * width * height, frames > 1)


def _table(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip_blocks(file: BinaryIO) -> None:
    for _ in range(_GIF_BLOCKS):
        length = file.read(1)
        if length in {b"", b"\0"}:
            return
        file.seek(length[0], 1)
    raise Unsound


# ------------------------------------------------------------------ HEIC, AVIF (ISO/IEC 23008-12)

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_META_BYTES = 16 << 20
"""Largest description of a file's pictures that is looked at; it has some bytes a tile."""
_EXTENT = re.compile(rb"ispe\0\0\0\0(.{4})(.{4})", re.DOTALL)


def _heif(file: BinaryIO, size: int) -> Header:
    """The largest of the file's pictures, whichever of them is the photo."""
    file.seek(0)
    brands: set[bytes] = set()
    for _ in range(STEPS):
        begin = file.tell()
        length, kind = number(take(file, 4), "big"), take(file, 4)
        if length == 1:
            length = number(take(file, 8), "big")
        end = begin + length if length else size
        if end <= file.tell() or end > size:
            raise Unsound
        if kind == b"ftyp":
            names = take(file, min(end - file.tell(), 4096))
            brands = {names[at : at + 4] for at in range(0, len(names), 4)}
        elif kind == b"meta":
            return _heif_header(brands, take(file, min(end - file.tell(), _META_BYTES)))
        file.seek(end)
    raise Unsound


def _heif_header(brands: set[bytes], meta: bytes) -> Header:
    extents = [(number(width, "big"), number(height, "big")) for width, height in _EXTENT.findall(meta)]
    width, height = max(extents, key=lambda extent: extent[0] * extent[1], default=(0, 0))
    if brands & _AVIF_BRANDS:
        return Header("AVIF", width, height, 13 * width * height, b"avis" in brands)
    if brands & _HEIC_BRANDS:
        return Header("HEIC", width, height, 5 * width * height)
    raise Unsound
