"""facerec find."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facerec_cli.cli import options
from facerec_cli.cli.collections import fill, open_index
from facerec_cli.cli.render import Results
from facerec_cli.cli.streams import say, write_path
from facerec_cli.words import count

if TYPE_CHECKING:
    from facerec_cli.datasets.collection import KeptPhoto
    from facerec_cli.recognition.finding import FoundPhoto
    from facerec_cli.recognition.identification import Identifier
    from facerec_cli.recognition.recognizer import Recognizer


@click.command("find", epilog="Example: facerec find 'Ada Lovelace' ~/Pictures")
@click.argument("words", nargs=-1, type=options.GivenPath(), metavar="NAME FOLDER...")
@click.option("--together", "others", multiple=True, metavar="NAME", help="Only photos that show them too; repeatable.")
@click.option(
    "--like", type=options.GivenPath(), metavar="PHOTO", help="Look for the face of this photo, in place of a NAME."
)
@options.largest_option
@options.database_option
@options.model_option
@options.device_option
@options.fpir_option
@options.threshold_option
@options.index_option
@click.option("-0", "--null", "ends_in_null", is_flag=True, help="End each path with NUL, for xargs -0.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["paths", "json"]),
    default="paths",
    show_default=True,
    help="paths: one a line; json: with the faces, one object a line.",
)
def command(
    words: tuple[Path, ...],
    others: tuple[str, ...],
    like: Path | None,
    largest: bool,
    database: str,
    model: str,
    device: str,
    fpir: float,
    threshold: float | None,
    index: Path | None,
    ends_in_null: bool,
    output_format: str,
) -> int:
    """List the photos in folders that show somebody.

    Photos that the index does not have yet are looked at first.
    """
    if like and others:
        raise click.UsageError("--together is for names, and --like takes the place of one: give either.")
    name, folders = ("", words) if like else (str(words[0]) if words else "", words[1:])
    if not folders:
        raise click.UsageError("Say whom to look for, and in which folders: facerec find NAME FOLDER.")
    from facerec_cli.recognition.recognizer import Recognizer

    # Where the index knows all photos, nothing is looked at.
    recognizer = Recognizer(model, device=device, at_once=like is not None)
    collection, digest = open_index(index), recognizer.bundle.digest
    status = 0
    if like:
        probe = recognizer.embed([recognizer.extract(like).one_face(largest=largest).chip])[0]
    else:
        status, identifier, names = _sought(recognizer, database, (name, *others), fpir, threshold)
    filled = fill(recognizer, collection, folders)
    from facerec_cli.recognition.finding import find_like, find_people

    if like:
        limit, found = find_like(recognizer, probe, str(like), filled.embeddings, fpir=fpir, threshold=threshold)
    else:
        limit, found = identifier.threshold, find_people(identifier, filled.embeddings, names)
    is_found = False
    with Results("json", ()) as results:
        for photo in found:
            is_found = True
            if output_format == "json":
                for kept in collection.look([photo.photo], digest).values():  # none of one that changed meanwhile
                    results.add(_record(photo, kept))
            else:
                write_path(photo.photo, "\0" if ends_in_null else "\n")
    if not is_found:
        faces = count(sum(map(len, filled.embeddings.values())), "face")
        say(f"No photo of {len(filled.embeddings):,}, with {faces}, shows that. {limit.explanation}")
    return max(status, filled.status)


def _sought(
    recognizer: Recognizer, database: str, typed: Sequence[str], fpir: float, threshold: float | None
) -> tuple[int, Identifier, list[str]]:
    """Who names faces, and the names that are looked for; and the exit status of looking at the database."""
    from facerec_cli.cli.progress import show_embedding
    from facerec_cli.gallery.base import clean_name
    from facerec_cli.gallery.opening import open_gallery
    from facerec_cli.recognition.identification import Identifier

    gallery = open_gallery(database)
    status = show_embedding(recognizer, gallery)
    snapshot = gallery.snapshot()
    names = [snapshot.person(clean_name(name)).name for name in typed]
    return status, Identifier(recognizer, gallery, fpir=fpir, threshold=threshold), names


def _record(found: FoundPhoto, kept: KeptPhoto) -> dict[str, Any]:
    """A photo as JSON has it."""
    from facerec_cli.recognition.results import rounded

    faces = []
    for place, decision in found.faces.items():
        (nearest,) = decision.candidates
        box = [rounded(number, 1) for number in kept.faces[place].box]
        faces.append(nearest.to_json(decision.threshold) | {"threshold": decision.threshold, "box": box})
    return {"photo": str(found.photo), "faces": faces}
