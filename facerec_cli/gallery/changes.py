"""How an index changes: each change is a new one, to be written in place of the old.

Everything here is a pure function of arrays, as in ``index``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from facerec_cli.columns import Column, text_column
from facerec_cli.encoders.encoder import Embedding, Embeddings
from facerec_cli.encoders.metric import Comparison, templates
from facerec_cli.gallery.base import NewFace
from facerec_cli.gallery.chipstore import ChipRecord, chip_path
from facerec_cli.gallery.index import Index, face_columns, text


@dataclass(frozen=True)
class Content:
    """What a file is to hold, as ``columns.write_columns`` takes it.

    Attributes:
        columns: each array as the parts that make it up.
        next_id: the next free id.
        patches: rows to overwrite, by column.
    """

    columns: dict[str, list[Column]]
    next_id: int
    patches: dict[str, tuple[Sequence[int], Column]] = field(default_factory=dict)


@dataclass(frozen=True)
class Addition:
    """An index with faces added.

    Attributes:
        is_new: for each face asked for, whether it was not there yet.
        records: the record and the JPEG of each chip to keep.
        content: the new index.
    """

    is_new: list[bool]
    records: list[tuple[ChipRecord, bytes]]
    content: Content


def content(index: Index) -> Content:
    """All of it, to be written."""
    tables = {"people": index.people, "faces": index.faces}
    tables |= {"embeddings": index.embeddings, "templates": index.templates}
    columns = {f"{table}/{name}": [column] for table, named in tables.items() for name, column in named.items()}
    return Content(columns, index.next_id)


def add(index: Index, comparison: Comparison, faces: Sequence[NewFace], now: int) -> Addition:
    """Add faces that are not there yet, and the people they are the first of.

    Args:
        index: to start from.
        comparison: names the model of the embeddings; for other models the faces are pending.
        faces: to add.
        now: Unix seconds.
    """
    rows: dict[str, int | None] = {face.name: index.person_row(face.name) for face in faces}
    new_people: list[tuple[int, str]] = []
    added: list[tuple[int, NewFace, ChipRecord]] = []  # person row, face, record
    person_ids: dict[int, int] = {}
    seen: set[tuple[str, str]] = set()
    is_new = []
    next_id = index.next_id
    for face in faces:
        known = (face.name, face.sha256) in seen or index.has_photo(face.name, face.sha256)
        is_new.append(not known)
        seen.add((face.name, face.sha256))
        if known:
            continue
        row = rows[face.name]
        if row is None:
            row = rows[face.name] = len(index.people["id"]) + len(new_people)
            new_people.append((next_id, face.name))
            person_ids[row] = next_id
            next_id += 1
        elif row not in person_ids:
            person_ids[row] = int(index.people["id"][row])
        added.append((row, face, ChipRecord(next_id, face.name, face.sha256, face.source, face.score, now)))
        next_id += 1
    whole = content(index)
    if added:
        people = {
            "id": np.array([person_id for person_id, _ in new_people], np.int64),
            "name": text_column([name for _, name in new_people]),
            "created": np.full(len(new_people), now, np.int64),
        }
        new_faces = face_columns(
            [(record.id, person_ids[row], record, chip_path(record.name, record.sha256)) for row, _, record in added]
        )
        for table, new in (("people", people), ("faces", new_faces)):
            for name, values in new.items():
                whole.columns[f"{table}/{name}"].append(values)
        owner = np.array([row for row, _, _ in added], np.int64)
        embeddings = np.stack([face.embedding for _, face, _ in added])
        whole.patches.update(_append_embeddings(index, whole.columns, comparison, embeddings, owner, len(new_people)))
    records = [(record, face.jpeg) for _, face, record in added]
    return Addition(is_new, records, replace(whole, next_id=next_id))


def without(index: Index, person_row: int) -> Index:
    """The index without a person."""
    people = np.arange(len(index.people["id"])) != person_row
    faces = index.owner != person_row
    return Index(
        people={name: column[people] for name, column in index.people.items()},
        faces={name: column[faces] for name, column in index.faces.items()},
        embeddings={model: rows[faces] for model, rows in index.embeddings.items()},
        templates={model: rows[people] for model, rows in index.templates.items()},
        next_id=index.next_id,
    )


def renamed(index: Index, person_row: int, new_name: str) -> Index:
    """The index with a person under another name, and their chips in that name's folder."""
    names = [text(name) for name in index.people["name"]]
    names[person_row] = new_name
    chips = [text(chip) for chip in index.faces["chip"]]
    for row in index.face_rows(person_row):
        chips[row] = chip_path(new_name, text(index.faces["sha256"][row]))
    return replace(
        index,
        people={**index.people, "name": text_column(names)},
        faces={**index.faces, "chip": text_column(chips)},
    )


def with_embeddings(index: Index, comparison: Comparison, embeddings: Mapping[int, Embedding]) -> Index:
    """The index with embeddings, float32 [d] by face id, and the templates that follow; no other's change."""
    ids = index.faces["id"]
    given = np.intersect1d(np.fromiter(embeddings, np.int64, len(embeddings)), ids)
    if not len(given):
        return index
    new = np.stack([embeddings[face_id] for face_id in given.tolist()])
    size, digest = new.shape[1], comparison.digest
    known = index.embeddings.get(digest)
    whole = np.full((len(ids), size), np.nan, np.float32) if known is None else np.array(known)
    whole[np.searchsorted(ids, given)] = new
    means = templates(whole, index.owner, len(index.people["id"]), comparison.metric)
    return replace(
        index,
        embeddings={**index.embeddings, digest: whole},
        templates={**index.templates, digest: means},
    )


def _append_embeddings(
    index: Index,
    columns: dict[str, list[Column]],
    comparison: Comparison,
    embeddings: Embeddings,
    owner: npt.NDArray[np.int64],
    new_people: int,
) -> dict[str, tuple[Sequence[int], Column]]:
    """Append rows to every model's embeddings and templates, NaN for other models than this.

    Returns:
        The template rows of the people who had photos before, to overwrite.
    """
    digest, size, people = comparison.digest, embeddings.shape[1], len(index.people["id"])
    columns.setdefault(f"embeddings/{digest}", [np.full((len(index.owner), size), np.nan, np.float32)])
    columns.setdefault(f"templates/{digest}", [np.full((people, size), np.nan, np.float32)])
    touched, new_owner = np.unique(owner, return_inverse=True)
    before = np.flatnonzero(np.isin(index.owner, touched))
    old_owner = np.searchsorted(touched, index.owner[before])
    earlier = columns[f"embeddings/{digest}"][0][before]
    values = templates(
        np.concatenate([earlier, embeddings]),
        np.concatenate([old_owner, new_owner]).astype(np.int64),
        len(touched),
        comparison.metric,
    )
    known = touched < people
    for model in {*index.embeddings, digest}:
        if model == digest:
            columns[f"embeddings/{model}"].append(embeddings)
            columns[f"templates/{model}"].append(values[~known])
        else:
            width = index.embeddings[model].shape[1]
            columns[f"embeddings/{model}"].append(np.full((len(embeddings), width), np.nan, np.float32))
            columns[f"templates/{model}"].append(np.full((new_people, width), np.nan, np.float32))
    return {f"templates/{digest}": (touched[known].tolist(), values[known])}
