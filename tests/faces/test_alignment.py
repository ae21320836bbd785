from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from facerec_cli.faces.alignment import CHIP_SIZE, TEMPLATE, align, similarity
from facerec_cli.faces.detector import Detection, Detector
from facerec_cli.faces.images import pixels

Pixels = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]
SFACE = Path(
    os.environ.get("FACEREC_SFACE")
    or Path(__file__).parents[3] / "shared/data/weights/face_recognition_sface_2021dec_int8bq.onnx"
)
SAMPLES = [
    "barack_obama.jpg",
    "eileen_collins_1999.png",
    "emmanuel_macron_2014.jpg",
    "emmanuel_macron_2025.jpg",
    "jacinda_ardern_2018.jpg",
    "jacinda_ardern_2022.jpg",
    "rishi_sunak.jpg",
]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(640)


def photo_of(samples: Path, name: str) -> Pixels:
    return pixels(samples / name)


def resized(image: Pixels, scale: float) -> Pixels:
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=interpolation), np.uint8)


def moved(points: Matrix, scale: float, degrees: float, x: float, y: float) -> Matrix:
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(scale * points @ rotation.T + [x, y])


def applied(transform: Matrix, points: Matrix) -> Matrix:
    return np.asarray(points @ transform[:, :2].T + transform[:, 2])


def difference(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(int) - other).mean())


# ------------------------------------------------------------------ the transform


@settings(deadline=None)
@given(st.floats(0.05, 100), st.floats(-180, 180), st.floats(-5000, 5000), st.floats(-5000, 5000))
@example(1, 0, 0, 0)
@example(1, 180, 0, 0)
@example(0.05, 90, 5000, -5000)
def test_a_template_that_was_turned_scaled_and_moved_is_brought_back(
    scale: float, degrees: float, x: float, y: float
) -> None:
    landmarks = moved(TEMPLATE, scale, degrees, x, y)
    transform = similarity(landmarks)
    assert applied(transform, landmarks) == pytest.approx(TEMPLATE, abs=1e-6)
    # Nothing but a turn and a scale: [[a, -b], [b, a]], never a mirror image.
    assert transform[0, 0] == pytest.approx(transform[1, 1], abs=1e-9)
    assert transform[0, 1] == pytest.approx(-transform[1, 0], abs=1e-9)
    assert np.hypot(transform[0, 0], transform[1, 0]) == pytest.approx(1 / scale)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(-6, 6), st.floats(-6, 6)), min_size=5, max_size=5),
    st.floats(0.2, 20),
    st.floats(-180, 180),
    st.integers(0, 3),
    st.sampled_from([-0.05, 0.05]),
)
def test_no_other_similarity_is_closer_to_the_template(
    noise: list[tuple[float, float]], scale: float, degrees: float, which: int, step: float
) -> None:
    landmarks = moved(TEMPLATE + np.array(noise), scale, degrees, 30, 40)
    best = similarity(landmarks)

    def error(parameters: Matrix) -> float:
        a, b, x, y = parameters
        return float(((applied(np.array([[a, -b, x], [b, a, y]]), landmarks) - TEMPLATE) ** 2).sum())

    found = np.array([best[0, 0], best[1, 0], best[0, 2], best[1, 2]])
    other = found.copy()
    other[which] += step
    assert error(found) <= error(other)


def test_mirrored_landmarks_are_not_mirrored_back() -> None:
    transform = similarity(TEMPLATE * [-1, 1])
    assert np.linalg.det(transform[:, :2]) > 0


# ------------------------------------------------------------------ the chip


def test_an_image_that_is_a_chip_already_comes_out_unchanged() -> None:
    chip = np.random.default_rng(0).integers(0, 256, (CHIP_SIZE, CHIP_SIZE, 3)).astype(np.uint8)
    found = align(chip, TEMPLATE.astype(np.float32))
    assert found.dtype == np.uint8
    # The template's float32 rounding may move a pixel by a part in a million.
    assert np.abs(found.astype(int) - chip).max() <= 8
    assert difference(found, chip) < 0.1


