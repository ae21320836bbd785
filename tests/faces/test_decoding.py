"""Photos as telephones and the web make them, and files that are not quite what they should be."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import features

from facerec_cli.cli.remedies import sentence
from facerec_cli.errors import PhotoTooLargeError, UnsupportedPhotoError
from facerec_cli.faces import decoding, images
from facerec_cli.faces.alignment import align
from facerec_cli.faces.decoding import Picture
from facerec_cli.faces.extraction import Extractor
from facerec_cli.faces.images import Photo, picture_of
from tests.conftest import Run
from tests.faces.pictures import (
    LOSSLESS,
    LOSSY,
    STORED_AS,
    assert_one_sentence,
    difference,
    jpeg,
    many_scans,
    packed_rows,
    png,
    saved,
)

PALETTE = 5.0


@pytest.fixture(scope="module")
def original(samples: Path) -> PillowImage.Image:
    with PillowImage.open(samples / "jacinda_ardern_2018.jpg") as photo:
        return photo.convert("RGB").resize((358, 450))


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor()


def picture(data: bytes) -> Picture:
    return picture_of(Photo("photo", data))


# ------------------------------------------------------------------ HEIC and AVIF


def heif(photo: PillowImage.Image, kind: str, orientation: int = 1, **options: Any) -> bytes:
    """A HEIC or AVIF file; it is turned by the format's own means, and its EXIF says so too, as telephones do."""
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    elif not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    return saved(photo, kind, quality=95, exif=exif.tobytes(), **options)


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_photos_of_telephones_decode_to_their_rgb_pixels(kind: str, mode: str, original: PillowImage.Image) -> None:
    photo = original.convert(mode)
    found = picture(heif(photo, kind))
    assert difference(found.image, np.asarray(photo.convert("RGB"))) <= LOSSY
    assert (found.width, found.height, found.note) == (358, 450, None)


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", STORED_AS)
def test_they_are_turned_upright_once(kind: str, orientation: int, original: PillowImage.Image) -> None:
    upright = original.resize((150, 200))
    transpose = STORED_AS[orientation]
    stored = upright if transpose is None else upright.transpose(transpose)
    assert difference(picture(heif(stored, kind, orientation)).image, np.asarray(upright)) <= LOSSY


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_they_are_known_by_their_content_and_their_faces_found(
    kind: str, samples: Path, tmp_path: Path, extractor: Extractor
) -> None:
    with PillowImage.open(samples / "barack_obama.jpg") as photo:
        (tmp_path / "IMG_0001.jpg").write_bytes(heif(photo.convert("RGB"), kind))
    expected = extractor.extract(samples / "barack_obama.jpg").one_face()
    face = extractor.extract(tmp_path / "IMG_0001.jpg").one_face()
    assert np.allclose(face.box, expected.box, atol=0.08 * expected.box[2])


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_their_size_is_bounded_by_the_header(kind: str, original: PillowImage.Image) -> None:
    data = bytearray(heif(original, kind))
    start = data.index(b"ispe\0\0\0\0") + 8
    data[start : start + 8] = (20_000).to_bytes(4, "big") * 2
    with pytest.raises(PhotoTooLargeError, match="more than 250 megapixels"):
        picture(bytes(data))
    data[start : start + 8] = (13_000).to_bytes(4, "big") * 2
    with pytest.raises(PhotoTooLargeError, match="more than 1 GB"):
        picture(bytes(data))
    # A file that says it is smaller than it is.
    data[start : start + 8] = (64).to_bytes(4, "big") * 2
    with contextlib.suppress(UnsupportedPhotoError):
        assert picture(bytes(data)).image.size <= 64 * 64 * 3


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_damaged_ones_are_refused(kind: str, original: PillowImage.Image) -> None:
    data = heif(original, kind)
    for length in range(16, len(data), 997):
        with pytest.raises(UnsupportedPhotoError):
            picture(data[:length])


