"""What is asked of strangers and what becomes of it, in galleries of many sizes and of several kinds of people.

    python benchmarks/strangers.py LFW_FOLDER [-m pretrained] [--draws 20]

The model's calibration saw the people of LFW's peopleDevTrain alone. Galleries and strangers are drawn from the people
of peopleDevTest, all of them, or women or men alone, by their first names (lfw_sex.csv says how): so many people with k
photos each are enrolled, their other photos are probes, one photo of everybody else is a stranger. *Plain* is the rule
without a gallery's own people: embeddings of one view, compared as they are, a template of k photos counted as
1 + log2 k comparisons. Last, calibrations on fewer people, drawn from the same: how far apart chance alone sets what
they let through among the others.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import Progress

from facerec_cli.datasets.chips import ChipSet, load_chips
from facerec_cli.datasets.lfw import everybody
from facerec_cli.encoders.bundle import CALIBRATION_PEOPLE, TRAINING_PEOPLE, Bundle, resolve_bundle
from facerec_cli.encoders.calibration import Calibration, Outcome, Source
from facerec_cli.encoders.metric import Metric
from facerec_cli.evaluation.calibrating import calibrate_people
from facerec_cli.evaluation.evaluating import embed_rows
from facerec_cli.evaluation.known import known_people
from facerec_cli.evaluation.looks import Looks
from facerec_cli.evaluation.strangers import draw_gallery, outcome

SIZES = (1, 2, 5, 10, 24, 50, 100, 200, 1_000)
PHOTOS = (1, 3, 10)
RATES = (0.01, 0.1)
SEXES = Path(__file__).parent / "lfw_sex.csv"
LEAST_STRANGERS = 90
CALIBRATED_ON = (200, 404, 800)
"""People of a calibration: the fewest there may be, those whom a training on LFW holds out, and twice those."""
CALIBRATIONS = 20

People = Sequence[Sequence[int]]


def kinds(chips: ChipSet, names: Sequence[str]) -> dict[str, People]:
    """The photos of everybody, and of women and men alone."""
    with SEXES.open(encoding="utf-8", newline="") as file:
        sex = {row["person"]: row["sex"] for row in csv.DictReader(file)}
    chosen = {"all": names} | {kind: [name for name in names if sex.get(name) == kind] for kind in ("women", "men")}
    return {kind: [chips.rows_of[name] for name in those] for kind, those in chosen.items()}


def averages(
    rules: Mapping[str, tuple[Looks, Calibration]],
    rows: People,
    metric: Metric,
    size: int,
    photos: int,
    rate: float,
    draws: int,
) -> dict[str, Outcome]:
    """The mean of draws of a gallery, the same ones for each rule; nothing where too few have that many photos."""
    generator = np.random.default_rng(photos)
    if size + LEAST_STRANGERS > len(rows):
        return {}
    drawn = [draw_gallery(rows, size, photos, generator) for _ in range(draws if size > 10 else 5 * draws)]
    means = {}
    for name, (looks, calibration) in rules.items():
        outcomes = [
            outcome(draw, looks, known_people(looks.enrolled[draw.enrolled], metric, calibration, rate))
            for draw in drawn
            if draw is not None
        ]
        if outcomes:
            named, found = ([getattr(one, what) for one in outcomes] for what in ("strangers_named", "people_found"))
            means[name] = Outcome(float(np.mean(named)), float(np.mean(found)))
    return means


def calibrated_on(people: int, rows: People, looks: Looks, metric: Metric) -> npt.NDArray[np.float64]:
    """Strangers named by calibrations on so many people, everybody else with two photos enrolled with one, in %."""
    named = np.empty(CALIBRATIONS)
    for turn in range(CALIBRATIONS):
        generator = np.random.default_rng(turn)
        shuffled = [rows[person] for person in generator.permutation(len(rows))]
        chosen, others = shuffled[:people], shuffled[people:]
        calibration = calibrate_people(looks, chosen, metric, Source("people of peopleDevTest", people))
        size = sum(len(own) > 1 for own in others)
        draw = draw_gallery(others, size, 1, generator)
        assert draw is not None
        known = known_people(looks.enrolled[draw.enrolled], metric, calibration)
        named[turn] = 100 * outcome(draw, looks, known).strangers_named
    return named


def unseen_people(bundle: Bundle, chips: ChipSet) -> list[str]:
    """The people of peopleDevTest, whom the model must not have seen."""
    people = sorted({person.name for person in everybody() if person.view1 == "test"} & chips.rows_of.keys())
    if (bundle.people(CALIBRATION_PEOPLE) | bundle.people(TRAINING_PEOPLE)) & set(people):
        raise SystemExit(f"{bundle.name} has seen people of peopleDevTest: it cannot be reported on them")
    return people


def main() -> None:
    """Embed, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("-m", "--model", default="pretrained")
    parser.add_argument("--draws", type=int, default=20)
    arguments = parser.parse_args()
    bundle, chips = resolve_bundle(arguments.model), load_chips(arguments.lfw)
    metric, calibration = bundle.load_metric(), bundle.calibration
    assert calibration is not None
    names = unseen_people(bundle, chips)
    needed = sorted(row for name in names for row in chips.rows_of[name])
    with Progress(transient=True) as bar:
        task = bar.add_task("Embedding", total=2 * len(needed))
        looks = embed_rows(bundle, chips, needed, needed, lambda done, _: bar.update(task, completed=done))
    plain = Calibration(calibration.photos, calibration.photos, None, None, calibration.source)
    rules = {"plain": (Looks(looks.probes, looks.probes), plain), "rule": (looks, calibration)}
    if metric.adds_views:
        rules["thorough"] = (Looks(looks.enrolled, looks.enrolled), calibration)
    print(
        f"{len(names):,} people of peopleDevTest; strangers named / people found, %, mean of {arguments.draws} draws,"
    )
    print("of five times as many with up to ten people")
    for rate in RATES:
        print(f"asked for {100 * rate:g} %")
        print(f"kind   photos  people   {'   '.join(f'{name:>15}' for name in rules)}")
        for kind, rows in kinds(chips, names).items():
            for photos in PHOTOS:
                for size in SIZES:
                    means = averages(rules, rows, metric, size, photos, rate, arguments.draws)
                    if means:
                        cells = (
                            f"{100 * one.strangers_named:6.2f} / {100 * one.people_found:6.2f}"
                            for one in means.values()
                        )
                        print(f"{kind:6} {photos:6}  {size:6,}   {'   '.join(cells)}", flush=True)
    print(f"strangers named by {CALIBRATIONS} calibrations on fewer people: mean, and 5 to 95 % of them")
    for count in CALIBRATED_ON:
        named = calibrated_on(count, kinds(chips, names)["all"], looks, metric)
        low, high = np.quantile(named, [0.05, 0.95])
        print(f"{count:6,}  people   {named.mean():5.2f} %   {low:.2f} to {high:.2f} %")


if __name__ == "__main__":
    main()
