"""The report of an evaluation: metrics.json, pictures, and one HTML page with all of it."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.defaults import VERSION
from facerec_cli.drawing.contact_sheet import Entry, Tile, contact_sheet
from facerec_cli.errors import DependencyError, ReportError
from facerec_cli.evaluation.intervals import REPLICATES, Estimate
from facerec_cli.evaluation.measuring import title
from facerec_cli.evaluation.mislabelled import Mislabelled
from facerec_cli.evaluation.page import MISLABELLED, ONE_NAME, TWO_NAMES, Picture, page
from facerec_cli.evaluation.pairs import ScoredPairs
from facerec_cli.evaluation.results import Evaluation
from facerec_cli.faces.quality import WORSE_WHERE_MORE
from facerec_cli.files import refusal, write_file
from facerec_cli.json_text import json_text

BINS = 5
"""Equally full groups of photos in which error is shown against quality."""


def check_report(folder: Path) -> None:
    """Whether a report can be written, before hours of work.

    Raises:
        DependencyError: matplotlib is not installed.
        ReportError: the folder cannot be made or written to.
    """
    try:
        import matplotlib  # noqa: F401, PLC0415
    except ImportError as error:
        raise DependencyError(
            "Pictures need matplotlib, which is not installed", "`pip install 'facerec[train]'` brings it"
        ) from error
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        if is_new:
            folder.rmdir()
    except OSError as error:
        raise _not_written(folder, error) from error


def write_report(
    folder: Path,
    evaluation: Evaluation,
    *,
    with_photos: bool = True,
    further: Sequence[Picture] = (),
    advice: Sequence[str] = (),
) -> None:
    """Write metrics.json, pictures/*.png and report.html, which holds the pictures itself.

    Args:
        folder: where to.
        evaluation: the results.
        with_photos: show the hardest pairs' faces, which a report that goes with a model must not.
        further: pictures to stand before the others.
        advice: sentences to stand before all.

    Raises:
        ReportError: the folder cannot be written to.
    """
    pictures = [*further, *_pictures(evaluation, with_photos)]
    try:
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
        for picture in pictures:
            write_file(folder / "pictures" / f"{picture.name}.png", picture.png)
        write_file(folder / "metrics.json", f"{json_text(metrics_of(evaluation), indent=2)}\n".encode())
        write_file(folder / "report.html", page(evaluation, pictures, advice).encode(errors="backslashreplace"))
    except OSError as error:
        raise _not_written(folder, error) from error


def metrics_of(evaluation: Evaluation) -> dict[str, Any]:
    """Every number, as metrics.json holds it; null where the data cannot say."""

    def numbers(estimate: Estimate) -> dict[str, Any]:
        values = (estimate.value, *estimate.interval)
        value, low, high = (round(number, 6) if math.isfinite(number) else None for number in values)
        return {"value": value, "interval_95": [low, high]}

    def by_measure(measures: Mapping[str, Sequence[Estimate]]) -> dict[str, Any]:
        return {
            measure: {
                model: numbers(estimate) | ({"difference": numbers(estimate.minus(estimates[0]))} if place else {})
                for place, (model, estimate) in enumerate(zip(evaluation.models, estimates, strict=True))
            }
            for measure, estimates in measures.items()
        }

    protocols = {}
    for protocol in evaluation.protocols:
        results = evaluation.results[title(protocol)]
        groups: dict[str, Any] = {}
        for (column, group), measures in evaluation.by_group(protocol).items():
            groups.setdefault(column, {})[group] = by_measure(measures)
        protocols[title(protocol)] = {
            "description": protocol.description,
            "photos": protocol.photos,
            "notes": evaluation.notes(protocol),
            "standard_error": {
                model: result.standard_error for model, result in zip(evaluation.models, results, strict=True)
            },
            "measures": by_measure(evaluation.estimates(protocol)),
            "by_group": groups,
            "error_by_quality": {
                model: quality_errors(result.scored, evaluation.chips)
                for model, result in zip(evaluation.models, results, strict=True)
                if result.scored
            },
        }
    return {
        "facerec": VERSION,
        "data": evaluation.chips.folder.name,
        "photos": len(evaluation.chips.photos),
        "faceless": evaluation.chips.faceless,
        "unreadable": [str(error) for error in evaluation.chips.unreadable],
        "bootstrap": f"{REPLICATES} draws of people; differences are to {evaluation.models[0]}, on the same draws",
        "protocols": protocols,
        "mislabelled": _mislabelled(evaluation),
    }


def _mislabelled(evaluation: Evaluation) -> dict[str, Any] | None:
    found, chips = evaluation.mislabelled, evaluation.chips
    if found is None:
        return None
    return {
        "model": found.model,
        "photos": found.photos,
        "two_names_one_person": [
            {
                "people": [chips.people[row] for row in (pair.first, pair.second)],
                "photos": [chips.photos[row] for row in (pair.first, pair.second)],
                "distance": round(pair.distance, 4),
                "mean_distance": round(pair.mean, 4),
            }
            for pair in found.two_names
        ],
        "one_name_two_persons": [
            {
                "person": chips.people[one.photo],
                "photo": chips.photos[one.photo],
                "distance_to_own": round(one.own, 4),
                "own_photo": chips.photos[one.typical],
                "nearest_person": chips.people[one.other],
                "nearest_photo": chips.photos[one.other],
                "nearest_distance": round(one.distance, 4),
            }
            for one in found.one_name
        ],
    }


def quality_errors(scored: ScoredPairs, chips: ChipSet) -> dict[str, list[dict[str, float]]]:
    """FNMR at the threshold in force against quality: five equally full groups of genuine pairs by their worse photo.

    Returns:
        For each measure of ``faces.quality.Quality``, the groups in ascending order; nothing without a threshold.
    """
    if not math.isfinite(scored.threshold):
        return {}
    genuine = scored.pairs.same
    first, second = scored.pairs.first[genuine], scored.pairs.second[genuine]
    missed = scored.distances[genuine] > scored.threshold
    errors = {}
    for name, values in chips.quality.items():
        worse = (np.maximum if name in WORSE_WHERE_MORE else np.minimum)(values[first], values[second])
        order = np.argsort(worse, kind="stable")
        errors[name] = [
            {
                "from": round(float(worse[group[0]]), 4),
                "to": round(float(worse[group[-1]]), 4),
                "pairs": len(group),
                "fnmr": round(float(missed[group].mean()), 6),
            }
            for group in np.array_split(order, BINS)
            if len(group)
        ]
    return errors


def _pictures(evaluation: Evaluation, with_photos: bool) -> list[Picture]:
    from facerec_cli.evaluation import plots  # noqa: PLC0415 - matplotlib takes a second to import

    pictures: list[Picture] = []
    for protocol in evaluation.protocols:
        section = title(protocol)
        stem = section.replace(", ", "-").replace(" ", "-")

        def add(name: str, caption: str, png: bytes, section: str = section) -> None:
            pictures.append(Picture(name, caption, png, section))

        results = dict(zip(evaluation.models, evaluation.results[section], strict=True))
        scored = {model: result.scored for model, result in results.items() if result.scored}
        searches = {model: result.searches for model, result in results.items() if result.searches}
        if scored:
            add(f"{stem}-roc", f"{section}: ROC", plots.roc_curves(scored))
            add(f"{stem}-det", f"{section}: DET", plots.det_curves(scored))
        for place, (model, pairs) in enumerate(scored.items(), start=1):
            label = f"{section}, {model}"
            slug = f"{stem}-{place}-{_slug(model)}"
            add(f"{slug}-distances", f"{label}: distances", plots.distances(pairs))
            errors = quality_errors(pairs, evaluation.chips)
            if errors:
                add(f"{slug}-quality", f"{label}: error against quality", plots.quality(errors))
            if with_photos:
                for same, caption in ((True, "genuine pairs"), (False, "impostor pairs; look for wrong labels")):
                    picture = plots.hardest(pairs, evaluation.chips, same=same)
                    add(f"{slug}-hardest-{caption.split()[0]}", f"{label}: the ten hardest {caption}", picture)
        if searches:
            caption = f"{section}: people found against strangers named"
            add(f"{stem}-open-set", caption, plots.open_set(searches))
    if with_photos and evaluation.mislabelled:
        pictures += _contact_sheets(evaluation.mislabelled, evaluation.chips)
    return pictures


def _contact_sheets(found: Mislabelled, chips: ChipSet) -> list[Picture]:
    def entry(heading: str, *rows: int) -> Entry:
        return Entry(
            heading, [Tile(chips.chips[row], [chips.people[row], chips.photos[row].rpartition("/")[2]]) for row in rows]
        )

    sheets = {
        ("mislabelled-two-names", TWO_NAMES): [
            entry(f"distance {pair.distance:.3f}, mean {pair.mean:.3f}", pair.first, pair.second)
            for pair in found.two_names
        ],
        ("mislabelled-one-name", ONE_NAME): [
            entry(
                f"its own name {one.own:.3f}, another {one.distance:.3f}",
                one.photo,
                one.typical,
                one.other,
            )
            for one in found.one_name
        ],
    }
    return [
        Picture(name, caption, contact_sheet(entries), MISLABELLED)
        for (name, caption), entries in sheets.items()
        if entries
    ]


def _slug(model: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in model)


def _not_written(folder: Path, error: OSError) -> ReportError:
    reason, remedy = refusal(error)
    return ReportError(f"The report cannot be written to {folder}, {reason}", remedy)
