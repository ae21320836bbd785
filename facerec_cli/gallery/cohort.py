"""What the people of an index have in common: whom a comparison with one of them looks at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from facerec_cli.columns import Column, release
from facerec_cli.encoders.cohort import MOST_PEOPLE, Cohort, photos_each
from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.gallery.index import RESIDENT
from facerec_cli.gallery.segment import Rows, Segment, damaged

_HEAD = np.dtype([("head", ">u8"), ("rest", "S56")])
"""A SHA-256 in hexadecimal digits; by its beginning, as a number, the lowest of a million are found in no time."""
ReadEmbeddings = Callable[[Sequence[tuple[Segment, Rows]]], Embeddings]
"""The embeddings of some rows of the faces of segments, float32 [faces, d], in that order."""
_ROUNDING = 1e-3
"""Of lengths that are one."""


def cohort_of(segments: Sequence[Segment], digest: str, embeddings_of: ReadEmbeddings | None = None) -> Cohort:
    """See ``Snapshot.cohort``; in time that grows with the segments, and with all people where they are sampled.

    Args:
        segments: everybody.
        digest: of the model.
        embeddings_of: reads the embeddings of some faces; None: they are in the segments.
    """
    known = [segment for segment in segments if digest in segment.templates and len(segment)]
    able = [_able(segment, digest, is_let_go=len(known) > RESIDENT) for segment in known]
    totals = [_checked(segment.total(digest), len(rows)) for segment, rows in zip(known, able, strict=True)]
    people = sum(map(len, able))
    if not people:
        nobody = np.empty((0, 0), np.float32)
        return Cohort(0, np.zeros(0), nobody, nobody, np.empty(0, np.int64))
    if len({len(total) for total in totals}) > 1:
        raise damaged()
    total = np.sum([total[:-1] for total in totals], axis=0)
    templates, looked_at, owner, count = [], [], [], 0
    for segment, rows in zip(known, _chosen(known, able, people), strict=True):
        faces, owners = _faces(segment, digest, rows, photos_each(min(people, MOST_PEOPLE)))
        templates.append(segment.templates[digest][rows])
        looked_at.append((segment, faces))
        owner.append(owners + count)
        count += len(rows)
    if embeddings_of is None:
        embeddings = np.concatenate([segment.embeddings[digest][faces] for segment, faces in looked_at])
    else:
        embeddings = embeddings_of(looked_at)
    cohort = Cohort(people, total, np.concatenate(templates), embeddings, np.concatenate(owner))
    if not all(_is_of_unit_length(rows) for rows in (cohort.templates, cohort.embeddings)):
        raise damaged()
    return cohort


def _able(segment: Segment, digest: str, *, is_let_go: bool) -> Rows:
    """The people who have a template: one is all numbers, or none."""
    templates = segment.templates[digest]
    able = np.flatnonzero(np.isfinite(templates[:, 0]))
    if is_let_go:
        release(templates)
    return able


def _checked(total: Column, people: int) -> Column:
    """The sum and number of templates, where it can be that of so many of unit length."""
    if total[-1] != people or np.abs(total[:-1]).max() > people * (1 + _ROUNDING):
        raise damaged()
    return total


def _is_of_unit_length(rows: Embeddings) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        return bool((np.abs(np.linalg.norm(rows, axis=1) - 1) <= _ROUNDING).all())


def _chosen(segments: Sequence[Segment], able: Sequence[Rows], people: int) -> list[Rows]:
    """Whose similarities are looked at, of those who have a template, as rows of each segment."""
    if people <= MOST_PEOPLE:
        return list(able)
    heads = np.concatenate([_heads(segment, rows) for segment, rows in zip(segments, able, strict=True)])
    limit = np.partition(heads, MOST_PEOPLE - 1)[MOST_PEOPLE - 1]
    lowest = heads < limit
    lowest[np.flatnonzero(heads == limit)[: MOST_PEOPLE - int(lowest.sum())]] = True
    starts = np.cumsum([len(rows) for rows in able])[:-1]
    return [rows[own] for rows, own in zip(able, np.split(lowest, starts), strict=True)]


def _heads(segment: Segment, rows: Rows) -> npt.NDArray[np.uint64]:
    """How the SHA-256 of each person's first photo begins."""
    first = np.empty(len(segment), np.intp)
    first[segment.owner[::-1]] = np.arange(len(segment.owner))[::-1]
    heads = segment.faces["sha256"].astype("S64", copy=False).view(_HEAD)["head"]
    return heads[first[rows]].astype(np.uint64)


def _faces(segment: Segment, digest: str, people: Rows, most: int) -> tuple[Rows, npt.NDArray[np.int64]]:
    """The rows of the faces of some people, the first of each that are embedded, and each one's place in ``people``."""
    place = np.full(len(segment), -1, np.int64)
    place[people] = np.arange(len(people))
    rows = np.flatnonzero((place[segment.owner] >= 0) & segment.is_embedded(digest))
    owner = place[segment.owner[rows]]
    order = np.argsort(owner, kind="stable")
    rows, owner = rows[order], owner[order]
    rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
    return rows[rank < most], owner[rank < most]
