from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facerec_cli import Recognizer
from facerec_cli.recognition import numbering
from facerec_cli.recognition.following import Instant
from facerec_cli.recognition.likeness import Likeness
from facerec_cli.recognition.numbering import Remembered
from facerec_cli.recognition.results import Decision
from facerec_cli.recognition.visits import Visit


@pytest.fixture
def visit(recognizer: Recognizer, samples: Path) -> Visit:
    face = recognizer.extract(samples / "barack_obama.jpg").faces[0]
    now = Instant(0.0, None)
    return Visit(1, Decision("unknown", (), 0.6), None, now, now, 1, face, now, np.zeros(128, np.float32))


def of(visit: Visit, who: int, position: float) -> Visit:
    """A visit of a stranger, who is unlike all others, at a moment."""
    embedding = np.zeros(128, np.float32)
    embedding[who] = 1
    return replace(visit, embedding=embedding, last=Instant(position, None))


def test_whoever_comes_again_has_the_same_number_while_remembered(recognizer: Recognizer, visit: Visit) -> None:
    strangers = Remembered(Likeness(recognizer.bundle))
    assert [strangers.number(of(visit, who, 10.0)) for who in (0, 1, 0, 2, 1)] == [1, 2, 1, 3, 2]
    assert strangers.number(replace(of(visit, 5, 20.0), stranger=3)) == 3
    day = 24 * 3600.0
    assert strangers.number(of(visit, 1, 10.0 + day)) == 2
    assert strangers.number(of(visit, 0, 11.0 + day)) == 4


def test_only_so_many_are_remembered(recognizer: Recognizer, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbering, "_MOST", 3)
    strangers = Remembered(Likeness(recognizer.bundle))
    assert [strangers.number(of(visit, who, who)) for who in range(4)] == [1, 2, 3, 4]
    assert strangers.number(of(visit, 1, 5.0)) == 2
    assert strangers.number(of(visit, 0, 6.0)) == 5
