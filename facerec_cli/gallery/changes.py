"""How segments change: each change is a new one, to be written in place of the old.

Everything here is a pure function of arrays, as in ``segment``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from facerec_cli.columns import Column
from facerec_cli.encoders.encoder import Embedding
from facerec_cli.encoders.metric import Comparison, templates
from facerec_cli.gallery.chipstore import ChipRecord
from facerec_cli.gallery.segment import Rows, Segment, face_columns, people_columns


@dataclass(frozen=True, eq=False)
class AddedFace:
    """A face to go into a segment: the id of its person, its record and its chip's key."""

    person: int
    record: ChipRecord
    chip: str


def added(segment: Segment, people: Sequence[tuple[int, str, int]], faces: Sequence[AddedFace]) -> Segment:
    """The segment with new people, as id, name and Unix seconds, and faces of theirs or of those who are in it.

    For every model the faces are pending. Ids must be higher than all before.
    """
    columns = face_columns([(face.record.id, face.person, face.record, face.chip) for face in faces])
    return replace(
        segment,
        people=_joined(segment.people, people_columns(people)),
        faces=_joined(segment.faces, columns),
        embeddings={digest: _lengthened(rows, len(faces)) for digest, rows in segment.embeddings.items()},
        embedded={digest: _lengthened(mask, len(faces)) for digest, mask in segment.embedded.items()},
        templates={digest: _lengthened(rows, len(people)) for digest, rows in segment.templates.items()},
    )


def without(segment: Segment, face_ids: Sequence[int]) -> Segment:
    """The segment without some faces, and without the people who have no other.

    Whoever keeps some is pending for every model, since their templates were of all.
    """
    faces = ~np.isin(segment.faces["id"], face_ids)
    left = np.bincount(segment.owner[faces], minlength=len(segment))
    smaller = taken(segment, left > 0, faces)
    fewer = (left < segment.photo_counts)[left > 0]
    rows = fewer[smaller.owner]
    return replace(
        smaller,
        embeddings={digest: _cleared(known, rows, np.nan) for digest, known in smaller.embeddings.items()},
        embedded={digest: _cleared(mask, rows, 0) for digest, mask in smaller.embedded.items()},
        templates={digest: _cleared(means, fewer, np.nan) for digest, means in smaller.templates.items()},
    )


def renamed(segment: Segment, person_row: int, new_name: str, chips: Mapping[int, str]) -> Segment:
    """The segment with a person under another name, and other chips, by the id of their faces."""
    names = segment.people["name"].tolist()
    names[person_row] = new_name.encode()
    keys = segment.faces["chip"].tolist()
    for row in segment.face_rows(person_row):
        keys[row] = chips[int(segment.faces["id"][row])].encode()
    return replace(
        segment,
        people={**segment.people, "name": _narrowed(np.array(names))},
        faces={**segment.faces, "chip": _narrowed(np.array(keys))},
    )


def with_embeddings(
    segment: Segment, comparison: Comparison, embeddings: Sequence[tuple[int, str, Embedding]]
) -> Segment:
    """The segment with embeddings, and the templates that follow; no other's change.

    Args:
        segment: to start from.
        comparison: by which model, and what templates are made by.
        embeddings: id of the face, SHA-256 of its photo, embedding, float32 [d]; where the face is not in the
            segment, or is of another photo, it is passed over.
    """
    if not np.isin([face_id for face_id, _, _ in embeddings], segment.faces["id"]).any():
        return segment
    row_of = dict(zip(segment.faces["id"].tolist(), range(len(segment.owner)), strict=True))
    photos = segment.faces["sha256"]
    given = {
        row_of[face_id]: embedding
        for face_id, sha256, embedding in embeddings
        if face_id in row_of and photos[row_of[face_id]] == sha256.encode()
    }
    if not given:
        return segment
    digest, vectors, rows = comparison.digest, np.stack(list(given.values())), np.array(list(given))
    faces, people, size = len(segment.owner), len(segment), vectors.shape[1]
    known = np.array(segment.embeddings.get(digest, np.full((faces, size), np.nan, np.float32)))
    known[rows] = vectors
    mask = np.array(segment.embedded.get(digest, np.zeros(faces, np.uint8)))
    mask[rows] = 1
    means = np.array(segment.templates.get(digest, np.full((people, size), np.nan, np.float32)))
    # np.unique would import numpy.ma, which takes 20 ms.
    changed = np.flatnonzero(np.bincount(segment.owner[rows], minlength=people))
    theirs = np.flatnonzero(np.isin(segment.owner, changed) & (mask != 0))
    owner = np.searchsorted(changed, segment.owner[theirs]).astype(np.int64)
    means[changed] = templates(known[theirs], owner, len(changed), comparison.metric)
    return replace(
        segment,
        embeddings={**segment.embeddings, digest: known},
        embedded={**segment.embedded, digest: mask},
        templates={**segment.templates, digest: means},
    )


