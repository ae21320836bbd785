"""An encoder is one file: whatever else an ONNX file may name is refused before it is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_cli.encoders.bundle import BUNDLED, Bundle, read_bundle, write_bundle
from facerec_cli.encoders.graph import check_graph
from facerec_cli.encoders.metric import Cosine
from facerec_cli.encoders.onnx_encoder import load_encoder
from facerec_cli.errors import DamagedModelError, ModelError
from facerec_cli.training.exporting import export_model

onnx = pytest.importorskip("onnx")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT
CHIP = np.full((112, 112, 3), 7, np.uint8)


def external(name: str = "w", **entries: str) -> Any:
    tensor = onnx.TensorProto(name=name, data_type=FLOAT, dims=[3], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in ({"location": "weights.bin"} | entries).items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def plain_tensor(name: str = "w") -> Any:
    return helper.make_tensor(name, FLOAT, [3], [1, 2, 3])


def model(tensor: Any = None, node: Any = None) -> Any:
    """The mean colour of a chip plus three numbers, which a tensor or a node gives."""
    chips = helper.make_tensor_value_info("chips", onnx.TensorProto.UINT8, ["n", 112, 112, 3])
    given = helper.make_tensor_value_info("embeddings", FLOAT, ["n", 3])
    nodes = [
        helper.make_node("Cast", ["chips"], ["float"], to=FLOAT),
        helper.make_node("ReduceMean", ["float"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Add", ["mean", "w"], ["embeddings"]),
    ]
    graph = helper.make_graph(
        [node, *nodes] if node else nodes, "mean", [chips], [given], [tensor] if tensor is not None else []
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def initializer() -> Any:
    return model(external())


def memory_address() -> Any:
    return model(external(location="*/_ORT_MEM_ADDR_/*", offset="4096", length="12"))


def sparse() -> Any:
    built = model(plain_tensor())
    built.graph.sparse_initializer.add(values=external("s"), indices=helper.make_tensor("i", 7, [1], [0]), dims=[3])
    return built


def sparse_indices() -> Any:
    built = model(plain_tensor())
    built.graph.sparse_initializer.add(values=plain_tensor("s"), indices=external("i"), dims=[3])
    return built


def constant() -> Any:
    return model(node=helper.make_node("Constant", [], ["w"], value=external()))


def constants() -> Any:
    node = helper.make_node("Constant", [], ["w"], value=plain_tensor())
    node.attribute.add(name="more", type=onnx.AttributeProto.TENSORS).tensors.append(external())
    return model(node=node)


def sparse_constant() -> Any:
    node = helper.make_node("Constant", [], ["w"])
    node.attribute.add(name="sparse_value", type=onnx.AttributeProto.SPARSE_TENSOR).sparse_tensor.CopyFrom(
        onnx.SparseTensorProto(values=external("s"), dims=[3])
    )
    return model(node=node)


def branch(tensor: Any) -> Any:
    return helper.make_graph(
        [helper.make_node("Identity", [tensor.name], ["out"])],
        "branch",
        [],
        [helper.make_tensor_value_info("out", FLOAT, [3])],
        [tensor],
    )


def subgraph() -> Any:
    node = helper.make_node(
        "If", ["yes"], ["w"], then_branch=branch(plain_tensor("a")), else_branch=branch(external("b"))
    )
    built = model(node=node)
    built.graph.initializer.append(helper.make_tensor("yes", onnx.TensorProto.BOOL, [], [True]))
    return built


def function() -> Any:
    built = model(node=helper.make_node("Three", [], ["w"], domain="mine"))
    inner = helper.make_node("Constant", [], ["out"], value=external())
    built.functions.append(helper.make_function("mine", "Three", [], ["out"], [inner], [helper.make_opsetid("", 13)]))
    built.opset_import.append(helper.make_opsetid("mine", 1))
    return built


def training() -> Any:
    built = model(plain_tensor())
    built.training_info.add().initialization.CopyFrom(branch(external("t")))
    return built


def location_alone() -> Any:
    tensor = plain_tensor()
    tensor.data_location = onnx.TensorProto.EXTERNAL
    return model(tensor)


def data_alone() -> Any:
    tensor = plain_tensor()
    tensor.external_data.add(key="location", value="weights.bin")
    return model(tensor)


def saved(folder: Path, graph: bytes) -> Bundle:
    return write_bundle(folder, graph, embedding_size=3, metric=Cosine(), calibration=None, about={}, others={})


@pytest.mark.parametrize(
    "built",
    [
        initializer,
        memory_address,
        sparse,
        sparse_indices,
        constant,
        constants,
        sparse_constant,
        subgraph,
        function,
        training,
        location_alone,
        data_alone,
    ],
)
def test_data_that_lies_elsewhere_are_refused_wherever_they_are_named(
    built: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights.bin").write_bytes(np.array([1, 2, 3], np.float32).tobytes())
    bundle = saved(tmp_path / "mine", built().SerializeToString())
    with pytest.raises(DamagedModelError, match=r"mine.*encoder\.onnx cannot be loaded .*another file"):
        load_encoder(bundle)
    with pytest.raises(ModelError, match="another file"):
        export_model(bundle, "onnx", tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_a_graph_of_its_own_functions_and_branches_is_run(tmp_path: Path) -> None:
    built = model(node=helper.make_node("Three", [], ["w"], domain="mine"))
    inner = helper.make_node("Constant", [], ["out"], value=plain_tensor())
    built.functions.append(helper.make_function("mine", "Three", [], ["out"], [inner], [helper.make_opsetid("", 13)]))
    built.opset_import.append(helper.make_opsetid("mine", 1))
    expected = np.array([8, 9, 10]) / np.linalg.norm([8, 9, 10])
    np.testing.assert_allclose(
        load_encoder(saved(tmp_path / "mine", built.SerializeToString())).encode([CHIP])[0], expected, atol=1e-6
    )


@pytest.mark.parametrize("domain", ["com.microsoft", "custom", "ai.onnx.contrib"])
def test_operations_that_are_not_onnx_s_are_refused(domain: str, tmp_path: Path) -> None:
    built = model(node=helper.make_node("Anything", [], ["w"], domain=domain))
    built.opset_import.append(helper.make_opsetid(domain, 1))
    with pytest.raises(DamagedModelError, match=domain):
        load_encoder(saved(tmp_path / "mine", built.SerializeToString()))


def test_a_field_s_number_beyond_32_bits_is_read_as_onnx_runtime_reads_it() -> None:
    tensor = bytes([0xF0, 0x80, 0x80, 0x80, 0x10, 1])  # data_location = EXTERNAL, its tag with a 33rd bit
    graph = bytes([0x2A, len(tensor)]) + tensor
    with pytest.raises(DamagedModelError, match="another file"):
        check_graph(bytes([0x3A, len(graph)]) + graph, Path("encoder.onnx"))


def test_onnx_runtime_s_own_format_is_refused() -> None:
    with pytest.raises(DamagedModelError, match="not ONNX"):
        check_graph(b"\x3a\x06\x00\x00ORTM", Path("encoder.onnx"))


def test_graphs_within_graphs_without_end_are_refused() -> None:
    inner = b""
    for _ in range(300):
        for tag in (0x32, 0x2A, 0x0A):  # attribute.g, node.attribute, graph.node
            length = len(inner)
            inner = bytes([tag]) + bytes([length & 127 | 128, length >> 7 & 127 | 128, length >> 14]) + inner
    length = len(inner)
    graph = bytes([0x3A, length & 127 | 128, length >> 7 & 127 | 128, length >> 14]) + inner
    with pytest.raises(DamagedModelError, match="too deeply"):
        check_graph(graph, Path("encoder.onnx"))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_graph_or_a_sentence(data: bytes) -> None:
    try:
        check_graph(data, Path("encoder.onnx"))
    except DamagedModelError as error:
        assert str(error).startswith("encoder.onnx cannot be loaded")


def test_the_bundled_model_is_walked_in_no_time() -> None:
    check_graph(read_bundle(BUNDLED / "pretrained").encoder_bytes(), Path("encoder.onnx"))


@pytest.mark.parametrize("size", [3, 10])
def test_a_graph_that_fails_or_gives_something_else_when_it_is_run_is_a_sentence(size: int, tmp_path: Path) -> None:
    # It says that it gives rows of three numbers, and reshapes to something else.
    built = model(plain_tensor())
    built.graph.node[-1].output[0] = "sum"
    built.graph.initializer.append(helper.make_tensor("shape", onnx.TensorProto.INT64, [2], [-1, size]))
    if size == 3:
        built.graph.node.append(helper.make_node("Concat", ["sum", "sum"], ["twice"], axis=0))
        built.graph.node.append(helper.make_node("Reshape", ["twice", "shape"], ["embeddings"]))
    else:
        built.graph.node.append(helper.make_node("Reshape", ["sum", "shape"], ["embeddings"]))
    with pytest.raises(DamagedModelError, match=r"mine.*encoder\.onnx"):
        load_encoder(saved(tmp_path / "mine", built.SerializeToString())).encode([CHIP])
