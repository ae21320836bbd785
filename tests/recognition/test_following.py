from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facerec_cli import Recognizer
from facerec_cli.encoders.encoder import Embedding
from facerec_cli.faces.extraction import Face
from facerec_cli.recognition.following import Evidence, Instant, Portrait, Subject
from facerec_cli.recognition.likeness import Likeness
from facerec_cli.recognition.tracking import Step, Track


@pytest.fixture(scope="module")
def likeness(recognizer: Recognizer) -> Likeness:
    return Likeness(recognizer.bundle)


@pytest.fixture(scope="module")
def good(recognizer: Recognizer, samples: Path) -> Face:
    return recognizer.extract(samples / "barack_obama.jpg").faces[0]


@pytest.fixture(scope="module")
def poor(good: Face) -> Face:
    return replace(good, chip=np.asarray(good.chip // 12, np.uint8))


@pytest.fixture(scope="module")
def own(recognizer: Recognizer, good: Face) -> Embedding:
    (embedding,) = recognizer.embed([good.chip])
    return np.asarray(embedding)


@pytest.fixture(scope="module")
def others(recognizer: Recognizer, samples: Path) -> Embedding:
    (embedding,) = recognizer.embed([recognizer.extract(samples / "rishi_sunak.jpg").faces[0].chip])
    return np.asarray(embedding)


class Shown:
    """A subject, frame by frame, fifteen a second."""

    def __init__(self, likeness: Likeness, face: Face) -> None:
        self.track = Track.begun(face, 0.0)
        self.subject = Subject(likeness, Portrait(face, Instant(0.0, None)))
        self.frame = 0

    def looks(self, face: Face, embedding: Embedding, frames: int, **how: bool) -> Iterator[tuple[float, bool]]:
        """When the face is embedded, and whether it is still the same person's."""
        for _ in range(frames):
            at = Instant(self.frame / 15, None)
            step = Step(self.track, face, not self.frame, how.get("doubtful", False), how.get("crowded", False))
            portrait = Portrait(face, at)
            self.subject.see(portrait, step, 1 / 15 if self.frame else 0.0)
            self.frame += 1
            if self.subject.wants_look(portrait):
                yield at.position, self.subject.is_still(embedding, portrait)


def test_a_face_is_embedded_at_once_and_then_seldom(likeness: Likeness, good: Face, own: Embedding) -> None:
    looks = list(Shown(likeness, good).looks(good, own, 150))
    assert [moment for moment, _ in looks if moment <= 0.5] == pytest.approx([0, 2 / 15, 4 / 15])
    assert len(looks) == 8
    assert all(same for _, same in looks)


def test_a_better_face_is_embedded_out_of_turn(
    likeness: Likeness, good: Face, poor: Face, own: Embedding, others: Embedding
) -> None:
    shown = Shown(likeness, poor)
    assert not Portrait(poor, Instant(0, None)).is_good
    assert [moment for moment, _ in shown.looks(poor, others, 15)] == pytest.approx([0, 8 / 15])
    assert not shown.subject.evidence.is_good
    assert len(list(shown.looks(good, own, 2))) == 1
    assert np.allclose(shown.subject.evidence.mean, own)
    assert shown.subject.best.face is good


def test_another_person_in_the_same_place_is_noticed(
    likeness: Likeness, good: Face, own: Embedding, others: Embedding
) -> None:
    shown = Shown(likeness, good)
    assert list(shown.looks(good, own, 15))
    # Nothing but the embedding tells, when its turn comes: it is looked at twice.
    assert [same for _, same in shown.looks(good, others, 30)][:2] == [True, False]
    assert np.allclose(shown.subject.evidence.mean, own)


def test_who_is_in_doubt_is_looked_at_at_once_and_once_is_enough(
    likeness: Likeness, good: Face, own: Embedding, others: Embedding
) -> None:
    for embedding, same in ((own, True), (others, False)):
        shown = Shown(likeness, good)
        assert list(shown.looks(good, own, 15))
        assert [still for _, still in shown.looks(good, embedding, 1, doubtful=True)] == [same]
        assert shown.subject.is_in_doubt == (not same)


def test_who_has_others_near_is_looked_at_again_and_again_and_doubt_does_not_last_for_ever(
    likeness: Likeness, good: Face, poor: Face, own: Embedding
) -> None:
    shown = Shown(likeness, good)
    assert list(shown.looks(good, own, 15))
    looks = [moment for moment, _ in shown.looks(good, own, 15, doubtful=True, crowded=True)]
    assert np.allclose(np.diff(looks), 4 / 15)
    assert len(looks) == 4
    assert not shown.subject.is_in_doubt
    list(shown.looks(poor, own, 4, doubtful=True, crowded=True))
    assert shown.subject.is_in_doubt
    assert not list(shown.looks(poor, own, 20))
    assert shown.subject.is_lost(shown.frame / 15)


def test_evidence_keeps_the_best(likeness: Likeness, own: Embedding, others: Embedding) -> None:
    evidence = Evidence(likeness)
    for _ in range(100):
        evidence.add(others, True, 0.7)
    assert len(evidence) == 16
    for _ in range(16):
        evidence.add(own, True, 0.8)
    assert len(evidence) == 16
    assert np.allclose(evidence.mean, own)
    evidence.add(others, False, 0.9)
    assert np.allclose(evidence.mean, own)
