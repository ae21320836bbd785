"""Convert the OpenCV Zoo's block-quantised YuNet and SFace into yunet.onnx and the bundle `pretrained`.

    python tools/convert_zoo.py WEIGHTS_FOLDER [--out facerec_cli]

WEIGHTS_FOLDER holds the Zoo's files with their licences (face_recognition_sface_2021dec_int8bq.onnx and LICENSE-sface,
face_detection_yunet_2023mar_int8bq.onnx and LICENSE-yunet).

YuNet keeps its graph; its 8-bit weights, which ONNX Runtime refuses as they are stored, become the float32 numbers that
they stand for, height and width become free, and photos go in as uint8 [1, h, w, 3] RGB. ONNX Runtime then needs 1.4 ms
for 256 x 256 pixels where OpenCV needs 4.7 ms for the original.

SFace is written anew from its own graph:

- the 8-bit weights stay, each batch normalisation goes into the scales of the convolution before it, in exact
  arithmetic the same function;
- PReLU(x) = max(0, x) + a min(0, x) becomes a x + (1 - a) max(0, x), two depthwise 1x1 convolutions and a sum:
  ONNX Runtime keeps those in its blocked layout and is then twice as fast (13.7 ms for 27.8 ms a chip);
- chips go in as uint8 [n, 112, 112, 3] RGB: the cast, the transposition and the scaling are in the graph.

The calibration of a bundle already in place is kept; `facerec models calibrate` computes it.
It also writes tests/data/sface_reference.json: what OpenCV's FaceRecognizerSF gives for the sample photos.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from facerec_cli.encoders.bundle import BUNDLED, read_bundle, write_bundle
from facerec_cli.encoders.metric import Cosine
from facerec_cli.faces.extraction import Extractor
from facerec_cli.faces.network import WEIGHTS

SFACE = "face_recognition_sface_2021dec_int8bq.onnx"
YUNET = "face_detection_yunet_2023mar_int8bq.onnx"
PACKAGE = Path(__file__).parents[1] / "facerec_cli"
SAMPLES = Path(__file__).parents[1] / "tests" / "data"

ABOUT = {
    "description": "SFace, MobileNetV1 body, 128-d, trained on faces of the web; block-quantised to 8 bit",
    "paper": "Zhong et al., SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition, arXiv 2205.12010",
    "source": f"OpenCV Zoo, {SFACE}",
    "licence": "Apache-2.0",
    "training_data": "other data than LFW (pretrained on other data)",
}


class Source:
    """The Zoo's graph, read as a chain of layers."""

    def __init__(self, path: Path) -> None:
        graph = onnx.load(path).graph
        self.constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        self.producer = {output: node for node in graph.node for output in node.output}
        skipped = {"DequantizeLinear", "Reshape", "Constant", "Dropout", "Sub", "Mul"}
        self.layers = [node for node in graph.node if node.op_type not in skipped]

    def quantised(self, name: str) -> dict[str, Any]:
        """The 8-bit tensor behind a weight: q, scales, zero points, axis, block size and final shape."""
        node, shape = self.producer[name], None
        if node.op_type == "Reshape":
            shape = self.constants[node.input[1]]
            node = self.producer[node.input[0]]
        q, scales, zeros = (self.constants[item] for item in node.input)
        return {"q": q, "scales": scales, "zeros": zeros, "shape": shape, **attributes(node)}

    def normalisation(self, node: onnx.NodeProto) -> tuple[np.ndarray, np.ndarray]:
        """A batch normalisation as gain and bias per channel, float64."""
        gamma, beta, mean, variance = (self.constants[item].astype(np.float64) for item in node.input[1:])
        gain = gamma / np.sqrt(variance + attributes(node)["epsilon"])
        return gain, beta - mean * gain


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's attributes by name."""
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def dequantised(weight: dict[str, Any]) -> np.ndarray:
    """The float64 values of a block-quantised tensor."""
    q, axis = weight["q"], weight["axis"]

    def spread(blocks: np.ndarray) -> np.ndarray:
        whole = np.repeat(blocks.astype(np.float64), weight["block_size"], axis=axis)
        return np.take(whole, range(q.shape[axis]), axis=axis)

    return np.asarray((q - spread(weight["zeros"])) * spread(weight["scales"]))


