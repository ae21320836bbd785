"""How a command that identifies photos begins, so that what can go on at once does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from facerec_cli.cli.photos import Photos

if TYPE_CHECKING:
    from facerec_cli.recognition.identification import Identifier
    from facerec_cli.recognition.results import EmbeddedPhoto


def begin(
    asked: Photos,
    database: str,
    model: str,
    *,
    fpir: float,
    threshold: float | None,
    size: int | None,
    thorough: bool,
) -> tuple[int, Identifier, Iterator[EmbeddedPhoto]]:
    """Begin to embed photos, and look at the gallery meanwhile; the options are ``identify``'s.

    Returns:
        The exit status of looking at the gallery, who names faces, and the photos as they are embedded.

    Raises:
        DatabaseError, ModelError: the gallery or the model cannot be used.
    """
    from facerec_cli.recognition.recognizer import Recognizer

    recognizer = Recognizer(model, detection_size=size, thorough=thorough)
    # Begun before the gallery is looked at, which goes on beside it.
    embedded = recognizer.embed_photos(asked)
    from facerec_cli.cli.progress import show_embedding
    from facerec_cli.gallery.opening import open_gallery
    from facerec_cli.recognition.identification import Identifier

    gallery = open_gallery(database)
    status = show_embedding(recognizer, gallery)
    return status, Identifier(recognizer, gallery, fpir=fpir, threshold=threshold), embedded
