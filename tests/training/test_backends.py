"""The same training on Keras's other backends, where they are installed."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("keras", reason="training needs the extra `train`")

ROOT = Path(__file__).parents[2]
TINY_TRAINING = """
import json, sys
from pathlib import Path
import keras
import numpy as np
from tests.training.support import CHIPS, DATA, TINY, outcome
from facerec_cli.training.export import round_to_half, to_onnx
from facerec_cli.training.history import Unwatched
from facerec_cli.training.trainer import train

work = Path(sys.argv[1])
whole = train(TINY, DATA, work / "whole", Unwatched())
train(TINY, DATA, work / "broken", Unwatched(), minutes=1e-9)
resumed = train(TINY, DATA, work / "broken", Unwatched())
round_to_half(whole.encoder)
graph = to_onnx(whole.encoder, CHIPS[:2])
print(json.dumps([keras.backend.backend(), outcome(whole.history), outcome(resumed.history), len(graph)]))
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_train_resume_and_export(backend: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    if backend == "jax" and importlib.util.find_spec("jax2onnx") is None:
        pytest.skip("jax2onnx, by which Keras exports from JAX, is not installed")
    environment = os.environ | {"KERAS_BACKEND": backend}
    command = [sys.executable, "-c", TINY_TRAINING, str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    used, whole, resumed, size = json.loads(ran.stdout.splitlines()[-1])
    assert used == backend
    assert len(whole) == 3
    assert [loss for loss, _, _ in resumed] == pytest.approx([loss for loss, _, _ in whole], rel=1e-4)
    assert size > 10_000
