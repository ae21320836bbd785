"""Many rows in one value of a query's answer, which NumPy takes as they are: row by row, a million take a minute.

A query packs a column with ``string_agg(int8send(column), '')``, and texts with a zero byte between. Values as long as
a template cost the server less as rows of their own, whose bytes ``column`` takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg

from facerec_cli.columns import Column
from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.gallery.segment import damaged


def column(cursor: psycopg.Cursor[Any], number: int) -> bytes:
    """A column of an answer in binary, packed."""
    answer = cursor.pgresult
    assert answer is not None
    return b"".join(answer.get_value(row, number) or b"" for row in range(answer.ntuples))


def integers(packed: bytes | None) -> npt.NDArray[np.int64]:
    """A column of ``int8send``."""
    return np.frombuffer(packed or b"", ">i8").astype(np.int64)


def floats(packed: bytes | None) -> npt.NDArray[np.float32]:
    """A column of ``float4send``."""
    return np.frombuffer(packed or b"", ">f4").astype(np.float32)


def texts(packed: bytes | None) -> Column:
    """A column of texts in UTF-8."""
    return np.empty(0, "S1") if packed is None else np.array(packed.split(b"\0"), "S")


def vectors(packed: bytes | None) -> Embeddings:
    """A column of ``vector_send``, float32 [n, d].

    Raises:
        DamagedIndexError: they are of several sizes.
    """
    if not packed:
        return np.empty((0, 0), np.float32)
    size = int.from_bytes(packed[:2], "big")
    row = np.dtype([("size", ">u2"), ("unused", ">u2"), ("numbers", ">f4", (size,))])
    if len(packed) % row.itemsize:
        raise damaged()
    rows = np.frombuffer(packed, row)
    if (rows["size"] != size).any():
        raise damaged()
    return rows["numbers"].astype(np.float32)
