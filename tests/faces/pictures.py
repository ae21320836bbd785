"""Photo files made for tests, good and hostile, and programs that decode them and tell their peak memory."""

from __future__ import annotations

import io
import json
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as PillowImage

from facerec_cli.faces.images import Photo, pixels

Pixels = npt.NDArray[np.uint8]


LOSSLESS = 0.0


# Mean difference in grey levels that quality 95 may cost; a photo turned the wrong way differs by more than 30.
LOSSY = 3.0


GIGABYTE_MB = 1024


needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="memory and FIFOs are measured the POSIX way")


Transpose = PillowImage.Transpose
# The transpose that stores an upright photo the way a camera with this orientation stores it.
STORED_AS = {
    1: None,
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}


def saved(picture: PillowImage.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> Pixels:
    return pixels(Photo("photo", data))


def difference(found: Pixels, expected: Pixels) -> float:
    assert found.dtype == np.uint8
    assert found.shape == expected.shape
    return float(np.abs(found.astype(int) - expected).mean())


def assert_one_sentence(text: str, path: Path | str) -> None:
    assert str(path) in text
    rest = text.replace(str(path), "")
    assert rest.endswith(".")
    assert not re.search(r"[.!?]\s", rest), text
    assert "\n" not in rest
    assert "Traceback" not in rest


def with_alpha(picture: PillowImage.Image) -> PillowImage.Image:
    copy = picture.convert("RGBA")
    copy.putalpha(PillowImage.linear_gradient("L").resize(picture.size))
    return copy


def sixteen_bit_png(pixels: npt.NDArray[np.uint16]) -> bytes:
    """Pillow writes no 16-bit colour."""
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return png(width, height, 16, {1: 0, 3: 2, 4: 6}[channels], zlib.compress(rows))


def widened(pixels: Pixels) -> npt.NDArray[np.uint16]:
    return pixels.astype(np.uint16) * 257


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    width: int, height: int, depth: int = 8, colour: int = 2, data: bytes = b"x\x9cc\0\0\0\x01\0\x01", more: bytes = b""
) -> bytes:
    """A PNG; ``more`` are chunks between its header and its pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def small(kind: str, **options: Any) -> bytearray:
    return bytearray(saved(PillowImage.new("RGB", (64, 64), (9, 8, 7)), kind, **options))


def jpeg(width: int, height: int, progressive: bool = False, mode: str = "RGB") -> bytes:
    data = bytearray(saved(PillowImage.new(mode, (64, 64)), "JPEG", progressive=progressive))
    start = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def bmp(width: int, height: int, bits: int = 24) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 118, 0, 0, 54) + header + b"\0" * 64


def tiff(width: int, height: int, *, samples: int = 3, bits: int = 8, tile: int = 0, data: bytes = b"\0" * 64) -> bytes:
    """A TIFF, deflated if ``data`` is given, of one strip or of square tiles."""
    data += b"\0" * (len(data) % 2)
    entries: list[tuple[int, int, list[int]]] = [
        (256, 4, [width]),
        (257, 4, [height]),
        (258, 3, [bits] * samples),
        (259, 3, [8 if any(data) else 1]),
        (262, 3, [2]),
        (277, 3, [samples]),
        (284, 3, [1]),
    ]
    if tile:
        entries += [(322, 4, [tile]), (323, 4, [tile]), (324, 4, [8]), (325, 4, [len(data)])]
    else:
        entries += [(273, 4, [8]), (278, 4, [height]), (279, 4, [len(data)])]
    entries.sort()
    directory, extra = struct.pack("<H", len(entries)), b""
    after = 8 + len(data) + 2 + 12 * len(entries) + 4
    for tag, kind, values in entries:
        packed = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(packed) > 4:
            extra += packed
            packed = struct.pack("<I", after + len(extra) - len(packed))
        directory += struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + b"\0" * 4 + extra


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2) for kind, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp(width: int, height: int) -> bytes:
    data = small("WEBP")
    start = data.index(b"\x9d\x01\x2a")
    data[start + 3 : start + 7] = struct.pack("<HH", width, height)
    return bytes(data)


def lossless_webp(width: int, height: int) -> bytes:
    return riff((b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | ((height - 1) << 14)) + b"\0" * 64))


def animated_webp(width: int, height: int) -> bytes:
    """A canvas of that size with one frame of 64 x 64."""

    def uint24(value: int) -> bytes:
        return struct.pack("<I", value)[:3]

    canvas = b"\x02\0\0\0" + uint24(width - 1) + uint24(height - 1)
    frame = uint24(0) * 2 + uint24(63) * 2 + uint24(100) + b"\0" + bytes(small("WEBP")[12:])
    return riff((b"VP8X", canvas), (b"ANIM", b"\0" * 6), (b"ANMF", frame))


def gif(width: int, height: int) -> bytes:
    data = small("GIF")
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


def jpeg2000(width: int, height: int) -> bytes:
    """The code stream's header is changed, and the box around it that repeats the size."""
    data = small("JPEG2000")
    box, code = data.index(b"ihdr"), data.index(b"\xff\x51")
    data[box + 4 : box + 12] = struct.pack(">II", height, width)
    data[code + 6 : code + 14] = data[code + 22 : code + 30] = struct.pack(">II", width, height)
    return bytes(data)


def ppm(width: int, height: int) -> bytes:
    return f"P6\n{width} {height}\n255\n".encode() + b"\0" * 100


# Peak memory is the process's own: ru_maxrss would count what the parent held when it started the child.
PEAK = """
import resource, sys

def peak_mb():
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 << 20 if sys.platform == "darwin" else 1024)
"""


DECODE = f"""
import json
from pathlib import Path
from facerec_cli.cli.remedies import sentence
from facerec_cli.errors import PhotoError
from facerec_cli.faces.images import picture_of
{PEAK}
before = peak_mb()
for name in sys.argv[1:]:
    try:
        picture = picture_of(Path(name))
        outcome = {{"shape": picture.image.shape, "size": (picture.width, picture.height), "note": picture.note}}
    except PhotoError as error:
        outcome = {{"error": sentence(error)}}
    print(json.dumps({{"file": name, "before": before, "peak": peak_mb()}} | outcome), flush=True)
"""


def in_subprocess(code: str, *arguments: Path | str) -> list[dict[str, Any]]:
    """The JSON lines that a program prints; the time limit is there for what hangs, not for what is slow."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def packed_rows(row: bytes, rows: int) -> bytes:
    """Zlib's form of a row repeated, without holding the rows."""
    packer = zlib.compressobj(1)
    return b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()


def deep_png(width: int, height: int) -> bytes:
    return png(width, height, 16, 6, packed_rows(bytes(1 + width * 8), height))


def animated_png(width: int, height: int) -> bytes:
    """A picture that declares itself the first frame of two."""
    control = chunk(b"acTL", struct.pack(">II", 2, 0))
    control += chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, width, height, 0, 0, 1, 10, 0, 0))
    return png(width, height, 8, 6, packed_rows(bytes(1 + width * 4), height), control)


def deep_tiff(width: int, height: int) -> bytes:
    return tiff(width, height, samples=4, bits=16, data=packed_rows(b"\x01" * (width * 8), height))


def many_scans(data: bytes, scans: int) -> bytes:
    """A progressive JPEG with its last scan repeated until there are so many."""
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * (scans - data.count(b"\xff\xda")) + data[-2:]
