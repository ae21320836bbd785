"""Any folder of photos, and of people: one sub-folder a person, or one photo a person."""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from facerec_cli.defaults import DATABASE_INDEX
from facerec_cli.errors import NestedPeopleError, NoPhotosError, PhotoError, UnreadablePhotoError
from facerec_cli.faces.endings import RAW_SUFFIXES, SUFFIXES
from facerec_cli.faces.headers import inspect

_JUNK = frozenset(
    {
        *("@eadir", "@tmp", "@recycle", "@recently-snapshot", "@sharebin", "#recycle", "#snapshot", "~snapshot"),  # NAS
        *("$recycle.bin", "recycler", "system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini"),
        *("__macosx", "icon\r", "network trash folder", "temporary items"),
    }
)
"""What NAS and desktop systems leave in folders, in lower case."""
_SIDECAR = ".xmp"
"""What photo programs write beside photos: it belongs to them."""


def is_added(name: str) -> bool:
    """Whether a file or folder of that name is hidden, or what systems and photo programs add to what people have."""
    return name.startswith(".") or name.lower() in _JUNK or _suffix(name) == _SIDECAR


class LeftOut(Enum):
    """Why something in a folder is not among its photos; the value says what it is, and why."""

    EMPTY = ("folder", "no photo in there")
    SEEN = ("linked folder", "searched already, or leading back up")
    RAW = ("raw photo", "facerec reads none, export it as JPEG")
    OTHER = ("file", "no picture")
    DATABASE = ("database", "of people enrolled, whose faces are no photos to look through")


@dataclass(frozen=True, eq=False)
class _Photos(Collection[Path]):
    """The names of photos, by folder; a path is made when it is asked for, since a hundred thousand take 25 MB."""

    names: dict[str, list[str]]

    def __len__(self) -> int:
        return sum(map(len, self.names.values()))

    def __iter__(self) -> Iterator[Path]:
        return (place / name for folder, names in self.names.items() for place in [Path(folder)] for name in names)

    def __contains__(self, photo: object) -> bool:
        return any(photo == one for one in self)


@dataclass(frozen=True, eq=False)
class Found:
    """What a folder holds.

    Attributes:
        folder: as it was named.
        photos: all at any depth, sorted by folder, and in each by name; what has a photo's header is one, whatever its
            ending.
        refused: why parts of the folder cannot be searched, whose paths are the errors' ``subject``; never empty where
            there is no photo.
        left_out: what else is there, but for what is hidden and what systems and photo programs add.
    """

    folder: Path
    photos: Collection[Path]
    refused: list[PhotoError]
    left_out: dict[LeftOut, list[Path]]

    @property
    def people(self) -> list[tuple[str, Path]]:
        """Pairs of name and photo.

        A sub-folder is a person with all photos below it; a photo directly in the folder is a person named by its file.
        """
        depth = len(self.folder.parts)
        return [(_name(photo.parts[depth:]), photo) for photo in self.photos]

    @property
    def nested(self) -> dict[Path, NestedPeopleError]:
        """The sub-folders whose photos lie in folders of their own alone, each as an error.

        Whether that is one person with a folder a year, or a folder of people, nobody can tell.
        """
        depth = len(self.folder.parts) + 1
        parents: dict[Path, set[Path]] = defaultdict(set)
        for photo in self.photos:
            if len(photo.parts) > depth:
                parents[Path(*photo.parts[:depth])].add(photo.parent)
        return {
            place: NestedPeopleError(
                f"{place} holds folders with photos, and no photo itself",
                "name the folder of the people, or the person",
                os.path.commonpath([parent.parent for parent in holding]),
            )
            for place, holding in parents.items()
            if place not in holding
        }


def search(folder: Path) -> Found:
    """Look for photos in a folder, at any depth.

    Links are followed, and each folder is searched once: under its own path, or else under the first link to it.
    Hidden files and folders are left out, and so is what NAS and desktop systems leave.
    """
    walk = _Walk(folder)
    photos = walk.photos()
    refused: list[PhotoError] = [error for _, error in sorted(walk.refused.items())]
    if not photos and not refused:
        refused.append(NoPhotosError(f"{folder} holds no photo", "give a folder of photos", str(folder)))
    return Found(folder, photos, refused, walk.left_out())


