"""An evaluation as one HTML page, with its pictures in it."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.evaluation.intervals import REPLICATES, Estimate
from facerec_cli.evaluation.measuring import Protocol, title
from facerec_cli.evaluation.mislabelled import Mislabelled
from facerec_cli.evaluation.results import Evaluation, written

MISLABELLED = "perhaps mislabelled"
"""The section of what may be under a wrong name."""
TWO_NAMES = "two names, perhaps one person"
ONE_NAME = "one name, perhaps two persons"


@dataclass(frozen=True)
class Picture:
    """A picture of a report.

    Attributes:
        name: of its file, without an ending.
        caption: what people read below it.
        png: the file.
        section: the title of the protocol that it belongs to, or ``MISLABELLED``; empty for one that comes before all.
    """

    name: str
    caption: str
    png: bytes
    section: str = ""


def page(evaluation: Evaluation, pictures: Sequence[Picture], advice: Sequence[str] = ()) -> str:
    """The page, which needs no other file; advice, in sentences, comes first."""
    parts = [f"<p class=advice>{html.escape(sentence)}</p>" for sentence in advice] + _figures(pictures, "")
    for protocol in evaluation.protocols:
        parts.append(f"<h2>{html.escape(title(protocol))}</h2><p>{html.escape(protocol.description)}.</p>")
        parts += [f"<p class=note>{html.escape(note)}.</p>" for note in evaluation.notes(protocol)]
        parts.append(_measures(evaluation, protocol))
        parts += _by_group(evaluation, protocol)
        parts += _figures(pictures, title(protocol))
    if evaluation.mislabelled:
        parts += _mislabelled(evaluation.mislabelled, evaluation.chips)
        parts += _figures(pictures, MISLABELLED)
    heading = f"facerec: {' · '.join(evaluation.models)} on {evaluation.chips.folder.name}"
    chips = evaluation.chips
    data_line = (
        f"{len(chips.photos):,} photos of {len(set(chips.people)):,} people; {len(chips.faceless):,} show no face, "
        f"{len(chips.unreadable):,} cannot be read. Intervals: 95 %, bootstrap over people, {REPLICATES:,} draws."
    )
    faceless = "".join(f"<li>{html.escape(photo)}</li>" for photo in chips.faceless)
    left_out = f"<details><summary>photos without a face</summary><ul>{faceless}</ul></details>" if faceless else ""
    return _TEMPLATE.format(title=html.escape(heading), data=data_line, left_out=left_out, body="\n".join(parts))


def _figures(pictures: Sequence[Picture], section: str) -> list[str]:
    return [_figure(picture) for picture in pictures if picture.section == section]


def _figure(picture: Picture) -> str:
    data, text = base64.b64encode(picture.png).decode(), html.escape(picture.caption)
    image = f'<img alt="{text}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{text}</figcaption></figure>"


def _mislabelled(found: Mislabelled, chips: ChipSet) -> list[str]:
    told = (
        f"What {found.model} finds likeliest among {found.photos:,} photos, for people to look at: look-alikes, and "
        "poor photos, are among it"
    )
    pairs = [
        (chips.photos[pair.first], chips.photos[pair.second], f"{pair.distance:.3f}", f"{pair.mean:.3f}")
        for pair in found.two_names
    ]
    photos = [
        (chips.photos[one.photo], f"{one.own:.3f}", chips.photos[one.other], f"{one.distance:.3f}")
        for one in found.one_name
    ]
    return [
        f"<h2>{MISLABELLED}</h2><p>{html.escape(told)}.</p>",
        f"<h3>{TWO_NAMES}</h3>{_table(('photo', 'photo', 'distance', 'mean of all their photos'), pairs)}",
        f"<h3>{ONE_NAME}</h3>"
        + _table(("photo", "median distance to its name's others", "nearest of another name", "distance"), photos),
    ]


def _measures(evaluation: Evaluation, protocol: Protocol) -> str:
    rows = _lines(evaluation.estimates(protocol))
    errors = [result.standard_error for result in evaluation.results[title(protocol)]]
    if errors[0] is not None:
        rows.insert(
            1, ["standard error of the accuracy over the folds", *(f"{(error or 0) * 100:.2f} %" for error in errors)]
        )
    return _table(["measure", *_heads(evaluation)], rows)


def _by_group(evaluation: Evaluation, protocol: Protocol) -> list[str]:
    """A table for each column of groups."""
    rows: dict[str, list[list[str]]] = {}
    for (column, group), measures in evaluation.by_group(protocol).items():
        rows.setdefault(column, []).extend([group, *line] for line in _lines(measures))
    return [
        f"<h3>by {html.escape(column)}</h3>{_table([column, 'measure', *_heads(evaluation)], lines)}"
        for column, lines in rows.items()
    ]


def _heads(evaluation: Evaluation) -> list[str]:
    first, *others = evaluation.models
    return [*evaluation.models, *(f"{model} − {first}" for model in others)]


def _lines(measures: Mapping[str, Sequence[Estimate]]) -> list[list[str]]:
    """A line a measure: the models' estimates, and the others' differences to the first."""
    return [
        [
            measure,
            *(written(measure, estimate) for estimate in estimates),
            *(written(measure, estimate.minus(estimates[0]), signed=True) for estimate in estimates[1:]),
        ]
        for measure, estimates in measures.items()
    ]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "<p>none</p>"
    lines = [
        "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
        for tag, cells in [("th", heads), *(("td", row) for row in rows)]
    ]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


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
.advice {{ font-size: 1.15rem; border-left: .25rem solid #0a6; padding-left: .75rem; margin: .75rem 0; }}
</style>
<h1>{title}</h1>
<p>{data}</p>
{left_out}
{body}
</html>
"""
