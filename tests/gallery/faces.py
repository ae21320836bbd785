"""Faces to enrol, made up."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from facerec_cli.encoders.metric import Comparison, Cosine
from facerec_cli.gallery.base import NewFace
from facerec_cli.gallery.chipstore import encode_chip

DIGEST = "a" * 64
OTHER = "b" * 64
COMPARISON, OTHER_COMPARISON = Comparison(DIGEST, Cosine()), Comparison(OTHER, Cosine())
JPEG = encode_chip(np.full((112, 112, 3), 128, np.uint8))
Vector = npt.NDArray[np.float32]


def unit(*numbers: float) -> Vector:
    vector = np.array(numbers, np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def face(name: str, embedding: Vector, photo: int = 0) -> NewFace:
    return NewFace(name, JPEG, embedding, sha256(photo), f"{photo}.jpg", 0.9)


def sha256(photo: int) -> str:
    return hashlib.sha256(str(photo).encode()).hexdigest()
