from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from facerec_cli.errors import PhotoError
from facerec_cli.faces import headers
from facerec_cli.faces.header import Header
from facerec_cli.faces.images import Photo, picture_of
from tests.faces.pictures import bmp, jpeg, lossless_webp, png, saved, tiff, webp


def inspect(data: bytes) -> Header | None:
    return headers.inspect(io.BytesIO(data), len(data))


SIZES: dict[str, Callable[[int, int], bytes]] = {"PNG": png, "JPEG": jpeg, "WebP": webp, "BMP": bmp, "TIFF": tiff}
SIGNATURES = [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF....WEBPVP8X", b"GIF89a", b"II*\0", b"BM", b"....ftypheic"]
sides = st.integers(1, 16_383)


@given(kind=st.sampled_from(sorted(SIZES)), width=sides, height=sides)
def test_the_size_is_the_files_own(kind: str, width: int, height: int) -> None:
    header = inspect(SIZES[kind](width, height))
    assert header is not None
    assert (header.format, header.width, header.height) == (kind, width, height)


@given(width=sides, height=sides)
def test_so_is_that_of_a_lossless_webp(width: int, height: int) -> None:
    header = inspect(lossless_webp(width, height))
    assert header is not None
    assert (header.width, header.height) == (width, height)


def test_memory_counts_what_a_decoder_holds() -> None:
    def needed(data: bytes, reduction: int = 1) -> int:
        header = inspect(data)
        assert header is not None
        return header.memory(reduction) // 1_000_000

    side = 1_000
    assert needed(jpeg(side, side)) == 6  # the picture, and its copy
    assert needed(jpeg(side, side), 2) == 1
    assert needed(jpeg(side, side, progressive=True)) == 6  # 3 of coefficients at half the colour, 3 of picture
    assert needed(jpeg(side, side, progressive=True, mode="CMYK")) == 11
    assert needed(jpeg(side, side, progressive=True, mode="CMYK"), 2) == 8
    assert needed(tiff(side, side)) == 10  # one strip as stored and as four bytes a pixel, and the picture
    assert needed(tiff(side, side, samples=4, bits=16)) == 15
    assert needed(tiff(side, side, tile=16)) == 6
    assert needed(lossless_webp(side, side)) == 7


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    noise = np.random.default_rng(3).integers(0, 255, (24, 36, 3), np.uint8)
    picture = PillowImage.fromarray(noise)
    more = {"save_all": True, "append_images": [picture.rotate(180)]}
    kinds = ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"]
    return [
        *(saved(picture, kind) for kind in kinds),
        *(saved(picture, kind, **more) for kind in ("PNG", "WEBP", "TIFF", "GIF")),
        saved(picture, "JPEG", progressive=True),
    ]


changes = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6)


@settings(max_examples=400, deadline=None)
@given(number=st.integers(0, 10), changed=changes, length=st.floats(0, 1), more=st.binary(max_size=20))
def test_a_picture_is_never_larger_than_its_header_says(
    files: list[bytes], number: int, changed: list[tuple[float, int]], length: float, more: bytes
) -> None:
    data = bytearray(files[number])
    for place, value in changed:
        data[int(place * len(data))] = value
    damaged = bytes(data[: len(data) - int((1 - length) ** 3 * len(data))]) + more
    header = inspect(damaged)
    try:
        picture = picture_of(Photo("photo", damaged))
    except PhotoError:
        return
    assert header is not None
    assert picture.width * picture.height <= header.pixels


@given(st.sampled_from(SIGNATURES), st.binary(max_size=200))
def test_anything_may_follow_a_signature(signature: bytes, content: bytes) -> None:
    inspect(signature + content)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff\xe0\0\2" * 10_000_000,
        b"\xff\xd8\xff" + bytes(40_000_000),
        b"\x89PNG\r\n\x1a\n" + png(9, 9)[8:33] + (bytes(4) + b"teXt" + bytes(4)) * 3_000_000,
        b"GIF89a" + bytes(7) + b"!\xf9" + b"\1\1" * 20_000_000,
        b"GIF89a" + bytes(7) + b"!\xf9\0" * 10_000_000,
        bytes([0, 0, 0, 8]) + b"ftyp" + (b"\0\0\0\x08free") * 5_000_000,
    ],
    ids=["segments", "no marker", "chunks", "blocks", "extensions", "boxes"],
)
def test_a_file_of_millions_of_parts_is_unsound(data: bytes) -> None:
    assert inspect(data) is None
