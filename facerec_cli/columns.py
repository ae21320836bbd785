"""An HDF5 file of contiguous arrays: memory-mapped by readers, replaced whole by writers."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
import numpy.typing as npt

from facerec_cli.files import new_file

_METADATA = 32_768
"""More bytes than HDF5 adds to the arrays of a file like ours."""

Column = npt.NDArray[Any]


def read_columns(path: Path, *, writable: bool = False) -> tuple[dict[str, Column], dict[str, int]]:
    """Map the arrays of a file, without reading them.

    Args:
        path: the file.
        writable: what is assigned to the arrays goes to the file.

    Returns:
        The arrays by their path in the file, and the file's whole-number attributes.

    Raises:
        FileNotFoundError: there is no such file.
        OSError, RuntimeError, KeyError, ValueError, TypeError: it is damaged.
    """
    columns: dict[str, Column] = {}
    # One descriptor for both HDF5 and the maps: the path may name another file at any moment.
    with path.open("rb+" if writable else "rb") as opened, h5py.File(opened, "r") as file:
        size = os.fstat(opened.fileno()).st_size

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                columns[name] = _map(opened, size, item, writable)

        file.visititems(visit)
        return columns, {key: int(value) for key, value in file.attrs.items()}


def write_columns(
    path: Path,
    columns: Mapping[str, Sequence[Column]],
    attributes: Mapping[str, int],
    patches: Mapping[str, tuple[Sequence[int], Column]] | None = None,
) -> None:
    """Write arrays to a file beside the path, flush it to the disk, and rename it in.

    Args:
        path: the file that is replaced.
        columns: each array as the parts that make it up, one after the other.
        attributes: whole numbers kept with the file.
        patches: rows to overwrite after the parts are laid down: row numbers, and their values.

    Raises:
        OSError: the disk is full or the folder not writable; the old file is untouched.
    """
    needed = sum(part.nbytes for parts in columns.values() for part in parts) + _METADATA
    if shutil.disk_usage(path.parent).free < needed:
        # Asked before, since HDF5 cannot let go of a file that it could not finish.
        raise OSError(errno.ENOSPC, "No space left on device")
    with new_file(path) as beside:
        try:
            with h5py.File(beside, "w", locking=False) as file:
                for name, parts in columns.items():
                    _write_column(file, name, parts)
                for name, (rows, values) in (patches or {}).items():
                    column = file[name]
                    for row, value in zip(rows, values, strict=True):
                        column[row] = value
                file.attrs.update(attributes)
        except RuntimeError as error:  # what h5py raises when the last flush fails
            raise OSError(str(error)) from error


def text_column(values: Sequence[str]) -> Column:
    """Strings as a fixed-width UTF-8 column."""
    return (
        np.array([value.encode(errors="surrogateescape") for value in values], dtype="S")
        if values
        else np.empty(0, "S1")
    )


def _write_column(file: h5py.File, name: str, parts: Sequence[Column]) -> None:
    kind = np.result_type(*parts)
    shape = (sum(len(part) for part in parts), *parts[0].shape[1:])
    stored: Any = h5py.string_dtype("utf-8", kind.itemsize) if kind.kind == "S" else kind
    column = file.create_dataset(name, shape, stored)
    start = 0
    for part in parts:
        column[start : start + len(part)] = part.astype(kind, copy=False).view(stored)
        start += len(part)


def _map(file: BinaryIO, size: int, dataset: Any, writable: bool) -> Column:
    if dataset.size == 0:
        return np.empty(dataset.shape, dataset.dtype)
    offset = dataset.id.get_offset()
    if offset is None or offset + dataset.size * dataset.dtype.itemsize > size:
        raise ValueError(f"{dataset.name} is cut short")
    if os.name == "nt" and not writable:  # a mapped file cannot be replaced there
        return np.asarray(dataset[...])
    plain = np.dtype(dataset.dtype.str)
    return np.memmap(file, plain, "r+" if writable else "r", offset=offset, shape=dataset.shape)