def test_without_the_library_a_sentence_says_what_to_install(tmp_path: Path, original: PillowImage.Image) -> None:
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(heif(original, "HEIF"))
    program = (
        "import sys\n"
        "sys.modules['pillow_heif'] = None\n"
        "from facerec_cli.cli.remedies import sentence\n"
        "from facerec_cli.errors import MissingDecoderError\n"
        "from facerec_cli.faces.images import pixels\n"
        "try:\n"
        "    pixels(sys.argv[1])\n"
        "except MissingDecoderError as error:\n"
        "    print(sentence(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert "pip install 'facerec[heic]'" in done.stdout
    assert "HEIC" in done.stdout
    assert_one_sentence(done.stdout.strip(), path)


def test_what_other_photos_need_not_is_not_imported(samples: Path) -> None:
    program = (
        "import sys\n"
        "from facerec_cli.faces.images import pixels\n"
        "for path in sys.argv[1:]:\n"
        "    pixels(path)\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('PIL', 'pillow_heif')])\n"
    )
    photos = [str(path) for path in sorted(samples.glob("*.*g"))]
    done = subprocess.run([sys.executable, "-c", program, *photos], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# ------------------------------------------------------------------ animations and pages


def frames(original: PillowImage.Image, count: int = 3) -> dict[str, Any]:
    others = [PillowImage.new("RGB", original.size, (number * 60, 0, 0)) for number in range(1, count)]
    return {"save_all": True, "append_images": others}


ANIMATIONS: dict[str, tuple[Callable[[PillowImage.Image], bytes], float]] = {
    "gif": (lambda photo: saved(photo, "GIF", **frames(photo)), PALETTE),
    "png": (lambda photo: saved(photo, "PNG", **frames(photo)), LOSSLESS),
    "png, with a picture of its own": (
        lambda photo: saved(photo, "PNG", default_image=True, **frames(photo)),
        LOSSLESS,
    ),
    "webp": (lambda photo: saved(photo, "WEBP", quality=95, **frames(photo)), LOSSY),
    "webp, lossless": (lambda photo: saved(photo, "WEBP", lossless=True, **frames(photo)), LOSSLESS),
    "tiff": (lambda photo: saved(photo, "TIFF", **frames(photo)), LOSSLESS),
    "avif": (lambda photo: saved(photo, "AVIF", quality=95, **frames(photo)), LOSSY),
}


@pytest.mark.parametrize("kind", ANIMATIONS)
def test_the_first_of_several_pictures_is_read_and_that_is_said(kind: str, original: PillowImage.Image) -> None:
    if kind == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    write, allowed = ANIMATIONS[kind]
    found = picture(write(original))
    assert difference(found.image, np.asarray(original)) <= allowed
    assert found.note is not None
    assert found.note.startswith("photo ")
    assert "first" in found.note


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_a_single_picture_needs_no_remark(kind: str, original: PillowImage.Image) -> None:
    found = picture(saved(original, kind))
    assert difference(found.image, np.asarray(original)) <= PALETTE
    assert found.note is None


def test_a_gif_of_one_frame_with_a_loop_and_a_comment_is_a_single_picture(original: PillowImage.Image) -> None:
    assert picture(saved(original, "GIF", comment=b"x" * 1000, loop=0)).note is None


def test_identify_says_that_a_frame_was_left_out(facerec: Run, samples: Path, tmp_path: Path) -> None:
    with PillowImage.open(samples / "jacinda_ardern_2022.jpg") as photo:
        photo.save(tmp_path / "waving.gif", **frames(photo, 2))
    facerec("enroll", "--name", "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    done = facerec("identify", "waving.gif", "--format", "json")
    assert done.returncode == 0
    assert '"name": "Jacinda Ardern"' in done.stdout
    assert done.stderr == "Warning: waving.gif is an animation, of which the first picture alone was looked at.\n"


# ------------------------------------------------------------------ what is behind the picture, or missing from its end


@pytest.mark.parametrize("progressive", [False, True])
def test_a_motion_photo_is_the_photo_before_the_film(progressive: bool, original: PillowImage.Image) -> None:
    data = saved(original, "JPEG", quality=95, progressive=progressive)
    film = b"\0\0\0\x18ftypmp42" + np.random.default_rng(1).bytes(40_000_000)
    assert film.count(b"\xff\xda") > 500  # as many as an attack has scans
    assert np.array_equal(picture(data + film).image, picture(data).image)


def test_a_photo_of_several_jpegs_is_the_first_one(original: PillowImage.Image) -> None:
    found = picture(saved(original, "MPO", quality=95, **frames(original)))
    assert difference(found.image, np.asarray(original)) <= LOSSY


def test_what_follows_a_png_does_not_matter(original: PillowImage.Image) -> None:
    assert np.array_equal(picture(saved(original, "PNG") + b"\xff\0more" * 1000).image, np.asarray(original))


JPEGS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 5},
    "full colour": {"subsampling": 0},
    "grey": {"mode": "L"},
}


@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_without_its_end_mark_is_read(kind: str, original: PillowImage.Image) -> None:
    options = {"quality": 90, **JPEGS[kind]}
    data = saved(original.convert(options.pop("mode", "RGB")), "JPEG", **options)
    for missing in (1, 2):
        assert np.array_equal(picture(data[:-missing]).image, picture(data).image)
    assert np.array_equal(picture(data[:-2] + bytes(500)).image, picture(data).image)
    # Bytes of the last blocks: their corner is grey, the rest is the photo.
    found = picture(data[:-8]).image
    assert np.array_equal(found[:-17], picture(data).image[:-17])


@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_that_lacks_part_of_its_picture_is_refused(kind: str, original: PillowImage.Image) -> None:
    options = {"quality": 90, **JPEGS[kind]}
    data = saved(original.convert(options.pop("mode", "RGB")), "JPEG", **options)
    for percent in range(5, 96, 3):
        cut = data[: len(data) * percent // 100]
        for end in (b"", b"\xff"):
            with pytest.raises(UnsupportedPhotoError) as raised:
                picture(cut + end)
            assert_one_sentence(sentence(raised.value), "photo")


def test_a_png_without_its_end_is_read_and_one_that_lacks_more_is_refused(original: PillowImage.Image) -> None:
    data = saved(original, "PNG")
    for missing in (1, 4, 11, 12):
        assert np.array_equal(picture(data[:-missing]).image, np.asarray(original))
    for missing in (14, 20, len(data) // 2):
        with pytest.raises(UnsupportedPhotoError):
            picture(data[:-missing])


# ------------------------------------------------------------------ scans


def test_scans_times_pixels_are_bounded() -> None:
    assert picture(many_scans(jpeg(640, 480, progressive=True), 400)).image.shape == (480, 640, 3)
    for width, height, scans in ((640, 480, 600), (10_000, 9_900, 60)):
        with pytest.raises(PhotoTooLargeError, match="more scans") as raised:
            picture(many_scans(jpeg(width, height, progressive=True), scans))
        assert_one_sentence(sentence(raised.value), "photo")


def test_the_largest_progressive_photos_have_as_many_scans_as_they_need() -> None:
    scans = saved(PillowImage.new("RGB", (64, 64)), "JPEG", progressive=True).count(b"\xff\xda")
    assert 2 * scans * 16_320 * 12_240 < decoding.MAX_WORK


# ------------------------------------------------------------------ photos above 100 megapixels


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos of people count as large."""
    monkeypatch.setattr(images, "FULL_PIXELS", 200_000)


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_photo_is_reduced_and_its_faces_are_where_they_were(
    kind: str, orientation: int, samples: Path, extractor: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    with PillowImage.open(samples / "jacinda_ardern_2018.jpg") as photo:
        upright = photo.convert("RGB").resize((717, 901))
    transpose = STORED_AS[orientation]
    data = saved(upright if transpose is None else upright.transpose(transpose), kind, exif=exif, quality=95)
    reduced = picture(data)
    assert (reduced.width, reduced.height, reduced.reduction, reduced.image.shape) == (717, 901, 2, (451, 359, 3))
    found = extractor.extract(Photo("photo", data))
    monkeypatch.undo()
    expected = extractor.extract(Photo("photo", data))
    assert (found.width, found.height) == (expected.width, expected.height) == (717, 901)
    face, whole = found.one_face(), expected.one_face()
    assert np.allclose(face.box, whole.box, atol=0.08 * whole.box[2])
    assert np.allclose(face.landmarks, whole.landmarks, atol=0.08 * whole.box[2])
    assert np.array_equal(face.chip, align(reduced.image, face.landmarks / np.float32(2)))


@pytest.mark.usefixtures("small_limits")
def test_a_large_photo_is_itself_reduced(original: PillowImage.Image) -> None:
    original = original.resize((716, 900))
    found = picture(saved(original, "PNG"))
    expected = np.asarray(original.resize((358, 450), PillowImage.Resampling.BOX))
    assert found.reduction == 2
    assert difference(found.image, expected) <= 1
    found = picture(saved(original, "JPEG", quality=95))
    assert difference(found.image, expected) <= LOSSY


def test_photos_of_108_and_200_megapixels_are_read() -> None:
    for width, height in ((12_000, 9_000), (16_320, 12_240)):
        found = picture(jpeg(width, height))
        assert (found.width, found.height, found.reduction) == (width, height, 2)
        assert found.image.shape == (height // 2, width // 2, 3)
    # Another format is as large as the memory allows while it is decoded.
    rows = packed_rows(bytes(1 + 12_000 // 8), 9_000)
    assert picture(png(12_000, 9_000, 1, 0, rows)).image.shape == (4_500, 6_000, 3)
    with pytest.raises(PhotoTooLargeError, match="more than 1 GB of memory"):
        picture(png(16_320, 12_240, 1, 0, rows))
