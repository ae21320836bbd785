"""The structure of JPEG files (ITU-T T.81): their headers and scans."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

from facerec_cli.faces.header import STEPS, Header, Unsound, number, take

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""A marker, but for those within a scan: a stuffed zero, and restarts."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_FIRST_ARITHMETIC = 0xC9
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_SCAN, _END = 0xDA, 0xD9
_ARITHMETIC_WORK = 10
"""What a pass over an arithmetic-coded picture costs, in passes over a Huffman-coded one."""


def jpeg_header(file: BinaryIO, size: int) -> Header:
    """A JPEG's header, from its segments as far as the first scan.

    Args:
        file: is moved about in.
        size: its bytes.

    Raises:
        Unsound: there is no frame, or no scan.
    """
    file.seek(2)
    frame, kind = b"", 0
    for _ in range(STEPS):
        if take(file, 1) != b"\xff":
            continue
        marker = take(file, 1)[0]
        if marker == 0xFF:  # the markers' filling
            file.seek(-1, 1)
        elif _MARKER.match(bytes([0xFF, marker])) and marker != 0x01:
            length = number(take(file, 2), "big")
            if length < 2 or marker == _END:
                break
            if marker == _SCAN:
                components = take(file, 1)[0]
                file.seek(size - 2)
                # A file that does not end as it should may have to be decoded from a copy that does.
                return _by_frame(frame, kind, components, 0 if file.read(2) == b"\xff\xd9" else size)
            segment = file.tell()
            if marker in _FRAMES:
                frame, kind = take(file, length - 2), marker
            file.seek(segment + length - 2)
    raise Unsound


def _by_frame(frame: bytes, kind: int, components: int, copy: int) -> Header:
    """The header by a frame's segment, its marker, and the number of components in the first scan."""
    if len(frame) < 9 or len(frame) < 6 + 3 * frame[5]:
        raise Unsound
    height, width = number(frame[1:3], "big"), number(frame[3:5], "big")
    factors = [(frame[at] >> 4, frame[at] & 15) for at in range(7, 6 + 3 * frame[5], 3)]
    cell = max(across for across, _ in factors) * max(down for _, down in factors)
    coefficients = 0
    if kind in _PROGRESSIVE or components < len(factors):  # all of them are held until the last scan
        coefficients = 2 * width * height * sum(across * down for across, down in factors) // max(1, cell)
    work = _ARITHMETIC_WORK if kind >= _FIRST_ARITHMETIC else 1
    return Header("JPEG", width, height, copy + coefficients, work=work)


@dataclass(frozen=True)
class Scans:
    """What the scans of a JPEG come to.

    Attributes:
        count: how many there are.
        is_ended: the end is marked.
        is_complete: the last one is begun, with which each coefficient has all its bits.
    """

    count: int
    is_ended: bool
    is_complete: bool


def jpeg_scans(data: bytes, enough: int) -> Scans:
    """A JPEG's scans; what lies behind its end mark does not count.

    Args:
        data: the file.
        enough: scans after which nobody needs to know.
    """
    count = components = 0
    bits_left: dict[tuple[int, int], int] = {}
    position, marker = 2, 0
    for _ in range(STEPS):
        found = _MARKER.search(data, position)
        if found is None or count > enough:
            is_complete = len(bits_left) == 64 * components and not any(bits_left.values())
            return Scans(count, False, marker == _SCAN and is_complete)
        position = found.end()
        marker = data[position - 1]
        if marker == _END:
            return Scans(count, True, True)
        if marker == 0x01:
            continue
        segment = data[position : position + number(data[position : position + 2], "big")]
        position += len(segment)
        if marker in _FRAMES and len(segment) > 7:
            components = segment[7]
        elif marker == _SCAN:
            count += 1
            bits_left |= _bits_left(segment)
    return Scans(enough + 1, False, False)


def _bits_left(scan: bytes) -> dict[tuple[int, int], int]:
    """The bits that each of a scan's coefficients still lacks after it, by component and place."""
    selectors = scan[3 : 3 + 2 * scan[2]] if len(scan) > 2 else b""
    spectrum = scan[3 + len(selectors) :]
    if len(spectrum) < 3:
        return {}
    first, last, bits = spectrum[0], min(spectrum[1], 63), spectrum[2] & 15
    return {(component, place): bits for component in selectors[::2] for place in range(first, last + 1)}
