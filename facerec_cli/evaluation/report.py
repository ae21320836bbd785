"""The results of an evaluation, side by side: metrics.json, pictures, and one HTML page with all of it."""

from __future__ import annotations

import base64
import html
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.defaults import VERSION
from facerec_cli.errors import DependencyError, ReportError
from facerec_cli.evaluation.intervals import REPLICATES, Estimate
from facerec_cli.evaluation.measuring import Protocol, Result
from facerec_cli.evaluation.pairs import ScoredPairs
from facerec_cli.faces.quality import WORSE_WHERE_MORE
from facerec_cli.files import refusal, write_file
from facerec_cli.json_text import json_text

BINS = 5
"""Equally full groups of photos in which error is shown against quality."""


@dataclass
class Evaluation:
    """The results of several models, in the order of ``models``, for each protocol."""

    chips: ChipSet
    models: list[str]
    protocols: list[Protocol] = field(default_factory=list)
    results: dict[str, list[Result]] = field(default_factory=dict)

    def add(self, protocol: Protocol, result: Result) -> None:
        """Add the next model's result."""
        if protocol not in self.protocols:
            self.protocols.append(protocol)
        self.results.setdefault(protocol.name, []).append(result)

    def estimates(self, protocol: Protocol) -> dict[str, list[Estimate]]:
        """Each measure's estimates, a model each; measures that every model has."""
        results = self.results[protocol.name]
        shared = [name for name in results[0].numbers if all(name in result.numbers for result in results)]
        return {name: [result.numbers[name] for result in results] for name in shared}

    def notes(self, protocol: Protocol) -> list[str]:
        """What must be said beside the numbers: of the data, then of each model, once each."""
        notes = list(protocol.notes)
        for model, result in zip(self.models, self.results[protocol.name], strict=True):
            notes += [*result.notes, *(f"{model}: {note}" for note in result.model_notes)]
        return list(dict.fromkeys(notes))


def written(measure: str, estimate: Estimate, *, signed: bool = False) -> str:
    """An estimate with its 95 % confidence interval, for people; ``n/a`` where the data cannot say."""
    if not math.isfinite(estimate.value):
        return "n/a"
    low, high = estimate.interval
    sign = "+" if signed else ""
    if measure == "AUC":
        return f"{estimate.value:{sign}.4f} [{low:{sign}.4f}, {high:{sign}.4f}]"
    scale, unit = 100, "points" if signed else "%"
    return f"{estimate.value * scale:{sign}.2f} {unit} [{low * scale:{sign}.2f}, {high * scale:{sign}.2f}]"


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
    folder: Path, evaluation: Evaluation, *, with_photos: bool = True, further: Mapping[tuple[str, str], bytes] = {}
) -> None:
    """Write metrics.json, pictures/*.png and report.html, which holds the pictures itself.

    Args:
        folder: where to.
        evaluation: the results.
        with_photos: show the hardest pairs' faces, which a report that goes with a model must not.
        further: PNG files by name and caption, to stand before the others.

    Raises:
        ReportError: the folder cannot be written to.
    """
    pictures = dict(further) | _pictures(evaluation, with_photos)
    try:
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
        for (name, _), picture in pictures.items():
            write_file(folder / "pictures" / f"{name}.png", picture)
        write_file(folder / "metrics.json", f"{json_text(metrics_of(evaluation), indent=2)}\n".encode())
        write_file(folder / "report.html", _page(evaluation, pictures).encode(errors="backslashreplace"))
    except OSError as error:
        raise _not_written(folder, error) from error


