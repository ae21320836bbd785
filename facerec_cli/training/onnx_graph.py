"""ONNX graphs that are the same bytes whenever they are the same computation, and small."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper


def packed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Constants in the fewest bits that hold them: int8 or float16; ONNX Runtime casts them once, as it loads."""
    graph = model.graph
    casts = []
    for constant in graph.initializer:
        values = numpy_helper.to_array(constant)
        smaller = _smaller(values) if values.dtype == np.float32 and values.ndim > 1 else None
        if smaller is not None:
            name = constant.name
            constant.CopyFrom(numpy_helper.from_array(smaller, f"{name}/packed"))
            casts.append(onnx.helper.make_node("Cast", [constant.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _smaller(values: npt.NDArray[np.float32]) -> npt.NDArray[np.generic] | None:
    """The same numbers in fewer bits; None where that loses any."""
    with np.errstate(invalid="ignore", over="ignore"):
        for kind in (np.int8, np.float16):
            small = values.astype(kind)
            if np.array_equal(small.astype(np.float32), values):
                return small
    return None


def canonical(model: onnx.ModelProto) -> onnx.ModelProto:
    """Every value named by the SHA-256 of what it is computed from, in the order in which the outputs need them.

    tf2onnx names and orders values by the hashes of Python's strings, which differ from run to run.
    """
    graph = model.graph
    made_by = {name: node for node in graph.node for name in node.output}
    constants = {constant.name: constant for constant in graph.initializer}
    names: dict[str, str] = {"": ""} | {value.name: value.name for value in graph.input}
    outputs = {value.name for value in graph.output}
    nodes: dict[str, onnx.NodeProto] = {}
    kept: dict[str, onnx.TensorProto] = {}

    def name_of(value: str) -> str:
        if value in constants and value not in names:
            constant = numpy_helper.to_array(constants[value])
            names[value] = _hash([str(constant.dtype).encode(), str(constant.shape).encode(), constant.tobytes()])
            kept[names[value]] = numpy_helper.from_array(constant, names[value])
        elif value not in names:
            node = made_by[value]
            inputs = [name_of(name) for name in node.input]
            attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
            texts = [attribute.SerializeToString(deterministic=True) for attribute in attributes]
            own = _hash([node.domain.encode(), node.op_type.encode(), *(name.encode() for name in inputs), *texts])
            for place, output in enumerate(node.output):
                names[output] = output if output in outputs else f"{own}.{place}"
            renamed = onnx.NodeProto(op_type=node.op_type, domain=node.domain, attribute=attributes)
            renamed.input.extend(inputs)
            renamed.output.extend(names[output] for output in node.output)
            nodes.setdefault(renamed.output[0], renamed)
        return names[value]

    for value in graph.output:
        name_of(value.name)
    for field, values in (("node", nodes), ("initializer", kept)):
        graph.ClearField(field)
        getattr(graph, field).extend(values.values())
    graph.ClearField("value_info")
    # Sizes that are not known, the number of chips alone, are named by a number of the process too.
    for value in (*graph.input, *graph.output):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_param = "chips"
    # It names the function that it was converted from, by a number of the process.
    graph.ClearField("doc_string")
    graph.name = "encoder"
    return model


def _hash(parts: Sequence[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:24]
