"""facerec tag."""

from __future__ import annotations

from collections import Counter
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
    from facerec_cli.recognition.marking import Tagging

_PLACE = ("x", "y", "width", "height")
_COLUMNS = ("photo", "name", "status", "other", "distance", "threshold", "probability", *_PLACE, "sidecar", "error")
_TABLE = ("photo", "name", "status", "distance", "probability", "sidecar")


@click.command("tag", cls=options.PhotosCommand, epilog="Example: facerec tag --dry-run ~/Pictures/2024")
@options.photos_argument
@options.image_option
@options.database_option
@options.model_option
@options.device_option
@options.fpir_option
@options.threshold_option
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
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
    fpir: float,
    threshold: float | None,
    dry_run: bool,
    size: int | None,
    thorough: bool,
    index: Path | None,
    no_index: bool,
    output_format: str,
) -> int:
    """Write who is in photos beside them, for other programs.

    PHOTO is a photo, a folder, or - for paths on standard input. Names and boxes of known people go into an XMP sidecar
    (photo.jpg.xmp), as face regions that digiKam, Lightroom, exiftool and others read, or into the one that is there,
    of which nothing is lost. Names that are there stay, nobody is named twice, and the photo itself is not touched.
    """
    asked = Photos((*photos, *images), recursive=True)
    reporter = Reporter("Tagging", asked.count, output_format=output_format)
    looking = Looking(device, size, thorough, index, no_index)
    status, identifier, embedded = begin(asked, database, model, reporter, looking, fpir=fpir, threshold=threshold)
    from facerec_cli.recognition.marking import Tagging, tag
    from facerec_cli.recognition.results import PhotoResult

    counts: Counter[str] = Counter()
    with Results(output_format, _COLUMNS if output_format == "csv" else _TABLE) as results, reporter:
        results.caption(identifier.threshold.explanation)
        for result in identifier.decide_photos(embedded):
            reporter.advance()
            tagging = tag(result, dry_run=dry_run)
            counts.update(one.status for one in tagging.people)
            _tell(tagging, reporter)
            _show(tagging, results)
        for found in asked.searched:
            for refusal in found.refused:
                reporter.error(refusal)
                _show(Tagging(PhotoResult(refusal.subject), error=refusal), results)
            reporter.left_out(found.left_out)
        done = ", ".join(f"{number:,} {one}" for one, number in counts.items()) or "nobody known"
        reporter.note(f"{count(reporter.done, 'photo')}: {done}; {reporter.seconds:.1f} s.")
        return max(status, reporter.status)


def _tell(tagging: Tagging, reporter: Reporter) -> None:
    if tagging.error:
        reporter.error(tagging.error)
    if tagging.result.note:
        reporter.warn(f"{tagging.result.note}.")
    for one in tagging.people:
        if one.other:
            reporter.warn(
                f"{tagging.result.source} names a face {one.other} that looks like {one.face.name}: it keeps that name."
            )


def _show(tagging: Tagging, results: Results) -> None:
    record = tagging.to_json() | {"error": sentence(tagging.error) if tagging.error else None}
    about = {key: record[key] for key in ("photo", "sidecar", "error")}
    rows: list[dict[str, Any]] = [
        about | person | dict(zip(_PLACE, person["box"], strict=True)) for person in record["people"]
    ]
    results.add(record, rows or ([about] if results.format == "csv" else []))
