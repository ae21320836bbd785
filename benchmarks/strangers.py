"""What --fpir 0.01 does to strangers and to people enrolled, in galleries of many sizes.

    python benchmarks/strangers.py LFW_FOLDER [-m pretrained]

The model's calibration saw the people of LFW's peopleDevTrain alone. Galleries and strangers are drawn from the people
of peopleDevTest, 20 draws each: so many people with k photos each are enrolled, their other photos are probes, one
photo of everybody else is a stranger. Beside the calibrated threshold stands the fixed cosine 0.363 of the encoder's
documentation, and beside the template the nearest of the k photos, each counted as a comparison. Last, calibrations on
fewer people, drawn from the same: how far apart chance alone sets what they let through among the others.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import Progress

from facerec_cli.datasets.chips import load_chips
from facerec_cli.datasets.lfw import everybody
from facerec_cli.encoders.bundle import CALIBRATION_PEOPLE, TRAINING_PEOPLE, resolve_bundle
from facerec_cli.encoders.calibration import Outcome, Source, comparisons, fmr_for
from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.encoders.metric import Metric
from facerec_cli.evaluation.calibrating import calibrate, genuine_distances
from facerec_cli.evaluation.evaluating import embed_rows
from facerec_cli.evaluation.impostors import impostor_draws
from facerec_cli.evaluation.strangers import DRAWS, PHOTOS, Draw, draw_gallery, outcome

SIZES = (10, 50, 200, 1_000)
FPIR = 0.01
FIXED = 1 - 0.363
CALIBRATED_ON = (200, 404, 800)
"""People of a calibration: the fewest there may be, those whom a training on LFW holds out, and twice those."""
CALIBRATIONS = 40


def nearest_photo(draw: Draw, embeddings: Embeddings, threshold: float) -> Outcome:
    """What a threshold does where the nearest of a person's photos counts, cosine distance."""
    people, photos = draw.enrolled.shape
    known = embeddings[draw.enrolled.ravel()].T
    probes = 1 - embeddings[draw.probes] @ known
    found = (probes.argmin(axis=1) // photos == draw.owner) & (probes.min(axis=1) <= threshold)
    asked = np.bincount(draw.owner, minlength=people)
    by_person = np.bincount(draw.owner, found, people)[asked > 0] / asked[asked > 0]
    named = (1 - embeddings[draw.strangers] @ known).min(axis=1) <= threshold
    return Outcome(float(named.mean()), float(by_person.mean()))


def calibrated_on(
    people: int, rows: list[list[int]], embeddings: Embeddings, metric: Metric
) -> npt.NDArray[np.float64]:
    """Strangers named by calibrations on so many people each; everybody else with two photos is enrolled with one.

    Returns:
        float64 [40], as fractions.
    """
    named, source = np.empty(CALIBRATIONS), Source("model", "people of peopleDevTest", people)
    for turn in range(CALIBRATIONS):
        generator = np.random.default_rng(turn)
        shuffled = [rows[person] for person in generator.permutation(len(rows))]
        chosen, others = shuffled[:people], shuffled[people:]
        draws = impostor_draws(embeddings, chosen, metric, generator)
        calibration = calibrate(draws, genuine_distances(embeddings, chosen, metric, generator), source)
        size = sum(len(own) > 1 for own in others)
        limit = calibration.threshold(fmr_for(FPIR, size))
        drawn = [draw_gallery(others, size, 1, generator) for _ in range(DRAWS)]
        outcomes = [outcome(draw, embeddings, metric, limit) for draw in drawn if draw is not None]
        named[turn] = np.mean([one.strangers_named for one in outcomes])
    return named


def main() -> None:
    """Embed, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("-m", "--model", default="pretrained")
    arguments = parser.parse_args()
    bundle = resolve_bundle(arguments.model)
    metric, calibration = bundle.load_metric(), bundle.calibration
    assert calibration is not None
    chips = load_chips(arguments.lfw)
    people = sorted({person.name for person in everybody() if person.view1 == "test"} & chips.rows_of.keys())
    seen = bundle.people(CALIBRATION_PEOPLE) | bundle.people(TRAINING_PEOPLE)
    if seen & set(people):
        raise SystemExit(f"{arguments.model} has seen people of peopleDevTest: it cannot be reported on them")
    rows = [chips.rows_of[name] for name in people]
    needed = sorted(row for own in rows for row in own)
    with Progress(transient=True) as bar:
        task = bar.add_task("Embedding", total=len(needed))
        embeddings = embed_rows(bundle, chips, needed, lambda done, _: bar.update(task, completed=done))
    print(f"{len(people):,} people of peopleDevTest; strangers named / people found, %, mean of {DRAWS} draws")
    print("people  photos   template         nearest photo    fixed 0.363, template")
    for size in SIZES:
        for photos in PHOTOS:
            generator = np.random.default_rng(photos)
            drawn = [draw_gallery(rows, size, photos, generator) for _ in range(DRAWS)]
            draws = [draw for draw in drawn if draw is not None]
            if not draws:
                continue
            by_rule = calibration.threshold(fmr_for(FPIR, comparisons({photos: size})))
            by_photo = calibration.threshold(fmr_for(FPIR, size * photos))
            columns = (
                [outcome(draw, embeddings, metric, by_rule) for draw in draws],
                [nearest_photo(draw, embeddings, by_photo) for draw in draws],
                [outcome(draw, embeddings, metric, FIXED) for draw in draws],
            )
            cells = (
                f"{100 * np.mean([one.strangers_named for one in column]):5.2f} / "
                f"{100 * np.mean([one.people_found for one in column]):6.2f}"
                for column in columns
            )
            print(f"{size:6,}  {photos:6}   {'   '.join(cells)}")
    print(f"strangers named by {CALIBRATIONS} calibrations on fewer people: mean, and 5 to 95 % of them")
    for count in CALIBRATED_ON:
        named = 100 * calibrated_on(count, rows, embeddings, metric)
        low, high = np.quantile(named, [0.05, 0.95])
        print(f"{count:6,}  people   {named.mean():5.2f} %   {low:.2f} to {high:.2f} %")


if __name__ == "__main__":
    main()
