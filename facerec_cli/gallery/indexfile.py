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

import errno
import json
import os
import re
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from facerec_cli.columns import Column, Place, allow_open_files, map_columns, read_columns, write_columns
from facerec_cli.defaults import DATABASE_INDEX
from facerec_cli.errors import DamagedDatabaseError, DatabaseError
from facerec_cli.files import clear_strays, folder_mode
from facerec_cli.gallery.changes import joined, parted
from facerec_cli.gallery.index import Index, SegmentFile
from facerec_cli.gallery.segment import EMPTY, Segment
from facerec_cli.json_text import json_text

FORMAT = 2
_LAYOUT = "segments/layout"
_MOST_IDS = 1 << 62
_GONE = {errno.ENOENT, errno.ESTALE}
_SEGMENT = re.compile(r"\.?(\d{1,19})\.h5(?:\.\d+\.[0-9a-f]+)?")
_TRIES = 20
"""Times that a reader begins anew when a writer replaces what it is about to map."""


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
        self.path = folder / DATABASE_INDEX
        self._location = str(folder)
        self._segments = folder / "segments"
        self._cached: tuple[tuple[int, int, int], Index] | None = None

    def read(self) -> Index | None:
        """The index as it is now; None where there is no gallery.h5.

        Raises:
            OSError: the system refuses to read it.
            DamagedDatabaseError: it is damaged, or older than this facerec reads.
            DatabaseError: it is of a newer format.
        """
        missing: OSError | None = None
        for attempt in range(_TRIES):
            try:
                status = self.path.stat()
            except FileNotFoundError:
                return None
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            cached = self._cached
            if cached and cached[0] == version:
                return cached[1]
            try:
                index = self._load(cached[1] if cached else None)
            except OSError as error:
                if error.errno not in _GONE:
                    raise
                missing = error
                time.sleep(attempt / 1000)
                continue
            self._cached = version, index
            return index
        raise self._damaged() from missing

    def write(self, index: Index, *, mode: int) -> OSError | None:
        """Have an index in place of the one on disk.

        Args:
            index: segments that have files stay in them.
            mode: of new files.

        Returns:
            Why a file could not be removed that is no longer part of the index, if so: a later writer does it.

        Raises:
            OSError: the system refuses; the old index is untouched.
        """
        segments, files = list(index.segments), [*index.files, *[None] * len(index.segments)]
        last = segments.pop()
        if last.size > self.tail_bytes:
            if segments and segments[-1].size + last.size <= self.sealed_bytes:
                last = joined(segments.pop(), last)
            files[len(segments)] = None
            segments.append(last)
            last = EMPTY
        next_id = max([index.next_id, *(number + 1 for number in self._numbers())])
        kept: list[SegmentFile] = []
        for segment, file in zip(segments, files, strict=False):
            if file:
                kept.append(file)
                continue
            for part in parted(segment, self.sealed_bytes) if len(segment) else ():
                self._check_folder()
                self._segments.mkdir(mode=folder_mode(mode), exist_ok=True)
                kept.append(SegmentFile(next_id, write_columns(self._file(next_id), part.columns, {}, mode=mode)))
                next_id += 1
        columns: dict[str, Column] = dict(last.columns)
        if kept:
            columns[_LAYOUT] = np.frombuffer(json_text(kept).encode(), np.uint8)
        write_columns(self.path, columns, {"format": FORMAT, "next_id": next_id}, mode=mode)
        return self._clear(kept)

    def clear_strays(self, index: Index) -> None:
        """Remove segments that killed writers left; only for who holds the lock and has just read the index."""
        self._clear([file for file in index.files if file])

    def _clear(self, named: Sequence[SegmentFile]) -> OSError | None:
        """Remove what has a segment's name, or its writer's, and is not named; whatever else is there is not ours."""
        wanted = {file.number for file in named}
        refused: OSError | None = None
        for number in self._numbers() - wanted:
            try:
                clear_strays(self._file(number))
                self._file(number).unlink(missing_ok=True)
            except OSError as error:
                refused = error
        return refused

    def _numbers(self) -> set[int]:
        """The numbers of the segments that are there, or that somebody was writing."""
        if self._segments.is_symlink() or not self._segments.is_dir():
            return set()
        names = (_SEGMENT.fullmatch(path.name) for path in self._segments.iterdir())
        return {int(name[1]) for name in names if name}

    def _check_folder(self) -> None:
        if self._segments.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(self._segments))

    def _file(self, number: int) -> Path:
        return self._segments / f"{number}.h5"

    def _load(self, before: Index | None) -> Index:
        try:
            columns, attributes = read_columns(self.path)
            if attributes["format"] > FORMAT:
                raise DatabaseError(
                    f"{self.path} has format {attributes['format']}, and this facerec reads format {FORMAT}",
                    "upgrade facerec",
                )
            if attributes["format"] < FORMAT:
                raise DamagedDatabaseError(
                    f"{self.path} is of an older facerec", "rebuild it from the enrolled chips", self._location
                )
            layout = columns.pop(_LAYOUT, None)
            files = [] if layout is None else _layout(layout.tobytes())
            self._check_folder()
            allow_open_files(len(files))
            # Files never change: what is mapped already is still right.
            mapped = zip(before.files, before.segments, strict=False) if before else ()
            known = {file.number: segment for file, segment in mapped if file}
            segments = [known[file.number] if file.number in known else self._map(file) for file in files]
            index = Index([*segments, Segment.from_columns(columns)], attributes["next_id"], files)
            _check(index)
        except OSError as error:
            if error.errno is not None and error.errno != errno.ENOTDIR:
                raise
            raise self._damaged() from error  # HDF5 cannot read it, or it is a link
        except (RuntimeError, KeyError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise self._damaged() from error
        return index

    def _map(self, file: SegmentFile) -> Segment:
        return Segment.from_columns(map_columns(self._file(file.number), file.places))

    def _damaged(self) -> DamagedDatabaseError:
        return DamagedDatabaseError(f"{self.path} is damaged", "rebuild it from the enrolled chips", self._location)


def _layout(text: bytes) -> list[SegmentFile]:
    listed = json.loads(text)
    if not isinstance(listed, list):
        raise TypeError(listed)
    return [_segment_file(*one) for one in listed]


def _segment_file(number: int, places: list[tuple[str, str, list[int], int]]) -> SegmentFile:
    if not isinstance(number, int) or number < 0:
        raise TypeError(number)
    return SegmentFile(number, [Place(str(name), kind, tuple(shape), offset) for name, kind, shape, offset in places])


def _check(index: Index) -> None:
    """Whether segments fit together: ids in order and below the next, and embeddings of a model of one size."""
    full = [segment for segment in index.segments if len(segment)]
    if not 0 < index.next_id < _MOST_IDS:
        raise ValueError("an id that nobody was given")
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
