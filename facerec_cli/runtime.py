"""How networks run: ONNX Runtime on the CPU, one thread a call."""

from __future__ import annotations

from typing import Any

import onnxruntime


def new_session(graph: bytes) -> Any:
    """A session for an ONNX graph; may be shared by threads.

    It runs on the caller's thread alone: facerec works on several photos at once instead, which uses the cores better.

    Raises:
        Exception: of a class of onnxruntime's own, if the graph cannot be run.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Weights may be stored as 8-bit integers: turn them into float once at load, not at every run.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    # Packing matrices for large batches doubles the load time and the memory, and one chip at a time gains nothing.
    options.add_session_config_entry("session.disable_prepacking", "1")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
