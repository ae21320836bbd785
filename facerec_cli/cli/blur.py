"""facerec blur."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facerec_cli.cli import options
from facerec_cli.cli.collections import through_index
from facerec_cli.cli.identifying import Looking, begin
from facerec_cli.cli.photos import Photos
from facerec_cli.cli.progress import Reporter
from facerec_cli.cli.remedies import sentence
from facerec_cli.cli.render import Results
from facerec_cli.words import count

if TYPE_CHECKING:
    from facerec_cli.errors import FacerecError
    from facerec_cli.faces.extraction import Extraction
    from facerec_cli.recognition.results import Identification

_COLUMNS = ("photo", "faces", "hidden", "copy", "error")


@click.command("blur", cls=options.PhotosCommand, epilog="Example: facerec blur -i party.jpg --out blurred --keep Ada")
@options.photos_argument
@options.image_option
@click.option(
    "--out",
    type=options.GivenPath(file_okay=False),
    required=True,
    metavar="DIR",
    help="Folder for the copies; made if it is not there.",
)
@click.option("--keep", multiple=True, metavar="NAME", help="Leave this person's face as it is; may be repeated.")
@click.option("--only", multiple=True, metavar="NAME", help="Hide this person's face alone; may be repeated.")
@click.option("--unknown", is_flag=True, help="Hide the faces of strangers alone.")
@options.database_option
@options.model_option
@options.device_option
@options.fpir_option
@options.threshold_option
@options.size_option
@options.thorough_option
@options.index_option
@options.no_index_option
@options.format_option
def command(
    photos: tuple[Path, ...],
    images: tuple[Path, ...],
    out: Path,
    keep: tuple[str, ...],
    only: tuple[str, ...],
    unknown: bool,
    database: str,
    model: str,
    device: str,
    fpir: float,
    threshold: float | None,
    size: int | None,
    thorough: bool,
    index: Path | None,
    no_index: bool,
    output_format: str,
) -> int:
    """Make copies in which faces cannot be recognised.

    PHOTO is a photo, a folder, or - for paths on standard input. Each face is covered by plain grey, and what else of a
    file may show it is left out: the copy has no metadata but orientation and colour profile. All faces are hidden,
    unless --keep, --only or --unknown says whose are. What is found in a folder's photos is kept in an index, as
    identify -r keeps it.
    """
    if sum(map(bool, (keep, only, unknown))) > 1:
        raise click.UsageError("Give one of --keep, --only and --unknown.")
    asked = Photos((*photos, *images), recursive=True)
    reporter = Reporter("Hiding faces", asked.count, output_format=output_format)
    looking = Looking(device, size, thorough, index, no_index)
    if keep or only or unknown:
        from facerec_cli.gallery.base import clean_name

        whose = _Whose(frozenset(map(clean_name, keep)), frozenset(map(clean_name, only)))
        status, looked_at = _identified(asked, whose, database, model, fpir, threshold, looking, reporter)
    else:
        status, looked_at = 0, _all_hidden(asked, model, looking, reporter)
    hidden = 0
    with Results(output_format, _COLUMNS) as results, reporter:
        for seen in looked_at:
            reporter.advance()
            copy, error = None, seen.error
            if not error:
                copy, error = _copied(seen, out / asked.place(Path(seen.source)).parent)
                hidden += len(seen.hidden) if copy else 0
            if error:
                reporter.error(error)
            elif not seen.faces:
                reporter.warn(f"No face was found in {seen.source}: look at its copy before you show it.")
            if seen.note:
                reporter.warn(f"{seen.note}, and the copy has no more.")
            _show(seen, copy, error, results)
        for found in asked.searched:
            for refusal in found.refused:
                reporter.error(refusal)
                _show(_Seen(refusal.subject), None, refusal, results)
            reporter.left_out(found.left_out)
        reporter.note(
            f"{count(hidden, 'face')} hidden in copies of {count(reporter.done, 'photo')} in {out}, "
            f"{reporter.seconds:.1f} s: look at them before you show them, for no detector finds every face."
        )
        return max(status, reporter.status)


@dataclass(frozen=True)
class _Whose:
    """Whose faces are hidden: all but those kept, or those meant alone, or, where neither is named, strangers'."""

    kept: frozenset[str]
    meant: frozenset[str]

    def is_hidden(self, face: Identification) -> bool:
        if self.kept:
            return face.name not in self.kept
        return face.name in self.meant if self.meant else not face.is_known


