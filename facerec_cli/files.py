"""Files and folders that appear whole or not at all: written beside their place, flushed to the disk, renamed in."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from facerec_cli.locks import locked

_FULL = {errno.ENOSPC, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_TOO_MANY_OPEN = {errno.EMFILE, errno.ENFILE}
_LONGEST = 220
"""Bytes of a name that leave room for what an unfinished file's has besides: file systems allow 255."""
_MANY = 1_000
"""Files that are worth flushing the whole disk for."""


class Refusal(NamedTuple):
    """Why the system refused to read or write, and what to do about it, as clauses."""

    reason: str
    remedy: str


def refusal(error: OSError) -> Refusal:
    """What a system's error means, in words."""
    if error.errno in _FULL:
        return Refusal("the disk is full", "free some space")
    if error.errno == errno.EDQUOT:
        return Refusal("your share of the disk is used up", "free some space")
    if error.errno in _TOO_MANY_OPEN or "Too many open files" in str(error):  # HDF5 has the text alone
        return Refusal("too many files are open", "close other programs, or raise the limit on open files")
    if error.errno in _REFUSED:
        return Refusal("it is not readable and writable for you", "change its permissions")
    if error.errno == errno.ENAMETOOLONG:
        return Refusal("its name is too long", "give it a shorter one")
    return Refusal(error.strerror or str(error), "check the disk")


@contextmanager
def new_file(path: Path, *, mode: int = 0o666, ending: str = "") -> Iterator[Path]:
    """An empty file beside ``path`` to write to; it takes the place of ``path`` when the block ends.

    Args:
        path: where it goes.
        mode: permissions, less the process's mask.
        ending: of the file's name meanwhile, for who goes by it.

    Raises:
        OSError: the file cannot be written; what was at ``path`` before is untouched.
    """
    beside = path.with_name(f"{_stray(path)}{os.getpid()}.{os.urandom(4).hex()}{ending}")
    try:
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        yield beside
        move_in(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _stray(path: Path) -> str:
    """How the names of unfinished files for ``path`` begin; where its own name leaves no room, by a digest of it."""
    name = os.fsencode(path.name)
    return f".{path.name}." if len(name) <= _LONGEST else f".{hashlib.sha256(name).hexdigest()}."


def move_in(beside: Path, path: Path) -> None:
    """Have a finished file take the place of ``path``, which is on the same disk; errors as ``new_file``."""
    sync_file(beside)
    beside.replace(path)
    sync_folder(path.parent)


def folder_mode(mode: int) -> int:
    """The permissions of a folder of files that have these: who may read them may enter it."""
    return mode | (mode & 0o444) >> 2


def clear_strays(path: Path) -> None:
    """Remove what killed writers of ``path`` left beside it; only for who holds the lock that writers of it hold."""
    for stray in path.parent.iterdir():
        if stray.name.startswith(_stray(path)) and (stray.is_symlink() or not stray.is_dir()):
            stray.unlink(missing_ok=True)


def write_file(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Write a file whole or not at all; arguments and errors as ``new_file``."""
    with new_file(path, mode=mode) as beside:
        beside.write_bytes(data)


def write_through(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Write a new file in its place and have it on the disk: for what nothing names until later.

    Raises:
        OSError: it cannot be written; what came of it is left.
    """
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode), "wb"
    ) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder beside ``path`` to fill; it takes the place of ``path``, whatever was there, when the block ends.

    At any moment one of the two is there, or, where the system cannot exchange folders in one step, is put there by
    ``finish_folders``. What killed fillings of ``path`` left beside it is cleared.

    Raises:
        OSError: it cannot be written; what was at ``path`` before is untouched.
    """
    import shutil  # noqa: PLC0415 - slow to import, and reading needs neither
    import tempfile  # noqa: PLC0415

    path.parent.mkdir(parents=True, exist_ok=True)
    finish_folders(path.parent, path.name)
    for name, place in _places(path.parent):
        if name == path.name and _is_abandoned(place):
            shutil.rmtree(place, ignore_errors=True)
    place = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        with _in_use(place):
            beside = place / _NEW
            beside.mkdir(parents=True)
            yield beside
            _sync_below(beside)
            _put_in(place, path)
            sync_folder(path.parent)
    finally:
        # What was there before is kept, wherever it is, until something stands in its place.
        if os.path.lexists(path) or not os.path.lexists(place / _OLD):
            shutil.rmtree(place, ignore_errors=True)


def finish_folders(parent: Path, only: str | None = None) -> None:
    """Put in place what a ``new_folder`` had ready when it was killed between its two renames.

    Readers who miss a folder ask for it. Where the system can exchange folders, there is no such moment.

    Args:
        parent: the folder that the others are in.
        only: the name of the one that is meant; by default all are.

    Raises:
        OSError: a folder that is ready cannot be put in place.
    """
    for name, place in _places(parent):
        is_ready = (place / _OLD).exists() and (place / _NEW).exists()
        if not is_ready or os.path.lexists(parent / name) or only not in (None, name):
            continue
        # Who is alive is done in an instant.
        if _is_abandoned(place, patience=_INSTANT) and not os.path.lexists(parent / name):
            (place / _NEW).replace(parent / name)


_NEW, _OLD, _LOCK = "new", "old", "lock"
"""In the place beside a folder that is replaced: what is being filled, what was there, and the lock of who fills it."""
_PLACE = re.compile(r"\.(.+)-[a-z0-9_]{8}", re.DOTALL)
_INSTANT = 5.0
"""Seconds."""
_EXCHANGE = 2
"""RENAME_EXCHANGE of Linux, and RENAME_SWAP of macOS."""


def _places(parent: Path) -> list[tuple[str, Path]]:
    """Where folders are, or were, being filled, with the names that they are for."""
    try:
        entries = list(os.scandir(parent))
    except PermissionError:  # a folder may be writable and not readable
        return []
    found = []
    for entry in entries:
        match = _PLACE.fullmatch(entry.name)
        if match and entry.is_dir(follow_symlinks=False):
            try:
                is_ours = {inner.name for inner in os.scandir(entry.path)} <= {_NEW, _OLD, _LOCK}
            except OSError:  # gone by now, or somebody else's
                continue
            if is_ours:
                found.append((match[1], Path(entry.path)))
    return found


@contextmanager
def _in_use(place: Path) -> Iterator[None]:
    """Tell others that a place is being filled; without locks nobody can be told, and nobody clears it."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(place / _LOCK, timeout=0))
        except OSError as error:
            if error.errno != errno.ENOLCK:
                raise
        yield


