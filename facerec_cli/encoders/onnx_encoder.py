"""Run a bundle's encoder with ONNX Runtime."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facerec_cli.encoders.bundle import Bundle
from facerec_cli.errors import ModelError
from facerec_cli.faces.alignment import CHIP_SIZE, Chip

Embeddings = npt.NDArray[np.float32]
"""float32 [n, d], rows of unit length."""


class OnnxEncoder:
    """Chips to embeddings; one instance serves many threads.

    A session runs on one thread: facerec works on several photos at once instead, which uses the cores better.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Load the encoder.

        Raises:
            ModelError: encoder.onnx is missing, changed, or not a graph that ONNX Runtime can run.
        """
        import onnxruntime  # noqa: PLC0415 - the import overlaps with the work of other threads

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # Weights may be stored as 8-bit integers: turn them into float once at load, not at every run.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        encoder = bundle.encoder_bytes()
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

    def encode(self, chips: npt.NDArray[np.uint8]) -> Embeddings:
        """Embed chips.

        Chips are run one at a time: an embedding then never depends, not even in its last bit, on what else was
        in the batch, and on a CPU a batch is no faster (13.7 ms a chip alone, 13.6 ms in fours).

        Args:
            chips: uint8 [n, 112, 112, 3], RGB.

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


def stack(chips: list[Chip]) -> npt.NDArray[np.uint8]:
    """A batch, uint8 [n, 112, 112, 3], from a list of chips that may be empty."""
    return np.stack(chips) if chips else np.empty((0, CHIP_SIZE, CHIP_SIZE, 3), np.uint8)
