"""Enrolled chips are embedded when a model that has not seen them is first used: switching needs no photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from facerec_cli.encoders.encoder import Embedding
from facerec_cli.errors import LostChipError, NotEmbeddedError
from facerec_cli.gallery.base import EnrolledFace, Gallery, Snapshot
from facerec_cli.parallel import ordered_map
from facerec_cli.recognition.pacing import Pace
from facerec_cli.recognition.recognizer import Recognizer


@dataclass(frozen=True)
class _Progress:
    """Tells how many of a page's faces are done, among all."""

    told: Callable[[int, int], None] | None
    before: int
    total: int

    def __call__(self, done: int) -> None:
        if self.told:
            self.told(self.before + done, self.total)


_PAGE = 10_000
"""Faces that are looked up at once."""


@dataclass(frozen=True, eq=False)
class Embedded:
    """A gallery in which a model has embedded all that it can.

    Attributes:
        snapshot: the gallery then.
        lost: chips that cannot be used.
        nobodies: an error for each person all of whose chips are lost, so that nobody can be called them.
    """

    snapshot: Snapshot
    lost: Sequence[LostChipError]
    nobodies: Sequence[NotEmbeddedError]


def embed_pending(
    recognizer: Recognizer, gallery: Gallery, progress: Callable[[int, int], None] | None = None
) -> Embedded:
    """Embed the enrolled chips that have no embedding of this model yet, also those that others enrol meanwhile.

    The gallery gets them batch by batch: what was done stays done, whatever ends the work.

    Args:
        recognizer: the model.
        gallery: which.
        progress: told how many chips are done, of how many.

    Raises:
        DatabaseError: the gallery cannot be changed.
        ModelError: the model cannot be loaded.
    """
    digest = recognizer.comparison.digest
    lost: dict[tuple[int, str], LostChipError] = {}
    done = 0
    while True:
        snapshot = gallery.snapshot()
        count = snapshot.pending_count(digest)
        pending = snapshot.pending(digest) if count else iter(())
        # Page by page: all of a million faces would take a gigabyte. A chip that has moved since is another.
        todo = list(islice((face for face in pending if (face.id, face.chip) not in lost), _PAGE))
        if not todo:
            break
        total = done + count - len(lost)
        lost |= _embed(recognizer, gallery, todo, _Progress(progress, done, total))
        done += len(todo)
    if not count:
        return Embedded(snapshot, (), ())
    nobodies = [
        NotEmbeddedError(f"No chip of {name} in {gallery.location} can be used", "enrol them again")
        for name in snapshot.without_template(digest)
    ]
    return Embedded(snapshot, tuple(lost.values()), nobodies)


def _embed(
    recognizer: Recognizer, gallery: Gallery, faces: Sequence[EnrolledFace], progress: Callable[[int], None]
) -> dict[tuple[int, str], LostChipError]:
    """Embed faces, and keep what comes of it; returns the errors of those that are lost, by id and chip."""

    def embed(face: EnrolledFace) -> tuple[EnrolledFace, Embedding | LostChipError]:
        try:
            return face, recognizer.embed_enrolled([gallery.read_chip(face)])[0]
        except LostChipError as error:
            return face, error

    lost: dict[tuple[int, str], LostChipError] = {}
    batch: list[tuple[EnrolledFace, Embedding]] = []
    pace = Pace()
    try:
        for done, (face, result) in enumerate(ordered_map(embed, faces), start=1):
            if isinstance(result, LostChipError):
                lost[face.id, face.chip] = result
            else:
                batch.append((face, result))
            if pace.is_due(len(batch)):
                ready, batch = batch, []
                with pace.writing():
                    gallery.store(recognizer.comparison, ready)
            progress(done)
    finally:
        # Also after Ctrl-C.
        gallery.store(recognizer.comparison, batch)
    return lost
