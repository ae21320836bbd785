"""Keras, for the commands that need it."""

from __future__ import annotations

import gc
import importlib.util
import logging
import os

from facerec_cli.cli.extras import needing_extra
from facerec_cli.errors import DependencyError


def prepare_keras(purpose: str) -> None:
    """Import Keras quietly, or say how to get it.

    Args:
        purpose: what needs it, as the sentence begins.

    Raises:
        DependencyError: it is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of several networks in one process
    # The command line holds BLAS to one thread and the collector back: right for identifying, not here.
    os.environ.pop("OPENBLAS_NUM_THREADS", None)
    gc.set_threshold(700)
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    try:
        with needing_extra(purpose, "train"):
            import keras
    except ValueError as error:
        raise DependencyError(f"KERAS_BACKEND names {backend!r}, which Keras does not know", "unset it") from error
    except DependencyError as error:
        missing = error.__cause__
        if backend != "tensorflow" and isinstance(missing, ImportError) and missing.name != "keras":
            raise DependencyError(
                f"{purpose} with {backend}, which KERAS_BACKEND names, needs {missing.name}",
                "install it, or unset KERAS_BACKEND",
            ) from missing
        raise
    # Told now, and not after hours of training: Keras exports from JAX by this package.
    if keras.config.backend() == "jax" and importlib.util.find_spec("jax2onnx") is None:
        raise DependencyError(f"{purpose} with JAX needs jax2onnx", "`pip install jax2onnx` brings it")
