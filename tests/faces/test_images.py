from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import features

from facerec_cli.cli.remedies import sentence
from facerec_cli.errors import PhotoError
from facerec_cli.faces.images import MAX_BYTES, Photo, opened, pixels
from tests.faces.pictures import (
    DECODE,
    GIGABYTE_MB,
    LOSSLESS,
    LOSSY,
    PEAK,
    STORED_AS,
    animated_png,
    animated_webp,
    assert_one_sentence,
    bmp,
    decoded,
    deep_png,
    deep_tiff,
    difference,
    gif,
    in_subprocess,
    jpeg,
    jpeg2000,
    lossless_webp,
    needs_posix,
    packed_rows,
    png,
    ppm,
    saved,
    sixteen_bit_png,
    tiff,
    webp,
    widened,
    with_alpha,
)

# What the decoder may take for a picture that it refuses from the header, beyond what Python and OpenCV take.
REFUSAL_MB = 64


@pytest.fixture(scope="module")
def original(samples: Path) -> PillowImage.Image:
    with PillowImage.open(samples / "jacinda_ardern_2018.jpg") as photo:
        return photo.convert("RGB").resize((358, 450))


# ------------------------------------------------------------------ formats


COLOUR: dict[str, tuple[Callable[[PillowImage.Image], bytes], float]] = {
    "jpeg": (lambda photo: saved(photo, "JPEG", quality=95), LOSSY),
    "jpeg, progressive": (lambda photo: saved(photo, "JPEG", quality=95, progressive=True), LOSSY),
    "jpeg, CMYK": (lambda photo: saved(photo.convert("CMYK"), "JPEG", quality=95), LOSSY),
    "png": (lambda photo: saved(photo, "PNG"), LOSSLESS),
    "png, alpha": (lambda photo: saved(with_alpha(photo), "PNG"), LOSSLESS),
    "png, palette": (lambda photo: saved(photo.quantize(256), "PNG"), LOSSY),
    "png, palette with a transparent colour": (lambda photo: saved(photo.quantize(256), "PNG", transparency=3), LOSSY),
    "png, 16 bit": (lambda photo: sixteen_bit_png(widened(np.asarray(photo))), LOSSLESS),
    "png, 16 bit, alpha": (lambda photo: sixteen_bit_png(widened(np.asarray(with_alpha(photo)))), LOSSLESS),
    "webp": (lambda photo: saved(photo, "WEBP", quality=95), LOSSY),
    "webp, lossless": (lambda photo: saved(photo, "WEBP", lossless=True), LOSSLESS),
    "webp, alpha": (lambda photo: saved(with_alpha(photo), "WEBP", lossless=True, exact=True), LOSSLESS),
    "bmp": (lambda photo: saved(photo, "BMP"), LOSSLESS),
    "bmp, alpha": (lambda photo: saved(with_alpha(photo), "BMP"), LOSSLESS),
    "bmp, palette": (lambda photo: saved(photo.quantize(256), "BMP"), LOSSY),
    "tiff": (lambda photo: saved(photo, "TIFF"), LOSSLESS),
    "tiff, LZW": (lambda photo: saved(photo, "TIFF", compression="tiff_lzw"), LOSSLESS),
    "tiff, deflate": (lambda photo: saved(photo, "TIFF", compression="tiff_deflate"), LOSSLESS),
    "tiff, JPEG": (lambda photo: saved(photo, "TIFF", compression="jpeg", quality=95), LOSSY),
    "tiff, CMYK": (lambda photo: saved(photo.convert("CMYK"), "TIFF"), LOSSLESS),
    "tiff, palette": (lambda photo: saved(photo.quantize(256), "TIFF"), LOSSY),
    "tiff, opaque alpha": (lambda photo: saved(photo.convert("RGBA"), "TIFF"), LOSSLESS),
}
GREY: dict[str, tuple[Callable[[PillowImage.Image], bytes], float]] = {
    "jpeg": (lambda photo: saved(photo, "JPEG", quality=95), LOSSY),
    "png": (lambda photo: saved(photo, "PNG"), LOSSLESS),
    "png, alpha": (lambda photo: saved(photo.convert("LA"), "PNG"), LOSSLESS),
    "png, 16 bit": (lambda photo: sixteen_bit_png(widened(np.asarray(photo)[:, :, np.newaxis])), LOSSLESS),
    "bmp": (lambda photo: saved(photo, "BMP"), LOSSLESS),
    "tiff": (lambda photo: saved(photo, "TIFF"), LOSSLESS),
    "tiff, 16 bit": (lambda photo: saved(PillowImage.fromarray(widened(np.asarray(photo))), "TIFF"), LOSSLESS),
}


