"""facerec enroll."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facerec_cli.cli import options
from facerec_cli.cli.photos import Photos
from facerec_cli.cli.progress import Reporter
from facerec_cli.cli.remedies import sentence
from facerec_cli.cli.render import Results
from facerec_cli.cli.spreading import ray_option, spread_over
from facerec_cli.parallel import OrderedMap, ordered_map
from facerec_cli.storage import Url
from facerec_cli.words import count

if TYPE_CHECKING:
    from facerec_cli.errors import FacerecError
    from facerec_cli.recognition.marked import Marked
    from facerec_cli.recognition.results import Enrolment


@click.command(
    "enroll",
    cls=options.PhotosCommand,
    epilog="Example: facerec enroll --name 'Ada Lovelace' ada1.jpg ada2.jpg",
)
@click.argument("photos", nargs=-1, type=options.PHOTO_OR_URL, metavar="[PHOTO]...")
@options.image_option
@click.option("--name", help="The person in the photos.")
@click.option(
    "--from-regions", is_flag=True, help="Enrol whom digiKam, Lightroom or others marked in the photos, by those names."
)
@options.database_option
@options.model_option
@options.device_option
@options.largest_option
@options.size_option
@ray_option
@options.format_option
def command(
    photos: tuple[Path, ...],
    images: tuple[Path, ...],
    name: str | None,
    from_regions: bool,
    database: str,
    model: str,
    device: str,
    largest: bool,
    size: int | None,
    ray: str | None,
    output_format: str,
) -> int:
    """Enrol people from one photo each, or more.

    PHOTO is a photo of the person named by --name. A folder needs no --name: each sub-folder is a person, and so is
    each photo directly in it, named by its file. With --name a folder's photos are all of that person, and with
    --from-regions the photos' metadata, and sidecars beside them, say who is where. Folders and photos of object
    storage are named by URL, such as s3://bucket/people.
    """
    if from_regions and (name is not None or largest):
        raise click.UsageError(
            "With --from-regions the photos say whose face is where: leave out --name and --largest."
        )
    if from_regions and any(isinstance(photo, Url) for photo in photos):
        raise click.UsageError("--from-regions reads photos and their sidecars in folders: copy them to one.")
    reporter = Reporter("Enrolling", output_format=output_format)
    asked = Photos((*photos, *images), recursive=True)
    work, refused = _marked(asked, reporter) if from_regions else _work(asked, name, reporter)
    reporter.total = len(work)
    spread = click.get_current_context().with_resource(spread_over(ray if work else None))
    status, outcomes = _enroll(work, database, model, device, largest, size, spread)
    statuses: Counter[str] = Counter()
    people: dict[str, Counter[str]] = {}
    with Results(output_format, _columns(output_format)) as results, reporter:

        def record(outcome: Enrolment) -> None:
            statuses[outcome.status] += 1
            people.setdefault(outcome.name, Counter())[outcome.status] += 1
            if output_format != "table":
                error = sentence(outcome.error) if outcome.error else None
                results.add(outcome.to_json() | {"error": error})

        for outcome in refused:
            record(outcome)
        for outcome in outcomes:
            reporter.advance()
            _tell(outcome, reporter)
            record(outcome)
        if output_format == "table":
            for person, counts in people.items():
                results.add({"name": person, **{status: counts[status] for status in _STATUSES}})
        for found in asked.searched:
            reporter.left_out(found.left_out)
        if work:
            from facerec_cli.gallery.opening import shown_location

            place = shown_location(database)
            enrolled = sum(1 for counts in people.values() if counts["enrolled"])
            summary = f"Enrolled {count(statuses['enrolled'], 'photo')} of {count(enrolled, 'person')} in {place}"
            reporter.note(f"{summary}, {reporter.seconds:.1f} s, {reporter.rate:.1f} photos/s.")
        return max(status, reporter.status)


_STATUSES = ("enrolled", "already enrolled", "refused")


def _columns(output_format: str) -> tuple[str, ...]:
    if output_format == "table":
        return ("name", *_STATUSES)
    warnings = ("lookalike", "lookalike_distance", "unlike_distance", "complaint", "note")
    return ("photo", "name", "status", *warnings, "error")


def _work(asked: Photos, name: str | None, reporter: Reporter) -> tuple[list[tuple[str, Path]], list[Enrolment]]:
    """The command line as pairs of name and photo, and what cannot be enrolled, of which the reporter is told."""
    from facerec_cli.gallery.base import clean_name
    from facerec_cli.recognition.results import Enrolment

    if name is None:
        return _people(asked, reporter)
    person = clean_name(name)
    work = [(person, photo) for photo in asked]
    for found in asked.searched:
        for error in found.refused:
            reporter.error(error)
    return work, [Enrolment(error.subject, person, error=error) for found in asked.searched for error in found.refused]


def _marked(asked: Photos, reporter: Reporter) -> tuple[list[tuple[str, Marked]], list[Enrolment]]:
    """As ``_work``, of photos that say who is where; one person's come together, which tells whether they fit."""
    from facerec_cli.errors import PhotoError, UnusableNameError
    from facerec_cli.gallery.base import clean_name
    from facerec_cli.recognition.marking import marked_people
    from facerec_cli.recognition.results import Enrolment

    work: list[tuple[str, Marked]] = []
    refused: list[Enrolment] = []

    def refuse(source: str, name: str, error: FacerecError) -> None:
        reporter.error(error)
        refused.append(Enrolment(source, name, error=error))

    photos = nameless = 0
    for photo in asked:
        photos += 1
        try:
            people = marked_people(photo)
        except PhotoError as error:
            refuse(str(photo), photo.name, error)
            continue
        nameless += not people
        for name, marked in people:
            try:
                work.append((clean_name(name), marked))
            except UnusableNameError as error:
                problem = f"Somebody in {photo} cannot be enrolled ({error})"
                refuse(str(photo), name, UnusableNameError(problem, "name them otherwise there"))
    for found in asked.searched:
        for refusal in found.refused:
            refuse(refusal.subject, Path(refusal.subject).name, refusal)
    if nameless:
        reporter.note(f"{count(nameless, 'photo')} of {photos:,} name nobody.")
    return sorted(work, key=lambda item: item[0]), refused


