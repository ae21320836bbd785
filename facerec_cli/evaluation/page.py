"""An evaluation as one HTML page, with its pictures in it."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

from facerec_cli.evaluation.intervals import REPLICATES
from facerec_cli.evaluation.measuring import Protocol, title
from facerec_cli.evaluation.results import Evaluation, written


@dataclass(frozen=True)
class Picture:
    """A picture of a report.

    Attributes:
        name: of its file, without an ending.
        caption: what people read below it.
        png: the file.
        section: the title of the protocol that it belongs to; empty for one that comes before all.
    """

    name: str
    caption: str
    png: bytes
    section: str = ""


def page(evaluation: Evaluation, pictures: Sequence[Picture]) -> str:
    """The page, which needs no other file."""
    parts = _figures(pictures, "")
    for protocol in evaluation.protocols:
        parts.append(f"<h2>{html.escape(title(protocol))}</h2><p>{html.escape(protocol.description)}.</p>")
        parts += [f"<p class=note>{html.escape(note)}.</p>" for note in evaluation.notes(protocol)]
        parts.append(_table(evaluation, protocol))
        parts += _figures(pictures, title(protocol))
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


def _table(evaluation: Evaluation, protocol: Protocol) -> str:
    first, *others = evaluation.models
    heads = ["measure", *evaluation.models, *(f"{model} − {first}" for model in others)]
    rows = []
    for measure, estimates in evaluation.estimates(protocol).items():
        cells = [measure, *(written(measure, estimate) for estimate in estimates)]
        cells += [written(measure, estimate.minus(estimates[0]), signed=True) for estimate in estimates[1:]]
        rows.append("".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
    errors = [result.standard_error for result in evaluation.results[title(protocol)]]
    if errors[0] is not None:
        cells = ["standard error of the accuracy over the folds", *(f"{(error or 0) * 100:.2f} %" for error in errors)]
        rows.insert(1, "".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in heads)
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"


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
