"""The people of a gallery brought to another, whatever store keeps each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from facerec_cli.errors import LostChipError, UnusableLocationError
from facerec_cli.gallery.base import Gallery, NewFace, Record, Snapshot
from facerec_cli.gallery.chipstore import decode_chip
from facerec_cli.parallel import ordered_map
from facerec_cli.recognition.embedding import embed_pending
from facerec_cli.recognition.pacing import Pace
from facerec_cli.recognition.recognizer import Recognizer


@dataclass(frozen=True, eq=False)
class Copied:
    """What came of copying.

    Attributes:
        people: those who were copied: the source as it was then.
        new: how many photos the target did not have.
        embedded: how many of them the source had no embedding of.
    """

    people: Snapshot
    new: int
    embedded: int


def copy_people(
    recognizer: Recognizer, source: Gallery, target: Gallery, progress: Callable[[int, int], None] | None = None
) -> Copied:
    """Enrol everybody of a gallery in another too, in the same order, with their chips to the bit.

    A photo that the target has for a person of that name is passed over, so copying goes on where it was ended.
    Embeddings are taken over where the source has them by this model; others are made from the chips. A chip that is
    lost is passed over: ``compare_copy`` names it.

    Args:
        recognizer: the model whose embeddings go along.
        source: whose people.
        target: where to.
        progress: told how many photos are done, of how many.

    Raises:
        UnusableLocationError: the two are one gallery.
        DatabaseError: the source cannot be read, or the target not be changed.
        ModelError: the model cannot be loaded.
    """
    if source.identity == target.identity:
        raise UnusableLocationError(f"{target.location} is where these people are already", "name another place")
    there, people = embed_pending(recognizer, target).snapshot, source.snapshot()

    def ready(record: Record) -> tuple[NewFace | None, bool]:
        face = record.face
        if there.has_photo(face.name, face.sha256):
            return None, False
        try:
            jpeg = source.read_jpeg(face)
            chip = decode_chip(jpeg)
        except (LostChipError, ValueError):
            return None, False
        known = record.embedding
        embedding = recognizer.embed_enrolled([chip])[0] if known is None else known
        new = NewFace(face.name, jpeg, embedding, face.sha256, face.source, face.score, face.created)
        return new, known is None

    total, new, embedded = photo_count(people), 0, 0
    batch: list[NewFace] = []
    pace = Pace()
    records = people.records(recognizer.comparison.digest)
    try:
        for done, (face, is_embedded) in enumerate(ordered_map(ready, records), start=1):
            embedded += is_embedded
            batch += [face] if face else []
            if pace.is_due(len(batch)):
                full, batch = batch, []
                with pace.writing():
                    new += sum(target.add(recognizer.comparison, full))
            if progress:
                progress(done, total)
    finally:
        # Also after Ctrl-C.
        new += sum(target.add(recognizer.comparison, batch))
    return Copied(people, new, embedded)


def photo_count(snapshot: Snapshot) -> int:
    """How many photos are enrolled."""
    return sum(photos * people for photos, people in snapshot.photo_counts().items())