def _people(asked: Photos, reporter: Reporter) -> tuple[list[tuple[str, Path]], list[Enrolment]]:
    """As ``_work``, of folders of people."""
    from facerec_cli.datasets.folder import is_folder
    from facerec_cli.gallery.base import clean_name
    from facerec_cli.recognition.results import Enrolment

    work: list[tuple[str, Path]] = []
    refused: list[Enrolment] = []
    for folder in asked.named():
        if os.path.exists(folder) and not is_folder(folder):  # noqa: PTH110 - Path.exists raises where a parent refuses
            raise click.UsageError(f"Whose photo is {folder}? Say it with --name, or give a folder of people.")
        found = asked.search(folder)
        if next(iter(found.photos), None) == folder:
            raise click.UsageError(f"Whose photo is {folder}? Say it with --name, or give a folder of people.")
        for error in found.refused:
            reporter.error(error)
            refused.append(Enrolment(error.subject, Path(error.subject).name, error=error))
        nested = found.nested
        refusals: dict[Path, FacerecError | None] = {}
        for person, photo in found.people:
            place = Path(*photo.parts[: len(folder.parts) + 1])
            if place not in refusals:
                refusal = refusals[place] = nested.get(place) or _unusable(person, place)
                if refusal:
                    reporter.error(refusal)
            if refusals[place]:
                refused.append(Enrolment(str(photo), person, error=refusals[place]))
            else:
                work.append((clean_name(person), photo))
    return work, refused


def _unusable(person: str, place: Path) -> FacerecError | None:
    """Why a folder or photo cannot give a person its name."""
    from facerec_cli.errors import UnusableNameError
    from facerec_cli.gallery.base import clean_name

    try:
        clean_name(person)
    except UnusableNameError as error:
        return UnusableNameError(f"{place} cannot be a person ({error})", "rename it")
    return None


def _enroll(
    work: Sequence[tuple[str, Path | Marked]],
    database: str,
    model: str,
    device: str,
    largest: bool,
    size: int | None,
    spread: OrderedMap,
) -> tuple[int, Iterator[Enrolment]]:
    """Enrol; a database is made where there is somebody to enrol. Returns the exit status of looking at it, too."""
    if not work:
        return 0, iter(())
    from facerec_cli.cli.progress import show_embedding
    from facerec_cli.gallery.opening import open_gallery
    from facerec_cli.recognition.enrolment import enroll_all
    from facerec_cli.recognition.recognizer import Recognizer

    recognizer = Recognizer(model, device=device, faces=len(work), detection_size=size, at_once=spread is ordered_map)
    gallery = open_gallery(database, create=True)
    status = show_embedding(recognizer, gallery)
    return status, enroll_all(recognizer, gallery, work, largest=largest, spread=spread)


def _tell(outcome: Enrolment, reporter: Reporter) -> None:
    if outcome.error:
        reporter.error(outcome.error)
    elif not outcome.is_new:
        reporter.note(f"{outcome.source} is already enrolled for {outcome.name}: nothing changed.")
    if outcome.note:
        reporter.warn(f"{outcome.note}.")
    if outcome.complaint:
        better = f"enrol a better one of {outcome.name} too"
        reporter.warn(f"{outcome.source} is a poor photo, {outcome.complaint}: {better}.")
    if outcome.unlike is not None:
        reporter.warn(
            f"{outcome.source} does not look like the other photos of {outcome.name} (distance {outcome.unlike:.3f}): "
            "check that it shows them."
        )
    if outcome.lookalike:
        reporter.warn(
            f"{outcome.source}, enrolled as {outcome.name}, looks like {outcome.lookalike.name} too "
            f"(distance {outcome.lookalike.distance:.3f}): check that they are two people."
        )
