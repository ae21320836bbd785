"""Run a bundle's encoder with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from facerec_cli.encoders.bundle import CHIP_INPUT, Bundle
from facerec_cli.encoders.encoder import Embeddings, Encoder
from facerec_cli.errors import DamagedModelError
from facerec_cli.runtime import new_session

if TYPE_CHECKING:
    from facerec_cli.faces.alignment import Chip


def load_encoder(bundle: Bundle) -> OnnxEncoder:
    """The encoder of a model.

    Raises:
        DamagedModelError: it is missing, is not the one that model.json describes, or cannot be run.
    """
    return OnnxEncoder(bundle, bundle.encoder_bytes())


class OnnxEncoder(Encoder):
    """Chips to embeddings; one instance serves many threads."""

    def __init__(self, bundle: Bundle, encoder: bytes) -> None:
        """Load the encoder.

        Args:
            bundle: the model.
            encoder: its ``encoder_bytes()``.

        Raises:
            DamagedModelError: it is not a graph that ONNX Runtime can run.
        """
        try:
            self._session = new_session(encoder)
        except Exception as error:  # ONNX Runtime's own errors share no other base class
            if not type(error).__module__.startswith("onnxruntime"):
                raise
            raise DamagedModelError(
                f"{bundle.folder / 'encoder.onnx'} cannot be loaded ({str(error).splitlines()[0]})", "restore the model"
            ) from error
        (taken, *more), (given, *_) = self._session.get_inputs(), self._session.get_outputs()
        contract = (taken.type, list(taken.shape[1:]), list(given.shape[1:]))
        if more or contract != ("tensor(uint8)", CHIP_INPUT["shape"], [bundle.embedding_size]):
            raise DamagedModelError(
                f"{bundle.folder / 'encoder.onnx'} does not turn a chip into {bundle.embedding_size} numbers, as "
                "model.json says",
                "restore the model",
            )
        self._input = taken.name
        self._metric = bundle.load_metric()
        self.size = bundle.embedding_size

    def encode(self, chips: Sequence[Chip]) -> Embeddings:
        """Embed chips.

        Chips are run one at a time: an embedding then never depends, not even in its last bit, on what else was
        in the batch, and on a CPU a batch is no faster (13.7 ms a chip alone, 13.6 ms in fours).

        Args:
            chips: n chips, each uint8 [112, 112, 3], RGB.

        Returns:
            float32 [n, d].
        """
        embeddings = np.empty((len(chips), self.size), np.float32)
        for row, chip in enumerate(chips):
            embeddings[row] = self._session.run(None, {self._input: chip[np.newaxis]})[0][0]
        return self._metric.scaled(embeddings)


def run_graph(graph: bytes, chips: Sequence[Chip]) -> Embeddings:
    """What an encoder.onnx gives for chips, each uint8 [112, 112, 3] RGB, before a metric scales it: float32 [n, d]."""
    session = new_session(graph)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: chip[np.newaxis]})[0] for chip in chips])
