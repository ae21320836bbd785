"""An HDF5 file of contiguous arrays: memory-mapped by readers, replaced whole by writers."""

from __future__ import annotations

import io
import math
import mmap
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from facerec_cli.files import new_file

Column = npt.NDArray[Any]
_OTHER_FILES = 64
"""Most files that a process of ours opens besides, from then on."""

_KIND = re.compile(r"<[iuf][1248]|\|[iu]1|\|S[1-9]\d*")
"""The types of our arrays: numbers and fixed-width bytes. Above all no references, whose bytes are addresses."""


class Place(NamedTuple):
    """Where an array lies in its file.

    Attributes:
        name: its path in the file.
        kind: NumPy's type string.
        shape: its shape.
        offset: of its first byte; 0 for an empty array, which has none.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    offset: int


def read_columns(path: Path, *, writable: bool = False) -> tuple[dict[str, Column], dict[str, int]]:
    """Map the arrays of a file, without reading them.

    Args:
        path: the file.
        writable: what is assigned to the arrays goes to the file.

    Returns:
        The arrays by their path in the file, and the file's whole-number attributes.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: the system refuses to read it, or, without an ``errno``, it is damaged.
        RuntimeError, KeyError, ValueError, TypeError, OverflowError: it is damaged, or an array is of another kind.
    """
    # One descriptor for both HDF5 and the map: the path may name another file at any moment.
    with _opened(path, writable) as opened, h5py.File(opened, "r") as file:
        places = _places(file)
        return _map(opened, places, writable), {key: int(value) for key, value in file.attrs.items()}


def map_columns(path: Path, places: Iterable[Place]) -> dict[str, Column]:
    """Map the arrays of a file whose places are known, which saves HDF5's 2 ms; errors as ``read_columns``."""
    with _opened(path, writable=False) as opened:
        return _map(opened, places, writable=False)


def write_columns(
    path: Path, columns: Mapping[str, Column], attributes: Mapping[str, int], *, mode: int = 0o666
) -> list[Place]:
    """Write arrays to a file beside the path, flush it to the disk, and rename it in.

    Args:
        path: the file that is replaced.
        columns: each array by its path in the file.
        attributes: whole numbers kept with the file.
        mode: permissions, less the process's mask.

    Returns:
        Where the arrays are.

    Raises:
        OSError: the system refuses to write; the old file is untouched.
    """
    with new_file(path, mode=mode) as beside, _Sink(beside) as sink:
        with h5py.File(sink, "w", locking=False, alignment_threshold=64, alignment_interval=64) as file:
            for name, column in columns.items():
                stored: Any = (
                    h5py.string_dtype("utf-8", column.dtype.itemsize) if column.dtype.kind == "S" else column.dtype
                )
                file.create_dataset(name, column.shape, stored, data=column.view(stored))
            file.attrs.update(attributes)
            places = _places(file)
        if sink.refused:
            raise sink.refused
        return places


def _opened(path: Path, writable: bool) -> BinaryIO:
    # Non-blocking, so that a FIFO cannot hang the open.
    flags = (os.O_RDWR if writable else os.O_RDONLY) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, flags), "rb+" if writable else "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ValueError(f"{path} is no regular file")
    return file


def allow_open_files(count: int) -> None:
    """Have the system let this process map so many files, each of which stays open, as far as it may ask for that."""
    if os.name != "posix":
        return
    import resource  # noqa: PLC0415 - Windows has none

    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OTHER_FILES
    with suppress(OSError):  # not every system tells what is open
        wanted += len(os.listdir("/dev/fd"))  # noqa: PTH208 - many times as fast
    if resource.RLIM_INFINITY != now < wanted:
        with suppress(ValueError, OSError):  # what is there may do
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if most == -1 else min(wanted, most), most))


def release(column: Column) -> None:
    """Let go of the memory that a mapped file takes, until it is read again."""
    whole: Any = column
    while isinstance(whole, np.ndarray | memoryview):
        whole = whole.base if isinstance(whole, np.ndarray) else whole.obj
    if isinstance(whole, mmap.mmap) and hasattr(whole, "madvise"):
        whole.madvise(mmap.MADV_DONTNEED)


def text_column(values: Sequence[str]) -> Column:
    """Strings as a fixed-width UTF-8 column."""
    return (
        np.array([value.encode(errors="surrogateescape") for value in values], dtype="S")
        if values
        else np.empty(0, "S1")
    )


class _Sink(io.FileIO):
    """A file whose refusals HDF5 never hears of, since it crashes when it cannot finish one.

    Attributes:
        refused: the first error, after which nothing more is written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "r+")
        self.refused: OSError | None = None

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        written = 0
        try:
            while written < len(view) and not self.refused:
                written += super().write(view[written:]) or 0
        except OSError as error:
            self.refused = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.refused = self.refused or error
            return size or 0


def _places(file: Any) -> list[Place]:
    places: list[Place] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            kind, offset = item.dtype.str, item.id.get_offset()
            if item.dtype.hasobject or (item.size and offset is None):
                raise ValueError(f"{name} is not an array of ours")
            places.append(Place(name, kind, item.shape, offset or 0))

    file.visititems(visit)
    return places


def _map(file: BinaryIO, places: Iterable[Place], writable: bool) -> dict[str, Column]:
    size, places = os.fstat(file.fileno()).st_size, list(places)
    whole: Any = b""
    if os.name == "nt" and not writable:  # a mapped file cannot be replaced there
        whole = file.read()
    elif any(0 not in place.shape for place in places):
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
    columns: dict[str, Column] = {}
    for name, kind, shape, offset in places:
        plain, count = _plain(kind), math.prod(shape)
        if min(shape, default=0) < 0 or offset < 0 or offset + count * plain.itemsize > size:
            raise ValueError(f"{name} is cut short")
        column = np.frombuffer(whole, plain, count, offset if count else 0)
        columns[name] = column if len(shape) == 1 else column.reshape(shape)
    return columns


@cache
def _plain(kind: str) -> np.dtype[Any]:
    if not _KIND.fullmatch(kind):
        raise ValueError(f"an array of {kind}")
    return np.dtype(kind)
