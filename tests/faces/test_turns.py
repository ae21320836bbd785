from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from facerec_cli.faces.detector import Detection, Detector
from facerec_cli.faces.extraction import Extractor
from facerec_cli.faces.images import pixels

Pixels = npt.NDArray[np.uint8]
PORTRAITS = ("barack_obama.jpg", "eileen_collins_1999.png", "jacinda_ardern_2022.jpg", "rishi_sunak.jpg")


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


@pytest.fixture(scope="module")
def photos(samples: Path) -> dict[str, Pixels]:
    return {name: pixels(samples / name) for name in PORTRAITS}


def turned(image: Pixels, angle: float) -> tuple[Pixels, npt.NDArray[np.float64]]:
    """The image turned counter-clockwise on black, all of it, and the transform of its pixels, float64 [2, 3]."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1)
    size = np.round(np.abs(matrix[:, :2]) @ [width, height])
    matrix[:, 2] = matrix[:, 2] + (size - [width, height]) / 2
    return np.asarray(cv2.warpAffine(image, matrix, size.astype(int).tolist()), np.uint8), np.asarray(matrix)


def only(faces: list[Detection]) -> Detection:
    (face,) = faces
    return face


@pytest.mark.parametrize("angle", [15, -30, 45, -60, 90, 135, 180, 225, 270])
@pytest.mark.parametrize("name", PORTRAITS)
def test_a_turned_face_has_the_landmarks_of_the_upright_one(
    name: str, angle: int, detector: Detector, photos: dict[str, Pixels]
) -> None:
    upright = only(detector.detect(photos[name]))
    picture, matrix = turned(photos[name], angle)
    face = only(detector.detect(picture))
    expected = upright.landmarks @ matrix[:, :2].T + matrix[:, 2]
    # A sixth of the face: what tells an eye from the other, and from a mouth's corner.
    assert np.hypot(*(face.landmarks - expected).T).max() < upright.box[3] / 6
    assert not face.doubtful
    x, y, width, height = face.box
    assert (face.landmarks > [x, y]).all() and (face.landmarks < [x + width, y + height]).all()


def test_an_upright_photo_is_seen_as_it_was_before_photos_were_turned(
    detector: Detector, photos: dict[str, Pixels]
) -> None:
    for photo in photos.values():
        face = only(detector.detect(photo))
        again = only(Detector(640).detect(photo))
        assert (face.box, face.score, face.doubtful) == (again.box, again.score, False)


def test_faces_of_one_photo_may_point_all_ways(detector: Detector, photos: dict[str, Pixels]) -> None:
    portrait = np.asarray(cv2.resize(photos["rishi_sunak.jpg"], (300, 360), interpolation=cv2.INTER_AREA), np.uint8)
    picture = np.full((400, 1600, 3), 120, np.uint8)
    for place, quarters in enumerate((0, 1, 2, 3)):
        part = np.rot90(portrait, quarters)
        picture[: part.shape[0], 400 * place : 400 * place + part.shape[1]] = part
    faces = sorted(detector.detect(picture), key=lambda face: face.box[0])
    assert len(faces) == 4
    up = []
    for face in faces:
        eyes, mouth = face.landmarks[:2].mean(axis=0), face.landmarks[3:].mean(axis=0)
        up.append(np.degrees(np.arctan2(*(eyes - mouth)[::-1])))
    # Rows count downwards: the first looks up, and each is turned counter-clockwise by a quarter more.
    difference = (np.array(up) - [-90, 180, 90, 0] + 180) % 360 - 180
    assert np.abs(difference).max() < 15


def test_a_group_lying_on_its_side_is_found_whole(detector: Detector, photos: dict[str, Pixels]) -> None:
    parts = [cv2.resize(photo, (160, 200), interpolation=cv2.INTER_AREA) for photo in photos.values()]
    group = np.tile(np.concatenate(parts, axis=1), (2, 1, 1)).astype(np.uint8)
    assert len(detector.detect(group)) == 8
    assert len(detector.detect(np.ascontiguousarray(np.rot90(group)))) == 8


def test_a_small_face_in_a_photo_of_12_megapixels_is_found(detector: Detector, photos: dict[str, Pixels]) -> None:
    surroundings = np.asarray(
        cv2.resize(photos["barack_obama.jpg"][:500], (4000, 3000), interpolation=cv2.INTER_CUBIC), np.uint8
    )
    whole = only(detector.detect(photos["rishi_sunak.jpg"]))
    scale = 60 / whole.box[3]
    small = cv2.resize(photos["rishi_sunak.jpg"], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    surroundings[2500 : 2500 + small.shape[0], 3500 : 3500 + small.shape[1]] = small
    expected = np.array([3500, 2500]) + scale * whole.landmarks
    beside = [np.abs(face.landmarks - expected).max() for face in detector.detect(surroundings)]
    assert min(beside) < 6
    assert len(beside) == 2
    assert min(np.abs(face.landmarks - expected).max() for face in Detector(640).detect(surroundings)) > 100


def test_all_of_a_photo_is_looked_at_in_tiles(photos: dict[str, Pixels]) -> None:
    # A face in each place of a grid that no tile's edge respects.
    small = cv2.resize(photos["rishi_sunak.jpg"], (75, 90), interpolation=cv2.INTER_AREA)
    picture = np.full((1980, 2625, 3), 120, np.uint8)
    for top in range(0, picture.shape[0], 90):
        for left in range(0, picture.shape[1], 75):
            picture[top : top + 90, left : left + 75] = small
    faces = Detector(10_000).detect(picture)
    assert len(faces) == 22 * 35
    assert len({(face.box[0] // 75, face.box[1] // 90) for face in faces}) == 22 * 35


@pytest.mark.parametrize("name", PORTRAITS[:2])
def test_a_negative_is_doubtful(name: str, samples: Path) -> None:
    (face,) = Extractor().extract(np.ascontiguousarray(255 - pixels(samples / name))).faces
    assert face.doubtful


def test_a_thorough_look_finds_the_same_portraits(photos: dict[str, Pixels], detector: Detector) -> None:
    thorough = Detector(thorough=True)
    for photo in photos.values():
        one, other = only(detector.detect(photo)), only(thorough.detect(photo))
        assert np.abs(one.landmarks - other.landmarks).max() < one.box[3] / 20
