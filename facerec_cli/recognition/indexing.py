"""Photos through the index of a collection: those that it has as they are now need no work, the others are put in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from facerec_cli import errors
from facerec_cli.datasets.collection import Collection, KeptFace, KeptPhoto, Refused, Survey, Version, version_of
from facerec_cli.errors import MissingDecoderError, PhotoError, UnreadablePhotoError
from facerec_cli.faces.extraction import Extraction, Face
from facerec_cli.faces.images import opened
from facerec_cli.faces.quality import Quality
from facerec_cli.gallery.chipstore import decode_chip, encode_chip
from facerec_cli.parallel import OrderedMap, ordered_map
from facerec_cli.recognition.pacing import Pace
from facerec_cli.recognition.recognizer import Recognizer
from facerec_cli.recognition.results import EmbeddedPhoto

_TOGETHER = 200
"""Photos that are looked up at once."""
_Twin = Callable[[str, Version, str], "KeptPhoto | None"]
"""``Collection.twin``."""
_SOURCE = "\0"
"""Stands in texts for what a photo is known by, which another way to it changes."""


@dataclass(frozen=True, eq=False)
class IndexedFace(Face):
    """A face as the index has it: measured when its photo was looked at, with a chip that was a JPEG since."""

    quality: Quality = field(kw_only=True)


def embed_indexed(
    recognizer: Recognizer,
    collection: Collection,
    photos: Iterable[Path],
    *,
    by_content: bool = False,
    spread: OrderedMap = ordered_map,
) -> Iterator[EmbeddedPhoto]:
    """Find and embed the faces of photos as ``Recognizer.embed_photos`` does, those of the index without any work.

    What is new comes into the index batch by batch: whatever ends the work, what was done is kept. The recognizer has
    to be one that looks at photos as it does by default.

    Args:
        recognizer: the model.
        collection: the index.
        photos: read as they are needed.
        by_content: also read each photo that the index knows, and look at it anew where its content has changed behind
            a size and time that have not, as some programs turn photos: for what must not be wrong.
        spread: where photos are looked at; elsewhere than here also those that the index has by another path.

    Raises:
        CollectionError: the index cannot be read or written.
        ModelError: the model cannot be loaded.
    """
    digest = recognizer.bundle.digest
    # The index is a file of this machine.
    twin: _Twin = collection.twin if spread is ordered_map else _no_twin

    def looked_up() -> Iterator[tuple[Path, KeptPhoto | None]]:
        waiting = iter(photos)
        while some := list(islice(waiting, _TOGETHER)):
            known = collection.look(some, digest)
            yield from ((path, known.get(path)) for path in some)

    def embed(item: tuple[Path, KeptPhoto | None]) -> tuple[Path, EmbeddedPhoto, KeptPhoto | None]:
        path, kept = item
        try:
            if kept is not None and not (by_content and _differs(path, kept)):
                return path, _restored(recognizer, path, kept), None
            found, new = _look(recognizer, twin, path)
        except PhotoError as error:
            # What keeps it from being read may lie outside of it: it is tried again.
            return path, EmbeddedPhoto(str(path), None, recognizer.embed([]), error), None
        return path, found, new

    # Begun at once, as ``Recognizer.embed_photos`` is.
    return _kept(collection, digest, spread(embed, looked_up()))


def _kept(
    collection: Collection, digest: str, photos: Iterable[tuple[Path, EmbeddedPhoto, KeptPhoto | None]]
) -> Iterator[EmbeddedPhoto]:
    """The photos, those that are new to the index put into it batch by batch."""
    batch: dict[Path, KeptPhoto] = {}
    pace = Pace()
    try:
        for path, found, new in photos:
            if new is not None:
                batch[path] = new
            if batch and pace.is_due(len(batch)):
                ready, batch = batch, {}
                with pace.writing():
                    collection.add(ready, digest)
            yield found
    finally:
        # Also after Ctrl-C.
        if batch:
            collection.add(batch, digest)


def _differs(path: Path, kept: KeptPhoto) -> bool:
    """Whether a photo's content is no longer what the index knows.

    Raises:
        PhotoError: it cannot be read.
    """
    if kept.refused:
        return False
    with opened(path) as at_hand:
        return at_hand.sha256 != kept.sha256


def _no_twin(_sha256: str, _version: Version, _digest: str) -> KeptPhoto | None:
    return None


def _look(recognizer: Recognizer, twin_of: _Twin, path: Path) -> tuple[EmbeddedPhoto, KeptPhoto]:
    """Look at a photo, or at what the index has of the same content under another path.

    Raises:
        PhotoError: it cannot be opened, or not be decoded for want of a library.
    """
    version = version_of(path)
    try:
        with opened(path) as at_hand:
            sha256 = at_hand.sha256
            if twin := twin_of(sha256, version, recognizer.bundle.digest):
                return _restored(recognizer, path, twin), twin
            photo = recognizer.embed_photo(at_hand)
    except (UnreadablePhotoError, MissingDecoderError):
        raise
    except PhotoError as error:
        return _refused(recognizer, path, version, error)
    seen = photo.extraction
    assert seen is not None
    faces = [
        KeptFace(face.box, face.landmarks, face.score, face.doubtful, face.quality, encode_chip(face.chip))
        for face in seen.faces
    ]
    note = _without_source(seen.note, path) if seen.note else None
    return photo, KeptPhoto(version, sha256, seen.width, seen.height, faces, photo.embeddings, note)


def _refused(
    recognizer: Recognizer, path: Path, version: Version, error: PhotoError
) -> tuple[EmbeddedPhoto, KeptPhoto]:
    """A photo that cannot be used, whose content may not even have been read: it is known by its path alone."""
    nothing = recognizer.embed([])
    why = Refused(type(error).__name__, _without_source(str(error), path), error.remedy)
    return EmbeddedPhoto(str(path), None, nothing, error), KeptPhoto(version, "", 0, 0, (), nothing, refused=why)


def refusals(survey: Survey) -> list[PhotoError]:
    """Why photos that an index knows cannot be used."""
    return [_error(path, why) for path, why in survey.refused.items()]


def _error(path: Path, why: Refused) -> PhotoError:
    # Another facerec, which made the index, may have had more kinds.
    kind: type[PhotoError] = getattr(errors, why.error, PhotoError)
    return kind(why.problem.replace(_SOURCE, str(path)), why.remedy)


def _restored(recognizer: Recognizer, path: Path, kept: KeptPhoto) -> EmbeddedPhoto:
    """A photo of the index, as if it had been looked at now."""
    source = str(path)
    if kept.refused:
        return EmbeddedPhoto(source, None, recognizer.embed([]), _error(path, kept.refused))
    faces = tuple(
        IndexedFace(face.box, face.landmarks, face.score, decode_chip(face.jpeg), face.doubtful, quality=face.quality)
        for face in kept.faces
    )
    note = kept.note.replace(_SOURCE, source) if kept.note else None
    embeddings = kept.embeddings if faces else recognizer.embed([])
    return EmbeddedPhoto(source, Extraction(source, kept.width, kept.height, faces, note), embeddings)


def _without_source(text: str, path: Path) -> str:
    return text.replace(str(path), _SOURCE, 1)
