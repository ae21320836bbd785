"""Enrolled chips are embedded when a model that has not seen them is first used: switching needs no photos."""

from __future__ import annotations

from collections.abc import Callable

from facerec_cli.encoders.encoder import Embedding
from facerec_cli.errors import LostChipError
from facerec_cli.gallery.base import EnrolledFace, Gallery
from facerec_cli.parallel import ordered_map
from facerec_cli.recognition.pacing import Pace
from facerec_cli.recognition.recognizer import Recognizer


def embed_pending(
    recognizer: Recognizer, gallery: Gallery, progress: Callable[[int, int], None] | None = None
) -> list[LostChipError]:
    """Embed the enrolled chips that have no embedding of this model yet.

    The gallery gets them batch by batch: what was done stays done, whatever ends the work.

    Args:
        recognizer: the model.
        gallery: which.
        progress: told how many chips are done, of how many.

    Returns:
        The chips that could not be used; their people are known by their other photos.

    Raises:
        DatabaseError: the gallery cannot be changed.
        ModelError: the model cannot be loaded.
    """
    digest = recognizer.bundle.digest
    snapshot = gallery.snapshot()
    count = snapshot.pending_count(digest)
    if not count:
        return []

    def embed(face: EnrolledFace) -> tuple[int, Embedding | LostChipError]:
        try:
            return face.id, recognizer.embed([gallery.read_chip(face)])[0]
        except LostChipError as error:
            return face.id, error

    lost: list[LostChipError] = []
    batch: dict[int, Embedding] = {}
    pace = Pace()
    try:
        for done, (face_id, result) in enumerate(ordered_map(embed, snapshot.pending(digest)), start=1):
            if isinstance(result, LostChipError):
                lost.append(result)
            else:
                batch[face_id] = result
            if pace.is_due():
                ready, batch = batch, {}
                with pace.writing():
                    gallery.store(recognizer.comparison, ready)
            if progress:
                progress(done, count)
    finally:
        # Also after Ctrl-C.
        gallery.store(recognizer.comparison, batch)
    return lost
