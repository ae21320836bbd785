"""facerec verify."""

from __future__ import annotations

from pathlib import Path

import click

from facerec_cli.cli import options
from facerec_cli.cli.progress import Reporter
from facerec_cli.cli.render import Results
from facerec_cli.defaults import DEFAULT_FMR

_COLUMNS = ("first", "second", "same", "distance", "threshold", "fmr", "probability", "note")


@click.command(
    "verify",
    short_help="Say whether two photos show the same person.",
    cls=options.PhotosCommand,
    epilog="Example: facerec verify a.jpg b.jpg; facerec verify --name 'Ada Lovelace' a.jpg",
)
@options.photos_argument
@options.image_option
@click.option("--name", help="Compare with this enrolled person, in place of a second photo.")
@click.option(
    "--fmr",
    type=options.probability_type("rate"),
    default=DEFAULT_FMR,
    show_default=True,
    help="Share of pairs of different people that may be called the same.",
)
@options.threshold_option
@options.largest_option
@options.database_option
@options.model_option
@options.device_option
@options.size_option
@options.thorough_option
@options.format_option
def command(
    photos: tuple[Path, ...],
    images: tuple[Path, ...],
    name: str | None,
    fmr: float,
    threshold: float | None,
    largest: bool,
    database: str,
    model: str,
    device: str,
    size: int | None,
    thorough: bool,
    output_format: str,
) -> int:
    """Say whether two photos, or a photo and an enrolled person, show the same person."""
    named = (*photos, *images)
    wanted = 2 if name is None else 1
    if len(named) != wanted:
        raise click.UsageError("Name two photos, or one photo and an enrolled person with --name.")

    from facerec_cli.recognition.recognizer import Recognizer

    recognizer = Recognizer(model, device=device, faces=2, detection_size=size, thorough=thorough)
    from facerec_cli.recognition.verification import verify, verify_person

    status = 0
    if name is None:
        verified = verify(recognizer, named[0], named[1], fmr=fmr, threshold=threshold, largest=largest)
    else:
        from facerec_cli.cli.progress import show_embedding
        from facerec_cli.gallery.opening import open_gallery

        gallery = open_gallery(database)
        status = show_embedding(recognizer, gallery)
        verified = verify_person(recognizer, gallery, name, named[0], fmr=fmr, threshold=threshold, largest=largest)
    if verified.note:
        Reporter().warn(f"{verified.note}.")
    record = verified.to_json()
    with Results(output_format, _COLUMNS if output_format == "csv" else _COLUMNS[:-1]) as results:
        if output_format == "table":
            record["same"] = "same person" if verified.same else "different people"
        results.add(record)
    return status
