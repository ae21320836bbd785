"""facerec evaluate."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facerec_cli.cli import options
from facerec_cli.cli.progress import Reporter, load_data_set
from facerec_cli.cli.render import Results
from facerec_cli.cli.spreading import ray_option, spread_over
from facerec_cli.defaults import DEFAULT_MODEL
from facerec_cli.words import count, some

if TYPE_CHECKING:
    from facerec_cli.datasets.chips import ChipSet
    from facerec_cli.datasets.groups import Groups
    from facerec_cli.encoders.bundle import Bundle
    from facerec_cli.evaluation.intervals import Estimate
    from facerec_cli.evaluation.measuring import Protocol
    from facerec_cli.evaluation.results import Evaluation

_PROTOCOLS = ("view1", "view2", "pairs", "identification", "one-shot")
_COLUMNS = (
    "protocol",
    "photos",
    "column",
    "group",
    "measure",
    "model",
    "value",
    "low",
    "high",
    "difference",
    "difference_low",
    "difference_high",
)


def _counts(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    """``1,3,5`` as numbers."""
    counts = value.replace(" ", "").split(",")
    if not all(text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0 for text in counts):
        raise click.BadParameter(f"{value!r} is no list such as 1,3,5, of whole numbers from 1 up.")
    return tuple(sorted({int(text) for text in counts}))


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
    "--photos",
    "photos",
    metavar="K,K,…",
    callback=_counts,
    default="1",
    show_default=True,
    help="Photos enrolled a person for identification, such as 1,3,5: each measured, on the same people.",
)
@click.option(
    "--groups",
    "groups_file",
    type=options.GivenPath(dir_okay=False),
    metavar="CSV",
    help="Tell results by group too: a CSV file with the header person,group, or with several columns of groups.",
)
@click.option(
    "--report",
    "report_folder",
    type=options.GivenPath(file_okay=False),
    metavar="DIR",
    help="Write metrics.json, pictures and a self-contained report.html to this folder.",
)
@options.device_option
@ray_option
@options.format_option
def command(
    models: tuple[str, ...],
    data: Path,
    asked: str,
    photos: tuple[int, ...],
    groups_file: Path | None,
    report_folder: Path | None,
    device: str,
    ray: str | None,
    output_format: str,
) -> int:
    """Measure models on LFW or on your own folder of people, with 95 % confidence intervals.

    The folder has a sub-folder a person. People that a model was trained on are left out; the intervals come from a
    bootstrap over people, and several models are compared with the first on the same draws.

    Of each group, pairs tell FNMR, and FMR within the group and against everybody; identification tells how many of its
    people are found, and how many of its strangers named, at the model's own thresholds.
    """
    from facerec_cli.datasets.groups import read_groups
    from facerec_cli.encoders.bundle import resolve_bundle
    from facerec_cli.errors import TooFewPhotosError
    from facerec_cli.evaluation.breakdown import Breakdown
    from facerec_cli.evaluation.evaluating import choose_protocols, evaluate
    from facerec_cli.evaluation.measuring import title
    from facerec_cli.evaluation.protocols import LFW_PROTOCOLS
    from facerec_cli.evaluation.report import check_report, write_report

    if photos != (1,) and asked not in ("identification", "all"):
        raise click.UsageError(f"--photos is for identification, and --protocol asks for {asked}.")
    if groups_file and asked not in ("pairs", "identification", "all"):
        raise click.UsageError(f"--groups is for pairs and identification, and --protocol asks for {asked}.")
    if report_folder:
        check_report(report_folder)
    groups = read_groups(groups_file) if groups_file else None
    bundles = {model: resolve_bundle(model) for model in models}
    spread = click.get_current_context().with_resource(spread_over(ray))
    with Reporter("Finding faces", output_format=output_format) as reporter:
        chips = load_data_set(data, reporter, spread)
        columns = _columns(groups, chips, reporter) if groups else {}
        choice = choose_protocols(chips, bundles.values(), None if asked == "all" else asked, photos)
        for error in choice.refused:
            # What the data do not serve is no error, but for what was asked for by its number.
            (reporter.error if isinstance(error, TooFewPhotosError) and photos != (1,) else reporter.warn)(error)
        if not all(protocol.name in LFW_PROTOCOLS for protocol in choice.protocols):
            _warn_of_judges(chips, bundles.values(), reporter)
    breakdowns = [Breakdown(column, group_of, chips, choice.unseen) for column, group_of in columns.items()]
    shown = _table_columns(list(bundles)) if output_format == "table" else _COLUMNS
    work = f"Embedding with {', '.join(bundle.name for bundle in bundles.values())}"
    with Results(output_format, shown) as results, Reporter(work, output_format=output_format) as embedding:

        def show(evaluation: Evaluation, protocol: Protocol) -> None:
            for note in (protocol.description, *evaluation.notes(protocol)):
                embedding.note(f"{title(protocol)}: {note}.")
            if output_format == "table":
                results.add({}, _table_rows(evaluation, protocol))
            else:
                for row in _rows(evaluation, protocol):
                    results.add(row)

        evaluation = evaluate(bundles, chips, choice.protocols, embedding.update, show, breakdowns, spread, device)
        _tell_of_mislabelled(evaluation, embedding)
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


def _columns(groups: Groups, chips: ChipSet, reporter: Reporter) -> dict[str, dict[str, str]]:
    """By what to tell results; says which persons are not in the data, and how many people are in each group."""
    columns, unknown = groups.among(chips.rows_of)
    if unknown:
        who = count(len(unknown), "person")
        reporter.warn(f"{who} of {groups.path} not in {chips.folder.name}, or without a face: {some(unknown)}.")
    for column, group_of in columns.items():
        reporter.note(f"By {column}: {count(len(group_of), 'person')} of {len(chips.rows_of):,} in {_told(group_of)}.")
    return {column: group_of for column, group_of in columns.items() if group_of}


def _told(group_of: Mapping[str, str]) -> str:
    sizes = Counter(group_of.values())
    return some([f"{group} ({sizes[group]:,})" for group in sorted(sizes)]) or "no group"


def _tell_of_mislabelled(evaluation: Evaluation, reporter: Reporter) -> None:
    """Name what may be under a wrong name; a report has all of it, with the faces."""
    found, chips = evaluation.mislabelled, evaluation.chips
    if found is None:
        return
    pairs = [f"{chips.people[pair.first]} and {chips.people[pair.second]}" for pair in found.two_names]
    photos = [chips.photos[one.photo] for one in found.one_name]
    if pairs:
        reporter.note(f"Perhaps one person under two names, {len(pairs)} of the likeliest: {some(pairs)}.")
    if photos:
        reporter.note(f"Perhaps somebody else than the name says, {len(photos)} of the likeliest: {some(photos)}.")
    if pairs or photos:
        reporter.note("--report shows all of these, with their faces: look before you rename.")


def _rows(evaluation: Evaluation, protocol: Protocol) -> list[dict[str, Any]]:
    """A row for each measure and model, of everybody and then of each group; differences are to the first model."""
    everybody: tuple[str | None, str | None] = (None, None)
    parts = [(everybody, evaluation.estimates(protocol)), *evaluation.by_group(protocol).items()]
    rows = []
    for (column, group), measures in parts:
        for measure, estimates in measures.items():
            for place, (model, estimate) in enumerate(zip(evaluation.models, estimates, strict=True)):
                row: dict[str, Any] = {
                    "protocol": protocol.name,
                    "photos": protocol.photos,
                    "column": column,
                    "group": group,
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
    from facerec_cli.evaluation.measuring import title
    from facerec_cli.evaluation.results import written

    named = dict(evaluation.estimates(protocol))
    for (column, group), measures in evaluation.by_group(protocol).items():
        named |= {f"{column} {group}: {measure}": estimates for measure, estimates in measures.items()}
    rows = []
    for measure, estimates in named.items():
        differences = [estimate.minus(estimates[0]) for estimate in estimates[1:]]
        cells = [written(measure, estimate) for estimate in estimates]
        cells += [written(measure, difference, signed=True) for difference in differences]
        rows.append(dict(zip(_table_columns(evaluation.models), [title(protocol), measure, *cells], strict=True)))
    error = evaluation.results[title(protocol)][0].standard_error
    if error is not None:
        rows[0]["measure"] += " (± standard error over the folds)"
        for model, result in zip(evaluation.models, evaluation.results[title(protocol)], strict=True):
            rows[0][model] += f" ± {(result.standard_error or 0) * 100:.2f}"
    return rows
