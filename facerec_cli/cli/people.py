"""facerec people: who is enrolled, and changes to it."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

import click

from facerec_cli.cli import options, stores
from facerec_cli.cli.consent import agreed, yes_option
from facerec_cli.cli.groups import HelpfulGroup
from facerec_cli.cli.progress import Reporter, show_embedding
from facerec_cli.cli.render import Results
from facerec_cli.cli.streams import shown
from facerec_cli.words import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facerec_cli.gallery.base import Gallery, Snapshot

_FACE_COLUMNS = ("name", "source", "chip", "score", "enrolled", "sha256")


@click.group(
    "people",
    cls=HelpfulGroup,
    short_help="List, show, rename and remove enrolled people.",
    epilog="Example: facerec people list -db database",
)
def command() -> None:
    """List, show, rename, remove, export and copy enrolled people; look after where they are kept."""


for _command in (stores.init, stores.migrate, stores.copy):
    command.add_command(_command)


@command.command("list", short_help="List everybody enrolled.", epilog="Example: facerec people list --format csv")
@options.database_option
@options.model_option
@options.format_option
def list_people(database: str, model: str, output_format: str) -> int:
    """List everybody enrolled, and the threshold that follows from how many they are."""
    from facerec_cli.encoders.bundle import resolve_bundle
    from facerec_cli.errors import ModelError
    from facerec_cli.recognition.threshold import rule_in

    snapshot, reporter = _open(database).snapshot(), Reporter()
    people = snapshot.people()
    first = next(people, None)
    if first is None:
        reporter.note(f"Nobody is enrolled in {snapshot.location}: `facerec enroll --name NAME PHOTO` enrols somebody.")
        return 0
    with Results(output_format, ("name", "photos", "enrolled")) as results:
        for person in chain([first], people):
            results.add(person.to_json())
        bundle = resolve_bundle(model)
        pending = snapshot.pending_count(bundle.comparison().digest)
        if pending:
            reporter.warn(f"{bundle.name} has not embedded {count(pending, 'photo')} yet: the threshold may change.")
        try:
            results.caption(f"{bundle.name}: {rule_in(snapshot, bundle).threshold.explanation}")
        except ModelError as error:
            reporter.warn(error)
    return 0


@command.command("show", epilog="Example: facerec people show 'Ada Lovelace'")
@click.argument("name")
@options.database_option
@options.format_option
def show_person(name: str, database: str, output_format: str) -> int:
    """Show a person's photos."""
    from facerec_cli.gallery.base import clean_name

    with Results(output_format, _FACE_COLUMNS) as results:
        for face in _open(database).snapshot().faces(clean_name(name)):
            results.add(face.to_json())
    return 0


@command.command("rename", epilog="Example: facerec people rename 'Ada Byron' 'Ada Lovelace'")
@click.argument("name")
@click.argument("new_name")
@options.database_option
def rename_person(name: str, new_name: str, database: str) -> int:
    """Give a person another name."""
    from facerec_cli.gallery.base import clean_name

    _open(database).rename(clean_name(name), new_name)
    Reporter().note(f"{clean_name(name)} is now {clean_name(new_name)}.")
    return 0


@command.command("remove", epilog="Example: facerec people remove 'Ada Lovelace' --yes")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--photo", "photos", multiple=True, metavar="SOURCE", help="Only this photo, as `people show` names it.")
@yes_option
@options.database_option
@options.model_option
@options.device_option
def remove_people(
    names: tuple[str, ...], photos: tuple[str, ...], yes: bool, database: str, model: str, device: str
) -> int:
    """Forget people, or photos of one: chips, embeddings and names."""
    from facerec_cli.errors import PersonError, UnfinishedChangeError
    from facerec_cli.gallery.base import clean_name

    if photos and len(names) > 1:
        raise click.UsageError("--photo is of one person: name one.")
    gallery = _open(database)
    reporter = Reporter()
    for name in names:
        try:
            person = clean_name(name)
            chosen = _photos(gallery.snapshot(), person, photos) if photos else None
            what = "all chips and embeddings" if chosen is None else count(len(chosen), "photo")
            if not yes and not click.confirm(shown(f"Forget {name}, {what}?"), err=True):
                reporter.note(f"{name} stays.")
                continue
            gone = gallery.remove(person, chosen)
        except (PersonError, UnfinishedChangeError) as error:
            reporter.error(error)
        else:
            whose = f"{name} is forgotten" if chosen is None else f"Of {name} is forgotten"
            reporter.note(f"{whose}: {count(gone, 'photo')}.")
    if not photos:
        return reporter.status
    from facerec_cli.recognition.recognizer import Recognizer

    # The template was of all photos.
    return max(reporter.status, show_embedding(Recognizer(model, device=device, at_once=False), gallery))


