"""Where a data set comes together: a hidden folder beside its place, held by one process, gone when that is done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from facerec_cli.errors import FetchFolderError
from facerec_cli.files import refusal
from facerec_cli.locks import LockHeldError, locked

_LOCK = "lock"


@contextmanager
def workplace(place: Path) -> Iterator[Path]:
    """An empty folder at ``place`` to work in; it goes when the block ends.

    One process has it at a time, by a lock that the system takes from a process that is killed: so what is found in
    it is a killed process's, and is cleared.

    Raises:
        FetchFolderError: it cannot be made, or another process has it.
    """
    with ExitStack() as stack:
        try:
            place.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(place / _LOCK, 0))
        except LockHeldError as error:
            raise FetchFolderError(f"{place.parent} is being fetched to, {error.strerror}", "wait for it") from error
        except OSError as error:
            raise unwritable(place.parent, error) from error
        try:
            _clear(place)
            yield place
        finally:
            # Where an open file can be removed it goes before the lock does, so that nobody finds it unlocked.
            shutil.rmtree(place, ignore_errors=True)
    if os.name == "nt":
        shutil.rmtree(place, ignore_errors=True)


def unwritable(path: Path, error: OSError) -> FetchFolderError:
    """What the system's refusal to write a data set's file or folder means."""
    reason, remedy = refusal(error)
    return FetchFolderError(f"{path} cannot be written, {reason}", remedy)


def _clear(place: Path) -> None:
    for left in place.iterdir():
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        elif left.name != _LOCK:
            left.unlink(missing_ok=True)
