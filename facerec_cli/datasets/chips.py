"""A data set's chips, computed once and kept in one HDF5 file beside its folder.

    data/lfw/             the photos, a folder a person
    data/lfw.chips.h5     their chips

The file has a row for each photo from the start, and rows are filled in place: whatever ends the work, what was done is
kept. Photos that are new or changed, by size or time, are done again; all are when detection or alignment has changed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facerec_cli.columns import Column, read_columns, text_column, write_columns
from facerec_cli.datasets.folder import LeftOut, search
from facerec_cli.datasets.lfw import is_lfw
from facerec_cli.errors import DataError, PhotoError
from facerec_cli.faces.alignment import CHIP_SIZE
from facerec_cli.faces.extraction import Extraction, Extractor, Face, extraction_version
from facerec_cli.faces.quality import Quality
from facerec_cli.files import refusal
from facerec_cli.locks import LockHeldError, locked
from facerec_cli.parallel import OrderedMap, ordered_map

FORMAT = 1
_PENDING, _FACE, _NO_FACE, _UNREADABLE = range(4)
_PATIENCE = 30.0
"""Seconds in which somebody else who computes the chips gets on with them, or is not waited for."""
_QUALITIES = tuple(field.name for field in fields(Quality))


@dataclass(frozen=True, eq=False)
class ChipSet:
    """The chips of a data set, a row for each photo; rows of photos without a face are black and ``has_face`` is false.

    Attributes:
        folder: the photos' folder.
        photos: each row's photo, as a path below the folder.
        people: each row's person.
        chips: uint8 [photos, 112, 112, 3] RGB, mapped from the file.
        scores: float32 [photos], detection confidence in [0, 1].
        quality: float32 [photos] by the field names of ``faces.quality.Quality``.
        has_face: bool [photos].
        faceless: the photos that were read and show no face.
        unreadable: why, for each photo, and each part of the folder, that cannot be read.
        is_lfw: whether the photos are Labeled Faces in the Wild.
        left_out: what of the folder is no photo.
    """

    folder: Path
    photos: list[str]
    people: list[str]
    chips: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float32]
    quality: dict[str, npt.NDArray[np.float32]]
    has_face: npt.NDArray[np.bool_]
    faceless: list[str]
    unreadable: list[PhotoError]
    is_lfw: bool
    left_out: Mapping[LeftOut, Sequence[Path]] = field(default_factory=dict)

    @cached_property
    def row(self) -> dict[str, int]:
        """The row of each photo that shows a face."""
        return {photo: row for row, photo in enumerate(self.photos) if self.has_face[row]}

    @cached_property
    def rows_of(self) -> dict[str, list[int]]:
        """The rows of each person's photos that show a face, in the photos' order; people without any are absent."""
        rows: dict[str, list[int]] = {}
        for row in np.flatnonzero(self.has_face).tolist():
            rows.setdefault(self.people[row], []).append(row)
        return rows


def load_chips(
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
    waiting: Callable[[str], None] | None = None,
    spread: OrderedMap = ordered_map,
) -> ChipSet:
    """The chips of a data set's photos, computed where they are not there yet.

    Of a photo with several faces LFW means the one nearest to the centre; elsewhere the largest is taken.

    Args:
        folder: a sub-folder, or a photo, a person.
        progress: told how many photos are done, of how many.
        waiting: told who else computes them, ``process 4711 on ada``, where one has to wait for more than a moment.
        spread: where the work is done.

    Raises:
        PhotoError: the folder cannot be read, or holds no photo.
        DataError: the chips cannot be kept beside it, or who else computes them gets nowhere.
    """
    folder = folder.resolve()
    found = search(folder)
    if not found.photos:
        raise found.refused[0]
    named = found.people
    photos = [path.relative_to(folder).as_posix() for _, path in named]
    in_centre = is_lfw(photos)
    path = folder.with_name(f"{folder.name}.chips.h5")
    with _writing(path, waiting):
        columns = _matching(path, _listing(folder, photos), in_centre)
        unreadable = _fill(path, columns, folder, photos, _Look(in_centre), progress, spread)
    return ChipSet(
        folder=folder,
        photos=photos,
        people=[person for person, _ in named],
        chips=columns["chip"],
        scores=np.array(columns["score"]),
        quality={name: np.array(columns[f"quality/{name}"]) for name in _QUALITIES},
        has_face=np.asarray(columns["state"] == _FACE),
        faceless=[photos[row] for row in np.flatnonzero(columns["state"] == _NO_FACE)],
        unreadable=[*found.refused, *unreadable],
        is_lfw=in_centre,
        left_out=found.left_out,
    )


def _listing(folder: Path, photos: list[str]) -> dict[str, Column]:
    """What identifies each photo and its version."""
    size, modified = np.array([_version(folder / photo) for photo in photos], np.int64).T
    return {"photo": text_column(photos), "size": size, "modified": modified}


def _version(photo: Path) -> tuple[int, int]:
    """Size in bytes and time of the last change, nanoseconds; of a link to nowhere, which cannot be read, neither."""
    try:
        status = photo.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _matching(path: Path, listing: dict[str, Column], in_centre: bool) -> dict[str, Column]:
    """The file's columns, writable, with a row for each photo listed; what is still right of an older file is kept."""
    attributes = {"format": FORMAT, "aligner": extraction_version(), "in_centre": int(in_centre)}
    try:
        columns, stored = read_columns(path, writable=True)
        is_ours = stored == attributes and _shapes(columns) == _shapes(_carried({}, listing), len(columns["photo"]))
        old = columns if is_ours else {}
        is_same = bool(old) and all(np.array_equal(columns[name], values) for name, values in listing.items())
    except FileNotFoundError:
        old, is_same = {}, False
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno:  # refused, where HDF5 that cannot make sense of it gives none
            raise
        old, is_same = {}, False  # damaged: as good as absent
    if not is_same:
        write_columns(path, _carried(old, listing), attributes)
        columns, _ = read_columns(path, writable=True)
    return columns


