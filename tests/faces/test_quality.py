from __future__ import annotations

import math
from dataclasses import astuple, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_cli.faces.alignment import CHIP_SIZE, TEMPLATE, align
from facerec_cli.faces.detector import Detector
from facerec_cli.faces.images import pixels
from facerec_cli.faces.measures import NOSE
from facerec_cli.faces.quality import (
    MAX_BLOCKINESS,
    MAX_BRIGHTNESS,
    MAX_COVERAGE,
    MAX_ROLL,
    MAX_YAW,
    MIN_BRIGHTNESS,
    MIN_SHARPNESS,
    MIN_SIZE,
    MIN_WARMTH,
    Quality,
    complaint,
    measure,
    measure_chip,
    quality_score,
)

Pixels = npt.NDArray[np.uint8]
Landmarks = npt.NDArray[np.float32]
GOOD = Quality(sharpness=0.75, size=60, yaw=10, roll=2, brightness=130, blockiness=0.03, coverage=-0.2, warmth=0.17)
FRONTAL = TEMPLATE.astype(np.float32)
EYE_DISTANCE = 30.0
SAMPLES = sorted(path.name for path in (Path(__file__).parents[1] / "data").glob("*.[jp][pn]g"))


@pytest.fixture(scope="module")
def faces(samples: Path) -> dict[str, tuple[Pixels, Landmarks]]:
    """Each sample photo and its landmarks, as it is."""
    detector = Detector(640)
    found = {}
    for name in SAMPLES:
        photo = pixels(samples / name)
        (face,) = detector.detect(photo)
        found[name] = photo, face.landmarks
    return found


@pytest.fixture(params=SAMPLES)
def face(request: pytest.FixtureRequest, faces: dict[str, tuple[Pixels, Landmarks]]) -> tuple[Pixels, Landmarks]:
    """A sample photo reduced to the same distance between the eyes as all others, and its landmarks."""
    photo, landmarks = faces[request.param]
    return reduced(photo, landmarks, EYE_DISTANCE)


def eye_distance(landmarks: Landmarks) -> float:
    return float(np.hypot(*(landmarks[1] - landmarks[0])))


def reduced(photo: Pixels, landmarks: Landmarks, size: float) -> tuple[Pixels, Landmarks]:
    scale = min(1.0, size / eye_distance(landmarks))
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), (landmarks + 0.5) * np.float32(scale) - np.float32(0.5)


def measured(photo: Pixels, landmarks: Landmarks) -> Quality:
    return measure(align(photo, landmarks), landmarks)


def turned(degrees: float, roll: float = 0) -> Landmarks:
    """The landmarks of a head that is turned and seen from afar."""
    head = np.column_stack([TEMPLATE - TEMPLATE[[0, 1, 3, 4]].mean(axis=0), np.zeros(5)])
    # Symmetric, with the nose in front.
    head[:, 0] = [-17.6, 17.6, 0, -14.6, 14.6]
    head[2, 2] = NOSE * (17.6 + 14.6) / 2
    yaw, angle = np.deg2rad(degrees), np.deg2rad(roll)
    seen = np.column_stack([head[:, 0] * np.cos(yaw) + head[:, 2] * np.sin(yaw), head[:, 1]])
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(3 * seen @ rotation.T + 400, np.float32)


def mirrored(landmarks: Landmarks, width: int) -> Landmarks:
    """The subject's right becomes their left."""
    return np.stack([width - 1 - landmarks[:, 0], landmarks[:, 1]], axis=1)[[1, 0, 2, 4, 3]]


# ------------------------------------------------------------------ the sample photos


@pytest.mark.parametrize("name", SAMPLES)
def test_a_good_photo_draws_no_complaint(name: str, faces: dict[str, tuple[Pixels, Landmarks]]) -> None:
    quality = measured(*faces[name])
    assert complaint(quality) is None
    assert all(type(value) is float for value in astuple(quality))
    assert 0 <= quality.sharpness <= 1


