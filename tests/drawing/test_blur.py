"""Faces that cannot be recognised any more, and files that show them nowhere else."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFilter
from PIL.PngImagePlugin import PngInfo

from facerec_cli import Recognizer
from facerec_cli.drawing.blur import _covered, hide_faces
from facerec_cli.errors import ConcealmentError
from facerec_cli.faces.alignment import align
from facerec_cli.faces.extraction import Extraction, Extractor
from facerec_cli.faces.images import pixels
from facerec_cli.metadata.areas import Area, Canvas
from tests.faces.pictures import STORED_AS
from tests.metadata.packets import exiftool, needs_exiftool

Pixels = npt.NDArray[Any]
LOSSLESS: dict[str, dict[str, Any]] = {"png": {}, "bmp": {}, "tif": {}, "webp": {"lossless": True}}
GREY = 128


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor()


@pytest.fixture(scope="module")
def seen(extractor: Extractor, samples: Path) -> Extraction:
    return extractor.extract(samples / "barack_obama.jpg")


@pytest.fixture(scope="module")
def picture(samples: Path) -> Image.Image:
    with Image.open(samples / "barack_obama.jpg") as opened:
        return opened.convert("RGB")


def hidden(photo: Path, seen: Extraction) -> Path:
    boxes = [face.box for face in seen.faces]
    return hide_faces(photo, boxes, (seen.width, seen.height), photo.parent / "out")


def outside(seen: Extraction, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Where nothing is covered."""
    left, top, right, bottom = _covered(seen.faces[0].box, (seen.width, seen.height), Canvas(seen.width, seen.height))
    y, x = np.ogrid[: shape[0], : shape[1]]
    ellipse = ((x - (left + right) / 2) / ((right - left) / 2 + 1)) ** 2 + (
        (y - (top + bottom) / 2) / ((bottom - top) / 2 + 1)
    ) ** 2
    return np.asarray(ellipse > 1)


# ------------------------------------------------------------------ who it was


