"""How a command that identifies photos begins, so that what can go on at once does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facerec_cli.cli.collections import through_index
from facerec_cli.cli.photos import Photos
from facerec_cli.cli.progress import Reporter

if TYPE_CHECKING:
    from facerec_cli.recognition.identification import Identifier
    from facerec_cli.recognition.results import EmbeddedPhoto


def goes_through_index(asked: Photos, *, size: int | None, thorough: bool, index: Path | None, no_index: bool) -> bool:
    """Whether photos go through the index: where they are in folders, or one is named; the options are ``identify``'s.

    Raises:
        click.UsageError: another look is asked for, and an index.
    """
    is_usual = size is None and not thorough and not no_index
    if index and not is_usual:
        raise click.UsageError("--index takes no --no-index, --size or --thorough beside it.")
    return is_usual and (index is not None or asked.has_folders)


def begin(
    asked: Photos,
    database: str,
    model: str,
    reporter: Reporter,
    *,
    fpir: float,
    threshold: float | None,
    size: int | None,
    thorough: bool,
    index: Path | None,
    no_index: bool,
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

    by_index = goes_through_index(asked, size=size, thorough=thorough, index=index, no_index=no_index)
    recognizer = Recognizer(model, detection_size=size, thorough=thorough)
    # Begun before the gallery is looked at, which goes on beside it.
    if by_index:
        embedded = through_index(recognizer, index, asked, reporter, by_content=by_content)
    else:
        embedded = recognizer.embed_photos(asked)
    from facerec_cli.cli.progress import show_embedding
    from facerec_cli.gallery.opening import open_gallery
    from facerec_cli.recognition.identification import Identifier

    gallery = open_gallery(database)
    status = show_embedding(recognizer, gallery)
    return status, Identifier(recognizer, gallery, fpir=fpir, threshold=threshold), embedded
