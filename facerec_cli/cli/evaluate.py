"""facerec evaluate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facerec_cli.cli import options
from facerec_cli.cli.progress import Reporter, load_data_set
from facerec_cli.cli.render import Results, count
from facerec_cli.defaults import DEFAULT_MODEL

if TYPE_CHECKING:
    from facerec_cli.datasets.chips import ChipSet
    from facerec_cli.encoders.bundle import Bundle
    from facerec_cli.evaluation.intervals import Estimate
    from facerec_cli.evaluation.measuring import Protocol
    from facerec_cli.evaluation.report import Evaluation

_PROTOCOLS = ("view1", "view2", "pairs", "identification", "one-shot")
_COLUMNS = ("protocol", "measure", "model", "value", "low", "high", "difference", "difference_low", "difference_high")


@click.command(
    "evaluate",
    short_help="Measure models on LFW or on your own people.",
    cls=options.ModelsCommand,
    epilog="Example: facerec evaluate -m saved_best pretrained --data data/lfw --report report",
)
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    default=(DEFAULT_MODEL,),
    show_default=DEFAULT_MODEL,
    metavar="MODEL...",
    help="Models: names or folders; takes all that follow up to the next option.",
)
@options.data_option
@click.option(
    "--protocol",
    "asked",
    type=click.Choice([*_PROTOCOLS, "all"]),
    default="all",
    show_default=True,
    help="What to measure; view1 and view2 are LFW's own.",
)
@click.option(
    "--report",
    "report_folder",
    type=options.GivenPath(file_okay=False),
    metavar="DIR",
    help="Write metrics.json, pictures and a self-contained report.html to this folder.",
)
@options.format_option
def command(models: tuple[str, ...], data: Path, asked: str, report_folder: Path | None, output_format: str) -> int:
    """Measure models on LFW or on your own folder of people, with 95 % confidence intervals.

    The folder has a sub-folder a person. People that a model was trained on are left out; the intervals come from a
    bootstrap over people, and several models are compared with the first on the same draws.
    """
    from facerec_cli.encoders.bundle import resolve_bundle
    from facerec_cli.evaluation.evaluating import choose_protocols, evaluate
    from facerec_cli.evaluation.protocols import LFW_PROTOCOLS
    from facerec_cli.evaluation.report import check_report, write_report

    if report_folder:
        check_report(report_folder)
    bundles = {model: resolve_bundle(model) for model in models}
    with Reporter("Finding faces", output_format=output_format) as reporter:
        chips = load_data_set(data, reporter)
        choice = choose_protocols(chips, bundles.values(), None if asked == "all" else asked)
        for error in choice.refused:
            reporter.warn(error)
        if not all(protocol.name in LFW_PROTOCOLS for protocol in choice.protocols):
            _warn_of_judges(chips, bundles.values(), reporter)
    columns = _table_columns(list(bundles)) if output_format == "table" else _COLUMNS
    title = f"Embedding with {', '.join(bundle.name for bundle in bundles.values())}"
    with Results(output_format, columns) as results, Reporter(title, output_format=output_format) as embedding:

        def show(evaluation: Evaluation, protocol: Protocol) -> None:
            for note in (protocol.description, *evaluation.notes(protocol)):
                embedding.note(f"{protocol.name}: {note}.")
            if output_format == "table":
                results.add({}, _table_rows(evaluation, protocol))
            else:
                for row in _rows(evaluation, protocol):
                    results.add(row)

        evaluation = evaluate(bundles, chips, choice.protocols, embedding.update, show)
    if report_folder:
        write_report(report_folder, evaluation)
        reporter.note(f"Wrote {report_folder / 'report.html'}.")
    return reporter.status


def _warn_of_judges(chips: ChipSet, bundles: Iterable[Bundle], reporter: Reporter) -> None:
    """Say which models' best epoch was chosen by people who are measured here."""
    from facerec_cli.evaluation.evaluating import judges_of_training

    for bundle in bundles:
        judges = judges_of_training(chips, bundle)
        if judges:
            reporter.warn(
                f"{count(len(judges), 'person')} of {chips.folder.name} chose the best epoch of {bundle.name}: where "
                "they take part, its numbers are a little too good."
            )


def _rows(evaluation: Evaluation, protocol: Protocol) -> list[dict[str, Any]]:
    """A row for each measure and model; differences are to the first model."""
    rows = []
    for measure, estimates in evaluation.estimates(protocol).items():
        for place, (model, estimate) in enumerate(zip(evaluation.models, estimates, strict=True)):
            row: dict[str, Any] = {
                "protocol": protocol.name,
                "measure": measure,
                "model": model,
                **_numbers(estimate, "value", "low", "high"),
            }
            difference = estimate.minus(estimates[0]) if place else None
            rows.append(row | _numbers(difference, "difference", "difference_low", "difference_high"))
    return rows


def _numbers(estimate: Estimate | None, *names: str) -> dict[str, float | None]:
    if estimate is None:
        return dict.fromkeys(names)
    values = (estimate.value, *estimate.interval)
    return {name: round(value, 6) if math.isfinite(value) else None for name, value in zip(names, values, strict=True)}


def _table_columns(models: Sequence[str]) -> tuple[str, ...]:
    return ("protocol", "measure", *models, *(f"{model} - {models[0]}" for model in models[1:]))


def _table_rows(evaluation: Evaluation, protocol: Protocol) -> list[dict[str, str]]:
    from facerec_cli.evaluation.report import written

    rows = []
    for measure, estimates in evaluation.estimates(protocol).items():
        differences = [estimate.minus(estimates[0]) for estimate in estimates[1:]]
        cells = [written(measure, estimate) for estimate in estimates]
        cells += [written(measure, difference, signed=True) for difference in differences]
        rows.append(dict(zip(_table_columns(evaluation.models), [protocol.name, measure, *cells], strict=True)))
    error = evaluation.results[protocol.name][0].standard_error
    if error is not None:
        rows[0]["measure"] += " (± standard error over the folds)"
        for model, result in zip(evaluation.models, evaluation.results[protocol.name], strict=True):
            rows[0][model] += f" ± {(result.standard_error or 0) * 100:.2f}"
    return rows