def test_no_encoder_names_what_is_hidden_and_no_filter_brings_it_back(
    recognizer: Recognizer, extractor: Extractor, samples: Path, tmp_path: Path
) -> None:
    """The attacker knows where the face was, and has other photos of everybody."""
    enrolled, asked = [], []
    for path in sorted(samples.glob("*.jpg")):
        seen = extractor.extract(path)
        photo = tmp_path / f"{path.stem}.png"
        Image.fromarray(pixels(path)).save(photo)
        covered = Image.open(hidden(photo, seen)).convert("RGB")
        assert extractor.extract(np.asarray(covered)).faces == ()
        size = covered.size
        tries = [
            covered,
            covered.filter(ImageFilter.UnsharpMask(20, 300, 0)),
            covered.filter(ImageFilter.EDGE_ENHANCE_MORE),
            covered.resize((size[0] // 8, size[1] // 8)).resize(size, Image.Resampling.LANCZOS),
        ]
        landmarks = seen.faces[0].landmarks
        enrolled.append(recognizer.embed_enrolled([seen.faces[0].chip])[0])
        asked.append(recognizer.embed([align(np.asarray(one), landmarks) for one in tries]))
    for number, tried in enumerate(asked):
        similar = tried @ np.stack(enrolled).T
        # Not even to the very photo that it was made of: those of two people are as near.
        assert similar.max() < 0.4, (number, similar)


def test_what_covers_a_face_is_the_same_whoever_it_is(samples: Path, extractor: Extractor, tmp_path: Path) -> None:
    for path in samples.glob("*.jpg"):
        photo = tmp_path / f"{path.stem}.png"
        Image.fromarray(pixels(path)).save(photo)
        seen = extractor.extract(path)
        copy = pixels(hidden(photo, seen))
        x, y, width, height = (round(number) for number in seen.faces[0].box)
        assert (copy[max(0, y) : y + height, max(0, x) : x + width] == GREY).all()


boxes = st.tuples(st.floats(-50, 450), st.floats(-50, 350), st.floats(1, 300), st.floats(1, 300))


@given(boxes, st.sampled_from(sorted(STORED_AS)))
def test_the_whole_box_is_covered_however_the_photo_is_stored(
    box: tuple[float, float, float, float], orientation: int
) -> None:
    stored = Canvas(*((300, 400) if orientation in (5, 6, 7, 8) else (400, 300)), orientation)
    left, top, right, bottom = _covered(box, (400, 300), stored)
    middle, radius = ((left + right) / 2, (top + bottom) / 2), ((right - left) / 2, (bottom - top) / 2)
    for corner in ((0, 0), (1, 0), (0, 1), (1, 1)):
        x, y = (box[0] + corner[0] * box[2]) / 400, (box[1] + corner[1] * box[3]) / 300
        at = stored.stored(Area(x, y))
        place = at.x * stored.width, at.y * stored.height
        assert sum(((place[i] - middle[i]) / radius[i]) ** 2 for i in (0, 1)) < 1


# ------------------------------------------------------------------ all else stays


@pytest.mark.parametrize("ending", LOSSLESS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_all_other_pixels_are_the_same_bit_for_bit(
    ending: str, mode: str, picture: Image.Image, seen: Extraction, tmp_path: Path
) -> None:
    if (ending, mode) in {("bmp", "LA"), ("bmp", "RGBA")}:
        pytest.skip("BMP has no such pictures")
    photo = tmp_path / f"photo.{ending}"
    original = picture.convert(mode)
    if "A" in mode:
        original.putalpha(Image.linear_gradient("L").resize(original.size))
    original.save(photo, **LOSSLESS[ending])
    copy = hidden(photo, seen)
    before = np.asarray(Image.open(photo).convert("RGBA"))
    after = np.asarray(Image.open(copy).convert("RGBA"))
    where = outside(seen, before.shape)
    assert (before == after)[where].all()
    assert not (before == after)[~where].all()


def test_a_jpeg_is_encoded_once_more_with_its_own_tables(
    picture: Image.Image, seen: Extraction, tmp_path: Path
) -> None:
    for quality, subsampling, mode in [(60, 2, "RGB"), (93, 0, "RGB"), (85, 1, "RGB"), (80, -1, "L"), (90, -1, "CMYK")]:
        photo = tmp_path / f"{quality}.jpg"
        picture.convert(mode).save(photo, quality=quality, subsampling=subsampling)
        copy = hidden(photo, seen)
        with Image.open(photo) as before, Image.open(copy) as after:
            assert isinstance(before, type(after))
            assert before.quantization == after.quantization  # type: ignore[attr-defined]
            assert (before.mode, before.size) == (after.mode, after.size)
            difference = np.abs(np.asarray(before, np.int16) - np.asarray(after, np.int16))
            where = outside(seen, difference.shape)
        assert difference[where].mean() < 0.6, quality


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", STORED_AS)
def test_orientation_and_profile_stay_and_the_face_is_hidden_where_it_is(
    ending: str, orientation: int, picture: Image.Image, seen: Extraction, tmp_path: Path
) -> None:
    transpose = STORED_AS[orientation]
    stored = picture if transpose is None else picture.transpose(transpose)
    exif = Image.Exif()
    exif[274] = orientation
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = tmp_path / f"photo.{ending}"
    stored.save(photo, exif=exif, icc_profile=profile)
    copy = hidden(photo, seen)
    with Image.open(copy) as written:
        assert written.size == (picture.size if ending == "tif" else stored.size)
        assert written.getexif().get(274, 1) == (1 if ending == "tif" else orientation)
        assert written.info["icc_profile"] == profile
    upright = pixels(copy)
    x, y, width, height = (round(number) for number in seen.faces[0].box)
    edge = width // 10  # where a lossy format mixes what is covered with what is beside it
    face = upright[y + edge : y + height - edge, x + edge : x + width - edge]
    assert (np.abs(face.astype(int) - GREY) <= 2).all()
    where = outside(seen, upright.shape)
    assert np.abs(upright.astype(int) - np.asarray(picture))[where].mean() < 4


# ------------------------------------------------------------------ nothing else shows it

MARK = b"who it is"


@needs_exiftool
@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_metadata_previews_and_what_lies_behind_the_picture_are_gone(
    ending: str, picture: Image.Image, seen: Extraction, tmp_path: Path
) -> None:
    photo, preview = tmp_path / f"photo.{ending}", tmp_path / "preview.jpg"
    picture.resize((160, 184)).save(preview)
    options: dict[str, Any] = {}
    if ending == "png":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Comment", MARK.decode())
    if ending == "jpg":
        options["comment"] = MARK
    picture.save(photo, **options)
    exiftool("-overwrite_original", "-Artist=who it is", "-GPSLatitude=1", "-XMP:PersonInImage=who it is", photo)
    exiftool("-overwrite_original", f"-PhotoshopThumbnail<={preview}", "-IPTC:Caption-Abstract=who it is", photo) if (
        ending in ("jpg", "tif")
    ) else None
    if ending == "jpg":
        exiftool("-overwrite_original", f"-ThumbnailImage<={preview}", photo)
        with photo.open("ab") as file:  # a motion photo's video, and a second picture
            file.write(preview.read_bytes() + b"ftypmp42" + MARK)
    assert MARK in photo.read_bytes()
    copy = hidden(photo, seen)
    content = copy.read_bytes()
    assert MARK not in content
    assert content.count(b"\xff\xd8\xff") == (ending == "jpg")
    groups = set(exiftool("-a", "-G1", "-s", copy).splitlines())
    kept = {line.split("]")[0].strip("[ ") for line in groups}
    allowed = {"ExifTool", "System", "File", "JFIF", "PNG", "PNG-pHYs", "RIFF", "IFD0", "Composite"}
    assert kept <= allowed
    if ending == "tif":
        assert not any("Artist" in line or "Photoshop" in line or "IPTC" in line for line in groups)


def test_further_pictures_of_a_file_are_left_out(picture: Image.Image, seen: Extraction, tmp_path: Path) -> None:
    for ending, kind in (("tif", "TIFF"), ("png", "PNG"), ("webp", "WEBP"), ("jpg", "MPO")):
        photo = tmp_path / f"many.{ending}"
        picture.save(photo, kind, save_all=True, append_images=[picture.rotate(5), picture.rotate(10)])
        with Image.open(photo) as many:
            assert getattr(many, "n_frames", 1) == 3
        copy = hidden(photo, seen)
        with Image.open(copy) as one:
            assert getattr(one, "n_frames", 1) == 1
        assert copy.read_bytes().count(b"\xff\xd8\xff") <= 1


@pytest.mark.parametrize("ending", ["heic", "avif", "gif"])
def test_formats_that_are_not_written_become_png(
    ending: str, picture: Image.Image, seen: Extraction, tmp_path: Path
) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    photo = tmp_path / f"photo.{ending}"
    picture.save(photo)
    copy = hidden(photo, seen)
    assert copy.name == "photo.png"
    x, y, width, height = (round(number) for number in seen.faces[0].box)
    assert (pixels(copy)[y : y + height, x : x + width] == GREY).all()


def test_damaged_photos_are_copied_as_they_are_seen(picture: Image.Image, extractor: Extractor, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6
    picture.transpose(STORED_AS[6] or Image.Transpose.ROTATE_90).save(buffer, "JPEG", exif=exif)
    photo = tmp_path / "cut.jpg"
    photo.write_bytes(buffer.getvalue()[:-2])
    seen = extractor.extract(photo)
    copy = pixels(hidden(photo, seen))
    assert copy.shape[:2] == (seen.height, seen.width)
    x, y, width, height = (round(number) for number in seen.faces[0].box)
    assert (np.abs(copy[y + 30 : y + height - 30, x + 30 : x + width - 30].astype(int) - GREY) <= 2).all()


def test_more_than_eight_bits_and_colours_that_a_format_lacks_are_copied_as_they_are_seen(
    picture: Image.Image, seen: Extraction, tmp_path: Path
) -> None:
    fine = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    Image.fromarray(fine).save(tmp_path / "fine.png")
    picture.convert("CMYK").save(tmp_path / "print.tif", icc_profile=b"\0" * 16 + b"CMYK" + b"\0" * 108)
    picture.convert("CMYK").save(tmp_path / "print.jpg", icc_profile=b"\0" * 16 + b"CMYK" + b"\0" * 108)
    (tmp_path / "print.png").write_bytes((tmp_path / "print.jpg").read_bytes())
    for name, mode, has_profile in [
        ("fine.png", "RGB", False),
        ("print.tif", "CMYK", True),
        ("print.jpg", "CMYK", True),
        ("print.png", "RGB", False),
    ]:
        copy = hidden(tmp_path / name, seen)
        with Image.open(copy) as written:
            assert (written.mode, "icc_profile" in written.info) == (mode, has_profile), name
        before, after = pixels(tmp_path / name).astype(int), pixels(copy)
        where = outside(seen, after.shape)
        assert np.abs(before - after)[where].mean() < 3, name


def test_a_photo_of_very_many_pixels_is_reduced(tmp_path: Path) -> None:
    photo = tmp_path / "large.jpg"
    Image.new("L", (12_000, 9_000), 200).save(photo)
    copy = hide_faces(photo, [(6_000, 4_500, 1_000, 1_000)], (12_000, 9_000), tmp_path / "out")
    with Image.open(copy) as written:
        assert written.size == (6_000, 4_500)
        assert written.getpixel((3_250, 2_500)) == (128, 128, 128)
        assert written.getpixel((2_500, 2_500)) == (200, 200, 200)


def test_nothing_is_written_beside_or_over_a_photo(picture: Image.Image, seen: Extraction, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    picture.save(photo)
    with pytest.raises(ConcealmentError, match="beside the photo itself"):
        hide_faces(photo, [], (seen.width, seen.height), tmp_path)
    assert [hidden(photo, seen).name for _ in range(2)] == ["photo.png", "photo-2.png"]
    (tmp_path / "file").write_text("")
    with pytest.raises(ConcealmentError, match="cannot be written"):
        hide_faces(photo, [], (seen.width, seen.height), tmp_path / "file" / "below")
