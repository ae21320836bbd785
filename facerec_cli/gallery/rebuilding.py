"""An index made anew from the kept chips."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from facerec_cli.encoders.encoder import Embedding
from facerec_cli.encoders.metric import Comparison
from facerec_cli.gallery.changes import AddedFace, added, with_embeddings
from facerec_cli.gallery.chipstore import ChipFolder, ChipRecord, decode_chip, read_record
from facerec_cli.gallery.index import Index
from facerec_cli.gallery.segment import EMPTY, text

_MOST_LOST = 0.1
"""The share of photos that a rebuild may lose without being told to."""


@dataclass(frozen=True)
class Survey:
    """What the chips in faces/ would make of a gallery.

    Attributes:
        chips: key and record of each chip that can be used.
        is_indexed: whether there is an index to compare with.
        enrolled: how many photos the index has.
        lost: the keys that it names and that are not among the chips.
        strangers: the keys of chips that it does not name: put there by hand, or restored; without an index, of those
            that a writer was about to put in or to take away.
        problems: a clause for each thing in faces/ that cannot be used.
    """

    chips: Sequence[tuple[str, ChipRecord]]
    is_indexed: bool
    enrolled: int
    lost: Sequence[str]
    strangers: Sequence[str]
    problems: Sequence[str]

    @property
    def is_much_smaller(self) -> bool:
        """Whether the rebuilt gallery would have lost so many photos that somebody should agree."""
        return len(self.lost) > _MOST_LOST * self.enrolled or not (self.chips or self.is_indexed)


def survey(chips: ChipFolder, index: Index | None, noted: Collection[str]) -> Survey:
    """Look at all chips, and at the index if there is one.

    Args:
        chips: where they are.
        index: the index, unless it is missing or damaged.
        noted: keys of chips that a writer had begun to put in or to take away: whether they are enrolled, an index
            alone can tell.

    Raises:
        OSError: faces/ cannot be read.
    """
    keys, problems = chips.all_keys()
    usable: list[tuple[str, ChipRecord]] = []
    for key in keys:
        path = chips.faces.parent / key
        try:
            jpeg = chips.read(key)
            decode_chip(jpeg)
        except (OSError, ValueError) as error:
            problems.append(f"{path} cannot be used ({error})")
            continue
        record = read_record(jpeg)
        if record is None:
            problems.append(f"{path} has no record that can be true")
        else:
            usable.append((key, record))
    known = set() if index is None else {text(key) for one in index.segments for key in one.faces["chip"]}
    if index is not None:
        usable = [(key, record) for key, record in usable if key in known or key not in noted]
    there = {key for key, _ in usable}
    return Survey(
        usable,
        index is not None,
        0 if index is None else sum(len(one.owner) for one in index.segments),
        sorted(known - there),
        sorted(there & set(noted)) if index is None else sorted(there - known),
        problems,
    )


def rebuilt(
    chips: Sequence[tuple[str, ChipRecord]],
    index: Index | None,
    comparison: Comparison,
    embeddings: Mapping[str, Embedding],
) -> Index:
    """The index that chips make up.

    Args:
        chips: key and record of each.
        index: the one before, whose ids stay, if there is one.
        comparison: by which model the embeddings are.
        embeddings: float32 [d] by key; those of other models follow when they are next used.
    """
    ordered = sorted(chips, key=lambda chip: (chip[1].id, chip[0]))
    next_id = max([0 if index is None else index.next_id - 1, *(record.id for _, record in ordered)]) + 1
    people_ids: dict[str, int] = {}
    face_ids: dict[str, int] = {}
    for segment in index.segments if index else ():
        people_ids |= zip(map(text, segment.people["name"]), segment.people["id"].tolist(), strict=True)
        face_ids |= zip(map(text, segment.faces["chip"]), segment.faces["id"].tolist(), strict=True)
    since: dict[str, int] = {}
    for _, record in ordered:
        since[record.name] = min(record.created, since.get(record.name, record.created))
    for name in since:
        if name not in people_ids:
            people_ids[name], next_id = next_id, next_id + 1
    faces: list[AddedFace] = []
    for key, record in ordered:
        if key not in face_ids:
            face_ids[key], next_id = next_id, next_id + 1
        faces.append(AddedFace(people_ids[record.name], replace(record, id=face_ids[key]), key))
    faces.sort(key=lambda face: face.record.id)
    people = sorted((people_ids[name], name, created) for name, created in since.items())
    # Of whoever was enrolled since the chips were embedded, the old index has what the model made of them.
    known = _embedded(index, comparison) if index else {}
    given = [
        (face.record.id, face.record.sha256, embedding)
        for face in faces
        if (embedding := embeddings.get(face.chip, known.get((face.chip, face.record.sha256)))) is not None
    ]
    return Index([with_embeddings(added(EMPTY, people, faces), comparison, given)], next_id)


def _embedded(index: Index, comparison: Comparison) -> dict[tuple[str, str], Embedding]:
    """The embeddings of a model by chip and photo."""
    return {
        (record.face.chip, record.face.sha256): record.embedding
        for record in index.records(comparison.digest)
        if record.embedding is not None
    }