def _shapes(columns: dict[str, Column], photos: int | None = None) -> dict[str, tuple[tuple[int, ...], str]]:
    """What columns look like, with so many photos in place of their own."""
    return {
        name: ((len(column) if photos is None else photos, *column.shape[1:]), column.dtype.kind)
        for name, column in columns.items()
    }


def _carried(old: dict[str, Column], listing: dict[str, Column]) -> dict[str, Column]:
    """Columns for a listing, with the rows of an older file whose photos have not changed."""
    count = len(listing["photo"])
    new: dict[str, Column] = {
        **listing,
        "state": np.full(count, _PENDING, np.uint8),
        "score": np.zeros(count, np.float32),
        "chip": np.zeros((count, CHIP_SIZE, CHIP_SIZE, 3), np.uint8),
        **{f"quality/{name}": np.full(count, np.nan, np.float32) for name in _QUALITIES},
    }
    if old:
        keys = ("photo", "size", "modified")
        row_of = {key: row for row, key in enumerate(zip(*(old[name].tolist() for name in keys), strict=True))}
        wanted = [row_of.get(key, -1) for key in zip(*(listing[name].tolist() for name in keys), strict=True)]
        for row, source in enumerate(wanted):
            if source >= 0:
                for name in new.keys() - listing.keys():
                    new[name][row] = old[name][source]
    return new


def _fill(
    path: Path,
    columns: dict[str, Column],
    folder: Path,
    photos: list[str],
    look: _Look,
    progress: Callable[[int, int], None] | None,
    spread: OrderedMap,
) -> list[PhotoError]:
    """Compute the rows that are missing; returns why photos cannot be read."""
    # What could not be read is tried again: the reason is not kept, and the cause may be gone.
    todo = np.flatnonzero(np.isin(columns["state"], (_PENDING, _UNREADABLE))).tolist()
    if not todo:
        return []
    _allocate(path)
    looked_at = spread(look, (folder / photos[row] for row in todo))
    unreadable = []
    for done, (row, result) in enumerate(zip(todo, looked_at, strict=True), start=1):
        if isinstance(result, PhotoError):
            unreadable.append(result)
            columns["state"][row] = _UNREADABLE
        elif result is None:
            columns["state"][row] = _NO_FACE
        else:
            face, quality = result
            columns["chip"][row] = face.chip
            columns["score"][row] = face.score
            for name in _QUALITIES:
                columns[f"quality/{name}"][row] = getattr(quality, name)
            # Last: a row counts when all of it is there.
            columns["state"][row] = _FACE
        if progress:
            progress(done, len(todo))
    return unreadable


class _Look:
    """A photo's face and its measures; None without any, and the error of one that cannot be used."""

    def __init__(self, in_centre: bool) -> None:
        self._in_centre, self._extractor = in_centre, Extractor()

    def __call__(self, photo: Path) -> tuple[Face, Quality] | PhotoError | None:
        try:
            extraction = self._extractor.extract(photo)
        except PhotoError as error:
            return error
        if not extraction.faces:
            return None
        face = nearest_to_centre(extraction) if self._in_centre else extraction.faces[0]
        return face, face.quality


def nearest_to_centre(extraction: Extraction) -> Face:
    """LFW's convention: the person named is the one in the middle."""

    def off_centre(face: Face) -> float:
        x, y, w, h = face.box
        return float(np.hypot(x + w / 2 - extraction.width / 2, y + h / 2 - extraction.height / 2))

    return min(extraction.faces, key=off_centre)


def _allocate(path: Path) -> None:
    """Have room on the disk for the whole file: who fills a map of one is killed where there is none."""
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("rb+") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}:  # a disk that cannot promise it
                raise


@contextmanager
def _writing(path: Path, waiting: Callable[[str], None] | None) -> Iterator[None]:
    """Hold the file's lock, and turn what the disk refuses into words."""
    try:
        with ExitStack() as stack:
            _hold(stack, path, waiting)
            yield
    except OSError as error:
        reason, remedy = refusal(error)
        raise DataError(
            f"The chips cannot be kept in {path}, {reason}", f"{remedy}, or copy the photos to another disk"
        ) from error


def _hold(stack: ExitStack, path: Path, waiting: Callable[[str], None] | None) -> None:
    """Hold the file's lock, waiting for who else does as long as that one gets on."""
    before = -1
    while True:
        try:
            stack.enter_context(locked(path.with_name(f".{path.name}.lock"), _PATIENCE, waiting))
            return
        except LockHeldError as error:
            done = _done(path)
            if done == before:
                raise DataError(
                    f"The chips in {path} cannot be had, {error.strerror} and gets nowhere", "end it, or wait for it"
                ) from error
            before, waiting = done, None


def _done(path: Path) -> int:
    """How many rows are filled in by now; 0 while the file is made."""
    try:
        return int(np.count_nonzero(read_columns(path)[0]["state"] != _PENDING))
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError):
        return 0
