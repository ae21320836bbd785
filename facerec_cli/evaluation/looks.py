"""The two ways in which a photo's face is embedded: asked about, and enrolled."""

from __future__ import annotations

from dataclasses import dataclass

from facerec_cli.encoders.encoder import Embeddings


@dataclass(frozen=True, eq=False)
class Looks:
    """A data set's embeddings by one model.

    Attributes:
        probes: float32 [photos, d], of photos that are asked about.
        enrolled: float32 [photos, d], of photos that are enrolled.
    """

    probes: Embeddings
    enrolled: Embeddings