class Builder:
    """Collects nodes and constants of the new graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, kind: str, *inputs: str, **options: Any) -> str:
        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **options))
        return output

    def constant(self, value: Any, name: str) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(self, weight: dict[str, Any], gain: np.ndarray, name: str) -> str:
        """A block-quantised weight whose scales carry a gain per output channel."""
        scales = weight["scales"] * gain.reshape(-1, *[1] * (weight["scales"].ndim - 1))
        value = self.node(
            "DequantizeLinear",
            self.constant(weight["q"], f"{name}.q"),
            self.constant(scales.astype(np.float32), f"{name}.scales"),
            self.constant(weight["zeros"], f"{name}.zeros"),
            axis=weight["axis"],
            block_size=weight["block_size"],
        )
        if weight["shape"] is None:
            return value
        return self.node("Reshape", value, self.constant(weight["shape"], f"{name}.shape"))

    def channelwise(self, value: str, gain: np.ndarray, name: str) -> str:
        """Multiply each channel by its gain, as a depthwise convolution."""
        kernel = self.constant(gain.reshape(-1, 1, 1, 1).astype(np.float32), name)
        return self.node("Conv", value, kernel, group=len(gain), kernel_shape=[1, 1])


def convert_sface(path: Path) -> bytes:
    """The new encoder.onnx for the Zoo's SFace file."""
    source, built = Source(path), Builder()
    value = built.node("Cast", "chips", to=TensorProto.FLOAT)
    value = built.node("Transpose", value, perm=[0, 3, 1, 2])
    value = built.node("Sub", value, built.constant(np.float32(127.5), "mean"))
    value = built.node("Mul", value, built.constant(np.float32(1 / 128), "scale"))
    layers = iter(source.layers)
    for layer in layers:
        name = layer.output[0]
        if layer.op_type == "Conv":
            gain, bias = source.normalisation(next(layers))
            weight = built.weight(source.quantised(layer.input[1]), gain, name)
            kept = {
                key: option
                for key, option in attributes(layer).items()
                if key in {"group", "kernel_shape", "pads", "strides"}
            }
            value = built.node("Conv", value, weight, built.constant(bias.astype(np.float32), f"{name}.b"), **kept)
        elif layer.op_type == "PRelu":
            slope = source.constants[layer.input[1]].reshape(-1)
            positive = built.channelwise(built.node("Relu", value), 1 - slope, f"{name}.positive")
            value = built.node("Add", positive, built.channelwise(value, slope, f"{name}.slope"))
        elif layer.op_type == "BatchNormalization":
            # The last one of the body: a gain and a bias on each of the 1024 channels of 7x7.
            gain, bias = source.normalisation(layer)
            value = built.channelwise(value, gain, f"{name}.gain")
            value = built.node("Add", value, built.constant(bias.reshape(-1, 1, 1).astype(np.float32), name))
        elif layer.op_type == "Flatten":
            value = built.node("Flatten", value)
        elif layer.op_type == "Gemm":
            gain, bias = source.normalisation(next(layers))
            weight = built.weight(source.quantised(layer.input[1]), gain, name)
            folded = dequantised(source.quantised(layer.input[2])) * gain + bias
            value = built.node("Gemm", value, weight, built.constant(folded.astype(np.float32), f"{name}.b"), transB=1)
        else:
            raise SystemExit(f"{path} has a layer that this script does not know: {layer.op_type}")
    built.nodes[-1].output[0] = "embeddings"
    graph = helper.make_graph(
        built.nodes,
        "sface",
        [helper.make_tensor_value_info("chips", TensorProto.UINT8, ["batch", 112, 112, 3])],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["batch", 128])],
        built.constants,
    )
    return _serialised(graph)


