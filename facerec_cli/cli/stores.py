"""facerec people init, migrate and copy: where people are kept."""

from __future__ import annotations

import click

from facerec_cli.cli import options
from facerec_cli.cli.progress import Reporter, show_embedding
from facerec_cli.words import count


@click.command(
    "init",
    short_help="Prepare a PostgreSQL server.",
    epilog="Example: facerec people init -db postgresql://ada@db.example/facerec",
)
@options.database_option
def init(database: str) -> int:
    """Make the tables in which a PostgreSQL server keeps people, once; a folder needs none of it."""
    from facerec_cli.gallery.opening import init_gallery

    _tell(database, init_gallery(database))
    return 0


@click.command(
    "migrate",
    short_help="Bring a server's tables up to date.",
    epilog="Example: facerec people migrate -db postgresql://ada@db.example/facerec",
)
@options.database_option
@options.model_option
def migrate(database: str, model: str) -> int:
    """Bring the tables of a PostgreSQL server up to what this facerec needs; who is enrolled stays so.

    With ?search=hnsw in the location, the index by which the server finds the model's people is made too.
    """
    from facerec_cli.encoders.bundle import resolve_bundle
    from facerec_cli.gallery.opening import migrate_gallery

    bundle = resolve_bundle(model)
    _tell(database, migrate_gallery(database, bundle.comparison().digest, bundle.embedding_size))
    return 0


def _tell(database: str, applied: list[str]) -> None:
    from facerec_cli.gallery.opening import shown_location

    place, reporter = shown_location(database), Reporter()
    for name in applied:
        reporter.note(f"{place}: applied {name}.")
    if not applied:
        reporter.note(f"{place} is up to date.")


@click.command(
    "copy",
    short_help="Bring everybody to another database.",
    epilog="Example: facerec people copy database postgresql://ada@db.example/facerec",
)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@options.model_option
@options.device_option
def copy(source: str, target: str, model: str, device: str) -> int:
    """Enrol everybody of the database FROM in the database TO as well, and compare the two.

    Chips stay as they are, to the bit; so do the model's embeddings. Repeat the command to go on where it was ended:
    photos that TO has are passed over.
    """
    from facerec_cli.gallery.opening import open_gallery
    from facerec_cli.recognition.comparing import compare_copy
    from facerec_cli.recognition.copying import copy_people, photo_count
    from facerec_cli.recognition.recognizer import Recognizer

    recognizer = Recognizer(model, device=device, at_once=False)
    original = open_gallery(source)
    photos = photo_count(original.snapshot())
    gallery = open_gallery(target, create=True)
    status = show_embedding(recognizer, gallery)
    with Reporter("Copying", photos) as reporter:
        copied = copy_people(recognizer, original, gallery, reporter.update)
        embedded = f", {copied.embedded:,} of them embedded for the first time" if copied.embedded else ""
        reporter.note(
            f"Copied {count(copied.new, 'photo')} from {original.location} to {gallery.location}{embedded}, "
            f"{reporter.seconds:.1f} s."
        )
    with Reporter("Comparing", photos) as reporter:
        compared = compare_copy(copied.people, original, gallery, reporter.update)
        for problem in compared.problems:
            reporter.error(problem)
        there = compared.target
        held = f"{gallery.location} holds {count(there.photos, 'photo')} of {count(there.people, 'person')}"
        if compared.source == there:
            reporter.note(f"{held}, all as they are in {original.location}: SHA-256 {there.sha256}.")
        else:
            wanted = f"{count(compared.source.photos, 'photo')} of {count(compared.source.people, 'person')}"
            reporter.error(
                f"{held} of the {wanted} in {original.location}: SHA-256 {there.sha256}, not {compared.source.sha256}."
            )
        if compared.other_photos:
            besides = f"{count(compared.other_photos, 'photo')} and {count(compared.other_people, 'person')} besides"
            reporter.note(f"{gallery.location} holds {besides}.")
    return max(status, reporter.status)