def test_all_samples_are_here() -> None:
    assert len(SAMPLES) == 7


def test_blur_lowers_the_sharpness_until_there_is_a_complaint(face: tuple[Pixels, Landmarks]) -> None:
    photo, landmarks = face
    pixel = EYE_DISTANCE / 35.2  # of the chip
    blurred = [
        measured(np.asarray(cv2.GaussianBlur(photo, (0, 0), sigma * pixel), np.uint8), landmarks)
        for sigma in (0.3, 1, 2, 3, 4)
    ]
    sharpness = [quality.sharpness for quality in blurred]
    assert sharpness == sorted(sharpness, reverse=True)
    assert complaint(blurred[0]) is None
    assert complaint(blurred[3]) == "it is blurred"


def test_a_smaller_face_is_a_smaller_face(face: tuple[Pixels, Landmarks]) -> None:
    sizes = (30.0, 24.0, 18.0, 12.0)
    qualities = [measured(*reduced(*face, size)) for size in sizes]
    assert [quality.size for quality in qualities] == pytest.approx(sizes, rel=1e-3)
    assert complaint(qualities[0]) is None
    assert complaint(qualities[2]) == "the face is small (18 pixels between the eyes)"
    assert qualities[3].sharpness < qualities[0].sharpness


def test_darkening_lowers_the_brightness_until_there_is_a_complaint(face: tuple[Pixels, Landmarks]) -> None:
    photo, landmarks = face
    dark = [measured((photo * gain).astype(np.uint8), landmarks) for gain in (1, 0.7, 0.4, 0.1)]
    brightness = [quality.brightness for quality in dark]
    assert brightness == sorted(brightness, reverse=True)
    assert complaint(dark[3]) == "it is very dark"


def test_brightening_raises_the_brightness_until_there_is_a_complaint(face: tuple[Pixels, Landmarks]) -> None:
    photo, landmarks = face
    bright = [measured(np.minimum(photo * gain, 255.0).astype(np.uint8), landmarks) for gain in (1.0, 1.5, 3.0, 8.0)]
    brightness = [quality.brightness for quality in bright]
    assert brightness == sorted(brightness)
    assert "it is overexposed" in (complaint(bright[3]) or "")


def test_exposure_hardly_changes_the_sharpness(face: tuple[Pixels, Landmarks]) -> None:
    photo, landmarks = face
    there = measured(photo, landmarks).sharpness
    for gain in (0.3, 0.6):
        assert measured((photo * gain).astype(np.uint8), landmarks).sharpness == pytest.approx(there, abs=0.03)


def test_a_mirrored_photo_is_as_good(face: tuple[Pixels, Landmarks]) -> None:
    photo, landmarks = face
    other = measured(np.ascontiguousarray(photo[:, ::-1]), mirrored(landmarks, photo.shape[1]))
    # The template's two halves differ by a fraction of a pixel, and so do the chips.
    assert astuple(other) == pytest.approx(astuple(measured(photo, landmarks)), rel=0.03, abs=0.3)


def compressed(photo: Pixels, quality: int) -> Pixels:
    _, data = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)


def test_compression_raises_the_blockiness_until_there_is_a_complaint(face: tuple[Pixels, Landmarks]) -> None:
    photo, landmarks = face
    blocky = [measured(compressed(photo, quality), landmarks) for quality in (90, 5)]
    assert blocky[0].blockiness < MAX_BLOCKINESS < blocky[1].blockiness
    assert complaint(blocky[0]) is None
    assert complaint(blocky[1]) == "it is heavily compressed"


