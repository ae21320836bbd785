from __future__ import annotations

import numpy as np
import pytest

from facerec_cli.evaluation.intervals import Estimate
from facerec_cli.evaluation.measuring import Result, VerificationProtocol
from facerec_cli.evaluation.pairs import pairs_of
from facerec_cli.evaluation.results import Evaluation
from facerec_cli.training.advice import advice
from tests.training.support import CHIP_SET

PROTOCOL = VerificationProtocol("held-out", "pairs", [], pairs_of([[0, 1], [2, 3]]), 2)


def told(own: float, bundled: float, *, people: int = 900, best: int = 9, from_scratch: bool = True) -> str:
    evaluation = Evaluation(CHIP_SET, ["mine", "pretrained"])
    noise = np.linspace(-0.01, 0.01, 101)
    for value, spread in ((own, noise), (bundled, -noise)):
        evaluation.add(PROTOCOL, Result({"equal error rate": Estimate(value, value + spread)}))
    return "\n".join(advice(evaluation, people, best, from_scratch=from_scratch))


def test_it_says_how_good_both_are_and_on_whom() -> None:
    assert "Of pairs of people it has not seen (held-out) mine is wrong on 7.00 % [6.05, 7.95]" in told(0.07, 0.01)
    assert "pretrained on 1.00 %" in told(0.07, 0.01)


@pytest.mark.parametrize(
    ("own", "bundled", "choice"),
    [
        (0.07, 0.01, "pretrained is better: identify with pretrained"),
        (0.05, 0.09, "mine is better on people like these: identify with mine"),
        (0.05, 0.051, "do not tell which is better: take pretrained"),
    ],
)
def test_the_better_one_is_named_where_the_pairs_can_tell(own: float, bundled: float, choice: str) -> None:
    assert choice in told(own, bundled)
    assert ("the recipe finetune" in told(own, bundled)) == (own > 0.05 or bundled < 0.06)
    assert "the recipe finetune" not in told(own, bundled, from_scratch=False)


def test_few_people_are_said_to_be_few_and_unknown_ones_are_not_counted() -> None:
    assert "It learned from 12 people" in told(0.07, 0.01, people=12)
    assert "It learned from" not in told(0.07, 0.01, people=0) + told(0.07, 0.01, people=3000)


def test_a_network_that_nothing_was_better_than_is_the_bundled_one() -> None:
    assert "mine is pretrained: these photos do not teach it more" in told(0.01, 0.01, best=0, from_scratch=False)
