from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_cli.faces.extraction import Face
from facerec_cli.recognition.tracking import LOST, Step, Track, Tracker

CHIPS = [np.random.default_rng(seed).integers(0, 256, (112, 112, 3), dtype=np.uint8) for seed in range(4)]
SIZE = 50.0


def face(x: float, y: float = 100.0, who: int = 0, size: float = SIZE) -> Face:
    return Face((x - size / 2, y - size / 2, size, size), np.zeros((5, 2), np.float32), 0.9, CHIPS[who])


def follow(tracker: Tracker, position: float, *faces: Face) -> list[Step]:
    return tracker.follow(faces, position)


def test_a_face_is_followed_as_it_goes_on_and_for_a_while_unseen() -> None:
    tracker = Tracker()
    (begun,) = follow(tracker, 0.0, face(100))
    assert begun.is_new
    for frame in range(1, 11):
        (step,) = follow(tracker, frame / 10, face(100 + 15 * frame))
        assert step.track is begun.track
        assert not step.is_doubtful
    follow(tracker, 1.1)
    follow(tracker, 1.2)
    (found,) = follow(tracker, 1.4, face(310))
    assert found.track is begun.track
    assert found.is_doubtful
    (other,) = follow(tracker, 1.5 + LOST, face(310))
    assert other.is_new


def test_who_jumps_or_looks_otherwise_is_in_doubt_and_who_is_far_away_is_somebody_else() -> None:
    tracker = Tracker()
    follow(tracker, 0.0, face(100))
    (jumped,) = follow(tracker, 0.1, face(100 + 0.6 * SIZE))
    assert (jumped.is_new, jumped.is_doubtful) == (False, True)
    tracker = Tracker()
    follow(tracker, 0.0, face(100))
    (changed,) = follow(tracker, 0.1, face(100, who=1))
    assert (changed.is_new, changed.is_doubtful) == (False, True)
    for far in (face(100 + 2 * SIZE), face(100, size=3 * SIZE)):
        tracker = Tracker()
        follow(tracker, 0.0, face(100))
        (other,) = follow(tracker, 0.1, far)
        assert other.is_new


@pytest.mark.parametrize("speed", [10.0, 25.0])
def test_two_who_pass_each_other_keep_their_tracks_and_are_in_doubt_meanwhile(speed: float) -> None:
    tracker, doubts = Tracker(), set()
    first, second = (step.track for step in follow(tracker, 0.0, face(100), face(500, who=1)))
    for frame in range(1, round(400 / speed)):
        steps = follow(tracker, frame / 10, face(500 - speed * frame, 110, who=1), face(100 + speed * frame))
        assert [step.track for step in steps] == [second, first]
        doubts |= {(step.is_crowded, step.is_doubtful) for step in steps}
    assert {(False, False), (True, True)} <= doubts <= {(False, False), (False, True), (True, True)}


def test_two_who_stand_side_by_side_are_soon_out_of_doubt() -> None:
    tracker = Tracker()
    for frame in range(10):
        steps = follow(tracker, frame / 10, face(100), face(100 + 1.3 * SIZE, who=1))
        assert frame < 2 or not any(step.is_doubtful for step in steps)


def test_after_a_cut_everybody_is_new() -> None:
    tracker = Tracker()
    (begun,) = follow(tracker, 0.0, face(100))
    tracker.cut()
    assert not tracker.is_followed(begun.track)
    (step,) = follow(tracker, 0.1, face(100))
    assert step.is_new


PLACES = st.lists(st.tuples(st.integers(0, 600), st.integers(0, 300), st.integers(0, 3)), max_size=6)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0.01, 2), PLACES), max_size=12))
def test_each_face_has_a_track_and_no_track_two_faces(frames: list[tuple[float, list[tuple[int, int, int]]]]) -> None:
    tracker, position, seen = Tracker(), 0.0, dict[Track, float]()
    for elapsed, places in frames:
        position += elapsed
        faces = [face(*place) for place in places]
        steps = tracker.follow(faces, position)
        assert [step.face for step in steps] == faces
        assert len({step.track for step in steps}) == len(faces)
        for step in steps:
            assert step.is_new == (step.track not in seen)
            assert step.is_new or position - seen[step.track] <= LOST
            seen[step.track] = position
        assert all(tracker.is_followed(track) for track, last in seen.items() if last == position)
