from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_cli.faces.alignment import Chip
from facerec_cli.faces.opencv import cv2
from facerec_cli.training.augmentation import Augmentation, augment
from tests.training.support import UNCHANGED

SMOOTH = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (112, 112, 3)).astype(np.float64), (0, 0), 2)
CHIP: Chip = np.asarray((SMOOTH - SMOOTH.min()) / np.ptp(SMOOTH) * 255, np.uint8)

# Each part at its strongest, alone.
ALONE: dict[str, Any] = {
    "flip": 1,
    "scale": (0.8, 0.8),
    "shift": 5,
    "rotation": 10,
    "brightness": 0.3,
    "contrast": 0.5,
    "saturation": 0.9,
    "colour": 0.3,
    "blur": 1,
    "jpeg": 1,
    "erasing": 1,
    "yaw": 30,
    "pitch": 30,
    "light": 0.5,
    "border": 1,
}


def alone(part: str, seed: int = 0) -> Chip:
    return augment(CHIP, replace(UNCHANGED, **{part: ALONE[part]}), np.random.default_rng(seed))


@given(st.integers(0, 2**32))
def test_a_chip_stays_a_chip_and_is_decided_by_the_generator(seed: int) -> None:
    before = CHIP.copy()
    changed = augment(CHIP, Augmentation(), np.random.default_rng(seed))
    assert changed.shape == (112, 112, 3) and changed.dtype == np.uint8
    assert (changed != CHIP).any()
    np.testing.assert_array_equal(changed, augment(CHIP, Augmentation(), np.random.default_rng(seed)))
    np.testing.assert_array_equal(CHIP, before)


def test_two_draws_of_one_generator_differ() -> None:
    generator = np.random.default_rng(0)
    assert (augment(CHIP, Augmentation(), generator) != augment(CHIP, Augmentation(), generator)).any()


@given(st.integers(0, 2**32))
def test_with_everything_off_nothing_changes(seed: int) -> None:
    np.testing.assert_array_equal(augment(CHIP, UNCHANGED, np.random.default_rng(seed)), CHIP)


def test_every_part_can_be_switched_on_alone() -> None:
    assert set(ALONE) == {field.name for field in fields(Augmentation)}
    for part in ALONE:
        assert (alone(part) != CHIP).mean() > 0.01, part


def test_a_flip_is_a_mirror() -> None:
    np.testing.assert_array_equal(alone("flip"), CHIP[:, ::-1])


def test_half_of_the_chips_are_flipped() -> None:
    generator = np.random.default_rng(0)
    flipped = [
        np.array_equal(augment(CHIP, replace(UNCHANGED, flip=0.5), generator), CHIP[:, ::-1]) for _ in range(400)
    ]
    assert 0.43 < np.mean(flipped) < 0.57


def test_scale_and_rotation_keep_the_centre_and_the_size_asked() -> None:
    dots = np.zeros((112, 112, 3), np.uint8)
    for x, y in [(36, 56), (76, 56), (56, 36), (56, 76)]:
        cv2.circle(dots, (x, y), 3, (255, 255, 255), cv2.FILLED)
    for seed in range(20):
        changed = augment(dots, replace(UNCHANGED, scale=(0.82, 0.82), rotation=8), np.random.default_rng(seed))
        ys, xs = np.nonzero(changed[..., 0] > 127)
        np.testing.assert_allclose([xs.mean(), ys.mean()], [56, 56], atol=0.75)
        reach = np.sqrt((xs - xs.mean()) ** 2 + (ys - ys.mean()) ** 2)
        assert reach.mean() == pytest.approx(20 * 0.82, abs=0.5)


@pytest.mark.parametrize("sign", ["brightness", "contrast"])
def test_brightness_and_contrast_change_what_they_say(sign: str) -> None:
    dim = (CHIP // 4 + 96).astype(np.uint8)
    statistic = np.mean if sign == "brightness" else np.std
    kept = np.std if sign == "brightness" else np.mean
    for seed in range(10):
        changed = augment(dim, replace(UNCHANGED, **{sign: ALONE[sign]}), np.random.default_rng(seed))
        assert float(kept(changed)) == pytest.approx(float(kept(dim)), abs=1.5)
        assert float(statistic(changed)) != pytest.approx(float(statistic(dim)), abs=1e-3)


def test_grey_chips_have_no_saturation_to_change() -> None:
    grey = np.repeat(CHIP[..., :1], 3, axis=2)
    changed = augment(grey, replace(UNCHANGED, saturation=0.9), np.random.default_rng(0))
    np.testing.assert_allclose(changed.astype(int), grey, atol=1)


def test_erasing_takes_a_rectangle_and_nothing_else() -> None:
    shares = []
    for seed in range(50):
        ys, xs, _ = np.nonzero(alone("erasing", seed) != CHIP)
        height, width = np.ptp(ys) + 1, np.ptp(xs) + 1
        # Where noise happens to be the same, a pixel counts as kept: few are.
        assert len(ys) > 0.95 * height * width * 3
        shares.append(height * width / 112**2)
    assert 0.01 < min(shares) < 0.08 and 0.12 < max(shares) < 0.21


def test_jpeg_keeps_red_red() -> None:
    red = np.full((112, 112, 3), (220, 30, 30), np.uint8)
    changed = augment(red, replace(UNCHANGED, jpeg=1), np.random.default_rng(0))
    np.testing.assert_allclose(changed.astype(int), red, atol=12)
