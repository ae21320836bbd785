"""Which face belongs to which region."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_cli import Gallery, Recognizer, enroll_all, open_gallery
from facerec_cli.errors import UnmatchedRegionError
from facerec_cli.faces.extraction import Extractor, Face
from facerec_cli.metadata.areas import Area, area_of
from facerec_cli.recognition.marked import Marked, agreeing
from tests.composed import side_by_side

SIZE = (1000, 500)


def face(x: float, y: float, width: float, height: float) -> Face:
    return Face((x, y, width, height), np.zeros((5, 2), np.float32), 0.9, np.zeros((112, 112, 3), np.uint8))


FACES = [face(100, 100, 100, 150), face(300, 100, 100, 150)]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((100, 100, 100, 150), 0),
        ((310, 90, 90, 140), 1),
        ((70, 60, 160, 220), 0),  # with hair and neck
        ((110, 40, 90, 120), 0),  # too high
        ((110, 130, 40, 40), None),  # an eye
        ((600, 100, 100, 150), None),  # nobody
        ((90, 90, 320, 170), None),  # both
        ((0, 0, 1000, 500), None),  # all of the photo
    ],
)
def test_a_region_s_face_is_the_one_that_it_is_drawn_round(
    box: tuple[float, float, float, float], expected: int | None
) -> None:
    assert agreeing([area_of(box, *SIZE)], FACES, SIZE) == [expected]


def test_a_point_is_of_the_face_that_it_is_in() -> None:
    points = [Area(0.15, 0.3), Area(0.35, 0.3), Area(0.9, 0.9)]
    assert agreeing(points, FACES, SIZE) == [0, 1, None]
    assert agreeing([Area(0.15, 0.3)], [face(100, 100, 100, 150), face(90, 90, 120, 170)], SIZE) == [None]


def test_a_face_that_is_somebody_s_is_nobody_else_s() -> None:
    """He who stands behind her is marked, and only her face is found."""
    her, him = area_of((100, 100, 100, 150), *SIZE), area_of((130, 90, 100, 150), *SIZE)
    assert agreeing([him, her], FACES[:1], SIZE) == [None, 0]
    both = [*FACES[:1], face(140, 90, 90, 150)]
    assert agreeing([him, her], both, SIZE) == [1, 0]


shares = st.floats(0, 1)
areas = st.lists(st.builds(Area, shares, shares, shares, shares), max_size=5)
boxes = st.lists(st.tuples(st.floats(0, 900), st.floats(0, 400), st.floats(1, 300), st.floats(1, 300)), max_size=5)


@given(areas, boxes)
def test_no_face_is_given_twice_and_no_order_matters_to_who_gets_none(
    marked: list[Area], found: list[tuple[float, float, float, float]]
) -> None:
    chosen = agreeing(marked, [face(*box) for box in found], SIZE)
    given_away = [one for one in chosen if one is not None]
    assert len(chosen) == len(marked)
    assert len(set(given_away)) == len(given_away)
    assert all(0 <= one < len(found) for one in given_away)


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    return open_gallery(tmp_path / "database", create=True)


def test_people_side_by_side_are_enrolled_from_their_own_regions(
    recognizer: Recognizer, gallery: Gallery, samples: Path, tmp_path: Path
) -> None:
    photo = side_by_side(
        tmp_path / "both.jpg", (samples / "barack_obama.jpg", 500), (samples / "jacinda_ardern_2018.jpg", 500)
    )
    seen = Extractor().extract(photo)
    # From the left.
    boxes = sorted(one.box for one in seen.faces)
    marks = [area_of(box, seen.width, seen.height) for box in boxes]
    people = ["Barack Obama", "Jacinda Ardern"]
    work = [(name, Marked(photo, name, marks, number)) for number, name in enumerate(people)]
    assert [one.status for one in enroll_all(recognizer, gallery, work)] == ["enrolled", "enrolled"]
    for name, sample in [("Barack Obama", "barack_obama"), ("Jacinda Ardern", "jacinda_ardern_2022")]:
        embedding = recognizer.embed_photo(samples / f"{sample}.jpg").embeddings
        (matches,) = gallery.snapshot().search(recognizer.comparison, embedding, 1)
        assert matches[0].name == name


def test_a_region_without_its_face_is_refused(
    recognizer: Recognizer, gallery: Gallery, samples: Path, tmp_path: Path
) -> None:
    marked = Marked(samples / "barack_obama.jpg", "Ghost", [Area(0.05, 0.05, 0.1, 0.1)], 0)
    (outcome,) = enroll_all(recognizer, gallery, [("Ghost", marked)])
    assert isinstance(outcome.error, UnmatchedRegionError)
    assert "where Ghost is marked" in str(outcome.error)
    assert list(gallery.snapshot().people()) == []