def metrics_of(evaluation: Evaluation) -> dict[str, Any]:
    """Every number, as metrics.json holds it; null where the data cannot say."""

    def numbers(estimate: Estimate) -> dict[str, Any]:
        values = (estimate.value, *estimate.interval)
        value, low, high = (round(number, 6) if math.isfinite(number) else None for number in values)
        return {"value": value, "interval_95": [low, high]}

    protocols = {}
    for protocol in evaluation.protocols:
        results = evaluation.results[protocol.name]
        measures: dict[str, Any] = {}
        for measure, estimates in evaluation.estimates(protocol).items():
            measures[measure] = {
                model: numbers(estimate) | ({"difference": numbers(estimate.minus(estimates[0]))} if place else {})
                for place, (model, estimate) in enumerate(zip(evaluation.models, estimates, strict=True))
            }
        protocols[protocol.name] = {
            "description": protocol.description,
            "notes": evaluation.notes(protocol),
            "standard_error": {
                model: result.standard_error for model, result in zip(evaluation.models, results, strict=True)
            },
            "measures": measures,
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


def _pictures(evaluation: Evaluation, with_photos: bool) -> dict[tuple[str, str], bytes]:
    """PNG files by name and caption."""
    from facerec_cli.evaluation import plots  # noqa: PLC0415 - matplotlib takes a second to import

    pictures: dict[tuple[str, str], bytes] = {}
    for protocol in evaluation.protocols:
        results = dict(zip(evaluation.models, evaluation.results[protocol.name], strict=True))
        scored = {model: result.scored for model, result in results.items() if result.scored}
        searches = {model: result.searches for model, result in results.items() if result.searches}
        if scored:
            pictures[f"{protocol.name}-roc", f"{protocol.name}: ROC"] = plots.roc_curves(scored)
            pictures[f"{protocol.name}-det", f"{protocol.name}: DET"] = plots.det_curves(scored)
        for place, (model, pairs) in enumerate(scored.items(), start=1):
            label = f"{protocol.name}, {model}"
            slug = f"{protocol.name}-{place}-{_slug(model)}"
            pictures[f"{slug}-distances", f"{label}: distances"] = plots.distances(pairs)
            errors = quality_errors(pairs, evaluation.chips)
            if errors:
                pictures[f"{slug}-quality", f"{label}: error against quality"] = plots.quality(errors)
            if with_photos:
                for same, caption in ((True, "genuine pairs"), (False, "impostor pairs; look for wrong labels")):
                    name = f"{slug}-hardest-{caption.split()[0]}"
                    picture = plots.hardest(pairs, evaluation.chips, same=same)
                    pictures[name, f"{label}: the ten hardest {caption}"] = picture
        if searches:
            pictures[f"{protocol.name}-open-set", f"{protocol.name}: people found against strangers named"] = (
                plots.open_set(searches)
            )
    return pictures


def _slug(model: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in model)


def _page(evaluation: Evaluation, pictures: dict[tuple[str, str], bytes]) -> str:
    parts = []
    for (name, caption), picture in pictures.items():
        if not any(name.startswith(f"{protocol.name}-") for protocol in evaluation.protocols):
            parts.append(_figure(caption, picture))
    for protocol in evaluation.protocols:
        parts.append(f"<h2>{html.escape(protocol.name)}</h2><p>{html.escape(protocol.description)}.</p>")
        parts += [f"<p class=note>{html.escape(note)}.</p>" for note in evaluation.notes(protocol)]
        parts.append(_table(evaluation, protocol))
        for (name, caption), picture in pictures.items():
            if name.startswith(f"{protocol.name}-"):
                parts.append(_figure(caption, picture))
    title = f"facerec: {' · '.join(evaluation.models)} on {evaluation.chips.folder.name}"
    chips = evaluation.chips
    data_line = (
        f"{len(chips.photos):,} photos of {len(set(chips.people)):,} people; {len(chips.faceless):,} show no face, "
        f"{len(chips.unreadable):,} cannot be read. Intervals: 95 %, bootstrap over people, {REPLICATES:,} draws."
    )
    faceless = "".join(f"<li>{html.escape(photo)}</li>" for photo in chips.faceless)
    left_out = f"<details><summary>photos without a face</summary><ul>{faceless}</ul></details>" if faceless else ""
    return _TEMPLATE.format(title=html.escape(title), data=data_line, left_out=left_out, body="\n".join(parts))


def _figure(caption: str, picture: bytes) -> str:
    data, text = base64.b64encode(picture).decode(), html.escape(caption)
    image = f'<img alt="{text}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{text}</figcaption></figure>"


def _table(evaluation: Evaluation, protocol: Protocol) -> str:
    first, *others = evaluation.models
    heads = ["measure", *evaluation.models, *(f"{model} − {first}" for model in others)]
    rows = []
    for measure, estimates in evaluation.estimates(protocol).items():
        cells = [measure, *(written(measure, estimate) for estimate in estimates)]
        cells += [written(measure, estimate.minus(estimates[0]), signed=True) for estimate in estimates[1:]]
        rows.append("".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
    errors = [result.standard_error for result in evaluation.results[protocol.name]]
    if errors[0] is not None:
        cells = ["standard error of the accuracy over the folds", *(f"{(error or 0) * 100:.2f} %" for error in errors)]
        rows.insert(1, "".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in heads)
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"


def _not_written(folder: Path, error: OSError) -> ReportError:
    reason, remedy = refusal(error)
    return ReportError(f"The report cannot be written to {folder}, {reason}", remedy)


_TEMPLATE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; margin: 1rem 0; }}
th, td {{ text-align: left; padding: .25rem 1rem .25rem 0; border-bottom: 1px solid #ddd; }}
td {{ font-variant-numeric: tabular-nums; }}
figure {{ margin: 1.5rem 0; }}
img {{ max-width: 100%; }}
figcaption, .note {{ color: #555; }}
</style>
<h1>{title}</h1>
<p>{data}</p>
{left_out}
{body}
</html>
"""
