"""What the commands about folders of photos share: the index, and filling it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facerec_cli.cli.photos import Photos
from facerec_cli.cli.progress import Reporter
from facerec_cli.parallel import OrderedMap, ordered_map

if TYPE_CHECKING:
    from facerec_cli.datasets.collection import Collection
    from facerec_cli.encoders.encoder import Embeddings
    from facerec_cli.recognition.recognizer import Recognizer
    from facerec_cli.recognition.results import EmbeddedPhoto


def open_index(file: Path | None) -> Collection:
    """The index in a file, or the usual one."""
    from facerec_cli.datasets.collection import Collection, usual_place

    return Collection(file or usual_place())


def through_index(
    recognizer: Recognizer, file: Path | None, photos: Iterable[Path], reporter: Reporter, *, by_content: bool = False
) -> Iterator[EmbeddedPhoto]:
    """Embed photos by the index, as ``embed_indexed``; where nobody named one and the usual one fails, without any."""
    from facerec_cli.errors import CollectionError
    from facerec_cli.recognition.indexing import embed_indexed

    try:
        collection = open_index(file)
    except CollectionError as error:
        if file:
            raise
        reporter.warn(error)
        return recognizer.embed_photos(photos)
    return embed_indexed(recognizer, collection, photos, by_content=by_content)


@dataclass(frozen=True, eq=False)
class Filled:
    """What came of filling an index.

    Attributes:
        embeddings: float32 [faces, d] of each photo that can be used, in their order.
        looked_at: how many photos the index did not have as they are.
        gone: how many it had that are no longer there.
        status: the exit status.
    """

    embeddings: Mapping[Path, Embeddings]
    looked_at: int
    gone: int
    status: int


def fill(
    recognizer: Recognizer, collection: Collection, named: Sequence[Path], spread: OrderedMap = ordered_map
) -> Filled:
    """Have the index know the photos of folders as they are, with a bar; what cannot be used is told.

    Args:
        recognizer: the model.
        collection: the index.
        named: folders, and photos.
        spread: where photos are looked at.
    """
    from facerec_cli.recognition.indexing import embed_indexed, refusals

    asked, digest = Photos(named, recursive=True), recognizer.bundle.digest
    photos = list(asked)
    survey = collection.survey(photos, digest)
    recognizer.expect(len(survey.missing))
    with Reporter("Indexing", len(survey.missing)) as reporter:
        for error in (error for found in asked.searched for error in found.refused):
            reporter.error(error)
        for error in refusals(survey):
            reporter.error(error)
        for photo in embed_indexed(recognizer, collection, survey.missing, spread=spread):
            reporter.advance()
            if photo.error:
                reporter.error(photo.error)
            elif photo.extraction and photo.extraction.note:
                reporter.warn(f"{photo.extraction.note}.")
        # Where a part cannot be searched, or nothing is there, a disk may be away for a time.
        whole = [found for found in asked.searched if not found.refused]
        gone = sum(collection.drop_gone(found.folder, found.photos) for found in whole)
        for found in asked.searched:
            reporter.left_out(found.left_out)
        looked_at = len(survey.missing)
        if looked_at:
            survey = collection.survey(photos, digest)
        return Filled(survey.embeddings, looked_at, gone, reporter.status)
