from __future__ import annotations

import numpy as np
import pytest

from facerec_cli.faces.alignment import CHIP_SIZE, TEMPLATE
from facerec_cli.training.relief import relief, turned

HERE = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def test_the_nose_stands_out_the_outline_lies_back_and_the_landmarks_are_level() -> None:
    depth, landmarks = relief(), TEMPLATE.round().astype(int)
    at = depth[landmarks[:, 1], landmarks[:, 0]]
    assert at.argmax() == 2 and abs(at.mean()) < 1.5
    assert depth[60, 0] < -20 and depth[60, -1] < -20
    np.testing.assert_allclose(depth, depth[:, ::-1], atol=3.0)


@pytest.mark.parametrize(("yaw", "pitch", "axis"), [(20, 0, 0), (-20, 0, 0), (0, 15, 1)])
def test_a_turned_head_shows_more_of_one_side(yaw: float, pitch: float, axis: int) -> None:
    y, x = np.mgrid[:CHIP_SIZE, :CHIP_SIZE]
    moved = [seen - still for seen, still in zip(turned(HERE, yaw, pitch), (x, y), strict=True)]
    nose, sign = tuple(TEMPLATE[2].round().astype(int)[::-1]), np.sign(yaw + pitch)
    # What is seen at the nose's place comes from the side that it has moved away from, at the outline from the other.
    assert sign * moved[axis][nose] > 1 and sign * moved[axis][60, 2] < -5
    assert not moved[1 - axis].any()


def test_an_unturned_head_is_only_moved() -> None:
    shift = np.array([[1.0, 0.0, 5.0], [0.0, 1.0, -3.0]])
    across, down = turned(shift, 0, 0)
    y, x = np.mgrid[:CHIP_SIZE, :CHIP_SIZE]
    np.testing.assert_allclose(across, x - 5)
    np.testing.assert_allclose(down, y + 3)