def _photos(snapshot: Snapshot, name: str, sources: Sequence[str]) -> set[int]:
    """The ids of a person's photos, each given by its source or the beginning of its SHA-256.

    Raises:
        UnknownPhotoError: one names none, or several.
    """
    from facerec_cli.errors import UnknownPhotoError

    chosen = set()
    for source in sources:
        faces = [face for face in snapshot.faces(name) if face.source == source]
        faces = faces or [face for face in snapshot.faces(name) if len(source) >= 8 and face.sha256.startswith(source)]
        if not faces:
            raise UnknownPhotoError(f"{name} has no photo {source}", subject=name)
        if len(faces) > 1:
            raise UnknownPhotoError(f"{name} has {len(faces)} photos {source}", subject=name)
        chosen.add(faces[0].id)
    return chosen


@command.command(
    "merge",
    short_help="Give one person's photos to another.",
    epilog="Example: facerec people merge 'Ada Byron' 'Ada Lovelace'",
)
@click.argument("name")
@click.argument("into")
@options.database_option
@options.model_option
@options.device_option
def merge_people(name: str, into: str, database: str, model: str, device: str) -> int:
    """Give all photos of NAME to INTO, who is the same person."""
    from facerec_cli.gallery.base import clean_name
    from facerec_cli.recognition.recognizer import Recognizer

    if clean_name(name) == clean_name(into):
        raise click.UsageError("NAME and INTO are one person already: name two.")
    gallery = _open(database)
    photos = gallery.merge(clean_name(name), clean_name(into))
    status = show_embedding(Recognizer(model, device=device, at_once=False), gallery)
    Reporter().note(f"{clean_name(name)} is now {clean_name(into)}: {count(photos, 'photo')} more.")
    return status


@command.command(
    "lookalikes",
    short_help="List people who look alike.",
    epilog="Example: facerec people lookalikes -db database",
)
@options.database_option
@options.model_option
@options.device_option
@options.format_option
def show_lookalikes(database: str, model: str, device: str, output_format: str) -> int:
    """List pairs of people nearer than the threshold: one person under two names, or two who are mistaken."""
    from facerec_cli.recognition.lookalikes import lookalikes
    from facerec_cli.recognition.recognizer import Recognizer
    from facerec_cli.recognition.results import rounded_beside
    from facerec_cli.recognition.threshold import counts_in, enrolled_rule

    recognizer = Recognizer(model, device=device, at_once=False)
    gallery = _open(database)
    status = show_embedding(recognizer, gallery)
    snapshot = gallery.snapshot()
    rule = enrolled_rule(recognizer.bundle, counts_in(snapshot))
    with Results(output_format, ("name", "other", "distance", "threshold")) as results:
        near = rule.threshold.distance
        results.caption(f"Pairs at a distance of at most {near} are listed, compared without regard to all others.")
        for pair in lookalikes(snapshot, rule):
            results.add(pair.to_json() | {"distance": rounded_beside(pair.distance, near), "threshold": near})
    return status


@command.command(
    "check",
    short_help="List photos and names that need a look.",
    epilog="Example: facerec people check -db database",
)
@options.database_option
@options.model_option
@options.device_option
@options.format_option
def check_people(database: str, model: str, device: str, output_format: str) -> int:
    """List photos unlike the others of their name, poor ones and lost ones, and names who may be one person.

    A finding is "unlike", "poor", "lost" or "alike". How small a face was in its photo, or how far it was turned, its
    chip does not tell.
    """
    from facerec_cli.errors import UncalibratedModelError
    from facerec_cli.recognition.checking import check
    from facerec_cli.recognition.recognizer import Recognizer
    from facerec_cli.recognition.threshold import counts_in, enrolled_rule

    recognizer = Recognizer(model, device=device, at_once=False)
    gallery = _open(database)
    status = show_embedding(recognizer, gallery)
    snapshot, reporter = gallery.snapshot(), Reporter()
    counts, rule = counts_in(snapshot), None
    try:
        rule = enrolled_rule(recognizer.bundle, counts)
    except UncalibratedModelError:
        reporter.warn(f"The model {recognizer.bundle.name} is not calibrated: it does not say who looks like whom.")
    columns = ("finding", "name", "photo", "other", "distance", "complaint")
    found: Counter[str] = Counter()
    with Results(output_format, (*columns, "chip", "sha256") if output_format == "csv" else columns) as results:
        for finding in check(recognizer, gallery, snapshot, rule):
            results.add(finding.to_json())
            found[finding.kind] += 1
    photos, people = sum(number * those for number, those in counts.items()), sum(counts.values())
    told = ", ".join(
        f"{count(found[kind], noun) if found[kind] else f'no {noun}'} {what}"
        for kind, noun, what in _KINDS
        if rule or kind in ("poor", "lost")
    )
    reporter.note(f"Looked at {count(photos, 'photo')} of {count(people, 'person')}: {told}.")
    return status