def test_blocks_are_found_in_a_tilted_face_too(face: tuple[Pixels, Landmarks]) -> None:
    """The face is tilted, its photo's blocks are not."""
    photo, landmarks = face
    height, width = photo.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 20, 1)
    tilted = np.asarray(cv2.warpAffine(photo, turn, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    moved = (landmarks @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
    before, after = (measured(one, moved) for one in (tilted, compressed(tilted, 5)))
    assert before.roll == pytest.approx(measured(photo, landmarks).roll + 20, abs=7)
    assert after.blockiness > before.blockiness + 0.05


@pytest.mark.parametrize("degrees", [0, 12, 33, 45])
@pytest.mark.parametrize("quarter", [0, 90, 180, -90])
def test_the_tilt_is_told_whichever_side_of_the_photo_is_up(degrees: float, quarter: float) -> None:
    chip = np.full((CHIP_SIZE, CHIP_SIZE, 3), 100, np.uint8)
    for side in (1, -1):
        assert measure(chip, turned(0, side * degrees + quarter)).roll == pytest.approx(degrees, abs=0.6)


MASKS = {"blue": (150, 195, 220), "green": (150, 205, 185), "white": (228, 226, 222), "black": (28, 28, 30)}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_a_mask_covers_the_mouth(face: tuple[Pixels, Landmarks], mask: tuple[int, int, int]) -> None:
    photo, landmarks = face
    chip = align(photo, landmarks)
    outline = np.array([[22, 70], [56, 66], [90, 70], [88, 92], [74, 112], [38, 112], [24, 92]], np.int32)
    masked = np.ascontiguousarray(chip.copy())
    cv2.fillPoly(masked, [outline], mask)
    before, after = (measure(one, landmarks) for one in (chip, masked))
    assert before.coverage < MAX_COVERAGE < after.coverage
    assert "something covers the mouth" in (complaint(after) or "")
    assert quality_score(after, 0.93) < quality_score(before, 0.93)


def test_a_photo_without_colours_says_nothing_of_masks(face: tuple[Pixels, Landmarks]) -> None:
    photo, landmarks = face
    grey = np.asarray(np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2), np.uint8)
    assert abs(measured(grey, landmarks).coverage) < 0.2


def test_a_chip_alone_tells_what_its_pixels_do(face: tuple[Pixels, Landmarks]) -> None:
    photo, landmarks = face
    chip = align(photo, landmarks)
    whole, alone = measure(chip, landmarks), measure_chip(chip)
    assert (alone.sharpness, alone.brightness, alone.coverage) == (whole.sharpness, whole.brightness, whole.coverage)
    assert complaint(alone) is None
    assert complaint(measure_chip(np.zeros_like(chip))) == "it is blurred and it is very dark"


# ------------------------------------------------------------------ the quality score


def test_what_spoils_a_photo_lowers_its_score(face: tuple[Pixels, Landmarks]) -> None:
    photo, landmarks = face
    good = quality_score(measured(photo, landmarks), 0.93)
    assert 0.8 < good < 1
    spoilt = {
        "dark": (photo * 0.1).astype(np.uint8),
        "blurred": np.asarray(cv2.GaussianBlur(photo, (0, 0), 3), np.uint8),
        "compressed": compressed(photo, 5),
    }
    for kind, poor in spoilt.items():
        assert quality_score(measured(poor, landmarks), 0.93) < good - 0.02, kind
    assert quality_score(measured(photo, landmarks), 0.8) < good


@given(
    st.builds(
        Quality,
        sharpness=st.floats(0, 1),
        size=st.floats(0, 1e6),
        yaw=st.floats(0, 90),
        roll=st.floats(0, 45),
        brightness=st.floats(0, 255),
        blockiness=st.floats(-1, 1),
        coverage=st.floats(-50, 50),
        warmth=st.floats(-1, 1),
    ),
    st.floats(0, 1),
)
def test_the_score_is_a_share_whatever_is_measured(quality: Quality, score: float) -> None:
    assert 0 <= quality_score(quality, score) <= 1


# ------------------------------------------------------------------ the turn of the head


@pytest.mark.parametrize("roll", [0, 25, -90])
@pytest.mark.parametrize("degrees", [0, 15, 40, 60, 80])
def test_the_yaw_of_a_turned_head_is_found_on_either_side(degrees: float, roll: float) -> None:
    chip = np.full((CHIP_SIZE, CHIP_SIZE, 3), 100, np.uint8)
    for side in (1, -1):
        assert measure(chip, turned(side * degrees, roll)).yaw == pytest.approx(degrees, abs=1)
    one = turned(degrees, roll)
    assert measure(chip, one).yaw == pytest.approx(measure(chip, mirrored(one, 900)).yaw, abs=0.1)


def test_a_nose_beyond_the_eyes_is_a_profile() -> None:
    chip = np.full((CHIP_SIZE, CHIP_SIZE, 3), 100, np.uint8)
    yaws = [measure(chip, turned(degrees)).yaw for degrees in range(0, 90, 10)]
    assert yaws == sorted(yaws)
    assert 75 < yaws[-1] <= 90


# ------------------------------------------------------------------ complaints


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, None),
        ({"sharpness": 0.3}, "it is blurred"),
        ({"size": 18.2}, "the face is small (18 pixels between the eyes)"),
        ({"size": 12.0, "sharpness": 0.3}, "the face is small (12 pixels between the eyes)"),
        ({"yaw": 61.3}, "the face is turned away (about 61 degrees)"),
        ({"roll": 33.0}, "the face is tilted (about 33 degrees)"),
        ({"brightness": 10.0}, "it is very dark"),
        ({"brightness": 10.0, "coverage": 0.9}, "it is very dark"),
        ({"coverage": 0.9}, "something covers the mouth"),
        ({"blockiness": 0.3}, "it is heavily compressed"),
        ({"blockiness": 0.3, "sharpness": 0.3}, "it is blurred"),
        ({"brightness": 250.0}, "it is overexposed"),
        ({"warmth": -0.1}, "its colours are those of a negative"),
        ({"sharpness": 0.1, "brightness": 10.0}, "it is blurred and it is very dark"),
    ],
)
def test_a_complaint_says_what_is_poor(changed: dict[str, float], expected: str | None) -> None:
    assert complaint(replace(GOOD, **changed)) == expected


