from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as PillowImage

from facerec_cli.drawing import labels
from facerec_cli.drawing.labels import (
    KNOWN_COLOUR,
    UNKNOWN_COLOUR,
    Label,
    annotate_photo,
    draw_labels,
    font_for,
)
from facerec_cli.errors import AnnotationError
from facerec_cli.faces.images import MEMORY, pixels

Pixels = npt.NDArray[np.uint8]
SIZES = [(60, 60), (300, 200), (3000, 2000)]


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with no font but the one that Pillow brings."""
    font_for.cache_clear()
    monkeypatch.setattr(labels, "_installed_fonts", lambda: ())
    yield
    font_for.cache_clear()


def black(width: int, height: int) -> Pixels:
    return np.zeros((height, width, 3), np.uint8)


def copy_with(image: Pixels, labels: Sequence[Label]) -> tuple[Pixels, list[str]]:
    picture = PillowImage.fromarray(image)
    warnings = draw_labels(picture, labels)
    return np.asarray(picture), warnings


def drawn(image: Pixels, *labels: Label) -> Pixels:
    picture, warnings = copy_with(image, labels)
    assert warnings == []
    assert picture.shape == image.shape
    assert picture.dtype == np.uint8
    return picture


def letters(picture: Pixels) -> int:
    """How many pixels are brighter than the label behind them: those of letters."""
    return int((picture.min(axis=2) > 140).sum())


# ------------------------------------------------------------------ drawing


def test_no_labels_give_an_equal_copy() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    assert (drawn(image) == image).all()


@pytest.mark.parametrize(("known", "colour"), [(True, KNOWN_COLOUR), (False, UNKNOWN_COLOUR)])
def test_the_box_is_drawn_where_the_face_is(known: bool, colour: tuple[int, int, int]) -> None:
    picture = drawn(black(400, 300), Label((100, 120, 80, 90), "Ada", known))
    middle = 160
    assert tuple(picture[middle, 100]) == colour
    assert tuple(picture[middle, 180]) == colour
    assert tuple(picture[210, 140]) == colour
    assert not picture[125:205, 105:175].any()


@pytest.mark.parametrize("size", SIZES)
def test_a_name_is_whole_wherever_its_face_is(size: tuple[int, int]) -> None:
    width, height = size
    side = width // 4
    name = "Ada"
    # In the middle of a picture there is room on all sides.
    whole = letters(drawn(black(*size), Label((side, height // 2, side, side), name, known=True)))
    assert whole > 20
    for x in (0, width - side, -side // 2, width - side // 2):
        for y in (0, height - side, -side // 2, height - side // 2):
            picture = drawn(black(*size), Label((x, y, side, side), name, known=True))
            assert letters(picture) == pytest.approx(whole, rel=0.05), (x, y)


@pytest.mark.parametrize("size", SIZES)
def test_the_name_of_a_face_that_is_the_whole_photo_is_inside(size: tuple[int, int]) -> None:
    # A box as wide, because the letters are measured by it, with room above.
    whole = letters(drawn(black(*size), Label((0, size[1] // 2, size[0], 4), "Ada", known=True)))
    assert letters(drawn(black(*size), Label((0, 0, *size), "Ada", known=True))) == pytest.approx(whole, rel=0.05)


def test_a_name_too_long_for_the_photo_is_written_smaller() -> None:
    name = "Ada King-Noel, Countess of Lovelace"
    picture = drawn(black(400, 300), Label((300, 200, 60, 60), name, known=True))
    whole = letters(drawn(black(400, 300), Label((0, 200, 60, 60), name, known=True)))
    assert letters(picture) == pytest.approx(whole, rel=0.05)
    # Black is left on both sides of the label: nothing of it is cut off.
    columns = np.flatnonzero((picture == KNOWN_COLOUR).all(axis=2).any(axis=0))
    assert columns.min() >= 0 and columns.max() <= 399
    assert letters(picture[:, :1]) == 0 and letters(picture[:, -1:]) == 0


def test_letters_grow_with_the_photo() -> None:
    def label_height(width: int, height: int) -> int:
        # A box without height, so that hardly more than the label has its colour.
        picture = drawn(black(width, height), Label((width / 4, height / 2, width / 4, 0), "Ada", known=True))
        return int((picture == KNOWN_COLOUR).all(axis=2).any(axis=1).sum())

    assert label_height(60, 60) >= 12
    assert 2.5 * label_height(600, 400) < label_height(3000, 2000) < 120


def test_names_of_neighbours_do_not_cover_each_other() -> None:
    faces = [(x, 200.0, 60.0, 70.0) for x in range(20, 1_700, 100)]
    alone = sum(letters(drawn(black(1_800, 1_200), Label(face, "Eva Ohm", known=True))) for face in faces)
    together = letters(drawn(black(1_800, 1_200), *(Label(face, "Eva Ohm", known=True) for face in faces)))
    assert together == pytest.approx(alone, rel=0.02)


@pytest.mark.parametrize(
    "box",
    [(-10.0, -10.0, 20.0, 20.0), (10.0, 10.0, 0.0, 0.0), (-1000.5, -20.25, 5000.0, 6000.0), (58.0, 58.0, 40.0, 40.0)],
)
def test_a_box_that_reaches_outside_the_photo_is_drawn_as_far_as_it_goes(
    box: tuple[float, float, float, float],
) -> None:
    assert letters(drawn(black(60, 60), Label(box, "Ada", known=True))) > 20


def test_a_photo_smaller_than_a_letter_can_be_labelled() -> None:
    assert drawn(black(3, 2), Label((0, 0, 3, 2), "Ada", known=True)).any()


def crowd(columns: int, rows: int, cell: int) -> list[Label]:
    """Faces in a grid, a third as wide as what each has for itself; every other one is known."""
    names = ["Ada", "unknown", "Abid Hamid Mahmud", "unknown"]
    side = cell / 3
    return [
        Label((column * cell + side, row * cell + side, side, 1.3 * side), names[column % 4], column % 2 == 0)
        for row in range(rows)
        for column in range(columns)
    ]


@pytest.mark.parametrize("cell", [60, 125, 250])
def test_the_faces_of_a_crowd_are_seen(cell: int) -> None:
    labels = crowd(24, 16, cell)
    picture = drawn(black(24 * cell, 16 * cell), *labels)
    shares = []
    for x, y, width, height in (map(round, label.box) for label in labels):
        face = picture[y : y + height, x : x + width]
        shares.append(float((face == 0).all(axis=2).mean()))
    assert min(shares) > 0.75
    assert np.mean(shares) > 0.85


def test_the_names_of_a_crowd_do_not_cover_each_other() -> None:
    labels = crowd(24, 16, 125)
    alone = sum(letters(drawn(black(3000, 2000), label)) for label in labels[:4]) * 96
    assert letters(drawn(black(3000, 2000), *labels)) == pytest.approx(alone, rel=0.03)


def test_a_face_that_fills_the_photo_has_a_line_that_shows() -> None:
    def line(picture: Pixels, row: int) -> int:
        return int((picture[row] == KNOWN_COLOUR).all(axis=1).sum() // 2)

    assert line(drawn(black(4000, 3000), Label((1000, 500, 1500, 2000), "Ada", known=True)), 2000) == 10
    assert line(drawn(black(4000, 3000), Label((1000, 500, 30, 40), "Ada", known=True)), 525) == 1


def test_a_name_goes_where_it_covers_no_neighbour() -> None:
    above = Label((100, 60, 100, 100), "", known=False)
    below = Label((100, 165, 100, 100), "Ada", known=True)
    picture = drawn(black(300, 400), above, below)
    # There are five rows between the faces: the name is below its own.
    assert letters(picture[:265]) == 0
    assert letters(picture[265:]) > 20


# ------------------------------------------------------------------ scripts


@pytest.mark.parametrize(
    "name", ["Ada", "Zoë Łukasiewicz", "Ада Лавлейс", "Ελένη", "山田 花子", "김민수", "عائشة", "नेहा"]
)
def test_a_name_is_drawn_or_there_is_a_warning(name: str) -> None:
    picture, warnings = copy_with(black(900, 600), [Label((300, 300, 100, 100), name, known=True)])
    if warnings:
        (warning,) = warnings
        assert name in warning
        assert "font" in warning
    else:
        # What a font lacks is drawn as one and the same box; letters that it has differ from it and from each other.
        missing, _ = copy_with(black(900, 600), [Label((300, 300, 100, 100), "\uffff" * len(name), known=True)])
        assert letters(picture) > 20
        assert (picture != missing).any()


@pytest.mark.parametrize("name", ["Ада Лавлейс", "Ελένη"])
def test_an_installed_font_that_has_the_letters_is_used(name: str) -> None:
    if not any(path.name == "DejaVuSans.ttf" for path in labels._installed_fonts()):
        pytest.skip("DejaVu Sans, which has Greek and Cyrillic, is not installed here")
    assert font_for(name) is not None
    _, warnings = copy_with(black(900, 600), [Label((300, 300, 100, 100), name, known=True)])
    assert warnings == []


@pytest.mark.usefixtures("no_fonts")
def test_without_fonts_latin_is_drawn_and_other_scripts_are_warned_about() -> None:
    labels = [Label((10, 100, 50, 50), name, known=True) for name in ("Zoe", "山田 花子", "नेहा")]
    picture, warnings = copy_with(black(900, 600), labels)
    assert letters(picture) > 20
    assert [name for name in ("Zoe", "山田 花子", "नेहा") if any(name in warning for warning in warnings)] == [
        "山田 花子",
        "नेहा",
    ]


def test_fonts_are_looked_for_where_nobody_has_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(_user: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", no_home)
    labels._installed_fonts.cache_clear()
    font_for.cache_clear()
    _, warnings = copy_with(black(300, 200), [Label((50, 80, 50, 50), "नेहा 山田", known=True)])
    assert len(warnings) <= 1
    labels._installed_fonts.cache_clear()
    font_for.cache_clear()


def test_a_broken_font_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    fonts = labels._installed_fonts()
    font_for.cache_clear()
    monkeypatch.setattr(labels, "_installed_fonts", lambda: (broken, *fonts))
    try:
        assert font_for("山田 花子") != broken
        assert font_for("Ελένη") != broken
    finally:
        font_for.cache_clear()


# ------------------------------------------------------------------ files


@pytest.fixture
def photo(tmp_path: Path, samples: Path) -> Path:
    path = tmp_path / "photos" / "ada.jpg"
    path.parent.mkdir()
    path.write_bytes((samples / "rishi_sunak.jpg").read_bytes())
    return path


LABEL = Label((240, 190, 280, 390), "Rishi Sunak", known=True)


def test_a_copy_is_written_under_the_same_name(photo: Path, tmp_path: Path) -> None:
    before = photo.read_bytes()
    assert annotate_photo(photo, [LABEL], tmp_path / "out" / "new") == []
    assert photo.read_bytes() == before
    (copy,) = (tmp_path / "out" / "new").iterdir()
    assert copy.name == "ada.jpg"
    original, annotated = pixels(photo), pixels(copy)
    assert annotated.shape == original.shape
    changed = np.abs(annotated.astype(int) - original).max(axis=2) > 60
    assert changed.any()
    # Far from the box and its label the copy is the photo.
    assert not changed[600:].any()


def test_two_photos_of_one_name_are_two_copies(photo: Path, tmp_path: Path, samples: Path) -> None:
    other = tmp_path / "others" / "ada.jpg"
    other.parent.mkdir()
    other.write_bytes((samples / "barack_obama.jpg").read_bytes())
    for path in (photo, other, photo):
        annotate_photo(path, [LABEL], tmp_path / "out")
    copies = sorted((tmp_path / "out").iterdir())
    shapes = [pixels(copy).shape for copy in copies]
    assert sorted(shapes) == [(785, 682, 3), (900, 747, 3), (900, 747, 3)]


@pytest.mark.parametrize("through_a_link", [False, True])
def test_a_copy_never_lies_beside_its_photo(photo: Path, tmp_path: Path, through_a_link: bool) -> None:
    before = photo.read_bytes()
    folder = photo.parent
    if through_a_link:
        folder = tmp_path / "link"
        folder.symlink_to(photo.parent)
    with pytest.raises(AnnotationError, match="beside the photo itself"):
        annotate_photo(photo, [LABEL], folder)
    assert photo.read_bytes() == before
    assert list(photo.parent.iterdir()) == [photo]


def test_a_photo_behind_a_link_is_not_overwritten(photo: Path, tmp_path: Path) -> None:
    before = photo.read_bytes()
    album = tmp_path / "album" / "ada.jpg"
    album.parent.mkdir()
    album.symlink_to(photo)
    with pytest.raises(AnnotationError, match="beside the photo itself"):
        annotate_photo(album, [LABEL], photo.parent)
    with pytest.raises(AnnotationError, match="beside the photo itself"):
        annotate_photo(album, [LABEL], album.parent)
    assert photo.read_bytes() == before


def test_the_copy_is_upright(photo: Path, tmp_path: Path) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    with PillowImage.open(photo) as picture:
        picture.transpose(PillowImage.Transpose.ROTATE_90).save(photo, exif=exif, quality=95)
    annotate_photo(photo, [], tmp_path / "out")
    with PillowImage.open(tmp_path / "out" / "ada.jpg") as copy:
        assert copy.size == (747, 900)
        assert copy.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.bmp", "a.tiff", "a.JPG", "a.gif", "a.ppm", "a"])
def test_a_photo_of_any_kind_has_a_copy_that_can_be_read(name: str, photo: Path, tmp_path: Path) -> None:
    renamed = photo.with_name(name)
    photo.rename(renamed)
    annotate_photo(renamed, [LABEL], tmp_path / "out")
    (copy,) = (tmp_path / "out").iterdir()
    assert copy.stem == "a"
    assert pixels(copy).shape == (900, 747, 3)


@pytest.mark.parametrize(("side", "factor"), [(60, 8), (479, 2), (480, 1)])
def test_a_small_photo_is_enlarged_by_a_whole_factor(side: int, factor: int, tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    small = np.random.default_rng(0).integers(0, 100, (side // 2, side, 3)).astype(np.uint8)
    PillowImage.fromarray(small).save(path)
    quarter = side // 4
    annotate_photo(path, [Label((quarter, quarter, quarter, quarter), "", known=True)], tmp_path / "out")
    copy = pixels(tmp_path / "out" / "small.png")
    assert copy.shape == (side // 2 * factor, side * factor, 3)
    # The upper rows are the photo's own, and the box is where the face is in the copy.
    assert (copy[: quarter * factor // 2 : factor, ::factor] == small[: -(-(quarter * factor // 2) // factor)]).all()
    assert tuple(copy[3 * quarter * factor // 2, quarter * factor]) == KNOWN_COLOUR


@pytest.mark.parametrize("name", ["wide.webp", "wide.jpg"])
def test_a_photo_that_its_format_cannot_hold_is_one_sentence(name: str, tmp_path: Path) -> None:
    # A PNG under another name: WebP ends at 16,383 pixels a side and JPEG at 65,535.
    path = tmp_path / name
    PillowImage.new("L", (70_000, 8)).save(path, "PNG")
    with pytest.raises(AnnotationError, match="cannot be written") as raised:
        annotate_photo(path, [], tmp_path / "out")
    assert name in str(raised.value)


def test_links_in_a_circle_are_one_sentence(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("out")
    with pytest.raises(AnnotationError, match="cannot be written"):
        annotate_photo(photo, [LABEL], tmp_path / "out")


def test_a_folder_that_cannot_be_made_is_one_sentence(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"a file")
    with pytest.raises(AnnotationError, match="cannot be written") as raised:
        annotate_photo(photo, [LABEL], tmp_path / "out")
    assert str(tmp_path / "out") in str(raised.value)


def test_a_name_as_long_as_a_disk_allows_is_annotated(tmp_path: Path) -> None:
    photo = tmp_path / f"{'x' * 251}.jpg"
    PillowImage.new("RGB", (600, 500)).save(photo)
    annotate_photo(photo, [], tmp_path / "copies")
    annotate_photo(photo.rename(tmp_path / f"{'x' * 251}.png"), [], tmp_path / "copies")
    assert sorted(path.suffix for path in (tmp_path / "copies").iterdir()) == [".jpg", ".png"]


def test_a_copy_is_drawn_within_the_memory_of_all_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(MEMORY, "set_aside", lambda size: asked.append(size) or nullcontext())  # type: ignore[func-returns-value]
    photo = tmp_path / "photo.png"
    PillowImage.new("RGB", (1000, 800)).save(photo)
    annotate_photo(photo, [], tmp_path / "copies")
    assert asked[0] >= 7 * 1000 * 800
