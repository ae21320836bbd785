"""What an ONNX file may hold: all that it computes, and nothing that lies elsewhere.

A graph can name other files for its tensors, which ONNX Runtime looks for in the current folder, and addresses in
memory. No digest covers those. The file is walked as the protocol buffer that it is (onnx.proto3 of ONNX 1.16), so that
no further library is needed to identify.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from facerec_cli.encoders.bundle import ENCODER, Bundle
from facerec_cli.errors import DamagedModelError

_INNER: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""The messages that can hold a tensor, by the number of their field."""
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_DOMAIN = {"node": 7, "function": 10}
_STANDARD = {b"", b"ai.onnx", b"ai.onnx.ml"}
_DEEPEST = 100
_ORT = b"ORTM"
"""Where ONNX Runtime's own format has it, a file is none of ONNX."""


def read_graph(bundle: Bundle) -> bytes:
    """A model's encoder.onnx, which is what model.json describes, and what a model may be.

    Raises:
        DamagedModelError: it is missing, or something else.
    """
    graph = bundle.encoder_bytes()
    check_graph(graph, bundle.folder / ENCODER)
    return graph


def check_graph(graph: bytes, path: Path) -> None:
    """Hold an encoder against what a model may be: one ONNX file, of ONNX's own operations.

    Args:
        graph: its bytes.
        path: what to call it.

    Raises:
        DamagedModelError: it is something else.
    """
    try:
        if graph[4:8] == _ORT:
            raise ValueError("not ONNX")
        _walk(memoryview(graph))
    except ValueError as error:
        raise DamagedModelError(f"{path} cannot be loaded ({error})", "restore the model") from error


def _walk(graph: memoryview) -> None:
    used: set[bytes] = set()
    own: set[bytes] = set()
    left = [("model", graph, 0)]
    while left:
        kind, message, depth = left.pop()
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        for number, value in _fields(message):
            if kind == "tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)):
                raise ValueError("it keeps data in another file")
            if isinstance(value, memoryview):
                if number == _DOMAIN.get(kind):
                    (used if kind == "node" else own).add(bytes(value))
                elif number in _INNER[kind]:
                    left.append((_INNER[kind][number], value, depth + 1))
    foreign = used - _STANDARD - own
    if foreign:
        domain = min(foreign).decode(errors="replace")[:50]
        raise ValueError(f"it asks for operations of {domain!r}, which are not ONNX's")


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a protocol buffer's message: their numbers, with a whole number, or bytes; fixed ones are left out.

    Raises:
        ValueError: it is none.
    """
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        # As ONNX Runtime's parser does, which looks at no more than 32 bits.
        number, wire = (tag & 0xFFFFFFFF) >> 3, tag & 7
        if wire == 0:
            value, place = _varint(message, place)
            yield number, value
        elif wire == 2:
            length, place = _varint(message, place)
            if place + length > len(message):
                raise ValueError("cut short")
            yield number, message[place : place + length]
            place += length
        elif wire in (1, 5):
            place += 8 if wire == 1 else 4
            if place > len(message):
                raise ValueError("cut short")
        else:  # groups, which ONNX never had
            raise ValueError("not ONNX")


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            raise ValueError("cut short")
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("not ONNX")
