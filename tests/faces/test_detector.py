from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from facerec_cli.datasets.folder import search
from facerec_cli.defaults import WORKING_SIZE
from facerec_cli.faces.alignment import align
from facerec_cli.faces.detector import Detection, Detector
from facerec_cli.faces.images import pixels
from facerec_cli.faces.network import Network, suppress

Pixels = npt.NDArray[np.uint8]
SAMPLES = (
    "barack_obama.jpg",
    "eileen_collins_1999.png",
    "emmanuel_macron_2014.jpg",
    "emmanuel_macron_2025.jpg",
    "jacinda_ardern_2018.jpg",
    "jacinda_ardern_2022.jpg",
    "rishi_sunak.jpg",
)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(WORKING_SIZE)


@pytest.fixture(scope="module")
def photos(samples: Path) -> dict[str, Pixels]:
    return {name: pixels(samples / name) for name in SAMPLES}


def resized(image: Pixels, scale: float) -> Pixels:
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=interpolation), np.uint8)


def only(faces: list[Detection]) -> Detection:
    (face,) = faces
    return face


def to_height(image: Pixels, detector: Detector, height: float) -> Pixels:
    """The photo at the scale at which its face is so many pixels high."""
    return resized(image, height / only(detector.detect(image)).box[3])


def canvas(height: int, width: int, pictures: list[tuple[int, int, Pixels]]) -> Pixels:
    """Pictures on grey, each with the row and column of its top-left corner."""
    blank = np.full((height, width, 3), 120, np.uint8)
    for top, left, picture in pictures:
        blank[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return blank


def close_crop(image: Pixels, face: Detection) -> Pixels:
    """Square round the box, with nothing of the head's surroundings."""
    left, top, width, height = face.box
    half = max(width, height) / 2
    centre_x, centre_y = left + width / 2, top + height / 2
    return image[
        max(0, round(centre_y - half)) : round(centre_y + half), max(0, round(centre_x - half)) : round(centre_x + half)
    ]


# ------------------------------------------------------------------ one face


def test_the_samples_tested_here_are_all_there_are(samples: Path) -> None:
    assert tuple(path.name for path in search(samples).photos) == SAMPLES


@pytest.mark.parametrize("name", SAMPLES)
def test_a_portrait_has_exactly_one_face(name: str, detector: Detector, photos: dict[str, Pixels]) -> None:
    face = only(detector.detect(photos[name]))
    left, top, width, height = face.box
    image_height, image_width = photos[name].shape[:2]
    assert 0.8 <= face.score <= 1
    assert left >= 0 and left + width <= image_width
    assert top >= 0 and top + height <= image_height
    assert face.landmarks.shape == (5, 2)
    assert face.landmarks.dtype == np.float32
    assert (face.landmarks >= [left, top]).all() and (face.landmarks <= [left + width, top + height]).all()
    right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
    # The subject's right eye is on the left of the picture.
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_mouth[0] < left_mouth[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])


@pytest.mark.parametrize("size", [60, 80, 100, 160, 250, 320, 321, 400, 640, 641, 800, 1000])
@pytest.mark.parametrize("name", SAMPLES)
def test_a_face_that_fills_the_frame_is_found(
    name: str, size: int, detector: Detector, photos: dict[str, Pixels]
) -> None:
    crop = close_crop(photos[name], only(detector.detect(photos[name])))
    found = only(detector.detect(resized(crop, size / max(crop.shape[:2]))))
    assert max(found.box[2:]) > 0.7 * size


def test_a_very_large_face_that_fills_the_frame_is_found_at_a_large_working_size(photos: dict[str, Pixels]) -> None:
    detector = Detector(4000)
    crop = close_crop(photos["rishi_sunak.jpg"], only(detector.detect(photos["rishi_sunak.jpg"])))
    assert len(detector.detect(resized(crop, 3000 / max(crop.shape[:2])))) == 1


@pytest.mark.parametrize("name", SAMPLES)
def test_a_face_of_20_pixels_is_found_in_a_640_pixel_picture(
    name: str, detector: Detector, photos: dict[str, Pixels]
) -> None:
    small = to_height(photos[name], detector, 20)
    found = only(detector.detect(canvas(480, 640, [(200, 300, small)])))
    assert 14 <= found.box[3] <= 26
    assert 300 <= found.box[0] <= 300 + small.shape[1]
    assert 200 <= found.box[1] <= 200 + small.shape[0]


