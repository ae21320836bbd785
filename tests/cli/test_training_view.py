from __future__ import annotations

import pytest

pytest.importorskip("pydantic", reason="training needs the extra `train`")

from facerec_cli.cli.progress import TrainingView
from tests.training.support import CHIP_SET


def steps(view: TrainingView, count: int) -> None:
    for step in range(1, count + 1):
        view.stepped(step, 120, 1.0, 500.0)


def test_after_a_hundred_steps_it_says_once_how_long_all_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingView(CHIP_SET) as view:
        view.noted("Fitting words.")
        view.begun("mine", 3, [])
        steps(view, 99)
        before = capsys.readouterr().err
        assert before.startswith("Fitting words.\nTraining mine from 48 photos in people: up to 3 epochs")
        assert "images/s" not in before
        steps(view, 21)
        assert capsys.readouterr().err.startswith("At 500 images/s all epochs take about 0:00:0")
        steps(view, 120)
        assert not capsys.readouterr().err


def test_what_is_over_with_the_hundredth_step_takes_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingView(CHIP_SET) as view:
        view.begun("mine", 1, [])
        for step in range(1, 101):
            view.stepped(step, 100, 1.0, 500.0)
        assert "take about" not in capsys.readouterr().err
