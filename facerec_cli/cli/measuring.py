"""Chips and embeddings of a data set, with progress: what evaluating and calibrating begin with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facerec_cli.cli.render import Reporter, count

if TYPE_CHECKING:
    from facerec_cli.datasets.chips import ChipSet
    from facerec_cli.encoders.onnx_encoder import Embeddings
    from facerec_cli.recognizer import Recognizer


def load(data: Path, reporter: Reporter) -> ChipSet:
    """The chips of a data set, and a word about the photos that give none."""
    from facerec_cli.datasets.chips import load_chips

    chips = load_chips(data, reporter.update)
    for sentence in chips.unreadable:
        reporter.error(sentence)
    if chips.faceless:
        shown = ", ".join(chips.faceless[:5]) + (", …" if len(chips.faceless) > 5 else "")
        reporter.warn(f"{count(len(chips.faceless), 'photo')} of {len(chips.photos):,} show no face: {shown}.")
    return chips


def embed(recognizer: Recognizer, chips: ChipSet, rows: Sequence[int], output_format: str = "table") -> Embeddings:
    """The embeddings of some photos, float32 [photos, d]; the other rows are NaN."""
    import numpy as np

    title = f"Embedding with {recognizer.bundle.name}"
    with Reporter(title, len(rows), output_format=output_format) as reporter:
        found = recognizer.embed_all((chips.chips[row] for row in rows), len(rows), reporter.update)
    embeddings = np.full((len(chips.photos), found.shape[1]), np.nan, np.float32)
    embeddings[rows] = found
    return embeddings
