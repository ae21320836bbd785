"""Locks between processes: a file that all of them know, locked while one is at work."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_MOMENT = 2.0
"""Seconds of waiting after which people want to know why."""
_UNLOCKABLE = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class LockHeldError(TimeoutError):
    """Another process has held a lock for longer than one waits for it; ``strerror`` says which, as a clause."""


@contextmanager
def locked(
    path: Path, timeout: float, waiting: Callable[[str], None] | None = None, *, mode: int | None = None
) -> Iterator[None]:
    """Hold a lock; what a killed process held is free.

    Args:
        path: the file that stands for the lock, in a folder that is there. It is made, and stays.
        timeout: seconds to wait at most for who holds it.
        waiting: told once, after a moment, who does: ``process 4711 on ada``, or ``another process``.
        mode: permissions of the file where it is made; by default what the process's mask leaves of 666.

    Raises:
        LockHeldError: another holds it for longer.
        OSError: the lock cannot be had; with ``errno.ENOLCK``: by nobody, since the file system has none.
    """
    import platform  # noqa: PLC0415 - readers need neither

    import filelock  # noqa: PLC0415

    path.parent.stat()  # filelock would make the folder
    # Nor is a file's mere presence a lock, which filelock would make do with: a killed process leaves it behind.
    lock = filelock.FileLock(path, fallback_to_soft=False, mode=-1 if mode is None else mode)
    patience = min(timeout, _MOMENT) if waiting else timeout
    try:
        try:
            lock.acquire(timeout=patience)
        except filelock.Timeout:
            if waiting and timeout > patience:
                waiting(_holder(path))
            lock.acquire(timeout=timeout - patience)
    except filelock.Timeout as error:
        raise LockHeldError(errno.EAGAIN, f"{_holder(path)} is at work there", str(path)) from error
    except OSError as error:
        if error.errno in _UNLOCKABLE:
            raise OSError(errno.ENOLCK, "its file system has no locks", str(path)) from error
        raise
    try:
        # A courtesy to those who wait: a disk too full for it is reason enough to say something else.
        with contextlib.suppress(OSError):
            path.write_text(f"process {os.getpid()} on {platform.node()}")
        yield
    finally:
        lock.release()


def _holder(path: Path) -> str:
    """Who noted to hold a lock, in words."""
    try:
        note = path.read_text(errors="replace")
    except OSError:  # Windows lets nobody read what is locked
        note = ""
    return note if re.fullmatch(r"process \d{1,20} on [\w.-]{1,255}", note) else "another process"
