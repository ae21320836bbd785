"""Areas, and the eight ways in which a picture may be stored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from facerec_cli.metadata.areas import Area, Canvas, area_of
from tests.faces.pictures import STORED_AS

shares = st.floats(0, 1)
sizes = st.just(0.0) | st.floats(0.001, 1)
areas = st.builds(Area, shares, shares, sizes, sizes)
orientations = st.sampled_from(sorted(STORED_AS))


@given(areas, orientations)
def test_to_the_stored_picture_and_back_is_where_it_was(area: Area, orientation: int) -> None:
    canvas = Canvas(400, 300, orientation)
    assert canvas.upright(canvas.stored(area)) == pytest.approx(area)
    assert canvas.stored(canvas.upright(area)) == pytest.approx(area)


@given(areas, areas, orientations)
def test_turning_changes_no_overlap(one: Area, other: Area, orientation: int) -> None:
    turned = one.turned(orientation).overlap(other.turned(orientation))
    if one.size and other.size:  # a point on an edge may be on either side of it
        assert turned == pytest.approx(one.overlap(other), abs=1e-9)


@given(areas, areas)
def test_overlap_is_a_share_and_nobody_s_in_particular(one: Area, other: Area) -> None:
    assert 0 <= one.overlap(other) <= 1 + 1e-9
    assert one.overlap(other) == pytest.approx(other.overlap(one))


@given(st.tuples(shares, shares, shares, shares), st.integers(1, 9000), st.integers(1, 9000))
def test_a_box_in_the_picture_is_an_area_and_the_same_box(
    place: tuple[float, float, float, float], width: int, height: int
) -> None:
    x, y, across, down = place
    box = (x * width, y * height, across * (1 - x) * width, down * (1 - y) * height)
    assert area_of(box, width, height).box(width, height) == pytest.approx(box, abs=1e-6)


@given(st.tuples(*[st.floats(-2, 3)] * 4), st.integers(1, 9000), st.integers(1, 9000))
def test_an_area_never_leaves_the_picture(box: tuple[float, float, float, float], width: int, height: int) -> None:
    x, y, across, down = box[0] * width, box[1] * height, abs(box[2]) * width, abs(box[3]) * height
    area = area_of((x, y, across, down), width, height)
    assert 0 <= area.width <= 1 and 0 <= area.height <= 1


@pytest.mark.parametrize("orientation", STORED_AS)
def test_an_area_stays_on_what_it_showed(orientation: int) -> None:
    """A white rectangle in a black picture, stored as cameras store it."""
    upright = np.zeros((300, 400), np.uint8)
    upright[30:90, 40:200] = 255
    transpose = STORED_AS[orientation]
    picture = Image.fromarray(upright)
    stored = np.asarray(picture if transpose is None else picture.transpose(transpose))
    canvas = Canvas(stored.shape[1], stored.shape[0], orientation)
    assert canvas.upright_size == (400, 300)
    x, y, width, height = canvas.stored(area_of((40, 30, 160, 60), 400, 300)).box(canvas.width, canvas.height)
    marked = np.zeros_like(stored)
    marked[round(y) : round(y + height), round(x) : round(x + width)] = 255
    assert (marked == stored).all()


@pytest.mark.parametrize(
    ("size", "orientation", "expected"),
    [
        ((400, 300), 6, False),
        ((300, 400), 6, True),
        ((300, 400), 1, None),
        ((1333, 1000), 8, False),
        ((1000, 1333), 5, True),
        ((400, 200), 6, None),
    ],
)
def test_what_regions_apply_to_says_which_way_they_are_turned(
    size: tuple[int, int], orientation: int, expected: bool | None
) -> None:
    assert Canvas(400, 300, orientation).is_upright_size(*size) is expected


def test_regions_of_a_square_are_of_the_stored_picture() -> None:
    assert Canvas(300, 300, 6).is_upright_size(300, 300) is False
