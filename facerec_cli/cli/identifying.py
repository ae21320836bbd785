"""How a command that identifies photos begins, so that what can go on at once does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facerec_cli.cli.collections import through_index
from facerec_cli.cli.photos import Photos
from facerec_cli.cli.progress import Reporter

if TYPE_CHECKING:
    from facerec_cli.recognition.identification import Identifier
    from facerec_cli.recognition.results import EmbeddedPhoto


@dataclass(frozen=True)
class Looking:
    """How photos are looked at: the options of these names."""

    device: str
    size: int | None
    thorough: bool
    index: Path | None
    no_index: bool

    def goes_through_index(self, asked: Photos) -> bool:
        """Whether photos go through the index: where they are in folders, or one is named.

        Raises:
            click.UsageError: another look is asked for, and an index.
        """
        is_usual = self.size is None and not self.thorough and not self.no_index
        if self.index and not is_usual:
            raise click.UsageError("--index takes no --no-index, --size or --thorough beside it.")
        return is_usual and (self.index is not None or asked.has_folders)


def begin(
    asked: Photos,
    database: str,
    model: str,
    reporter: Reporter,
    looking: Looking,
    *,
    fpir: float,
    threshold: float | None,
    by_content: bool = False,
) -> tuple[int, Identifier, Iterator[EmbeddedPhoto]]:
    """Begin to embed photos, by the index or not, and look at the gallery meanwhile; the options are ``identify``'s.

    ``by_content`` is ``recognition.indexing.embed_indexed``'s.

    Returns:
        The exit status of looking at the gallery, who names faces, and the photos as they are embedded.

    Raises:
        click.UsageError: another look is asked for, and an index.
        DatabaseError, ModelError: the gallery or the model cannot be used.
    """
    from facerec_cli.recognition.recognizer import Recognizer

    by_index = looking.goes_through_index(asked)
    recognizer = Recognizer(
        model, device=looking.device, faces=asked.count, detection_size=looking.size, thorough=looking.thorough
    )
    # Begun before the gallery is looked at, which goes on beside it.
    if by_index:
        embedded = through_index(recognizer, looking.index, asked, reporter, by_content=by_content)
    else:
        embedded = recognizer.embed_photos(asked)
    from facerec_cli.cli.progress import show_embedding
    from facerec_cli.gallery.opening import open_gallery
    from facerec_cli.recognition.identification import Identifier

    gallery = open_gallery(database)
    status = show_embedding(recognizer, gallery)
    return status, Identifier(recognizer, gallery, fpir=fpir, threshold=threshold), embedded
