"""Whether a gallery is whole: looked at without a lock, and without changing anything."""

from __future__ import annotations

from dataclasses import dataclass

from facerec_cli.errors import DatabaseRefusedError
from facerec_cli.files import refusal
from facerec_cli.gallery.base import Gallery, Snapshot
from facerec_cli.gallery.hdf5 import Hdf5Gallery
from facerec_cli.gallery.unfinished import UnfinishedChips


@dataclass(frozen=True)
class Health:
    """What a gallery holds.

    Attributes:
        people: enrolled.
        photos: of theirs.
        pending: photos that a model has not embedded yet; None where no model was named.
        lost: how many chips the index names that are not there.
        strays: how many things among the chips nobody is known by.
    """

    people: int
    photos: int
    pending: int | None
    lost: int = 0
    strays: int = 0


def examine(gallery: Gallery, digest: str | None) -> Health:
    """Look at a gallery; of a folder's chips at the names alone.

    Args:
        gallery: which.
        digest: of the comparison whose embeddings are asked about, if any are.

    Raises:
        DatabaseError: it is damaged, or cannot be read.
    """
    snapshot = gallery.snapshot()
    counts = snapshot.photo_counts()
    people, photos = sum(counts.values()), sum(photos * number for photos, number in counts.items())
    pending = None if digest is None else snapshot.pending_count(digest)
    if not isinstance(gallery, Hdf5Gallery) or not (photos or gallery.chips.faces.exists()):
        return Health(people, photos, pending)
    named = _chips(snapshot)
    try:
        kept, odd = gallery.chips.all_keys()
    except OSError as error:
        problem = f"{gallery.chips.faces} cannot be read, {refusal(error).reason}"
        raise DatabaseRefusedError(problem, "restore that folder") from error
    # What a writer brings or takes away meanwhile is neither lost nor a stray.
    later, noted = _chips(gallery.snapshot()), set(UnfinishedChips(gallery.folder).noted())
    lost, strays = (named & later) - set(kept), set(kept) - named - later - noted
    return Health(people, photos, pending, len(lost), len(strays) + len(odd))


def _chips(snapshot: Snapshot) -> set[str]:
    # Of no model: which chips there are depends on none.
    return {record.face.chip for record in snapshot.records("")}