def test_the_chip_is_black_outside_the_image() -> None:
    white = np.full((400, 400, 3), 255, np.uint8)
    for scale in (0.5, 1.0, 3.0, 6.0):
        # The chip's middle lies on the image's left edge.
        landmarks = moved(TEMPLATE, scale, 0, -scale * CHIP_SIZE / 2, 0).astype(np.float32)
        chip = align(white, landmarks)
        assert (chip[5:60, : CHIP_SIZE // 2 - 3] == 0).all()
        assert (chip[5:60, CHIP_SIZE // 2 + 3 :] == 255).all()


@pytest.mark.parametrize("degrees", [0, 30])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.9, 2.0, 2.7, 6.3])
def test_every_pixel_of_the_chip_is_taken_from_its_place(scale: float, degrees: float) -> None:
    # Waves of known phase: a shift by a quarter of a chip pixel would be 4 grey levels at their steepest.
    period = 40.0
    half = scale * CHIP_SIZE
    size = round(1.6 * half)
    landmarks = moved(TEMPLATE - CHIP_SIZE / 2, scale, degrees, 0.8 * half, 0.8 * half)
    transform = similarity(landmarks)
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float64)
    places = applied(transform, np.stack([columns.ravel(), rows.ravel()], axis=1)).reshape(size, size, 2)
    waves = 127.5 + 100 * np.sin(2 * np.pi * places / period)
    image = np.dstack([waves, waves[..., :1]]).round().astype(np.uint8)

    chip = align(image, landmarks.astype(np.float32))

    expected = 127.5 + 100 * np.sin(2 * np.pi * np.arange(CHIP_SIZE) / period)
    inner = slice(2, CHIP_SIZE - 2)
    horizontal = np.abs(chip[inner, inner, 0] - expected[np.newaxis, inner])
    vertical = np.abs(chip[inner, inner, 1] - expected[inner, np.newaxis])
    assert horizontal.max() < 3
    assert vertical.max() < 3


@pytest.mark.parametrize("name", SAMPLES)
def test_a_photo_six_times_as_large_gives_the_same_chip(name: str, samples: Path, detector: Detector) -> None:
    photo = photo_of(samples, name)
    (face,) = detector.detect(photo)
    # A face not much larger than the chip, so that the chip is not made by area reduction already.
    scale = min(1.0, float(0.5 * CHIP_SIZE / np.hypot(*(face.landmarks[1] - face.landmarks[0]))))
    # Pixel centres lie at half pixels: x + 0.5 scales, and not x.
    landmarks = (face.landmarks + 0.5) * scale - 0.5
    photo = resized(photo, scale)
    chip = align(photo, landmarks)
    larger = resized(photo, 6)
    there, left, right = (
        difference(chip, align(larger, (landmarks + 0.5) * 6 - 0.5 + np.array([shift, 0], np.float32)))
        for shift in (0, -1.5, 1.5)
    )
    assert there < 3
    # A quarter of a chip pixel to either side agrees less, so the chip itself is not shifted by as much.
    assert there < min(left, right)


def test_fine_stripes_do_not_alias_in_a_large_photo() -> None:
    # One pixel white, one black: at a tenth of the size a camera would see grey, and sampling sees anything.
    image = np.zeros((1200, 1200, 3), np.uint8)
    image[:, ::2] = 255
    chip = align(image, moved(TEMPLATE, 10.3, 0, 10, 10).astype(np.float32))
    assert np.abs(chip.astype(int) - 127).max() < 20


@pytest.mark.parametrize(
    "landmarks",
    [
        np.zeros((5, 2)),
        np.full((5, 2), 50.0),
        np.full((5, 2), 50.0) + np.arange(10).reshape(5, 2) * 1e-6,
        np.stack([np.linspace(10, 200, 5), np.linspace(10, 200, 5)], axis=1),
        moved(TEMPLATE, 1, 0, -10_000, -10_000),
        moved(TEMPLATE, 1, 0, 10_000, 10_000),
        moved(TEMPLATE, 1_000, 0, -50_000, -50_000),
        moved(TEMPLATE, 50, 0, -50_000, 70),
        moved(TEMPLATE, 1e-3, 0, 50, 50),
        moved(TEMPLATE, 1e30, 0, 0, 0),
    ],
    ids=["zero", "one place", "nearly one place", "one line", "far left", "far right", "huge", "beside", "dot", "1e30"],
)
def test_impossible_landmarks_give_some_chip_and_no_crash(landmarks: Matrix) -> None:
    image = np.full((300, 200, 3), 90, np.uint8)
    chip = align(image, landmarks.astype(np.float32))
    assert chip.shape == (CHIP_SIZE, CHIP_SIZE, 3)
    assert chip.dtype == np.uint8


def test_a_tiny_image_gives_a_chip() -> None:
    assert align(np.full((1, 1, 3), 9, np.uint8), TEMPLATE.astype(np.float32) * 5).shape == (CHIP_SIZE, CHIP_SIZE, 3)


# ------------------------------------------------------------------ OpenCV's alignCrop


@pytest.mark.skipif(not SFACE.is_file(), reason="the original SFace file is not here: set FACEREC_SFACE to its path")
@pytest.mark.parametrize("degrees", [0, 20, -35])
@pytest.mark.parametrize("name", SAMPLES)
def test_the_chip_agrees_with_opencv(name: str, degrees: float, samples: Path, detector: Detector) -> None:
    photo = photo_of(samples, name)
    (face,) = detector.detect(photo)
    # OpenCV does not average a face that is larger than the chip; at the chip's own size nobody does.
    photo = resized(photo, CHIP_SIZE / face.box[3])
    centre = photo.shape[1] / 2, photo.shape[0] / 2
    photo = np.asarray(
        cv2.warpAffine(photo, cv2.getRotationMatrix2D(centre, degrees, 1.0), photo.shape[1::-1]), np.uint8
    )
    (face,) = detector.detect(photo)
    chip = align(photo, face.landmarks)
    expected = aligned_by_opencv(photo, face)
    assert difference(chip, expected) < 0.2
    assert np.abs(chip.astype(int) - expected).max() <= 4


def aligned_by_opencv(photo: Pixels, face: Detection) -> Pixels:
    row = np.concatenate([face.box, face.landmarks.ravel(), [face.score]]).astype(np.float32)
    recognizer = cv2.FaceRecognizerSF.create(str(SFACE), "")
    return np.asarray(recognizer.alignCrop(photo, row[np.newaxis]), np.uint8)