@pytest.mark.parametrize("kind", COLOUR)
def test_every_colour_format_decodes_to_its_rgb_pixels(kind: str, original: PillowImage.Image) -> None:
    write, allowed = COLOUR[kind]
    assert difference(decoded(write(original)), np.asarray(original)) <= allowed


@pytest.mark.parametrize("kind", GREY)
def test_every_grey_format_decodes_to_three_equal_channels(kind: str, original: PillowImage.Image) -> None:
    write, allowed = GREY[kind]
    grey = original.convert("L")
    image = decoded(write(grey))
    assert difference(image, np.asarray(grey.convert("RGB"))) <= allowed
    assert (image[..., 0] == image[..., 1]).all() and (image[..., 0] == image[..., 2]).all()


def test_black_and_white_pictures_decode(original: PillowImage.Image) -> None:
    picture = original.convert("1")
    expected = np.asarray(picture.convert("RGB"))
    assert difference(decoded(saved(picture, "PNG")), expected) == 0
    assert difference(decoded(saved(picture, "TIFF", compression="group4")), expected) == 0


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_comes_out_upright(kind: str, orientation: int, original: PillowImage.Image) -> None:
    upright = original.resize((150, 200))
    transpose = STORED_AS[orientation]
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    stored = upright if transpose is None else upright.transpose(transpose)
    assert difference(decoded(saved(stored, kind, exif=exif, quality=95)), np.asarray(upright)) <= LOSSY


def test_the_content_decides_and_not_the_file_name(tmp_path: Path, original: PillowImage.Image) -> None:
    path = tmp_path / "really a PNG.jpg"
    path.write_bytes(saved(original, "PNG"))
    assert difference(pixels(path), np.asarray(original)) == 0


# ------------------------------------------------------------------ what is no photo


def read_photo(path: Path) -> Photo:
    with opened(path) as photo:
        return photo