def is_folder(path: Path) -> bool:
    """Whether a path is a folder, or a link to one; not where the system does not let us see."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises where a parent may not be searched


class _Walk:
    """One search; paths are text until it is over, since a data set has many."""

    def __init__(self, top: Path) -> None:
        self.refused: dict[str, UnreadablePhotoError] = {}
        self._top = os.fspath(top)
        self._photos: dict[str, list[str]] = {}
        """The names of photos, by folder."""
        self._parents: dict[str, str] = {}
        self._left_out: dict[LeftOut, list[str]] = defaultdict(list)
        # A link to a folder above would lead back here.
        self._seen = {_identity(parent) for parent in Path(os.path.realpath(top)).parents if is_folder(parent)}
        self._links: deque[str] = deque()
        self._descend(self._top)
        while self._links:
            self._descend(self._links.popleft())

    def photos(self) -> _Photos:
        """All, sorted by folder, each before those in it and these before those beside it."""
        folders = sorted(self._photos, key=lambda folder: folder.replace(os.sep, "\0"))
        return _Photos({folder: self._photos[folder] for folder in folders})

    def left_out(self) -> dict[LeftOut, list[Path]]:
        """What is left out, sorted."""
        reasons = {LeftOut.EMPTY: self._empty(), **self._left_out}
        return {reason: sorted(map(Path, paths)) for reason, paths in reasons.items() if paths}

    def _descend(self, top: str) -> None:
        pending = [top]
        while pending:
            folder = pending.pop()
            try:
                if not self._is_new(folder):
                    self._left_out[LeftOut.SEEN].append(folder)
                    continue
                with os.scandir(folder) as entries:
                    listed = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                self._refuse(folder, error)
                continue
            if folder != self._top and any(entry.name == DATABASE_INDEX for entry in listed):
                self._left_out[LeftOut.DATABASE].append(folder)
                continue
            photos = self._photos[folder] = []
            for entry in listed:
                if is_added(entry.name):
                    continue
                try:
                    if entry.is_dir():
                        # Links after all else: a folder's own path comes before any link to it.
                        (self._links if entry.is_symlink() else pending).append(entry.path)
                        self._parents[entry.path] = folder
                    elif reason := _why_not(entry):
                        self._left_out[reason].append(entry.path)
                    else:
                        photos.append(entry.name)
                except OSError as error:
                    self._parents[entry.path] = folder
                    self._refuse(entry.path, error)

    def _is_new(self, folder: str) -> bool:
        """Whether a folder has not been searched yet, by whatever path."""
        identity = _identity(folder)
        if identity in self._seen:
            return False
        if identity[1]:  # some file systems number nothing
            self._seen.add(identity)
        return True

    def _refuse(self, path: str, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            problem, remedy = f"{path} cannot be read ({error.strerror})", "check it and its permissions"
        elif Path(path).is_symlink():
            problem, remedy = f"{path} is a link that leads nowhere", "check the link"
        else:
            problem, remedy = f"{path} does not exist", "check the path"
        self.refused[path] = UnreadablePhotoError(problem, remedy, path)

    def _empty(self) -> list[str]:
        """The folders with nothing to search for below them, without those inside such a folder."""
        inhabited = {self._top}
        for path in [*(folder for folder, photos in self._photos.items() if photos), *self.refused]:
            while path not in inhabited:
                inhabited.add(path)
                path = self._parents[path]  # noqa: PLW2901
        return [folder for folder in self._photos if folder not in inhabited and self._parents[folder] in inhabited]


def _why_not(entry: os.DirEntry[str]) -> LeftOut | None:
    """Why a file is none of the photos that are tried; OSError for a link that leads nowhere."""
    suffix = _suffix(entry.name)
    if suffix in SUFFIXES:
        return None
    if suffix in RAW_SUFFIXES:
        return LeftOut.RAW
    if not entry.is_file():
        entry.stat()
        return LeftOut.OTHER
    with open(entry.path, "rb") as file:  # noqa: PTH123
        return None if inspect(file, entry.stat().st_size) else LeftOut.OTHER


def _identity(folder: str | Path) -> tuple[int, int]:
    status = os.stat(folder)  # noqa: PTH116
    return status.st_dev, status.st_ino


def _suffix(name: str) -> str:
    """A name's ending in lower case, with its dot; without one, what is no ending."""
    return name[name.rfind(".") :].lower()


def _name(parts: tuple[str, ...]) -> str:
    """The person of a photo, by its path below the folder of people."""
    first = parts[0]
    return first[: first.rfind(".")] if len(parts) == 1 and _suffix(first) in SUFFIXES else first
