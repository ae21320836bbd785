from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.encoders.calibration import Calibration, Curve, Source
from facerec_cli.encoders.metric import Cosine
from facerec_cli.evaluation import breakdown as module
from facerec_cli.evaluation.breakdown import Breakdown
from facerec_cli.evaluation.evaluating import choose_protocols
from facerec_cli.evaluation.looks import Looks
from facerec_cli.evaluation.measuring import Result
from facerec_cli.evaluation.pairs import draw_pairs

METRIC = Cosine()
# Distances of 60 degrees at FMR 0.001, and at any rarer rate.
CURVE = Curve((0.001, 1e-6), (0.5, 0.5), 30.0)
CALIBRATION = Calibration(CURVE, CURVE, None, None, Source("mine", 1))
FNMR = "FNMR at the calibrated 0.001"
WITHIN = "FMR at the calibrated 0.001, within the group"
AGAINST = "FMR at the calibrated 0.001, against everybody"
FOUND = "people found at the calibrated FPIR 0.01"
NAMED = "strangers named at the calibrated FPIR 0.01"
Embeddings = npt.NDArray[np.float32]


def people(folder: Path, counts: dict[str, int]) -> ChipSet:
    names = [name for name, count in counts.items() for _ in range(count)]
    count = len(names)
    return ChipSet(
        folder=folder,
        photos=[f"{name}/{row}.jpg" for row, name in enumerate(names)],
        people=names,
        chips=np.zeros((count, 112, 112, 3), np.uint8),
        scores=np.ones(count, np.float32),
        quality={},
        has_face=np.ones(count, np.bool_),
        faceless=[],
        unreadable=[],
        is_lfw=False,
    )


def at(*degrees: float) -> Embeddings:
    angles = np.radians(degrees)
    return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def measured(chips: ChipSet, name: str, embeddings: Embeddings, *breakdowns: Breakdown) -> Result:
    (protocol,) = choose_protocols(chips, [], name).protocols
    result = protocol.measure(Looks(embeddings, embeddings), METRIC, CALIBRATION)
    for breakdown in breakdowns:
        result = breakdown.added(result, protocol, embeddings, METRIC, CALIBRATION)
    return result


def values(result: Result) -> dict[tuple[str, str], dict[str, float]]:
    return {
        group: {name: estimate.value for name, estimate in found.items()} for group, found in result.by_group.items()
    }


SEX = {"Ada": "women", "Bea": "women", "Cyd": "women", "Dan": "men", "Eli": "men"}


def test_pairs_by_group_worked_by_hand(tmp_path: Path) -> None:
    # Gus is in no group. Ada's and Bea's two photos are one direction each; Dan's are 90 degrees apart.
    chips = people(tmp_path, {"Ada": 2, "Bea": 2, "Cyd": 1, "Dan": 2, "Eli": 1, "Gus": 1})
    embeddings = at(0, 0, 50, 50, 180, 265, 355, 220, 100)
    breakdown = Breakdown("sex", SEX, chips, list(chips.rows_of))
    result = measured(chips, "pairs", embeddings, breakdown)
    found = values(result)
    assert list(found) == [("sex", "men"), ("sex", "women")]
    assert found["sex", "women"][FNMR] == 0
    assert found["sex", "men"][FNMR] == 1
    # Of Ada, Bea and Cyd, the first two match.
    assert found["sex", "women"][WITHIN] == pytest.approx(1 / 3)
    # Dan, whichever photo is drawn, and Eli: at 265 they match, at 355 they do not.
    dan = 265 if found["sex", "men"][WITHIN] else 355
    spots = {"Ada": 0, "Bea": 50, "Cyd": 180, "Dan": dan, "Eli": 220, "Gus": 100}
    for group in ("women", "men"):
        pairs = [
            math.cos(math.radians(spots[one] - spots[other])) >= 0.5
            for one in spots
            for other in spots
            if one < other and group in (SEX.get(one), SEX.get(other))
        ]
        assert found["sex", group][AGAINST] == pytest.approx(np.mean(pairs))
    assert "sex women: people 3, genuine pairs 2, impostor pairs within the group 3, too few for so rare a rate" in (
        result.notes
    )
    # The interval is a bootstrap's over people.
    low, high = result.by_group["sex", "women"][WITHIN].interval
    assert (low, high) == (0, 1)


