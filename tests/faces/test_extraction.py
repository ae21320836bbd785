from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facerec_cli.errors import NoFaceError, SeveralFacesError, UnsupportedPhotoError
from facerec_cli.faces.alignment import align
from facerec_cli.faces.extraction import Extraction, Extractor, Face
from facerec_cli.faces.images import Photo, opened, pixels, source_of
from facerec_cli.faces.quality import measure


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor()


def test_a_photo_has_a_size_and_its_faces_have_all_that_is_known_of_them(extractor: Extractor, samples: Path) -> None:
    path = samples / "barack_obama.jpg"
    extraction = extractor.extract(path)
    image = pixels(path)
    assert extraction.source == str(path)
    assert (extraction.height, extraction.width) == image.shape[:2]
    face = extraction.one_face()
    assert np.array_equal(face.chip, align(image, face.landmarks))
    assert face.quality == measure(face.chip, face.landmarks)
    x, y, width, height = face.box
    assert (face.landmarks > [x, y]).all()
    assert (face.landmarks < [x + width, y + height]).all()
    assert 0.8 < face.score <= 1


def test_no_face_is_told_by_the_name_of_the_photo(extractor: Extractor) -> None:
    extraction = extractor.extract(Photo("frame 7", np.zeros((200, 300, 3), np.uint8)))
    assert (extraction.width, extraction.height, extraction.faces) == (300, 200, ())
    with pytest.raises(NoFaceError, match="frame 7 shows no face"):
        extraction.one_face()


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((20, 30, 3)),
        np.zeros((20, 30), np.uint8),
        np.zeros((20, 30, 4), np.uint8),
        np.zeros((0, 30, 3), np.uint8),
    ],
    ids=["floats", "grey", "alpha", "empty"],
)
def test_other_arrays_are_no_pixels(wrong: np.ndarray, extractor: Extractor) -> None:
    with pytest.raises(UnsupportedPhotoError, match="The photo is"):
        extractor.extract(wrong)


def test_a_photo_is_named_before_and_after_it_is_read_alike(samples: Path) -> None:
    path = samples / "barack_obama.jpg"
    content = path.read_bytes()
    for photo in (
        path,
        str(path),
        content,
        bytearray(content),
        Photo("upload", content),
        np.zeros((4, 4, 3), np.uint8),
    ):
        with opened(photo) as at_hand:
            assert source_of(photo) == at_hand.source


def test_the_same_pixels_in_another_shape_are_another_photo() -> None:
    one, other = (Photo("", np.zeros(shape, np.uint8)) for shape in ((2, 8, 3), (4, 4, 3)))
    assert one.sha256 != other.sha256
    assert one.sha256 == Photo("another name", np.zeros((2, 8, 3), np.uint8)).sha256


def portrait(*sides: float) -> Extraction:
    """A photo with square faces of these sizes."""
    faces = [
        Face((0, 0, side, side), np.zeros((5, 2), np.float32), 0.9, np.zeros((112, 112, 3), np.uint8)) for side in sides
    ]
    return Extraction("photo.jpg", 900, 900, tuple(faces))


def test_a_point_says_which_face_is_meant() -> None:
    boxes = [(0, 0, 100, 100), (90, 0, 80, 80), (300, 10, 40, 40)]
    faces = [Face(box, np.zeros((5, 2), np.float32), 0.9, np.zeros((112, 112, 3), np.uint8)) for box in boxes]
    photo = Extraction("photo.jpg", 900, 900, tuple(faces))
    for x, y, number in [(50, 50, 0), (0, 0, 0), (340, 50, 2), (92, 50, 1), (95, 99, 0), (99.5, 40, 1)]:
        assert photo.one_face(at=(x, y)) is faces[number], (x, y)
    for x, y in [(200, 40), (-1, 5), (float("nan"), 5), (50, 101)]:
        with pytest.raises(NoFaceError, match=r"photo\.jpg shows no face at "):
            photo.one_face(at=(x, y))
    with pytest.raises(NoFaceError, match=r"photo\.jpg shows no face$"):
        Extraction("photo.jpg", 900, 900, ()).one_face(at=(1, 1))


def test_a_much_larger_face_is_the_portrait_and_told() -> None:
    assert portrait(90).one_face() is not None
    assert portrait(90).bystanders is None
    two, three = portrait(90, 60), portrait(90, 60, 10)
    for photo in (two, three):
        assert photo.one_face() is photo.faces[0]
    assert two.bystanders == "photo.jpg shows 2 faces; the largest, 2.2 times the other, was taken"
    assert three.bystanders == "photo.jpg shows 3 faces; the largest, 2.2 times the next, was taken"


@pytest.mark.parametrize("sides", [(90, 90), (90, 74), (90, 80, 10)])
def test_faces_of_much_the_same_size_are_refused_but_for_who_asks(sides: tuple[float, ...]) -> None:
    photo = portrait(*sides)
    with pytest.raises(SeveralFacesError, match=f"photo.jpg shows {len(sides)} faces"):
        photo.one_face()
    assert photo.one_face(largest=True) is photo.faces[0]
