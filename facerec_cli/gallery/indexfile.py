"""The index on disk, and the one place that says how it grows.

    gallery.h5           the segment of those enrolled last, and which other segments there are
    segments/<id>.h5     the other segments, up to 7.5 MB each

No file ever changes. Who is enrolled goes into a new gallery.h5, written beside the old one and renamed in; when its
segment has 2 MB, it goes to the others. Whoever changes somebody in one of those writes it anew under another id,
and the gallery.h5 that names it. So a change among a million people writes two segments, and that one rename makes all
of it true, or none. Readers never lock: they map the files that one gallery.h5 names, which stay as they are although
they may be unlinked; where one is gone before it was mapped, there is a newer gallery.h5. What no gallery.h5 names was
left by a writer that was killed or has been replaced, and the next writer removes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facerec_cli.columns import Column, Place, map_columns, read_columns, write_columns
from facerec_cli.errors import DamagedDatabaseError, DatabaseError
from facerec_cli.files import clear_strays, folder_mode
from facerec_cli.gallery.changes import joined, parted
from facerec_cli.gallery.index import Index
from facerec_cli.gallery.segment import EMPTY, Segment
from facerec_cli.json_text import json_text

FORMAT = 2
_LAYOUT = "segments/layout"
_TRIES = 20
"""Times that a reader begins anew when a writer replaces what it is about to map."""


class _Kept(NamedTuple):
    """A segment's file, and where its arrays are: HDF5 takes 2 ms to say so."""

    file: int
    places: list[Place]


class IndexFile:
    """Reads and writes a gallery's index.

    Attributes:
        sealed_bytes: a segment of this size takes no more people.
        tail_bytes: the segment of gallery.h5 goes to the others at this size: to the one before, if there is room.
    """

    sealed_bytes = 7_500_000
    tail_bytes = 2_000_000

    def __init__(self, folder: Path) -> None:
        """Keep an index in a folder, which must exist before anything is written."""
        self.path = folder / "gallery.h5"
        self._location = str(folder)
        self._segments = folder / "segments"
        self._cached: tuple[tuple[int, int, int], Index] | None = None
        self._kept: dict[int, _Kept] = {}

    def read(self) -> Index | None:
        """The index as it is now; None where there is no gallery.h5.

        Raises:
            OSError: the system refuses to read it.
            DamagedDatabaseError: it is damaged.
            DatabaseError: it is of another format.
        """
        missing: OSError | None = None
        for _ in range(_TRIES):
            try:
                status = self.path.stat()
            except FileNotFoundError:
                return None
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            if self._cached and self._cached[0] == version:
                return self._cached[1]
            try:
                index, kept = self._load()
            except FileNotFoundError as error:
                missing = error
                continue
            self._cached, self._kept = (version, index), kept
            return index
        raise self._damaged() from missing

    def write(self, index: Index, *, mode: int) -> None:
        """Have an index in place of the one that was read last.

        Args:
            index: segments that were read from files of their own stay there.
            mode: of new files.

        Raises:
            OSError: the system refuses; the old index is untouched.
        """
        segments = list(index.segments)
        last = segments.pop()
        if last.size > self.tail_bytes:
            if segments and segments[-1].size + last.size <= self.sealed_bytes:
                last = joined(segments.pop(), last)
            segments.append(last)
            last = EMPTY
        next_id = index.next_id
        kept: list[_Kept] = []
        for segment in segments:
            if id(segment) in self._kept:
                kept.append(self._kept[id(segment)])
                continue
            for part in parted(segment, self.sealed_bytes) if len(segment) else ():
                self._segments.mkdir(mode=folder_mode(mode), exist_ok=True)
                kept.append(_Kept(next_id, write_columns(self._file(next_id), part.columns, {}, mode=mode)))
                next_id += 1
        columns: dict[str, Column] = dict(last.columns)
        if kept:
            columns[_LAYOUT] = np.frombuffer(json_text(kept).encode(), np.uint8)
        write_columns(self.path, columns, {"format": FORMAT, "next_id": next_id}, mode=mode)
        self._clear({one.file for one in kept})

    def clear_strays(self) -> None:
        """Remove what killed writers left; only for who holds the lock.

        Raises:
            OSError, DatabaseError: as ``read``.
        """
        clear_strays(self.path)
        if self._segments.is_dir() and self.read() is not None:
            self._clear({kept.file for kept in self._kept.values()})

    def _clear(self, named: set[int]) -> None:
        if not self._segments.is_dir():
            return
        wanted = {self._file(file).name for file in named}
        for path in self._segments.iterdir():
            if path.name not in wanted:
                path.unlink()

    def _file(self, number: int) -> Path:
        return self._segments / f"{number}.h5"

    def _load(self) -> tuple[Index, dict[int, _Kept]]:
        try:
            columns, attributes = read_columns(self.path)
            if attributes["format"] != FORMAT:
                raise DatabaseError(
                    f"{self.path} has format {attributes['format']}, and this facerec reads format {FORMAT}",
                    "upgrade facerec",
                )
            layout = columns.pop(_LAYOUT, None)
            kept = [] if layout is None else _layout(layout.tobytes())
            # Files never change: what is mapped already is still right.
            mapped = {known.file: segment for segment, known in self._mapped()}
            segments = [mapped[one.file] if one.file in mapped else self._map(one) for one in kept]
            segments.append(Segment.from_columns(columns))
            index = Index(segments, attributes["next_id"])
            _check(index)
        except OSError as error:
            if error.errno is not None:
                raise
            raise self._damaged() from error  # HDF5 cannot read it
        except (RuntimeError, KeyError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise self._damaged() from error
        return index, dict(zip(map(id, segments), kept, strict=False))

    def _map(self, kept: _Kept) -> Segment:
        return Segment.from_columns(map_columns(self._file(kept.file), kept.places))

    def _mapped(self) -> Iterator[tuple[Segment, _Kept]]:
        for segment in self._cached[1].segments if self._cached else ():
            if id(segment) in self._kept:
                yield segment, self._kept[id(segment)]

    def _damaged(self) -> DamagedDatabaseError:
        return DamagedDatabaseError(f"{self.path} is damaged", "rebuild it from the enrolled chips", self._location)


def _layout(text: bytes) -> list[_Kept]:
    listed = json.loads(text)
    if not isinstance(listed, list):
        raise TypeError(listed)
    return [_kept(*one) for one in listed]


def _kept(file: int, places: list[tuple[str, str, list[int], int]]) -> _Kept:
    if not isinstance(file, int):
        raise TypeError(file)
    return _Kept(file, [Place(str(name), kind, tuple(shape), offset) for name, kind, shape, offset in places])


def _check(index: Index) -> None:
    """Whether segments fit together: ids in order and below the next, and embeddings of a model of one size."""
    full = [segment for segment in index.segments if len(segment)]
    if not all(max(segment.people["id"][-1], segment.faces["id"].max(initial=0)) < index.next_id for segment in full):
        raise ValueError("ids that are not given out yet")
    for one, other in pairwise(full):
        if one.people["id"][-1] >= other.people["id"][0]:
            raise ValueError("segments out of order")
    sizes: dict[str, int] = {}
    for segment in full:
        for digest, rows in segment.embeddings.items():
            if sizes.setdefault(digest, rows.shape[1]) != rows.shape[1]:
                raise ValueError("embeddings of two sizes")
