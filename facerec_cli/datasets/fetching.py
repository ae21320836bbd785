"""Fetch Labeled Faces in the Wild: its terms, photos and protocol files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facerec_cli.datasets.answers import DEFAULT_SETTINGS, Settings
from facerec_cli.datasets.download import DownloadWatcher, NoWatcher, download
from facerec_cli.datasets.lfw import ARCHIVES, PROTOCOL_FILES, TERMS, check_photos, protocol_files
from facerec_cli.datasets.pieces import Pieces
from facerec_cli.datasets.remote import RemoteFile
from facerec_cli.datasets.unpack import unpack
from facerec_cli.datasets.workplace import unwritable, workplace
from facerec_cli.errors import FetchError, TermsError
from facerec_cli.files import move_in, refusal


@dataclass(frozen=True)
class Fetched:
    """What came of fetching.

    Attributes:
        folder: of the photos, a sub-folder a person.
        is_there: whether it is there; False where its archive could not be fetched, is damaged, or is not LFW.
        was_there: whether it was there before.
        failures: what could not be fetched or unpacked, and why.
    """

    folder: Path
    is_there: bool
    was_there: bool
    failures: Sequence[FetchError]


def fetch_lfw(
    name: str,
    data: Path,
    consent: Callable[[str], bool],
    *,
    mirror: str | None = None,
    own: Path | None = None,
    watcher: DownloadWatcher | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> Fetched:
    """Bring LFW's photos to a folder and its protocol files (pairs.txt, people.txt, those of View 1) beside it.

    What is there is not fetched again; what was interrupted goes on where it stopped. Only the photos' archive comes
    from the network, and only without a copy of one's own.

    Args:
        name: ``lfw``, ``lfw-funneled`` or ``lfw-deepfunneled``; also that of the photos' folder.
        data: the folder for both.
        consent: asked with LFW's terms before the first download, once for a folder.
        mirror: a URL below which the archive is looked for first.
        own: a tar or zip archive, or an unpacked folder, to take in place of a download.
        watcher: told how it goes; unpacking is a file named ``unpacking``.
        settings: how hard to try.

    Raises:
        TermsError: the terms are not consented to.
        FetchError: there is nothing at ``own``.
        FetchFolderError: the folder cannot be written, or another process fetches to it.
        NetworkSettingsError: what the environment says about the network cannot be used.
    """
    try:
        if own is not None and not own.exists():
            raise FetchError(f"{own} does not exist", "check the path")
    except OSError as error:
        why, remedy = refusal(error)
        raise FetchError(f"{own} cannot be read, {why}", remedy) from error
    try:
        return _fetch(name, data, consent, mirror, own, watcher or NoWatcher(), settings)
    except OSError as error:
        raise unwritable(data, error) from error


def _fetch(
    name: str,
    data: Path,
    consent: Callable[[str], bool],
    mirror: str | None,
    own: Path | None,
    watcher: DownloadWatcher,
    settings: Settings,
) -> Fetched:
    folder, place = data / name, data / f".{name}.fetching"
    archive = ARCHIVES[name]
    pieces = Pieces(data / archive.name)
    is_complete = folder.is_dir() and all((data / file).exists() for file in PROTOCOL_FILES)
    if is_complete and not place.exists() and not pieces.folder.exists():
        return Fetched(folder, True, True, [])
    failures: list[FetchError] = []
    with workplace(place):
        was_there = folder.is_dir()
        if not was_there and own is None:
            _ask(data, place, consent)
            outcomes = download([_mirrored(archive, mirror)], data, watcher, settings)
            failures += [error for error in outcomes.values() if error]
        for file, content in protocol_files().items():
            if not (data / file).exists():
                _write(data / file, place, content)
        if not was_there and not failures:
            try:
                _place(own or data / archive.name, folder, place, watcher)
            except FetchError as error:
                failures.append(error)
        if folder.is_dir():
            pieces.discard()
    return Fetched(folder, folder.is_dir(), was_there, failures)


def _ask(data: Path, place: Path, consent: Callable[[str], bool]) -> None:
    """Have LFW's terms consented to, unless they were before."""
    noted = data / ".lfw-terms-accepted"
    if noted.exists():
        return
    if not consent(TERMS):
        raise TermsError("The terms of Labeled Faces in the Wild need your consent", "give it")
    _write(noted, place, f"{TERMS}\n".encode())


def _write(path: Path, place: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    (place / path.name).write_bytes(content)
    move_in(place / path.name, path)


def _place(source: Path, folder: Path, place: Path, watcher: DownloadWatcher) -> None:
    """Have the photos of an archive or a folder in their place."""
    if not source.is_dir():
        watcher.started("unpacking", 0, source.stat().st_size)
    unpack(
        source,
        folder,
        place,
        lambda photos: check_photos(source, photos),
        lambda count: watcher.advanced("unpacking", count),
    )


def _mirrored(file: RemoteFile, mirror: str | None) -> RemoteFile:
    return replace(file, urls=(f"{mirror.rstrip('/')}/{file.name}", *file.urls)) if mirror else file
