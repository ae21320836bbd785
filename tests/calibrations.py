"""Calibrations made by hand, and the looks of people that they are held against."""

from __future__ import annotations

import numpy as np

from facerec_cli.encoders.calibration import Calibration, Curve, Source
from facerec_cli.encoders.cohort import Cohort
from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.encoders.metric import Cosine
from facerec_cli.evaluation.looks import Looks

SOURCE = Source("people of a test", 200)


def calibrated(curve: Curve, source: Source = SOURCE) -> Calibration:
    """One curve for photos and people alike, of a model that leaves embeddings where they are."""
    return Calibration(curve, curve, None, None, source)


def strangers(people: int) -> Cohort:
    """People of random looks, one photo each."""
    looks = Cosine().scaled(np.random.default_rng(0).normal(size=(people, 32)).astype(np.float32))
    return Cohort(people, looks.sum(axis=0, dtype=np.float64), looks, looks, np.arange(people))


def alike(embeddings: Embeddings) -> Looks:
    """Photos that are enrolled as they are asked about."""
    return Looks(embeddings, embeddings)
