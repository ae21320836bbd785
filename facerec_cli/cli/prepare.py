"""Embedding enrolled chips again for another model, with progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facerec_cli.cli.render import Reporter, count

if TYPE_CHECKING:
    from facerec_cli.gallery.base import Gallery
    from facerec_cli.recognizer import Recognizer


def prepare(recognizer: Recognizer, gallery: Gallery) -> None:
    """Embed the chips that this model has not embedded yet, and say so; warn about chips that cannot be used."""
    pending = len(gallery.pending(recognizer.digest))
    if not pending:
        return
    with Reporter(f"Embedding for {recognizer.bundle.name}", pending) as reporter:
        problems = recognizer.prepare(gallery, reporter.update)
        for problem in problems:
            reporter.warn(problem)
        embedded = pending - len(problems)
        if embedded:
            reporter.note(
                f"Embedded {count(embedded, 'enrolled chip')} with the model {recognizer.bundle.name}, once: "
                "the photos were not needed."
            )
