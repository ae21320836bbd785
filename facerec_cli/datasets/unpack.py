"""Take the photos out of an archive or a folder: beside their final place, and renamed in when all are there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from facerec_cli.datasets.archives import Entry, entries
from facerec_cli.datasets.folder import is_added
from facerec_cli.datasets.workplace import unwritable
from facerec_cli.errors import FetchError
from facerec_cli.files import new_folder, sync_folder


def unpack(
    source: Path,
    target: Path,
    place: Path,
    check: Callable[[Iterable[str]], None],
    advanced: Callable[[int], None] = lambda _: None,
) -> None:
    """Write the photos of a data set to ``target``: a folder a person, wherever in the source these folders are.

    Args:
        source: an archive or a folder, as ``archives.entries`` takes; what is no photo is left where it is, and so is
            what desktop systems add.
        target: the folder that appears, whole; it must not exist.
        place: an empty folder on the same disk, to work in.
        check: given the photos, as paths below their folder; raises FetchError where they are the wrong ones.
        advanced: told how many bytes of an archive were read since it was last told.

    Raises:
        FetchError: the source cannot be read, or its content is wrong. Nothing is left.
        FetchFolderError: the folder cannot be written.
    """
    photos = place / "photos"
    try:
        with new_folder(photos) as beside:
            check(_write(source, beside, advanced))
        photos.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise unwritable(target, error) from error


def _write(source: Path, folder: Path, advanced: Callable[[int], None]) -> list[str]:
    """Write a source's photos into a folder; their paths below it."""
    written: list[str] = []
    people: set[str] = set()
    top: Path | None = None
    for entry in entries(source, advanced):
        if not _is_photo(entry):
            continue
        above = source / entry.path.parent.parent
        top = top or above
        if above != top:
            raise FetchError(
                f"{source} has photos both in {str(top)!r} and in {str(above)!r}", "give the one that is wanted"
            )
        person, photo = entry.path.parts[-2:]
        if person not in people:
            (folder / person).mkdir()
            people.add(person)
        try:
            with (folder / person / photo).open("xb") as file:
                file.writelines(entry.blocks)
        except FileExistsError as error:
            raise FetchError(f"{source} was not taken, it has {str(entry.path)!r} twice", "take another") from error
        written.append(f"{person}/{photo}")
    return written


def _is_photo(entry: Entry) -> bool:
    """Whether a file is a person's photo."""
    parts = entry.path.parts
    return len(parts) >= 2 and entry.path.suffix.lower() == ".jpg" and not any(map(is_added, parts))
