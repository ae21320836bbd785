"""facerec enroll."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from facerec_cli.cli import options
from facerec_cli.cli.progress import Reporter
from facerec_cli.cli.remedies import sentence
from facerec_cli.cli.render import Results, count


@click.command(
    "enroll",
    cls=options.PhotosCommand,
    epilog="Example: facerec enroll --name 'Ada Lovelace' ada1.jpg ada2.jpg",
)
@options.photos_argument
@options.image_option
@click.option("--name", help="The person in the photos.")
@options.database_option
@options.model_option
@options.largest_option
@options.size_option
@options.format_option
def command(
    photos: tuple[Path, ...],
    images: tuple[Path, ...],
    name: str | None,
    database: str,
    model: str,
    largest: bool,
    size: int,
    output_format: str,
) -> int:
    """Enrol people from one photo each, or more.

    PHOTO is a photo of the person named by --name. A folder needs no --name: each sub-folder is a person, and so is
    each photo directly in it, named by its file. With --name a folder's photos are all of that person.
    """
    from facerec_cli.cli.progress import show_embedding
    from facerec_cli.recognition.recognizer import Recognizer

    with Reporter("Enrolling") as looking:
        work = _people(options.Photos((*photos, *images), recursive=True), name, looking)
        if not work:
            return 1
    recognizer = Recognizer(model, detection_size=size)
    from facerec_cli.gallery.opening import open_gallery
    from facerec_cli.recognition.enrolment import enroll_all

    gallery = open_gallery(database, create=True)
    show_embedding(recognizer, gallery)
    statuses: Counter[str] = Counter()
    people: dict[str, Counter[str]] = {}
    with (
        Results(output_format, _columns(output_format)) as results,
        Reporter("Enrolling", len(work), output_format=output_format) as reporter,
    ):
        for enrolment in enroll_all(recognizer, gallery, work, largest=largest):
            reporter.advance()
            status = enrolment.status
            statuses[status] += 1
            people.setdefault(enrolment.name, Counter())[status] += 1
            if enrolment.error:
                reporter.error(enrolment.error)
            elif not enrolment.is_new:
                reporter.note(f"{enrolment.source} is already enrolled for {enrolment.name}: nothing changed.")
            if enrolment.complaint:
                better = f"enrol a better one of {enrolment.name} too"
                reporter.warn(f"{enrolment.source} is a poor photo, {enrolment.complaint}: {better}.")
            lookalike = enrolment.lookalike
            if lookalike:
                reporter.warn(
                    f"{enrolment.source}, enrolled as {enrolment.name}, looks like {lookalike.name} too "
                    f"(distance {lookalike.distance:.3f}): check that they are two people."
                )
            if output_format != "table":
                error = enrolment.error
                results.add(enrolment.to_json() | ({"error": sentence(error)} if error else {}))
        if output_format == "table":
            for person, counts in people.items():
                results.add({"name": person, **{status: counts[status] for status in _STATUSES}})
        enrolled = sum(1 for counts in people.values() if counts["enrolled"])
        summary = f"Enrolled {count(statuses['enrolled'], 'photo')} of {count(enrolled, 'person')} in {database}"
        reporter.note(f"{summary}, {reporter.seconds:.1f} s, {reporter.rate:.1f} photos/s.")
        return max(looking.status, reporter.status)


_STATUSES = ("enrolled", "already enrolled", "refused")


def _columns(output_format: str) -> tuple[str, ...]:
    if output_format == "table":
        return ("name", *_STATUSES)
    return ("photo", "name", "status", "lookalike", "lookalike_distance", "complaint", "error")


def _people(photos: options.Photos, name: str | None, reporter: Reporter) -> list[tuple[str, Path]]:
    """The command line as pairs of name and photo."""
    from facerec_cli.datasets.folder import people_in
    from facerec_cli.errors import PhotoError
    from facerec_cli.gallery.base import clean_name

    if name is not None:
        person = clean_name(name)
        work = [(person, photo) for photo in photos]
        for folder in photos.empty_folders:
            reporter.error(f"{folder} holds no photo: give photos of {person}.")
        return work
    work = []
    for path in photos.named:
        if not path.is_dir():
            raise click.UsageError(f"Whose photo is {path}? Say it with --name, or give a folder of people.")
        try:
            work += [(clean_name(person), photo) for person, photo in people_in(path)]
        except PhotoError as error:
            reporter.error(error)
    return work