def joined(one: Segment, other: Segment) -> Segment:
    """Two segments as one, of different people."""
    # Who was enrolled earlier may have photos that came later.
    people, faces = _joined(one.people, other.people), _joined(one.faces, other.faces)
    people_order, order = np.argsort(people["id"]), np.argsort(faces["id"])
    return Segment(
        people={name: column[people_order] for name, column in people.items()},
        faces={name: column[order] for name, column in faces.items()},
        embeddings=_of_both(one.embeddings, other.embeddings, len(one.owner), len(other.owner), order),
        embedded=_of_both(one.embedded, other.embedded, len(one.owner), len(other.owner), order),
        templates=_of_both(one.templates, other.templates, len(one), len(other), people_order),
    )


def parted(segment: Segment, most: int) -> list[Segment]:
    """A segment as several of at most so many bytes, unless one person has more."""
    whole = segment.size
    if whole <= most:
        return [segment]
    weight = np.cumsum(segment.photo_counts + 1) / (len(segment.owner) + len(segment)) * whole
    part = (weight / most).astype(np.int64)
    return [taken(segment, part == number, part[segment.owner] == number) for number in np.unique(part)]


def taken(segment: Segment, people: npt.NDArray[np.bool_], faces: npt.NDArray[np.bool_]) -> Segment:
    """Some people of a segment, and some of their faces."""
    return Segment(
        people={name: _narrowed(column[people]) for name, column in segment.people.items()},
        faces={name: _narrowed(column[faces]) for name, column in segment.faces.items()},
        embeddings={digest: rows[faces] for digest, rows in segment.embeddings.items()},
        embedded={digest: mask[faces] for digest, mask in segment.embedded.items()},
        templates={digest: rows[people] for digest, rows in segment.templates.items()},
    )


def _joined(one: Mapping[str, Column], other: Mapping[str, Column]) -> dict[str, Column]:
    return {name: np.concatenate([column, other[name]]) for name, column in one.items()}


def _of_both(
    mine: Mapping[str, Column], theirs: Mapping[str, Column], count: int, other_count: int, order: Rows
) -> dict[str, Column]:
    """Each model's rows of two segments, in an order; nothing where one has none of that model."""
    whole: dict[str, Column] = {}
    for digest in mine.keys() | theirs.keys():
        like = mine[digest] if digest in mine else theirs[digest]
        rows = [mine.get(digest, _nothing(like, count)), theirs.get(digest, _nothing(like, other_count))]
        whole[digest] = np.concatenate(rows)[order]
    return whole


def _lengthened(column: Column, count: int) -> Column:
    """A column with rows of nothing appended."""
    return np.concatenate([column, _nothing(column, count)])


def _nothing(like: Column, count: int) -> Column:
    """Rows as in a column, of NaN or 0."""
    return np.full((count, *like.shape[1:]), np.nan if like.dtype.kind == "f" else 0, like.dtype)


def _cleared(column: Column, rows: npt.NDArray[np.bool_], nothing: float) -> Column:
    """A column with nothing in some rows."""
    column = np.array(column)
    column[rows] = nothing
    return column


def _narrowed(column: Column) -> Column:
    """A column of text as narrow as its longest cell; any other as it is."""
    if column.dtype.kind != "S":
        return column
    return column.astype(f"S{max(1, int(np.char.str_len(column).max(initial=0)))}")