def convert_yunet(path: Path) -> bytes:
    """The new yunet.onnx for the Zoo's YuNet file."""
    model = onnx.load(path)
    graph = model.graph
    values = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    kept = []
    for node in graph.node:
        name = node.output[0]
        if node.op_type == "DequantizeLinear":
            q, scales, zeros = (values[item] for item in node.input)
            weight = {"q": q, "scales": scales, "zeros": zeros, "axis": 1, "block_size": 0, **attributes(node)}
            values[name] = (dequantised(weight) if weight["block_size"] else (q - zeros) * scales).astype(np.float32)
        elif node.op_type == "Reshape" and node.input[0] in values:
            values[name] = values[node.input[0]].reshape(values[node.input[1]])
        else:
            kept.append(node)
    first = next(node for node in kept if node.op_type == "Conv")
    values[first.input[1]] = values[first.input[1]][:, ::-1]  # the original takes BGR
    feeds = [
        helper.make_node("Cast", ["image"], ["image_float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["image_float"], [first.input[0]], perm=[0, 3, 1, 2]),
    ]
    used = {item for node in kept for item in node.input}
    outputs = [
        helper.make_tensor_value_info(
            output.name, TensorProto.FLOAT, [1, None, output.type.tensor_type.shape.dim[2].dim_value]
        )
        for output in graph.output
    ]
    rebuilt = helper.make_graph(
        [*feeds, *kept],
        "yunet",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, "height", "width", 3])],
        outputs,
        [numpy_helper.from_array(np.ascontiguousarray(values[name]), name) for name in sorted(used & values.keys())],
    )
    return _serialised(rebuilt)


def _serialised(graph: onnx.GraphProto) -> bytes:
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10, producer_name="facerec"
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def reference(path: Path) -> dict[str, list[float]]:
    """FaceRecognizerSF's features, float [128], of the largest face of each sample photo, by file name."""
    recogniser, extractor = cv2.FaceRecognizerSF.create(str(path), ""), Extractor()
    features = {}
    for photo in sorted([*SAMPLES.glob("*.jpg"), *SAMPLES.glob("*.png")]):
        chip = extractor.extract(photo).faces[0].chip
        feature = recogniser.feature(cv2.cvtColor(chip, cv2.COLOR_RGB2BGR))[0]
        features[photo.name] = [round(float(number), 5) for number in feature]
    return features


def main() -> None:
    """Convert, and write the bundle, the detector, the licences and the reference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--out", type=Path, default=PACKAGE)
    arguments = parser.parse_args()
    detector: Path = arguments.out / WEIGHTS.parent.relative_to(PACKAGE)
    folder: Path = arguments.out / BUNDLED.relative_to(PACKAGE) / "pretrained"
    detector.mkdir(parents=True, exist_ok=True)
    calibration = read_bundle(folder).calibration if (folder / "model.json").exists() else None
    (detector / WEIGHTS.name).write_bytes(convert_yunet(arguments.weights / YUNET))
    shutil.copyfile(arguments.weights / "LICENSE-yunet", detector / "LICENSE-yunet")
    bundle = write_bundle(
        folder,
        convert_sface(arguments.weights / SFACE),
        embedding_size=128,
        metric=Cosine(),
        calibration=calibration,
        about=ABOUT,
        others={"LICENSE-sface": (arguments.weights / "LICENSE-sface").read_bytes()},
    )
    (SAMPLES / "sface_reference.json").write_text(
        json.dumps(reference(arguments.weights / SFACE), indent=1) + "\n", encoding="utf-8"
    )
    print(f"wrote {folder}, digest {bundle.digest}")


if __name__ == "__main__":
    main()