def test_most_faces_of_16_pixels_are_found(detector: Detector, photos: dict[str, Pixels]) -> None:
    # Where a face lies on the network's grid of 8 pixels matters at this size: each is tried at several places.
    found = 0
    for photo in photos.values():
        small = to_height(photo, detector, 16)
        found += sum(len(detector.detect(canvas(480, 640, [(200 + at, 300 + 3 * at, small)]))) for at in range(8))
    assert 0.6 * 7 * 8 <= found <= 7 * 8


@pytest.mark.parametrize("name", SAMPLES)
def test_boxes_and_landmarks_are_in_the_pixels_of_the_full_photo(
    name: str, detector: Detector, photos: dict[str, Pixels]
) -> None:
    face = only(detector.detect(photos[name]))
    larger = only(detector.detect(resized(photos[name], 4)))
    # A twentieth of the face: what the detector itself varies by when it sees the same photo resampled.
    allowed = 4 * face.box[3] / 20
    np.testing.assert_allclose(larger.box, [4 * value for value in face.box], atol=allowed)
    np.testing.assert_allclose(larger.landmarks, 4 * face.landmarks, atol=allowed)


@pytest.mark.parametrize("size", [1280, 2000])
def test_a_large_working_size_finds_a_face_once(size: int, photos: dict[str, Pixels]) -> None:
    # The face is seen at two working sizes there, and is one face all the same.
    detector = Detector(size)
    for photo in photos.values():
        assert len(detector.detect(resized(photo, 2))) == 1


def test_detecting_does_not_change_the_picture(detector: Detector, photos: dict[str, Pixels]) -> None:
    photo = photos["rishi_sunak.jpg"]
    before = photo.copy()
    detector.detect(photo)
    assert (photo == before).all()


def test_channels_are_read_as_rgb(detector: Detector, photos: dict[str, Pixels]) -> None:
    # Skin with red and blue exchanged looks less like a face, on every sample.
    for photo in photos.values():
        right = only(detector.detect(photo)).score
        swapped = detector.detect(np.ascontiguousarray(photo[..., ::-1]))
        assert not swapped or swapped[0].score != pytest.approx(right, abs=1e-6)


# ------------------------------------------------------------------ several faces


def test_faces_come_largest_first(detector: Detector, photos: dict[str, Pixels]) -> None:
    heights = [40, 160, 80, 120]
    names = ["barack_obama.jpg", "rishi_sunak.jpg", "emmanuel_macron_2025.jpg", "jacinda_ardern_2018.jpg"]
    pictures = []
    left = 0
    for name, height in zip(names, heights, strict=True):
        small = to_height(photos[name], detector, height)[:480]
        pictures.append((0, left, small))
        left += small.shape[1]
    faces = detector.detect(canvas(480, left, pictures))
    assert len(faces) == 4
    areas = [face.box[2] * face.box[3] for face in faces]
    assert areas == sorted(areas, reverse=True)
    assert [face.box[3] for face in faces] == pytest.approx(sorted(heights, reverse=True), rel=0.15)


def test_a_large_face_does_not_hide_a_small_one(detector: Detector, photos: dict[str, Pixels]) -> None:
    large = to_height(photos["jacinda_ardern_2018.jpg"], detector, 700)
    small = to_height(photos["rishi_sunak.jpg"], detector, 90)
    picture = canvas(1000, 1500, [(0, 0, large[200:1200, 200:1200]), (700, 1250, small)])
    assert [round(face.box[3], -2) for face in detector.detect(picture)] == [700, 100]


def crowd(rows: int, columns: int, detector: Detector, photos: dict[str, Pixels]) -> Pixels:
    """Faces 30 pixels high."""
    small = [to_height(photo, detector, 30)[:90, :80] for photo in photos.values()]
    pictures = [
        (row * 90, column * 80, small[(row * columns + column) % len(small)])
        for row in range(rows)
        for column in range(columns)
    ]
    return canvas(rows * 90, columns * 80, pictures)


def test_a_crowd_is_found_unless_the_working_size_is_bounded(detector: Detector, photos: dict[str, Pixels]) -> None:
    picture = crowd(15, 30, detector, photos)
    assert len(detector.detect(picture)) == len(Detector(2400).detect(picture)) == 15 * 30
    assert len(Detector(640).detect(picture)) < 15 * 30


def test_a_crowd_of_two_thousand_is_found_whole(detector: Detector, photos: dict[str, Pixels]) -> None:
    assert len(Detector(4000).detect(crowd(40, 50, detector, photos))) == 40 * 50


# ------------------------------------------------------------------ no face


