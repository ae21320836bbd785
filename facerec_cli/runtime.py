"""How networks run: ONNX Runtime, on the CPU one thread a call."""

from __future__ import annotations

import os
from typing import Any

# Nothing is sent anywhere: else ONNX Runtime, as it is imported, begins to number the user and to keep what is run.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

CPU_PROVIDER = "CPUExecutionProvider"


def is_of_a_runtime(error: Exception) -> bool:
    """Whether an error is ONNX Runtime's own; its classes share no base of theirs."""
    return type(error).__module__.startswith("onnxruntime")


def new_session(graph: bytes, provider: str = CPU_PROVIDER) -> Any:
    """A session for an ONNX graph; may be shared by threads.

    On the CPU it runs on the caller's thread alone: facerec works on several photos at once instead, which uses the
    cores better.

    Args:
        graph: the file.
        provider: where it runs; what that cannot run, the CPU does.

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
    providers = list(dict.fromkeys([provider, CPU_PROVIDER]))
    # Its own way back to the CPU writes to standard output, and says nothing to us.
    return onnxruntime.InferenceSession(graph, options, providers=providers, enable_fallback=0)
