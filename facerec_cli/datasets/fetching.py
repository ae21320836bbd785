"""Fetch Labeled Faces in the Wild: its terms, photos and protocol files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facerec_cli.datasets.download import (
    DEFAULT_SETTINGS,
    DownloadWatcher,
    NoWatcher,
    Settings,
    download,
    unwritable,
)
from facerec_cli.datasets.lfw import ARCHIVES, PAIRS, TERMS, check_photos, people_files
from facerec_cli.datasets.remote import RemoteFile
from facerec_cli.datasets.unpack import adopt, unpack
from facerec_cli.errors import FetchError, TermsError
from facerec_cli.files import write_file


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

    What is there is not fetched again; what was interrupted goes on where it stopped.

    Args:
        name: ``lfw``, ``lfw-funneled`` or ``lfw-deepfunneled``; also that of the photos' folder.
        data: the folder for both.
        consent: asked with LFW's terms before the first download, once for a folder.
        mirror: a URL below which files are looked for first.
        own: an archive, or an unpacked folder, to take in place of a download.
        watcher: told how it goes; unpacking is a file named ``unpacking``.
        settings: how hard to try.

    Raises:
        TermsError: the terms are not consented to.
        FetchError: there is nothing at ``own``.
        FetchFolderError: the folder cannot be written.
    """
    if own is not None and not own.exists():
        raise FetchError(f"{own} does not exist", "check the path")
    watcher = watcher or NoWatcher()
    folder = data / name
    was_there = folder.is_dir()
    wanted = [_mirrored(file, mirror) for file in PAIRS]
    if not was_there and own is None:
        wanted.insert(0, _mirrored(ARCHIVES[name], mirror))
    try:
        if not all((data / file.name).exists() for file in wanted):
            _ask(data, consent)
        for file, content in people_files().items():
            if not (data / file).exists():
                write_file(data / file, content)
    except OSError as error:
        raise unwritable(data, error) from error
    outcomes = download(wanted, data, watcher, settings)
    failures = [error for error in outcomes.values() if error]
    if not was_there and not outcomes.get(ARCHIVES[name].name):
        try:
            _place(own or data / ARCHIVES[name].name, folder, watcher)
        except FetchError as error:
            failures.append(error)
    return Fetched(folder, folder.is_dir(), was_there, failures)


def _ask(data: Path, consent: Callable[[str], bool]) -> None:
    """Have LFW's terms consented to, unless they were before."""
    data.mkdir(parents=True, exist_ok=True)
    noted = data / ".lfw-terms-accepted"
    if noted.exists():
        return
    if not consent(TERMS):
        raise TermsError("The terms of Labeled Faces in the Wild need your consent", "give it")
    write_file(noted, f"{TERMS}\n".encode())


def _place(source: Path, folder: Path, watcher: DownloadWatcher) -> None:
    """Have the photos of an archive or a folder in their place."""
    if source.is_dir():
        adopt(source, folder, check_photos)
    else:
        watcher.started("unpacking", 0, source.stat().st_size)
        unpack(source, folder, check_photos, lambda count: watcher.advanced("unpacking", count))


def _mirrored(file: RemoteFile, mirror: str | None) -> RemoteFile:
    return replace(file, urls=(f"{mirror.rstrip('/')}/{file.name}", *file.urls)) if mirror else file