@dataclass(frozen=True)
class _Seen:
    """A photo that was looked at: how many faces there are, and the boxes of those to hide."""

    source: str
    size: tuple[int, int] = (0, 0)
    faces: int = 0
    hidden: tuple[tuple[float, float, float, float], ...] = ()
    error: FacerecError | None = None
    note: str | None = None


def _all_hidden(asked: Photos, model: str, looking: Looking, reporter: Reporter) -> Iterator[_Seen]:
    """Photos with all their faces; nobody has to be known, and without the index no model is loaded."""
    if looking.goes_through_index(asked):
        from facerec_cli.recognition.recognizer import Recognizer

        recognizer = Recognizer(model, device=looking.device, at_once=False)
        embedded = through_index(recognizer, looking.index, asked, reporter, by_content=True)
        return (_whole(photo.source, photo.extraction, photo.error) for photo in embedded)
    from facerec_cli.errors import PhotoError
    from facerec_cli.faces.extraction import Extractor
    from facerec_cli.parallel import ordered_map

    extractor = Extractor(looking.size, thorough=looking.thorough)

    def extract(photo: Path) -> _Seen:
        try:
            return _whole(str(photo), extractor.extract(photo), None)
        except PhotoError as error:
            return _whole(str(photo), None, error)

    return ordered_map(extract, asked)


def _whole(source: str, seen: Extraction | None, error: FacerecError | None) -> _Seen:
    """A photo whose faces are all hidden."""
    if seen is None:
        return _Seen(source, error=error)
    boxes = tuple(face.box for face in seen.faces)
    return _Seen(source, (seen.width, seen.height), len(boxes), boxes, note=seen.note)


def _identified(
    asked: Photos,
    whose: _Whose,
    database: str,
    model: str,
    fpir: float,
    threshold: float | None,
    looking: Looking,
    reporter: Reporter,
) -> tuple[int, Iterator[_Seen]]:
    """Photos with the faces of those whose are hidden; and the exit status of looking at the database.

    Raises:
        UnknownPersonError: somebody is named who is not enrolled.
    """
    from facerec_cli.gallery.opening import open_gallery

    enrolled = open_gallery(database).snapshot()
    for name in sorted(whose.kept | whose.meant):
        enrolled.person(name)
    status, identifier, embedded = begin(
        *(asked, database, model, reporter, looking), fpir=fpir, threshold=threshold, by_content=True
    )
    return status, (
        _Seen(
            result.source,
            (result.width, result.height),
            len(result.faces),
            tuple(one.face.box for one in result.faces if whose.is_hidden(one)),
            result.error,
            result.note,
        )
        for result in identifier.decide_photos(embedded)
    )


def _copied(seen: _Seen, folder: Path) -> tuple[Path | None, FacerecError | None]:
    """Where a photo's copy is, or why there is none."""
    from facerec_cli.drawing.blur import hide_faces
    from facerec_cli.errors import FacerecError

    try:
        return hide_faces(Path(seen.source), seen.hidden, seen.size, folder), None
    except FacerecError as error:
        return None, error


def _show(seen: _Seen, copy: Path | None, error: FacerecError | None, results: Results) -> None:
    record: dict[str, Any] = {
        "photo": seen.source,
        "faces": seen.faces,
        "hidden": len(seen.hidden) if copy else 0,
        "copy": str(copy) if copy else None,
        "error": sentence(error) if error else None,
    }
    results.add(record, [record] if copy or results.format == "csv" else [])
