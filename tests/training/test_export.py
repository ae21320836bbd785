"""From Keras to encoder.onnx: the same embeddings, in half the bytes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras", reason="training needs the extra `train`")

import keras
import onnx
from onnx import numpy_helper

from facerec_cli.errors import ExportError
from facerec_cli.runtime import new_session
from facerec_cli.training import export, onnx_graph
from facerec_cli.training.networks import mirrored, residual
from facerec_cli.training.onnx_graph import canonical

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
    packed = onnx_graph.packed

    def spoilt(model: onnx.ModelProto) -> onnx.ModelProto:
        packed(model)
        constant = max(model.graph.initializer, key=lambda constant: len(constant.raw_data))
        values = numpy_helper.to_array(constant)
        constant.CopyFrom(numpy_helper.from_array(values + values.dtype.type(1), constant.name))
        return model

    monkeypatch.setattr(export, "packed", spoilt)
    with pytest.raises(ExportError, match=r"differs from the trained one by .* no model was written"):
        export.to_onnx(encoder, CHIPS)


def two_ways() -> list[onnx.ModelProto]:
    """One computation, relu(x · w) + x · w, written down in two ways."""
    weight = np.arange(4, dtype=np.float32).reshape(2, 2)

    def written(names: list[str], turned: bool, copies: int) -> onnx.ModelProto:
        w, y, z, other = names
        made = [
            onnx.helper.make_node("MatMul", ["x", w], [y], name=f"{y}-node"),
            onnx.helper.make_node("MatMul", ["x", w], [other]),
            onnx.helper.make_node("Relu", [y], [z]),
            onnx.helper.make_node("Add", [z, other if copies == 2 else y], ["out"]),
        ]
        made = made if copies == 2 else [made[0], *made[2:]]
        ends = [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [f"unk_{w}", 2]) for name in ("x", "out")
        ]
        constants = [numpy_helper.from_array(weight, w), numpy_helper.from_array(weight, "nobody's")]
        graph = onnx.helper.make_graph(
            made, w, ends[:1], ends[1:], constants[::-1] if turned else constants, doc_string=f"converted from {w}"
        )
        return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)

    return [written(["a", "b", "c", "d"], False, 1), written(["d", "c", "b", "a"], True, 2)]


def test_one_computation_is_one_file_whatever_its_names() -> None:
    one, other = (canonical(model).SerializeToString(deterministic=True) for model in two_ways())
    assert one == other
    graph = onnx.load_from_string(one).graph
    assert [node.op_type for node in graph.node] == ["MatMul", "Relu", "Add"]
    assert len(graph.initializer) == 1
    x = np.array([[1, -2]], np.float32)
    product = x @ np.arange(4, dtype=np.float32).reshape(2, 2)
    (found,) = new_session(one).run(None, {"x": x})
    assert found.tolist() == (np.maximum(product, 0) + product).tolist()
