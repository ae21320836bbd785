"""Files and folders that appear whole or not at all: written beside their place, flushed to the disk, renamed in."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_TOO_MANY = {errno.EMFILE, errno.ENFILE}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_MANY = 1_000
"""Files that are worth flushing the whole disk for."""


class Refusal(NamedTuple):
    """Why the system refused to read or write, and what to do about it, as clauses."""

    reason: str
    remedy: str


def refusal(error: OSError) -> Refusal:
    """What a system's error means, in words."""
    if error.errno in _FULL or "No space left" in str(error):  # HDF5 has the text alone
        return Refusal("the disk is full", "free some space")
    if error.errno in _REFUSED:
        return Refusal("it is not readable and writable for you", "change its permissions")
    if error.errno in _TOO_MANY or "Too many open files" in str(error):
        return Refusal("too many files are open", "close other programs, or have the limit of open files raised")
    if error.errno == errno.ENAMETOOLONG:
        return Refusal("its name is too long", "give it a shorter one")
    return Refusal(error.strerror or str(error), "check the disk")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; what is there when the block ends takes the place of ``path``.

    Raises:
        OSError: the file cannot be written; what was at ``path`` before is untouched.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        yield beside
        move_in(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def move_in(beside: Path, path: Path) -> None:
    """Have a finished file take the place of ``path``, which is on the same disk; errors as ``new_file``."""
    sync_file(beside)
    beside.replace(path)
    sync_folder(path.parent)


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; errors as ``new_file``."""
    with new_file(path) as beside:
        beside.write_bytes(data)


def write_through(path: Path, data: bytes) -> None:
    """Write a file in its place and have it on the disk: for what nothing names until later.

    Raises:
        OSError: it cannot be written; what came of it is left.
    """
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder beside ``path`` to fill; it takes the place of ``path``, whatever was there, when the block ends.

    Raises:
        OSError: it cannot be written; what was at ``path`` before is untouched.
    """
    import shutil  # noqa: PLC0415 - slow to import, and reading needs neither
    import tempfile  # noqa: PLC0415

    path.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    beside, old = place / "new", place / "old"
    try:
        beside.mkdir()
        yield beside
        _sync_below(beside)
        try:
            if path.exists():
                path.replace(old)
            beside.replace(path)
        except BaseException:
            if old.exists() and not path.exists():
                old.replace(path)
            raise
        sync_folder(path.parent)
    finally:
        # What was there before is kept, wherever it is, until something stands in its place.
        if path.exists() or not old.exists():
            shutil.rmtree(place, ignore_errors=True)


def _sync_below(folder: Path) -> None:
    """Have all that a folder holds on the disk; a link is as good as on it.

    Very many are flushed at once, where the system waits for that, as Linux does and POSIX need not: LFW's 13,233 take
    3.6 s one by one, and 0.5 s together.
    """
    parents = [(Path(parent), names) for parent, _, names in os.walk(folder)]
    if sys.platform == "linux" and sum(len(names) for _, names in parents) > _MANY:
        os.sync()
        return
    for parent, names in parents:
        for name in names:
            if not (parent / name).is_symlink():
                sync_file(parent / name)
        sync_folder(parent)


def sync_file(path: Path) -> None:
    """Have a file's content on the disk."""
    # Windows flushes what may be written to alone; elsewhere a file may be read-only.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the system can: not every file system lets folders be flushed.

    Nor can a folder be that may be written to and not be read.
    """
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EROFS}:
            raise
    finally:
        os.close(descriptor)