def test_at_the_limits_a_photo_is_good_enough() -> None:
    for brightness in (MIN_BRIGHTNESS, MAX_BRIGHTNESS):
        edge = Quality(MIN_SHARPNESS, MIN_SIZE, MAX_YAW, MAX_ROLL, brightness, MAX_BLOCKINESS, MAX_COVERAGE, MIN_WARMTH)
        assert complaint(edge) is None


@pytest.mark.parametrize("landmarks", [FRONTAL, np.full((5, 2), 50, np.float32)], ids=["face", "one place"])
@pytest.mark.parametrize("level", [0, 1, 127, 255])
def test_a_plain_chip_is_poor_and_gives_numbers(level: int, landmarks: Landmarks) -> None:
    quality = measure(np.full((CHIP_SIZE, CHIP_SIZE, 3), level, np.uint8), landmarks)
    assert all(map(math.isfinite, astuple(quality)))
    assert quality.brightness == pytest.approx(level, abs=0.5)
    assert quality.sharpness == pytest.approx(0, abs=1e-6)
    assert complaint(quality)


@pytest.mark.parametrize("scale", [0, 1e-6, 1e6, 1e30])
def test_impossible_landmarks_give_numbers(scale: float) -> None:
    chip = np.random.default_rng(0).integers(0, 256, (CHIP_SIZE, CHIP_SIZE, 3)).astype(np.uint8)
    for landmarks in (FRONTAL, mirrored(FRONTAL, 112)[[1, 0, 2, 4, 3]], FRONTAL[[2, 2, 2, 0, 0]]):
        assert all(map(math.isfinite, astuple(measure(chip, (landmarks * scale).astype(np.float32)))))
