"""facerec identify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facerec_cli.cli import options
from facerec_cli.cli.identifying import Looking, begin
from facerec_cli.cli.photos import Photos
from facerec_cli.cli.progress import Reporter
from facerec_cli.cli.remedies import sentence
from facerec_cli.cli.render import Results
from facerec_cli.words import count

if TYPE_CHECKING:
    from facerec_cli.recognition.results import PhotoResult

_COLUMNS = (
    *("photo", "face", "name", "rank", "candidate", "distance", "threshold", "probability"),
    *("x", "y", "width", "height", "score", "quality", "error"),
)


@click.command(
    "identify",
    cls=options.PhotosCommand,
    epilog="Example: facerec identify -db database -m saved_best -i img1.jpg img2.jpg",
)
@options.photos_argument
@options.image_option
@options.database_option
@options.model_option
@options.device_option
@click.option("-r", "--recursive", is_flag=True, help="Look for photos in folders.")
@options.fpir_option
@options.threshold_option
@click.option("--top", type=click.IntRange(min=1), default=1, show_default=True, help="Nearest people to list a face.")
@click.option(
    "--annotate",
    type=options.GivenPath(file_okay=False),
    metavar="DIR",
    help="Write copies with boxes and names to this folder.",
)
@options.size_option
@options.thorough_option
@options.index_option
@options.no_index_option
@options.format_option
def command(
    photos: tuple[Path, ...],
    images: tuple[Path, ...],
    database: str,
    model: str,
    device: str,
    recursive: bool,
    fpir: float,
    threshold: float | None,
    top: int,
    annotate: Path | None,
    size: int | None,
    thorough: bool,
    index: Path | None,
    no_index: bool,
    output_format: str,
) -> int:
    """Name every face in photos, or say unknown.

    PHOTO is a photo, a folder with -r, or - for paths on standard input. What is found in a folder's photos is kept in
    an index, so that the next time is quick, unless --size or --thorough ask for another look.
    """
    asked = Photos((*photos, *images), recursive=recursive)
    reporter = Reporter("Identifying", asked.count, output_format=output_format)
    looking = Looking(device, size, thorough, index, no_index)
    status, identifier, embedded = begin(asked, database, model, reporter, looking, fpir=fpir, threshold=threshold)
    from facerec_cli.recognition.results import PhotoResult

    columns = _COLUMNS if output_format == "csv" else _table_columns(top)
    with Results(output_format, columns) as results, reporter:
        results.caption(identifier.threshold.explanation)
        for result in identifier.decide_photos(embedded, top=top):
            reporter.advance()
            _show(result, results, top)
            if result.error:
                reporter.error(result.error)
                continue
            if result.note:
                reporter.warn(f"{result.note}.")
            if annotate:
                _annotate(result, annotate / asked.place(Path(result.source)).parent, reporter)
        for found in asked.searched:
            for error in found.refused:
                reporter.error(error)
                _show(PhotoResult(error.subject, error=error), results, top)
            reporter.left_out(found.left_out)
        if not reporter.done and not asked.searched:
            reporter.note("No photo was listed on standard input.")
        if reporter.done > 1:
            reporter.note(f"{count(reporter.done, 'photo')}, {reporter.seconds:.1f} s, {reporter.rate:.1f} photos/s.")
        return max(status, reporter.status)


def _show(result: PhotoResult, results: Results, top: int) -> None:
    error = sentence(result.error) if result.error else None
    rows = _csv_rows(result, error) if results.format == "csv" else _table_rows(result, top)
    results.add(result.to_json() | {"error": error}, rows)


def _csv_rows(result: PhotoResult, error: str | None) -> list[dict[str, Any]]:
    """A row for each candidate of each face, or one without any: what JSON says, flat."""
    rows: list[dict[str, Any]] = []
    for number, face in enumerate((found.to_json() for found in result.faces), start=1):
        place = dict(zip(("x", "y", "width", "height"), face["box"], strict=True))
        for rank, candidate in enumerate(face["candidates"], start=1):
            rows.append(
                {
                    "photo": result.source,
                    "face": number,
                    "name": face["name"],
                    "rank": rank,
                    "candidate": candidate["name"],
                    "distance": candidate["distance"],
                    "threshold": face["threshold"],
                    "probability": candidate["probability"],
                    **place,
                    "score": face["score"],
                    "quality": face["quality"],
                }
            )
    return rows or [{"photo": result.source, "error": error}]


def _table_columns(top: int) -> tuple[str, ...]:
    ranks = ("rank",) if top > 1 else ()
    return ("photo", "name", *ranks, "nearest", "distance", "probability", "box", "quality")


def _table_rows(result: PhotoResult, top: int) -> list[dict[str, Any]]:
    """A row for each candidate of each face; what the rows above say already is left out."""
    from facerec_cli.recognition.results import rounded_beside

    photo = result.source
    if result.error:  # told among the errors
        return []
    if not result.faces:
        return [dict.fromkeys(_table_columns(top)) | {"photo": photo, "name": "(no face)"}]
    rows: list[dict[str, Any]] = []
    for found in result.faces:
        for rank, candidate in enumerate(found.candidates, start=1):
            x, y, width, height = found.face.box
            row = {
                "photo": photo if not rows else "",
                "name": found.name if rank == 1 else "",
                "nearest": candidate.name if rank > 1 or candidate.name != found.name else "",
                "distance": rounded_beside(candidate.distance, found.threshold, 3),
                "probability": candidate.probability,
                "box": f"{width:.0f}x{height:.0f}{x:+.0f}{y:+.0f}" if rank == 1 else "",
                "score": found.face.score if rank == 1 else None,
                "quality": found.face.quality_score if rank == 1 else None,
            }
            rows.append(row | ({"rank": rank} if top > 1 else {}))
    return rows


def _annotate(result: PhotoResult, folder: Path, reporter: Reporter) -> None:
    from facerec_cli.drawing.labels import Label, annotate_photo
    from facerec_cli.errors import FacerecError

    labels = [Label(found.face.box, found.name, found.is_known) for found in result.faces]
    try:
        for warning in annotate_photo(Path(result.source), labels, folder):
            reporter.warn(warning)
    except FacerecError as error:
        reporter.error(error)
