"""Run a bundle's encoder with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnxruntime

from facerec_cli.encoders.bundle import Bundle
from facerec_cli.errors import ModelError

Embeddings = npt.NDArray[np.float32]
"""float32 [n, d], rows of unit length."""


class OnnxEncoder:
    """Chips to embeddings; one instance serves many threads.

    A session runs on one thread: facerec works on several photos at once instead, which uses the cores better.
    """

    def __init__(self, bundle: Bundle, encoder: bytes) -> None:
        """Load the encoder.

        Args:
            bundle: the model.
            encoder: its ``encoder_bytes()``.

        Raises:
            ModelError: it is not a graph that ONNX Runtime can run.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # Weights may be stored as 8-bit integers: turn them into float once at load, not at every run.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        # Packing matrices for large batches doubles the load time and the memory, and one chip at a time gains nothing.
        options.add_session_config_entry("session.disable_prepacking", "1")
        try:
            self._session = onnxruntime.InferenceSession(encoder, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own errors share no other base class
            if not type(error).__module__.startswith("onnxruntime"):
                raise
            raise ModelError(
                f"{bundle.folder / 'encoder.onnx'} cannot be loaded ({str(error).splitlines()[0]}): "
                "restore the model or choose another with -m."
            ) from error
        self._input = self._session.get_inputs()[0].name
        self.size = bundle.embedding_size

    def encode(self, chips: Sequence[npt.NDArray[np.uint8]]) -> Embeddings:
        """Embed chips.

        Chips are run one at a time: an embedding then never depends, not even in its last bit, on what else was
        in the batch, and on a CPU a batch is no faster (13.7 ms a chip alone, 13.6 ms in fours).

        Args:
            chips: n chips, each uint8 [112, 112, 3], RGB.

        Returns:
            float32 [n, d], rows of unit length.
        """
        embeddings = np.empty((len(chips), self.size), np.float32)
        for row, chip in enumerate(chips):
            embeddings[row] = self._session.run(None, {self._input: chip[np.newaxis]})[0][0]
        return unit_length(embeddings)


def unit_length(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scale the rows of float32 [n, d] to length one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)