_KINDS = (
    ("unlike", "photo", "unlike the others of the name"),
    ("poor", "photo", "of poor quality"),
    ("lost", "photo", "without a chip"),
    ("alike", "pair", "of names who may be one person"),
)
"""What is looked for: a finding's kind, and how it is counted."""


@command.command(
    "rebuild",
    short_help="Make the index anew from the chips.",
    epilog="Example: facerec people rebuild -db database",
)
@yes_option
@options.database_option
@options.model_option
@options.device_option
def rebuild(yes: bool, database: str, model: str, device: str) -> int:
    """Make the index anew from the chips in faces/, after damage to it.

    Chips that the index does not know are listed, and taken in if you agree; so is what would be lost.
    """
    from facerec_cli.errors import UnusableLocationError
    from facerec_cli.gallery.hdf5 import Hdf5Gallery
    from facerec_cli.recognition.rebuilding import rebuild as rebuild_index
    from facerec_cli.recognition.recognizer import Recognizer

    recognizer = Recognizer(model, device=device)
    gallery = _open(database)
    if not isinstance(gallery, Hdf5Gallery):
        raise UnusableLocationError(
            f"{gallery.location} is no folder, and has no index of its own to rebuild", "name a folder"
        )
    reporter = Reporter()
    survey = gallery.survey()
    for problem in survey.problems:
        reporter.warn(f"{problem}: it is left out.")
    smaller = yes
    if survey.is_much_smaller and not yes:
        question = f"Forget {count(len(survey.lost), 'photo')} of {survey.enrolled:,}, whose chips are missing?"
        smaller = agreed(question)
    strangers = yes
    if survey.strangers and not yes:
        for key in survey.strangers:
            reporter.warn(f"{gallery.location}/{key} is not enrolled.")
        strangers = agreed(f"Enrol {count(len(survey.strangers), 'such chip')}?")
    with Reporter("Embedding", len(survey.chips)) as embedding:
        rebuild_index(recognizer, gallery, survey, strangers=strangers, smaller=smaller, progress=embedding.update)
    counts = gallery.snapshot().photo_counts()
    photos = sum(number * people for number, people in counts.items())
    reporter.note(f"{gallery.location} holds {count(photos, 'photo')} of {count(sum(counts.values()), 'person')}.")
    return reporter.status


@command.command(
    "export",
    short_help="Write all records and embeddings.",
    epilog="Example: facerec people export -db database > people.jsonl",
)
@options.database_option
@options.model_option
@options.device_option
@click.option(
    "--format", "output_format", type=click.Choice(["json", "csv"]), default="json", show_default=True, help="Format."
)
def export(database: str, model: str, device: str, output_format: str) -> int:
    """Write every enrolled photo's record and embedding to standard output, for other programs."""
    from facerec_cli.recognition.recognizer import Recognizer

    recognizer = Recognizer(model, device=device, at_once=False)
    gallery = _open(database)
    status = show_embedding(recognizer, gallery)
    with Results(output_format, (*_FACE_COLUMNS, "model", "embedding")) as results:
        for record in gallery.snapshot().records(recognizer.comparison.digest):
            # An embedding is missing where the chip is lost.
            numbers = None if record.embedding is None else [float(f"{number:.6g}") for number in record.embedding]
            results.add(record.face.to_json() | {"model": recognizer.bundle.digest, "embedding": numbers})
    return status


def _open(database: str) -> Gallery:
    from facerec_cli.gallery.opening import open_gallery

    return open_gallery(database)
