"""A database's index made anew from its chips, with their embeddings."""

from __future__ import annotations

from collections.abc import Callable

from facerec_cli.encoders.encoder import Embedding
from facerec_cli.gallery.hdf5 import Hdf5Gallery
from facerec_cli.gallery.rebuilding import Survey
from facerec_cli.parallel import ordered_map
from facerec_cli.recognition.recognizer import Recognizer


def rebuild(
    recognizer: Recognizer,
    gallery: Hdf5Gallery,
    survey: Survey,
    *,
    strangers: bool = False,
    smaller: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Survey:
    """Make the index anew; readers have the old one until the new one is there with all its embeddings.

    Args:
        recognizer: the model that embeds the chips.
        gallery: whose.
        survey: of its chips.
        strangers: take chips in that the index does not name.
        smaller: also where much would be lost.
        progress: told how many chips are embedded, of how many.

    Raises:
        SmallerDatabaseError: much would be lost.
        DatabaseError: the chips cannot be read, or the index not be written.
        ModelError: the model cannot be loaded.
    """

    def embed(key: str) -> tuple[str, Embedding | None]:
        try:
            return key, recognizer.embed_enrolled([gallery.chip(key)])[0]
        except (OSError, ValueError):  # the second look, under the lock, says so
            return key, None

    left_out = set() if strangers else set(survey.strangers)
    keys = [key for key, _ in survey.chips if key not in left_out]
    embeddings: dict[str, Embedding] = {}
    for done, (key, embedding) in enumerate(ordered_map(embed, keys), start=1):
        if embedding is not None:
            embeddings[key] = embedding
        if progress:
            progress(done, len(keys))
    return gallery.rebuild(recognizer.comparison, embeddings, strangers=strangers, smaller=smaller)