def _is_abandoned(place: Path, patience: float = 0) -> bool:
    """Whether nobody fills a place any more; seconds to wait for who does."""
    try:
        with locked(place / _LOCK, patience):
            return True
    except OSError:  # held, gone by now, or nobody can know
        return False


def _put_in(place: Path, path: Path) -> None:
    """Have what is filled in a place take the place of ``path``; if that fails, ``path`` is what it was."""
    new, old = place / _NEW, place / _OLD
    if _exchanged(new, path):
        return
    try:
        if os.path.lexists(path):
            path.replace(old)
        new.replace(path)
    except BaseException:
        if os.path.lexists(old) and not os.path.lexists(path):
            old.replace(path)
        raise


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two paths in one step; False where there is nothing to exchange, or the system or the disk cannot."""
    if os.name != "posix":
        return False
    import ctypes  # noqa: PLC0415 - slow to import

    rename = getattr(ctypes.CDLL(None), "renameat2" if sys.platform == "linux" else "renameatx_np", None)
    # Of absolute paths the two numbers of folders say nothing.
    paths = [os.fsencode(path.absolute()) for path in (one, other)]
    return rename is not None and rename(-1, paths[0], -1, paths[1], ctypes.c_uint(_EXCHANGE)) == 0


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


def is_text(path: Path) -> bool:
    """Whether a whole path is text, and not bytes that are none: over those OpenCV's videos end the process."""
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        return False
    return True
