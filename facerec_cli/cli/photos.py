"""The photos of a command line: named, in folders, or listed on standard input."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from facerec_cli.errors import UnreadablePhotoError
from facerec_cli.storage import Url

if TYPE_CHECKING:
    from facerec_cli.datasets.folder import Found

_LIST = Path("-")
_CHUNK = 65_536


class Photos:
    """The photos of a command line, in order, read as they are needed; ``-`` reads paths from standard input.

    Attributes:
        searched: what the folders hold that were searched so far.
    """

    def __init__(self, named: Sequence[Path], *, recursive: bool = False) -> None:
        """Take paths as they were typed.

        Args:
            named: photos, and folders where ``recursive``.
            recursive: look for photos in folders.

        Raises:
            click.UsageError: there are none.
        """
        if not named:
            raise click.UsageError("Name at least one photo: facerec … PHOTO, or -i PHOTO.")
        self.searched: list[Found] = []
        self._named = named
        self._recursive = recursive

    @property
    def count(self) -> int | None:
        """How many photos, where that is known beforehand."""
        return None if self._recursive or _LIST in self._named else len(self._named)

    @property
    def has_folders(self) -> bool:
        """Whether folders are named; of a list, which is not read yet, nobody knows."""
        return any(map(self._is_searched, self._named))

    def named(self) -> Iterator[Path]:
        """The paths themselves, those listed on standard input among them.

        Raises:
            UnreadablePhotoError: standard input cannot be read.
        """
        for path in self._named:
            if path == _LIST:
                yield from _listed()
            else:
                yield path

    def search(self, folder: Path) -> Found:
        """What a folder holds; noted in ``searched``."""
        from facerec_cli.datasets.bucket import search_bucket
        from facerec_cli.datasets.folder import search

        found = search_bucket(folder) if isinstance(folder, Url) else search(folder)
        self.searched.append(found)
        return found

    def __iter__(self) -> Iterator[Path]:
        """The photos; errors as ``named``."""
        for path in self.named():
            if self._is_searched(path):
                yield from self.search(path).photos
            else:
                yield path

    def place(self, photo: Path) -> Path:
        """A relative path that is another for each photo: below the folder that all that is named shares."""
        path = _absolute(photo)
        if self._shared and path.is_relative_to(self._shared):
            return path.relative_to(self._shared)
        return path.relative_to(path.anchor)

    @cached_property
    def _shared(self) -> Path | None:
        """The folder that all that is named is in; of lists, which are not read yet, the one in which we are."""
        folders = [
            Path.cwd() if path == _LIST else _absolute(path) if self._is_searched(path) else _absolute(path).parent
            for path in self._named
        ]
        try:
            return Path(os.path.commonpath(folders))
        except ValueError:  # on Windows' several disks
            return None

    def _is_searched(self, path: Path) -> bool:
        if not self._recursive:
            return False
        from facerec_cli.datasets.folder import is_folder

        return isinstance(path, Url) or is_folder(path)


def _absolute(path: Path) -> Path:
    """Without ``..``, and with links left as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute leaves .. in


def _listed() -> Iterator[Path]:
    """The paths on standard input, as they come."""
    listed = names_in(cast(BufferedReader, sys.stdin.buffer).read1)
    try:
        yield from (Path(os.fsdecode(name)) for name in listed)
    except OSError as error:
        problem = f"Standard input cannot be read ({error.strerror})"
        raise UnreadablePhotoError(problem, "pipe a list of photos in, or name them") from error


def names_in(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """File names of any bytes, from a list with one a line, or with a NUL after each as ``find -print0`` writes it.

    A byte-order mark, carriage returns before the ends of lines and blank lines are no part of a name; a list in
    UTF-16, as Windows writes it, gives names in UTF-8.

    Args:
        read: gives up to so many bytes, those at hand, and none at the end.
    """
    chunks = iter(lambda: read(_CHUNK), b"")
    waiting = b""
    # What decides is at the beginning: the mark, and the first name's end.
    for chunk in chunks:
        waiting += chunk
        if len(waiting) >= 3 and (b"\n" in waiting or b"\0" in waiting):
            break
    if waiting.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        waiting = b"".join((waiting, *chunks)).decode("utf-16", errors="replace").encode(errors="replace")
    waiting = waiting.removeprefix(codecs.BOM_UTF8)
    is_lines = b"\0" not in waiting
    for name in _split(waiting, chunks, b"\n" if is_lines else b"\0"):
        if is_lines and name.strip():
            yield name.removesuffix(b"\r")
        elif name and not is_lines:
            yield name


def _split(waiting: bytes, chunks: Iterator[bytes], end: bytes) -> Iterator[bytes]:
    """The parts between ends, as soon as they are whole."""
    while True:
        *parts, waiting = waiting.split(end)
        yield from parts
        chunk = next(chunks, b"")
        if not chunk:
            break
        waiting += chunk
    yield waiting
