"""ONNX graphs that are the same bytes whenever they are the same computation, and small."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import numpy_helper


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Those constants in float16 that float16 holds; ONNX Runtime casts them once, as it loads."""
    graph = model.graph
    casts = []
    for constant in graph.initializer:
        values = numpy_helper.to_array(constant)
        half = values.astype(np.float16) if values.dtype == np.float32 and values.ndim > 1 else values
        if half is not values and np.array_equal(half.astype(np.float32), values):
            name = constant.name
            constant.CopyFrom(numpy_helper.from_array(half, f"{name}/half"))
            casts.append(onnx.helper.make_node("Cast", [constant.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


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
