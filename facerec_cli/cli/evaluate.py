"""facerec evaluate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facerec_cli.cli import options
from facerec_cli.cli.measuring import embed, load
from facerec_cli.cli.render import Reporter, Results, count

if TYPE_CHECKING:
    from facerec_cli.datasets.chips import ChipSet
    from facerec_cli.evaluation.intervals import Estimate
    from facerec_cli.evaluation.protocols import Protocol
    from facerec_cli.evaluation.report import Comparison
    from facerec_cli.recognizer import Recognizer

_PROTOCOLS = ("view1", "view2", "pairs", "identification", "one-shot")
_COLUMNS = ("protocol", "measure", "model", "value", "low", "high", "difference", "difference_low", "difference_high")


@click.command(
    "evaluate",
    cls=options.ModelsCommand,
    epilog="Example: facerec evaluate -m saved_best pretrained --data data/lfw --report report",
)
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    default=("pretrained",),
    show_default="pretrained",
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
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write metrics.json, pictures and a self-contained report.html to this folder.",
)
@options.format_option
def command(models: tuple[str, ...], data: Path, asked: str, report_folder: Path | None, output_format: str) -> int:
    """Measure models on LFW or on your own folder of people, with 95 % confidence intervals.

    The folder has a sub-folder a person. People that a model was trained on are left out; the intervals come from a
    bootstrap over people, and several models are compared with the first on the same draws.
    """
    from facerec_cli.evaluation.report import Comparison, check_report, write_report
    from facerec_cli.recognizer import Recognizer

    if report_folder:
        check_report(report_folder)
    labels = list(dict.fromkeys(models))
    recognizers = [Recognizer(model) for model in labels]
    with Reporter("Finding faces", output_format=output_format) as reporter:
        chips = load(data, reporter)
        protocols = _protocols(asked, chips, recognizers, reporter)
        if not all(protocol.name.startswith("view") for protocol in protocols):
            _warn_of_validation(chips, recognizers, reporter)
    comparison = Comparison(chips, labels)
    rows = sorted({int(row) for protocol in protocols for row in protocol.rows()})
    embeddings = [embed(recognizer, chips, rows, output_format) for recognizer in recognizers]
    columns = _table_columns(comparison.models) if output_format == "table" else _COLUMNS
    with (
        Results(output_format, columns) as results,
        Reporter("Measuring", len(protocols) * len(recognizers), output_format=output_format) as measuring,
    ):
        for protocol in protocols:
            for recognizer, embedded in zip(recognizers, embeddings, strict=True):
                measured = protocol.measure(embedded, recognizer.metric, recognizer.calibration)
                comparison.add(protocol, measured)
                measuring.advance()
            measuring.note(f"{protocol.name}: {protocol.description}.")
            for note in comparison.notes(protocol):
                measuring.note(f"{protocol.name}: {note}.")
            if output_format == "table":
                results.add({}, list(_table_rows(comparison, protocol)))
            else:
                for row in _rows(comparison, protocol):
                    results.add(row)
    if report_folder:
        write_report(report_folder, comparison)
        reporter.note(f"Wrote {report_folder / 'report.html'}.")
    return reporter.status


def _protocols(asked: str, chips: ChipSet, recognizers: Sequence[Recognizer], reporter: Reporter) -> list[Protocol]:
    from facerec_cli.encoders.bundle import CALIBRATION_PEOPLE, TRAINING_PEOPLE
    from facerec_cli.errors import DataError
    from facerec_cli.evaluation.protocols import PROTOCOLS, Exclusions

    bundles = [recognizer.bundle for recognizer in recognizers]
    seen = Exclusions(
        frozenset().union(*(bundle.people(TRAINING_PEOPLE) for bundle in bundles)),
        frozenset().union(*(bundle.people(CALIBRATION_PEOPLE) for bundle in bundles)),
    )
    if asked != "all":
        return [PROTOCOLS[asked](chips, seen)]
    made: list[Protocol] = []
    refused: list[DataError] = []
    for name in _PROTOCOLS:
        if name.startswith("view") and not chips.is_lfw:
            continue
        try:
            made.append(PROTOCOLS[name](chips, seen))
        except DataError as error:
            refused.append(error)
    if not made:
        raise refused[0]
    for refusal in refused:
        reporter.warn(refusal)
    return made


def _warn_of_validation(chips: ChipSet, recognizers: Sequence[Recognizer], reporter: Reporter) -> None:
    """Say which models' best epoch was chosen by people who are measured here."""
    from facerec_cli.encoders.bundle import VALIDATION_PEOPLE

    for bundle in (recognizer.bundle for recognizer in recognizers):
        chosen = bundle.people(VALIDATION_PEOPLE) & chips.rows_of.keys()
        if chosen:
            reporter.warn(
                f"{count(len(chosen), 'person')} of {chips.folder.name} chose the best epoch of {bundle.name}: where "
                "they take part, its numbers are a little too good."
            )


def _rows(comparison: Comparison, protocol: Protocol) -> list[dict[str, Any]]:
    """A row for each measure and model; differences are to the first model."""
    rows = []
    for measure, estimates in comparison.estimates(protocol).items():
        for place, (model, estimate) in enumerate(zip(comparison.models, estimates, strict=True)):
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


def _table_rows(comparison: Comparison, protocol: Protocol) -> list[dict[str, str]]:
    from facerec_cli.evaluation.report import written

    rows = []
    for measure, estimates in comparison.estimates(protocol).items():
        differences = [estimate.minus(estimates[0]) for estimate in estimates[1:]]
        cells = [written(measure, estimate) for estimate in estimates]
        cells += [written(measure, difference, signed=True) for difference in differences]
        rows.append(dict(zip(_table_columns(comparison.models), [protocol.name, measure, *cells], strict=True)))
    error = comparison.results[protocol.name][0].standard_error
    if error is not None:
        rows[0]["measure"] += " (± standard error over the folds)"
        for model, result in zip(comparison.models, comparison.results[protocol.name], strict=True):
            rows[0][model] += f" ± {(result.standard_error or 0) * 100:.2f}"
    return rows
