"""facerec identify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facerec_cli.cli import options
from facerec_cli.cli.render import Reporter, Results, count, probability, rounded, why

if TYPE_CHECKING:
    from facerec_cli.results import Identification, PhotoResult

_COLUMNS = (
    *("photo", "face", "name", "rank", "candidate", "distance", "threshold", "probability"),
    *("x", "y", "width", "height", "score"),
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
@click.option("-r", "--recursive", is_flag=True, help="Look for photos in folders.")
@click.option(
    "--fpir",
    type=options.probability_type("rate"),
    default=0.01,
    show_default=True,
    help="Share of strangers that may be named; the threshold follows from it and the people enrolled.",
)
@options.threshold_option
@click.option("--top", type=click.IntRange(min=1), default=1, show_default=True, help="Nearest people to list a face.")
@click.option(
    "--annotate",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write copies with boxes and names to this folder.",
)
@options.size_option
@options.format_option
def command(
    photos: tuple[Path, ...],
    images: tuple[Path, ...],
    database: Path,
    model: str,
    recursive: bool,
    fpir: float,
    threshold: float | None,
    top: int,
    annotate: Path | None,
    size: int,
    output_format: str,
) -> int:
    """Name every face in photos, or say unknown.

    PHOTO is a photo, a folder with -r, or - for paths on standard input.
    """
    asked = options.Photos((*photos, *images), recursive=recursive)
    from facerec_cli.cli.prepare import prepare
    from facerec_cli.gallery.base import Gallery
    from facerec_cli.recognizer import Recognizer

    recognizer = Recognizer(model, detection_size=size)
    extractions = recognizer.extract_all(asked)
    gallery = Gallery.open(database)
    prepare(recognizer, gallery)
    limit = recognizer.threshold(gallery, fpir=fpir, distance=threshold)
    columns = _COLUMNS if output_format == "csv" else _table_columns(top)
    with (
        Results(output_format, columns) as results,
        Reporter("Identifying", asked.count, output_format=output_format) as reporter,
    ):
        results.caption(why(limit, len(gallery.photo_counts())))
        for result in recognizer.name_all(gallery, extractions, limit, top=top):
            reporter.advance()
            if result.error:
                reporter.error(result.error)
                continue
            rows = _csv_rows(result) if output_format == "csv" else _table_rows(result, top)
            results.add(_record(result), rows)
            if annotate:
                _annotate(result, annotate, reporter)
        for folder in asked.empty_folders:
            reporter.error(f"{folder} holds no photo: name another folder.")
        if reporter.done > 1:
            reporter.note(f"{count(reporter.done, 'photo')}, {reporter.seconds:.1f} s, {reporter.rate:.1f} photos/s.")
        return reporter.status


def _record(result: PhotoResult) -> dict[str, Any]:
    return {"photo": str(result.photo), "faces": [_face(face) for face in result.faces]}


def _face(found: Identification) -> dict[str, Any]:
    nearest = found.candidates[0] if found.candidates else None
    return {
        "name": found.name,
        "distance": rounded(nearest.distance) if nearest else None,
        "threshold": rounded(found.threshold),
        "probability": probability(nearest.probability) if nearest else None,
        "box": [rounded(number, 1) for number in found.face.box],
        "landmarks": [[rounded(x, 1), rounded(y, 1)] for x, y in found.face.landmarks],
        "score": rounded(found.face.score),
        "candidates": [
            {
                "name": candidate.name,
                "distance": rounded(candidate.distance),
                "probability": probability(candidate.probability),
            }
            for candidate in found.candidates
        ],
    }


def _csv_rows(result: PhotoResult) -> list[dict[str, Any]]:
    """A row for each candidate of each face."""
    rows = []
    for number, found in enumerate(result.faces, start=1):
        box = dict(zip(("x", "y", "width", "height"), (rounded(side, 1) for side in found.face.box), strict=True))
        for rank, candidate in enumerate(found.candidates, start=1):
            rows.append(
                {
                    "photo": str(result.photo),
                    "face": number,
                    "name": found.name,
                    "rank": rank,
                    "candidate": candidate.name,
                    "distance": rounded(candidate.distance),
                    "threshold": rounded(found.threshold),
                    "probability": probability(candidate.probability),
                    **box,
                    "score": rounded(found.face.score),
                }
            )
    return rows


def _table_columns(top: int) -> tuple[str, ...]:
    ranks = ("rank",) if top > 1 else ()
    return ("photo", "name", *ranks, "nearest", "distance", "probability", "box", "score")


def _table_rows(result: PhotoResult, top: int) -> list[dict[str, Any]]:
    """A row for each candidate of each face; what the rows above say already is left out."""
    photo = str(result.photo)
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
                "distance": candidate.distance,
                "probability": candidate.probability,
                "box": f"{width:.0f}x{height:.0f}{x:+.0f}{y:+.0f}" if rank == 1 else "",
                "score": found.face.score if rank == 1 else None,
            }
            rows.append(row | ({"rank": rank} if top > 1 else {}))
    return rows


def _annotate(result: PhotoResult, folder: Path, reporter: Reporter) -> None:
    from facerec_cli.errors import PhotoError
    from facerec_cli.faces.annotation import Label, annotate_photo

    labels = [
        Label(found.face.box, found.name, known=found.name == found.candidates[0].name)
        for found in result.faces
        if found.candidates
    ]
    try:
        for warning in annotate_photo(result.photo, labels, folder):
            reporter.warn(warning)
    except PhotoError as error:
        reporter.error(error)
