from __future__ import annotations

import numpy as np
import pytest

from facerec_cli.faces.alignment import TEMPLATE, Chip
from facerec_cli.faces.opencv import cv2
from facerec_cli.training.compositing import PART_SETS, Parts, composite, mask


def face(seed: int, colour: tuple[int, int, int] = (150, 120, 100)) -> Chip:
    """Something of a colour that is smooth, as skin is, and like nobody else."""
    noise = np.random.default_rng(seed).normal(0, 60, (112, 112, 3))
    return np.asarray(np.clip(cv2.GaussianBlur(noise, (0, 0), 2) + colour, 0, 255), np.uint8)


@pytest.mark.parametrize("parts", PART_SETS)
def test_outside_the_mask_it_is_the_first_and_inside_neither(parts: Parts) -> None:
    first, second = face(1), face(2, (90, 80, 70))
    made = composite(first, second, parts)
    assert made.shape == (112, 112, 3) and made.dtype == np.uint8
    outside, inside = mask(parts) == 0, mask(parts) > 0.9
    assert outside.any() and inside.any()
    np.testing.assert_array_equal(made[outside], first[outside])
    assert (made[inside] != first[inside]).mean() > 0.9
    assert (made[inside] != second[inside]).mean() > 0.5


@pytest.mark.parametrize("parts", PART_SETS)
def test_inside_it_has_the_structure_of_the_second(parts: Parts) -> None:
    first, second = face(1), face(2)
    inside = mask(parts) > 0.9
    made, first_inside, second_inside = (
        chip[inside].mean(axis=1) for chip in (composite(first, second, parts), first, second)
    )
    assert np.corrcoef(made, second_inside)[0, 1] > 0.9
    assert abs(np.corrcoef(made, first_inside)[0, 1]) < 0.6


@pytest.mark.parametrize("parts", PART_SETS)
def test_of_one_photo_alone_it_is_that_photo(parts: Parts) -> None:
    chip = face(1)
    np.testing.assert_array_equal(composite(chip, chip, parts), chip)


@pytest.mark.parametrize("parts", PART_SETS)
@pytest.mark.parametrize(("first", "second"), [((200, 170, 150), (60, 45, 40)), ((60, 45, 40), (200, 170, 150))])
def test_two_skins_leave_no_seam(parts: Parts, first: tuple[int, int, int], second: tuple[int, int, int]) -> None:
    flat = [np.full((112, 112, 3), colour, np.uint8) for colour in (first, second)]
    made = composite(flat[0], flat[1], parts).astype(int)
    assert np.abs(made - first).max() <= 2


def test_a_mask_has_soft_edges_and_covers_its_landmarks() -> None:
    for parts in PART_SETS:
        assert mask(parts).shape == (112, 112) and mask(parts).dtype == np.float32
        assert mask(parts).min() == 0 and 0.98 < mask(parts).max() <= 1.00001
        assert max(np.abs(np.diff(mask(parts), axis=axis)).max() for axis in (0, 1)) < 0.15
    places = TEMPLATE.round().astype(int)
    covered = {
        part: [bool(mask((part,))[y, x] > 0.5) for x, y in places]
        for part in ("eyes", "nose", "mouth", "upper", "lower")
    }
    assert covered == {
        "eyes": [True, True, False, False, False],
        "nose": [False, False, True, False, False],
        "mouth": [False, False, False, True, True],
        "upper": [True, True, False, False, False],
        "lower": [False, False, True, True, True],
    }


def test_halves_make_a_whole() -> None:
    np.testing.assert_allclose(mask(("upper",)) + mask(("lower",)), 1, atol=1e-5)
    np.testing.assert_allclose(mask(("left",)) + mask(("right",)), 1, atol=1e-5)


def test_a_part_that_no_face_has_is_refused() -> None:
    with pytest.raises(ValueError, match="ears"):
        composite(face(1), face(2), ("ears",))
