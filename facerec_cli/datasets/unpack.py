"""Unpack an archive safely: beside its final place, and renamed in when it is whole and right."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from facerec_cli.datasets.download import unwritable
from facerec_cli.errors import FetchError
from facerec_cli.files import new_folder


def unpack(
    archive: Path, target: Path, check: Callable[[Path], None], advanced: Callable[[int], None] = lambda _: None
) -> None:
    """Unpack a tar archive's one top folder as ``target``.

    Args:
        archive: plain or compressed.
        target: the folder that appears, whole; it must not exist.
        check: raises FetchError for a folder whose content is wrong.
        advanced: told how many bytes of the archive were read since it was last told.

    Raises:
        FetchError: the archive is damaged, reaches outside its folder, has links that leave it or devices (all that
            tarfile's ``data`` filter refuses, PEP 706, and absolute paths), or its content is wrong. Nothing is left.
        FetchFolderError: the folder cannot be written.
    """
    if not hasattr(tarfile, "data_filter"):
        raise FetchError("This Python is too old to unpack archives safely", "update it to its newest patch release")
    with _appearing(target) as beside, tempfile.TemporaryDirectory(prefix=".unpacked-", dir=target.parent) as place:
        _extract(archive, Path(place), advanced)
        tops = [path for path in Path(place).iterdir() if path.is_dir()]
        if len(tops) != 1:
            raise FetchError(
                f"{archive} was not unpacked, it holds {len(tops)} folders where one is expected", "take another"
            )
        check(tops[0])
        beside.rmdir()
        tops[0].replace(beside)


def adopt(folder: Path, target: Path, check: Callable[[Path], None]) -> None:
    """Copy a folder that the user has to ``target``, whole and checked; arguments and errors as ``unpack``."""
    check(folder)
    with _appearing(target) as beside:
        shutil.copytree(folder, beside, dirs_exist_ok=True)


def _extract(archive: Path, place: Path, advanced: Callable[[int], None]) -> None:
    try:
        with archive.open("rb") as file, tarfile.open(fileobj=file) as tar:
            told = 0
            for member in tar:
                if member.name.startswith(("/", "\\")):
                    raise FetchError(
                        f"{archive} was not unpacked, it has the absolute path {member.name}", "take another"
                    )
                tar.extract(member, place, filter="data")
                advanced(file.tell() - told)
                told = file.tell()
    except tarfile.FilterError as error:
        raise FetchError(
            f"{archive} was not unpacked, it reaches outside its folder ({error})", "take another"
        ) from error
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise FetchError(f"{archive} is damaged ({error})", "fetch it again") from error


@contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    try:
        with new_folder(target) as beside:
            yield beside
    except OSError as error:
        raise unwritable(target, error) from error
