"""A calibration to the people enrolled: their faces are each other's strangers."""

from __future__ import annotations

import time

import numpy as np

from facerec_cli.encoders.calibration import Calibration, Source
from facerec_cli.encoders.encoder import Embedding
from facerec_cli.errors import DatabaseError
from facerec_cli.evaluation.calibrating import UncalibratableError, calibrate_people
from facerec_cli.gallery.base import Gallery
from facerec_cli.recognition.embedding import embed_pending
from facerec_cli.recognition.recognizer import Recognizer


def calibrate_enrolled(recognizer: Recognizer, gallery: Gallery) -> Calibration:
    """Calibrate to the people enrolled: their faces are the impostors, never as their own. The gallery keeps it.

    Raises:
        DatabaseError: there are too few people, or the gallery cannot be changed.
        ModelError: the model cannot be loaded.
    """
    snapshot = embed_pending(recognizer, gallery).snapshot
    digest = recognizer.bundle.digest
    embeddings: list[Embedding] = []
    rows: dict[str, list[int]] = {}
    for record in snapshot.records(digest):
        if record.embedding is not None:
            rows.setdefault(record.face.name, []).append(len(embeddings))
            embeddings.append(record.embedding)
    source = Source("gallery", "the people enrolled", len(rows), time.strftime("%Y-%m-%d"))
    own = recognizer.bundle.calibration
    try:
        calibration = calibrate_people(
            np.array(embeddings),
            list(rows.values()),
            recognizer.comparison.metric,
            source,
            slope=own.slope if own else None,
        )
    except UncalibratableError as error:
        raise DatabaseError(
            f"{gallery.location} has {len(rows):,} people, and {error}, so that what was in force stays in force",
            error.remedy,
        ) from error
    gallery.set_calibration(digest, calibration)
    return calibration
