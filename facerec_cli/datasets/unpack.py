"""Unpack an archive safely: beside its final place, and renamed in when it is whole and right."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from facerec_cli.errors import FetchError


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
    """
    if not hasattr(tarfile, "data_filter"):
        raise FetchError("This Python is too old to unpack archives safely: update it to its newest patch release.")
    with _beside(target) as place:
        try:
            with archive.open("rb") as file, tarfile.open(fileobj=file) as tar:
                told = 0
                for member in tar:
                    if member.name.startswith(("/", "\\")):
                        raise FetchError(f"{archive} has the absolute path {member.name}: it was not unpacked.")
                    tar.extract(member, place, filter="data")
                    advanced(file.tell() - told)
                    told = file.tell()
        except tarfile.FilterError as error:
            raise FetchError(f"{archive} reaches outside its folder ({error}): it was not unpacked.") from error
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise FetchError(f"{archive} is damaged ({error}): fetch it again.") from error
        tops = [path for path in place.iterdir() if path.is_dir()]
        if len(tops) != 1:
            raise FetchError(f"{archive} holds {len(tops)} folders where one is expected: it was not unpacked.")
        check(tops[0])
        tops[0].replace(target)


def adopt(folder: Path, target: Path, check: Callable[[Path], None]) -> None:
    """Copy a folder that the user has to ``target``, whole and checked; arguments and errors as ``unpack``."""
    check(folder)
    with _beside(target) as place:
        shutil.copytree(folder, place / "copy").replace(target)


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield place
    except OSError as error:
        raise FetchError(f"{target} cannot be written ({error.strerror or error}): check the disk.") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)
