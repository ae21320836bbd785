"""From Keras to encoder.onnx: the same embeddings, in half the bytes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="training needs the extra `train`")

import keras
import onnx
from onnx import numpy_helper

from facerec_cli.errors import FacerecError
from facerec_cli.training import export
from facerec_cli.training.networks import residual
from facerec_cli.training.trainer import mirrored

CHIPS = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)


@pytest.fixture(scope="module")
def encoder() -> keras.Model:
    keras.utils.set_random_seed(0)
    return mirrored(residual(size=32, width=8, embedding=16))


def test_rounding_moves_embeddings_by_next_to_nothing_and_the_export_not_at_all(encoder: keras.Model) -> None:
    before = encoder.predict(CHIPS, verbose=0)
    export.round_to_half(encoder)
    after = encoder.predict(CHIPS, verbose=0)
    assert 0 < np.abs(after - before).max() < 2e-3
    graph = onnx.load_from_string(export.to_onnx(encoder, CHIPS)).graph  # which holds it against Keras
    halves = [constant for constant in graph.initializer if constant.data_type == onnx.TensorProto.FLOAT16]
    assert sum(numpy_helper.to_array(constant).size for constant in halves) > encoder.count_params() / 4


def test_a_graph_that_differs_is_refused(encoder: keras.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    halved = export._halved

    def spoilt(model: onnx.ModelProto) -> onnx.ModelProto:
        halved(model)
        constant = max(model.graph.initializer, key=lambda constant: len(constant.raw_data))
        values = numpy_helper.to_array(constant)
        constant.CopyFrom(numpy_helper.from_array(values * values.dtype.type(1.01), constant.name))
        return model

    monkeypatch.setattr(export, "_halved", spoilt)
    with pytest.raises(FacerecError, match=r"differs from the trained one by .* no model was written"):
        export.to_onnx(encoder, CHIPS)