@pytest.mark.parametrize("seed", range(10))
def test_noise_has_no_face(seed: int, detector: Detector) -> None:
    generator = np.random.default_rng(seed)
    height, width = generator.integers(300, 1200, 2)
    noise = generator.integers(0, 256, (height, width, 3)).astype(np.uint8)
    assert detector.detect(noise) == []
    assert detector.detect(np.asarray(cv2.GaussianBlur(noise, (0, 0), 5), np.uint8)) == []


@pytest.mark.parametrize("grey", [0, 127, 255])
@pytest.mark.parametrize("size", [(100, 100), (480, 640), (3000, 2000)])
def test_a_uniform_picture_has_no_face(size: tuple[int, int], grey: int, detector: Detector) -> None:
    assert detector.detect(np.full((*size, 3), grey, np.uint8)) == []


STRIPS = [(1, 1), (2, 1), (20, 20), (7, 640), (30, 600), (640, 16), (1, 5000), (180, 4000), (4000, 180), (48, 640)]


@pytest.mark.parametrize("size", STRIPS)
def test_a_strip_of_noise_has_no_face_and_its_faces_can_be_aligned(size: tuple[int, int]) -> None:
    # Several seeds and detectors: what goes wrong here depends on what the memory held before.
    for seed in range(20):
        noise = np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)
        faces = Detector(WORKING_SIZE).detect(noise)
        for face in faces:
            align(noise, face.landmarks)
        assert faces == []


def test_a_face_in_a_panorama_is_found(detector: Detector, photos: dict[str, Pixels]) -> None:
    small = to_height(photos["rishi_sunak.jpg"], detector, 160)
    panorama = canvas(small.shape[0], 4000, [(0, 2000, small)])
    found = only(detector.detect(panorama))
    assert 2000 < found.box[0] < 2000 + small.shape[1]


# ------------------------------------------------------------------ threads


def test_many_threads_find_what_one_finds(detector: Detector, photos: dict[str, Pixels]) -> None:
    # Shapes alternate, so that a network shared by threads would be seen with another's input size.
    pictures = [resized(photo, scale) for scale in (1.0, 0.6, 0.35) for photo in photos.values()] * 2

    def found(picture: Pixels) -> list[tuple[object, ...]]:
        return [(face.box, face.landmarks.tobytes(), face.score) for face in detector.detect(picture)]

    alone = [found(picture) for picture in pictures]
    assert all(len(faces) == 1 for faces in alone)
    with ThreadPoolExecutor(8) as executor:
        assert list(executor.map(found, pictures)) == alone


YUNET = Path(
    os.environ.get("FACEREC_YUNET")
    or Path(__file__).parents[3] / "shared" / "data" / "weights" / "face_detection_yunet_2023mar_int8bq.onnx"
)


@pytest.mark.skipif(not YUNET.is_file(), reason="the published YuNet file is not here: set FACEREC_YUNET to its path")
@pytest.mark.parametrize("name", SAMPLES)
def test_the_converted_network_finds_what_opencv_finds_with_the_original(name: str, photos: dict[str, Pixels]) -> None:
    image = resized(photos[name], 600 / max(photos[name].shape))
    size = (image.shape[1], image.shape[0])
    _, rows = cv2.FaceDetectorYN.create(str(YUNET), "", size, 0.8, 0.3).detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    found = suppress(Network().candidates(image))
    assert found[0, :14] == pytest.approx(rows[0, :14], abs=0.01)
    assert found[0, 14] == pytest.approx(rows[0, 14], abs=1e-4)


def test_a_quick_look_finds_upright_faces(photos: dict[str, Pixels], detector: Detector) -> None:
    quick = Detector(WORKING_SIZE, quick=True)
    for photo in photos.values():
        face, quickly = only(detector.detect(photo)), only(quick.detect(photo))
        assert not quickly.doubtful
        assert quickly.box == pytest.approx(face.box, abs=0.1 * face.box[3])


def test_a_quick_look_goes_closer_to_what_is_small(photos: dict[str, Pixels], detector: Detector) -> None:
    quick = Detector(WORKING_SIZE, quick=True)
    for photo in photos.values():
        small = to_height(photo, detector, 34)
        frame = canvas(720, 1280, [(100, 500, small[:600, :700])])
        assert len(quick.detect(frame)) == 1


def test_a_quick_look_turns_nothing(photos: dict[str, Pixels], detector: Detector) -> None:
    quick = Detector(WORKING_SIZE, quick=True)
    for photo in photos.values():
        turned = np.ascontiguousarray(np.rot90(to_height(photo, detector, 70)))
        assert len(detector.detect(turned)) == 1
        assert all(face.doubtful for face in quick.detect(turned))