def test_weights_of_pairs_are_those_of_people_drawn_again(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    place = generator.integers(0, 3, 30)
    photos = METRIC.scaled(generator.normal(size=(30, 2)).astype(np.float32))
    matches = module._matches(photos, METRIC, 0.5)
    close = METRIC.matrix(photos, photos) <= 0.5
    assert sorted(np.transpose(matches).tolist()) == np.argwhere(np.triu(close, 1)).tolist()
    genuine = draw_pairs([[number] for number in range(30)])[0]
    estimates = module._of_pairs(place, 2, genuine, np.zeros(0, np.bool_), matches)
    # The first draw of the bootstrap, pair by pair.
    drawn = np.random.default_rng(0).integers(30, size=30)
    for group in range(2):
        pairs = [
            (close[one, other], place[one] == group, place[other] == group)
            for number, one in enumerate(drawn)
            for other in drawn[number + 1 :]
            if one != other
        ]
        within = [match for match, first, second in pairs if first and second]
        against = [match for match, first, second in pairs if first or second]
        assert estimates[group, WITHIN].replicates[0] == pytest.approx(np.mean(within))
        assert estimates[group, AGAINST].replicates[0] == pytest.approx(np.mean(against))


def test_identification_by_group_worked_by_hand(tmp_path: Path) -> None:
    # Enrolled: Ada at 0, Bea at 90, Dan at 180 degrees; strangers: Cyd, Eli and Gus, who is in no group.
    chips = people(tmp_path, {"Ada": 3, "Bea": 2, "Cyd": 1, "Dan": 2, "Eli": 1, "Gus": 1})
    embeddings = at(0, 10, 70, 90, 80, 295, 180, 250, 30, 100)
    breakdown = Breakdown("sex", SEX, chips, list(chips.rows_of))
    result = measured(chips, "identification", embeddings, breakdown)
    # Ada's second probe is nearest to Bea; Dan's is 70 degrees from him. Cyd is at 65 from Ada, Eli at 30.
    assert values(result) == {
        ("sex", "women"): {FOUND: pytest.approx(2 / 3), NAMED: 0},
        ("sex", "men"): {FOUND: 0, NAMED: 1},
    }
    assert "sex women: enrolled 2, probes 3, strangers 1" in result.notes
    assert "sex men: enrolled 1, probes 1, strangers 1" in result.notes


def test_several_columns_and_several_numbers_of_photos(tmp_path: Path) -> None:
    chips = people(tmp_path, {"Ada": 4, "Bea": 4, "Dan": 4, "Eli": 2})
    generator = np.random.default_rng(0)
    embeddings = METRIC.scaled(generator.normal(size=(14, 8)).astype(np.float32))
    breakdowns = [
        Breakdown(column, group_of, chips, list(chips.rows_of))
        for column, group_of in (("sex", SEX), ("born", {"Ada": "1800", "Dan": "1900"}))
    ]
    for protocol in choose_protocols(chips, [], "identification", (1, 2)).protocols:
        result = protocol.measure(Looks(embeddings, embeddings), METRIC, CALIBRATION)
        for breakdown in breakdowns:
            result = breakdown.added(result, protocol, embeddings, METRIC, CALIBRATION)
        assert list(result.by_group) == [("sex", "men"), ("sex", "women"), ("born", "1800"), ("born", "1900")]
        # Nobody of that year is a stranger.
        assert math.isnan(result.by_group["born", "1900"][NAMED].value)


def test_people_whom_a_model_has_seen_make_no_pairs(tmp_path: Path) -> None:
    chips = people(tmp_path, {"Ada": 2, "Bea": 2, "Cyd": 2, "Dan": 2, "Eli": 2})
    breakdown = Breakdown("sex", SEX, chips, ["Ada", "Bea", "Dan"])
    (pairs,) = choose_protocols(chips, [], "pairs").protocols
    assert {chips.people[row] for row in breakdown.rows(pairs).tolist()} == {"Ada", "Bea", "Dan"}
    (other,) = choose_protocols(chips, [], "identification").protocols
    assert len(breakdown.rows(other)) == 0


@pytest.mark.parametrize("name", ["pairs", "identification"])
def test_without_a_calibration_it_is_said(name: str, tmp_path: Path) -> None:
    chips = people(tmp_path, {"Ada": 2, "Dan": 2})
    (protocol,) = choose_protocols(chips, [], name).protocols
    breakdown = Breakdown("sex", SEX, chips, list(chips.rows_of))
    embeddings = at(0, 10, 90, 100)
    result = breakdown.added(
        protocol.measure(Looks(embeddings, embeddings), METRIC, None), protocol, embeddings, METRIC, None
    )
    assert result.by_group == {}
    assert result.model_notes == ["without a calibration nothing is told by group"]


def test_matches_are_the_same_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = METRIC.scaled(np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32))
    whole = module._matches(photos, METRIC, 0.7)
    monkeypatch.setattr(module, "_COMPUTED", 100)
    assert np.array_equal(module._matches(photos, METRIC, 0.7), whole)