def test_the_bytes_are_read_whole(samples: Path) -> None:
    path = samples / "barack_obama.jpg"
    photo = read_photo(path)
    assert (photo.source, photo.content) == (str(path), path.read_bytes())
    assert photo.sha256 == "fd360e7db2701c83755858b81b15b65be46e33edb13369ea25678a8dcf58f2bb"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "missing.jpg"
    with pytest.raises(PhotoError, match="does not exist") as raised:
        read_photo(path)
    assert_one_sentence(sentence(raised.value), path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.jpg"
    path.touch()
    with pytest.raises(PhotoError, match="is empty") as raised:
        read_photo(path)
    assert_one_sentence(sentence(raised.value), path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="is a folder") as raised:
        read_photo(tmp_path)
    assert_one_sentence(sentence(raised.value), tmp_path)


@pytest.mark.parametrize("name", ["a\0b.jpg", "x" * 300 + ".jpg", "file.jpg/inside.jpg", "loop.jpg"])
def test_a_path_that_cannot_be_opened_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.jpg").write_bytes(b"x")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    path = tmp_path / name
    with pytest.raises(PhotoError, match="cannot be read") as raised:
        read_photo(path)
    assert_one_sentence(sentence(raised.value), path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.jpg"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(PhotoError, match="cannot be read") as raised:
        read_photo(path)
    assert_one_sentence(sentence(raised.value), path)


def test_a_file_of_more_than_half_a_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(PhotoError, match="more than 512 MB") as raised:
        read_photo(path)
    assert_one_sentence(sentence(raised.value), path)


@pytest.mark.parametrize(
    "content",
    [b"Dear diary,\ntoday I met nobody.\n", b"\0" * 1000, b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"%PDF-1.7", b"x"],
)
def test_a_file_that_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(PhotoError, match="not a picture") as raised:
        pixels(path)
    assert_one_sentence(sentence(raised.value), path)


# ------------------------------------------------------------------ files that promise more than they hold


# Above 250 megapixels, and within what the format and its decoder allow: the size itself is what is wrong with them.
TOO_LARGE = {
    "just.png": png(25_001, 10_000),
    "huge.png": png(100_000, 100_000),
    "deep.png": png(100_000, 100_000, 16, 6),
    "just.jpg": jpeg(25_001, 10_000),
    "huge.jpg": jpeg(65_500, 65_500),
    "progressive.jpg": jpeg(65_500, 65_500, progressive=True),
    "just.webp": webp(16_383, 15_270),
    "huge.webp": webp(16_383, 16_383),
    "lossless.webp": lossless_webp(16_384, 16_384),
    "just.bmp": bmp(25_001, 10_000),
    "huge.bmp": bmp(100_000, 100_000),
    "top-down.bmp": bmp(100_000, -100_000),
    "alpha.bmp": bmp(60_000, 60_000, 32),
    "just.tiff": tiff(25_001, 10_000),
    "huge.tiff": tiff(100_000, 100_000),
    "tiled.tiff": tiff(100_000, 100_000, tile=65_536),
}
# Sizes that no decoder believes, and files that lie elsewhere: refused as damaged or as too large.
LIARS = {
    "largest.png": png(2**31 - 1, 2**31 - 1),
    "wide.png": png(2**20, 1000),
    "largest.bmp": bmp(2**31 - 1, 2**31 - 1),
    "most-negative.bmp": bmp(-(2**31), -(2**31)),
    "largest.tiff": tiff(2**32 - 1, 2**32 - 1),
    "large-tile.tiff": tiff(100, 100, tile=65_536),
    "largest-tile.tiff": tiff(100, 100, tile=2**31 - 16),
    "missing-pixels.tiff": tiff(10_000, 9_000),
    "missing-pixels.bmp": bmp(10_000, 9_000),
    "missing-pixels.png": png(10_000, 9_000, 16, 6),
    "missing-pixels.ppm": ppm(10_000, 9_000),
    # A chunk that is longer than its file: whoever makes room for it first takes 4 GB.
    "long-chunk.png": png(16, 16, more=struct.pack(">I", 2**32 - 16) + b"tEXt"),
    "long-palette.png": png(16, 16, more=struct.pack(">I", 2**31 - 1) + b"PLTE"),
    # Formats and animations that are not read at all, whatever they hold.
    "jpeg2000.jp2": jpeg2000(100_000, 100_000),
    "huge.gif": gif(65_535, 65_535),
    "huge.ppm": ppm(100_000, 100_000),
    "animated.webp": animated_webp(16_383, 16_383),
}


@needs_posix
def test_pictures_above_250_megapixels_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in TOO_LARGE | LIARS]
    for path in paths:
        path.write_bytes((TOO_LARGE | LIARS)[path.name])
        assert path.stat().st_size < 1000
    outcomes = in_subprocess(DECODE, *paths)
    assert [outcome["file"] for outcome in outcomes] == [str(path) for path in paths]
    for path, outcome in zip(paths, outcomes, strict=True):
        assert "error" in outcome, outcome
        assert_one_sentence(outcome["error"], path)
        assert outcome["peak"] - outcome["before"] < REFUSAL_MB, outcome
        if path.name in TOO_LARGE:
            assert "more than 250 megapixels" in outcome["error"]


def test_exactly_100_megapixels_is_not_too_large() -> None:
    # 1-bit rows of zeros: a small file that really holds so many pixels.
    data = packed_rows(bytes(1 + 10_000 // 8), 10_000)
    assert decoded(png(10_000, 10_000, 1, 0, data)).shape == (10_000, 10_000, 3)


NEARLY_TOO_LARGE: dict[str, Callable[[int, int], bytes]] = {
    "baseline.jpg": jpeg,
    "progressive.jpg": lambda width, height: jpeg(width, height, progressive=True),
    "CMYK.jpg": lambda width, height: jpeg(width, height, progressive=True, mode="CMYK"),
    "lossy.webp": webp,
    "lossless.webp": lossless_webp,
    "animated.webp": animated_webp,
    "16-bit.png": deep_png,
    "animated.png": animated_png,
    "16-bit.tiff": deep_tiff,
    "tiled.tiff": lambda width, height: tiff(width, height, tile=11_008),
    "animation.gif": gif,
    "jpeg2000.jp2": jpeg2000,
}


@needs_posix
@pytest.mark.parametrize("name", NEARLY_TOO_LARGE)
def test_a_small_file_of_99_megapixels_stays_within_bounds(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(NEARLY_TOO_LARGE[name](11_000, 9_000))
    (outcome,) = in_subprocess(DECODE, path)
    assert outcome["peak"] < GIGABYTE_MB
    if "error" in outcome:
        assert_one_sentence(outcome["error"], path)
    else:
        assert outcome["size"] == [11_000, 9_000]


@needs_posix
def test_a_fifo_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.jpg"
    os.mkfifo(path)
    (outcome,) = in_subprocess(DECODE, path)
    assert "not a regular file" in outcome["error"]
    assert_one_sentence(outcome["error"], path)


@needs_posix
def test_a_socket_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "socket.jpg"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        with pytest.raises(PhotoError, match="not a regular file") as raised:
            read_photo(path)
    assert_one_sentence(sentence(raised.value), path)


def test_of_a_file_that_grows_is_read_what_was_there(tmp_path: Path, samples: Path) -> None:
    path = tmp_path / "growing.jpg"
    whole = (samples / "barack_obama.jpg").read_bytes()
    path.write_bytes(whole)
    with path.open("ab") as file, opened(path) as photo:
        file.write(bytes(1000))
        assert photo.content == whole


@needs_posix
@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero here")
def test_a_device_is_refused() -> None:
    with pytest.raises(PhotoError, match="not a regular file") as raised:
        read_photo(Path("/dev/zero"))
    assert_one_sentence(sentence(raised.value), "/dev/zero")


# ------------------------------------------------------------------ anything at all

DETECT = f"""
import json, traceback
from pathlib import Path
from facerec_cli import Recognizer
from facerec_cli.cli.remedies import sentence
from facerec_cli.errors import PhotoError
{PEAK}
recognizer = Recognizer("pretrained")
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        outcome = {{"faces": len(recognizer.extract(path).faces)}}
    except PhotoError as error:
        outcome = {{"error": sentence(error)}}
    except Exception as error:
        outcome = {{"crash": traceback.format_exc()}}
    print(json.dumps({{"file": str(path), "peak": peak_mb()}} | outcome), flush=True)
"""
FUZZED = 500


def mutated(generator: np.random.Generator, sources: list[bytes]) -> bytes:
    """One of the ways in which a picture file goes wrong."""
    source = bytearray(sources[generator.integers(len(sources))])
    length = len(source)
    way = generator.integers(8)
    if way == 0:  # cut off, as a download is
        return bytes(source[: generator.integers(length)])
    if way == 1:  # bits flipped anywhere
        for position in generator.integers(length, size=generator.integers(1, 30)):
            source[position] ^= 1 << generator.integers(8)
    elif way == 2:  # bits flipped where the sizes are
        for position in generator.integers(min(length, 100), size=generator.integers(1, 6)):
            source[position] ^= 1 << generator.integers(8)
    elif way == 3:  # a hole of zeros, as a failing disc leaves
        start = int(generator.integers(length))
        end = min(length, start + int(generator.integers(1, 2000)))
        source[start:end] = bytes(end - start)
    elif way == 4:  # something written over it
        start = int(generator.integers(length))
        source[start : start + 200] = generator.bytes(200)
    elif way == 5:  # the head of one picture and the tail of another
        other = sources[generator.integers(len(sources))]
        return bytes(source[: generator.integers(length)]) + other[generator.integers(len(other)) :]
    elif way == 6:  # a piece lost in the middle
        start = int(generator.integers(length))
        del source[start : start + int(generator.integers(1, 500))]
    else:  # a good start and then anything
        return bytes(source[: generator.integers(1, 64)]) + generator.bytes(int(generator.integers(2000)))
    return bytes(source)


def fuzz_sources(samples: Path) -> list[bytes]:
    """Small pictures of a face in every format, and one file in full."""
    sources = [(samples / "barack_obama.jpg").read_bytes()]
    for name, width in (("emmanuel_macron_2014.jpg", 160), ("eileen_collins_1999.png", 220)):
        with PillowImage.open(samples / name) as photo:
            picture = photo.convert("RGB").resize((width, width * photo.height // photo.width))
        kinds = ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000"]
        sources += [saved(picture, kind) for kind in kinds + ["AVIF"] * bool(features.check("avif"))]
        sources += [
            saved(picture, "JPEG", progressive=True),
            saved(picture.quantize(64), "PNG"),
            saved(with_alpha(picture), "PNG"),
            saved(picture, "WEBP", lossless=True),
            saved(picture, "TIFF", compression="tiff_lzw"),
            saved(picture, "TIFF", compression="jpeg"),
        ]
    return sources


@needs_posix
def test_five_hundred_damaged_files_neither_crash_nor_hang_nor_take_a_gigabyte(tmp_path: Path, samples: Path) -> None:
    generator = np.random.default_rng(20_240_601)
    sources = fuzz_sources(samples)
    bombs = list((TOO_LARGE | LIARS).values())
    endings = [".jpg", ".png", ".webp", ".bmp", ".tiff", ".gif", ".avif", ".jp2", ".ppm", ".txt", ""]
    for number in range(FUZZED):
        if number % 10 == 0:
            content = bombs[number // 10 % len(bombs)]
        elif number % 50 == 1:
            content = b""
        elif number % 25 == 2:  # whole, under another format's name
            content = sources[number % len(sources)]
        else:
            content = mutated(generator, sources)
        (tmp_path / f"{number:03d}{endings[generator.integers(len(endings))]}").write_bytes(content)

    outcomes = in_subprocess(DETECT, tmp_path)
    assert len(outcomes) == FUZZED
    crashes = [outcome for outcome in outcomes if "crash" in outcome]
    assert not crashes, "\n".join(f"{outcome['file']}: {outcome['crash']}" for outcome in crashes)
    for outcome in outcomes:
        if "error" in outcome:
            assert_one_sentence(outcome["error"], outcome["file"])
    # Both kinds of outcome are there: some damage is survived, and most is noticed.
    assert sum(outcome.get("faces", 0) for outcome in outcomes) > FUZZED // 20
    assert sum("error" in outcome for outcome in outcomes) > FUZZED // 4
    assert outcomes[-1]["peak"] < GIGABYTE_MB
