"""Whether a gallery is whole: looked at without a lock, and without changing anything."""

from __future__ import annotations

from dataclasses import dataclass

from facerec_cli.gallery.base import Gallery
from facerec_cli.gallery.hdf5 import Hdf5Gallery


@dataclass(frozen=True)
class Health:
    """What a gallery holds.

    Attributes:
        people: enrolled.
        photos: of theirs.
        pending: photos that a model has not embedded yet.
        lost: keys of chips that the index names and that are not there.
        strays: a clause for each thing among the chips that it does not name.
    """

    people: int
    photos: int
    pending: int
    lost: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()


def examine(gallery: Gallery, digest: str) -> Health:
    """Look at a gallery; of a folder's chips at the names alone.

    Args:
        gallery: which.
        digest: of the comparison whose embeddings are asked about.

    Raises:
        DatabaseError: it is damaged, or cannot be read.
    """
    snapshot = gallery.snapshot()
    counts = snapshot.photo_counts()
    people, photos = sum(counts.values()), sum(photos * number for photos, number in counts.items())
    pending = snapshot.pending_count(digest)
    if not isinstance(gallery, Hdf5Gallery):
        return Health(people, photos, pending)
    named = {record.face.chip for record in snapshot.records(digest)}
    kept, odd = gallery.chips.all_keys()
    strays = [f"{key} is no chip of anybody's" for key in sorted(set(kept) - named)]
    return Health(people, photos, pending, tuple(sorted(named - set(kept))), (*strays, *odd))
