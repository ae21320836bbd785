"""facerec cluster."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facerec_cli.cli import options
from facerec_cli.cli.collections import fill, open_index
from facerec_cli.cli.progress import Reporter
from facerec_cli.cli.render import Results
from facerec_cli.words import count

if TYPE_CHECKING:
    from facerec_cli.datasets.clusters import CollectedFace, Groups
    from facerec_cli.recognition.collecting import Group
    from facerec_cli.recognition.identification import Identifier
    from facerec_cli.recognition.recognizer import Recognizer

_FOLDER = options.GivenPath(file_okay=False)
_COLUMNS = ("group", "name", "photos", "faces", "example")
_CSV_COLUMNS = ("group", "name", "face", "photo", "x", "y", "width", "height", "quality")


@click.command("cluster", epilog="Example: facerec cluster ~/Pictures --page people.html")
@options.folders_argument
@options.database_option
@options.model_option
@options.device_option
@options.index_option
@click.option("--page", type=options.GivenPath(dir_okay=False), metavar="FILE", help="Write an HTML page to name them.")
@click.option("--copy-to", type=_FOLDER, metavar="DIR", help="Copy the photos into a folder a person.")
@click.option("--link-to", type=_FOLDER, metavar="DIR", help="Link to the photos from a folder a person.")
@click.option(
    "--enroll",
    "names",
    type=options.GivenPath(dir_okay=False),
    metavar="FILE",
    help="Take over the names.csv that the page saves, and enrol those named.",
)
@options.format_option
def command(
    folders: tuple[Path, ...],
    database: str,
    model: str,
    device: str,
    index: Path | None,
    page: Path | None,
    copy_to: Path | None,
    link_to: Path | None,
    names: Path | None,
    output_format: str,
) -> int:
    """Group the faces in folders of photos by person.

    Groups stay: photos that come later join them, and what you name, join or take apart remains so. Those enrolled in
    the database have their names.
    """
    for place in filter(None, (copy_to, link_to)):
        _refuse_inside(place, folders)
    from facerec_cli.datasets.clusters import Groups
    from facerec_cli.recognition.collecting import group_collection
    from facerec_cli.recognition.recognizer import Recognizer

    # Where the index knows all photos, nothing is looked at.
    recognizer = Recognizer(model, device=device, at_once=False)
    collection = open_index(index)
    filled = fill(recognizer, collection, folders)
    groups = Groups(collection)
    with Reporter() as reporter:
        if names:
            _enroll(recognizer, groups, list(filled.embeddings), database, names, reporter)
        found = group_collection(recognizer, groups, filled.embeddings, _identifier(recognizer, database))
        if page:
            _write_page(page, found, groups)
        for folder, links in ((copy_to, False), (link_to, True)):
            if folder:
                _sort(found, folder, links, reporter)
        # Last: whoever reads these may have enough of them.
        with Results(output_format, _CSV_COLUMNS if output_format == "csv" else _COLUMNS) as results:
            for group in found:
                results.add(group.to_json(), _csv_rows(group) if output_format == "csv" else _table_rows(group))
        together = [group for group in found if group.id is not None]
        alone = count(len(found) - len(together), "face")
        reporter.note(
            f"{count(len(together), 'person')} in {count(len(filled.embeddings), 'photo')}, {alone} alone, "
            f"{reporter.seconds:.1f} s."
        )
        return max(filled.status, reporter.status)


def _refuse_inside(folder: Path, searched: Sequence[Path]) -> None:
    """Refuse to put photos where they would be found, and put there once more, the next time."""
    place = Path(os.path.realpath(folder))
    for other in searched:
        if place.is_relative_to(os.path.realpath(other)):
            raise click.UsageError(f"{folder} is in {other}, and would be searched too: choose a folder outside of it.")


def _identifier(recognizer: Recognizer, database: str) -> Identifier | None:
    """Who names groups, where there is a database with somebody in it."""
    from facerec_cli.errors import NobodyEnrolledError, NoDatabaseError
    from facerec_cli.gallery.opening import open_gallery
    from facerec_cli.recognition.identification import Identifier

    try:
        return Identifier(recognizer, open_gallery(database))
    except (NoDatabaseError, NobodyEnrolledError):
        return None


def _enroll(
    recognizer: Recognizer, groups: Groups, photos: Sequence[Path], database: str, file: Path, reporter: Reporter
) -> None:
    """Take over a file of names: in the index, and in the database."""
    from facerec_cli.datasets.naming import cleaned, read_names
    from facerec_cli.gallery.base import clean_name
    from facerec_cli.gallery.opening import open_gallery
    from facerec_cli.recognition.collecting import enroll_groups

    said = read_names(file)
    written = {*said.groups.values(), *filter(None, said.apart.values())}
    said = cleaned(said, [(name, clean_name(name)) for name in written])
    groups.correct(said.groups, said.apart)
    named: dict[str, list[CollectedFace]] = {clean_name(name): [] for name in written}
    for face in groups.faces(photos):
        if face.name in named:
            named[face.name].append(face)
    if not named:
        return
    gallery = open_gallery(database, create=True)
    outcomes = enroll_groups(recognizer, gallery, groups, named)
    statuses = Counter(outcome.status for outcome in outcomes)
    for outcome in outcomes:
        if outcome.error:
            reporter.error(outcome.error)
        if outcome.lookalike:
            reporter.warn(
                f"{outcome.source}, enrolled as {outcome.name}, looks like {outcome.lookalike.name} too: check that "
                "they are two people."
            )
    people = len({outcome.name for outcome in outcomes if outcome.is_new})
    reporter.note(
        f"Enrolled {count(statuses['enrolled'], 'photo')} of {count(people, 'person')} in {gallery.location}."
    )


def _table_rows(group: Group) -> list[dict[str, Any]]:
    """A row a group; faces alone are told as a number."""
    if group.id is None and group.name is None:
        return []
    example = str(group.faces[0].photo)
    return [
        {
            "group": "" if group.id is None else group.id,
            "name": group.name,
            "photos": len(group.photos),
            "faces": len(group.faces),
            "example": example,
        }
    ]


def _csv_rows(group: Group) -> list[dict[str, Any]]:
    """A row a face."""
    record = group.to_json()
    return [
        {"group": group.id, "name": group.name, **face}
        | dict(zip(("x", "y", "width", "height"), face["box"], strict=True))
        for face in record["faces"]
    ]


def _write_page(file: Path, found: Sequence[Group], groups: Groups) -> None:
    from facerec_cli.errors import PageError
    from facerec_cli.files import refusal, write_file
    from facerec_cli.recognition.people_page import people_page

    text = people_page(found, groups)
    try:
        # Faces are for whoever asked for them alone.
        write_file(file, text.encode(), mode=0o600)
    except OSError as error:
        reason, remedy = refusal(error)
        raise PageError(f"{file} cannot be written, {reason}", remedy) from error


def _sort(found: Sequence[Group], folder: Path, links: bool, reporter: Reporter) -> None:
    """Put the photos of each group, and of those enrolled, into a folder of theirs."""
    from facerec_cli.datasets.sorting import sort_photo
    from facerec_cli.errors import SortingError

    new = 0
    for group in found:
        if group.id is None and group.name is None:
            continue
        for photo in group.photos:
            try:
                new += sort_photo(photo, group.name or f"group {group.id}", folder, links=links)
            except SortingError as error:
                reporter.error(error)
    reporter.note(f"{'Linked to' if links else 'Copied'} {count(new, 'photo')} in {folder}.")
