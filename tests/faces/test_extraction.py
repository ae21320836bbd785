from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facerec_cli.errors import NoFaceError, UnsupportedPhotoError
from facerec_cli.faces.alignment import align
from facerec_cli.faces.extraction import Extractor
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
