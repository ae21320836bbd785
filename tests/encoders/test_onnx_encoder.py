from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from facerec_cli.encoders.bundle import resolve_bundle, write_bundle
from facerec_cli.encoders.metric import Cosine
from facerec_cli.encoders.onnx_encoder import OnnxEncoder, load_encoder
from facerec_cli.errors import ModelError
from facerec_cli.recognition.recognizer import Recognizer

Chip = npt.NDArray[np.uint8]
SFACE = Path(
    os.environ.get("FACEREC_SFACE")
    or Path(__file__).parents[3] / "shared/data/weights/face_recognition_sface_2021dec_int8bq.onnx"
)
SAMPLES = [
    "barack_obama.jpg",
    "eileen_collins_1999.png",
    "emmanuel_macron_2014.jpg",
    "emmanuel_macron_2025.jpg",
    "jacinda_ardern_2018.jpg",
    "jacinda_ardern_2022.jpg",
    "rishi_sunak.jpg",
]


@pytest.fixture(scope="module")
def encoder() -> OnnxEncoder:
    bundle = resolve_bundle("pretrained")
    return load_encoder(bundle)


@pytest.fixture(scope="module")
def chips(recognizer: Recognizer, samples: Path) -> dict[str, Chip]:
    return {name: recognizer.extract(samples / name).one_face().chip for name in SAMPLES}


def cosine(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    a, b = np.asarray(one, np.float64).ravel(), np.asarray(other, np.float64).ravel()
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


# ------------------------------------------------------------------ the same network as OpenCV's


@pytest.mark.parametrize("name", SAMPLES)
def test_an_embedding_agrees_with_the_reference(
    name: str, encoder: OnnxEncoder, chips: dict[str, Chip], samples: Path
) -> None:
    reference = json.loads((samples / "sface_reference.json").read_text(encoding="utf-8"))
    assert reference.keys() == set(SAMPLES)
    assert cosine(encoder.encode([chips[name]])[0], reference[name]) >= 0.9999


@pytest.mark.skipif(not SFACE.is_file(), reason="the original SFace file is not here: set FACEREC_SFACE to its path")
def test_an_embedding_agrees_with_opencv(encoder: OnnxEncoder, chips: dict[str, Chip]) -> None:
    sface = cv2.FaceRecognizerSF.create(str(SFACE), "")
    for chip in chips.values():
        # OpenCV takes BGR.
        feature = sface.feature(np.ascontiguousarray(chip[..., ::-1]))
        assert cosine(encoder.encode([chip])[0], feature) >= 0.9999


def test_photos_of_one_person_are_nearer_than_those_of_two(encoder: OnnxEncoder, chips: dict[str, Chip]) -> None:
    embeddings = encoder.encode([chips[name] for name in SAMPLES])
    cosines = embeddings @ embeddings.T
    people = [name.split("_")[1] for name in SAMPLES]
    same = np.array([[one == other for other in people] for one in people])
    assert cosines[same].min() > 0.45
    assert cosines[~same].max() < 0.3


# ------------------------------------------------------------------ the shape of what comes out


def test_embeddings_are_float32_rows_of_unit_length(encoder: OnnxEncoder, chips: dict[str, Chip]) -> None:
    embeddings = encoder.encode(list(chips.values()))
    assert embeddings.shape == (len(SAMPLES), 128)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings.astype(np.float64), axis=1), 1, atol=1e-6)


def test_no_chips_give_no_embeddings(encoder: OnnxEncoder) -> None:
    embeddings = encoder.encode([])
    assert embeddings.shape == (0, 128)
    assert embeddings.dtype == np.float32


def test_extreme_chips_have_embeddings(encoder: OnnxEncoder) -> None:
    uniform = [np.full((112, 112, 3), grey, np.uint8) for grey in (0, 128, 255)]
    noise = np.random.default_rng(0).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    embeddings = encoder.encode([*uniform, noise])
    assert np.isfinite(embeddings).all()
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_a_chip_is_not_written_to(encoder: OnnxEncoder, chips: dict[str, Chip]) -> None:
    chip = chips["rishi_sunak.jpg"].copy()
    encoder.encode([chip])
    assert (chip == chips["rishi_sunak.jpg"]).all()


def test_a_chip_may_be_a_view(encoder: OnnxEncoder, chips: dict[str, Chip]) -> None:
    chip = chips["rishi_sunak.jpg"]
    flipped = chip[:, ::-1]
    assert encoder.encode([flipped]).tobytes() == encoder.encode([flipped.copy()]).tobytes()
    assert encoder.encode([flipped]).tobytes() != encoder.encode([chip]).tobytes()


# ------------------------------------------------------------------ the same bits every time


def test_a_chip_has_the_same_bits_alone_in_a_batch_and_on_threads(encoder: OnnxEncoder, chips: dict[str, Chip]) -> None:
    pictures = list(chips.values())
    alone = [encoder.encode([chip]).tobytes() for chip in pictures]
    assert len(set(alone)) == len(pictures)
    assert [row.tobytes() for row in encoder.encode(pictures)] == alone
    assert [row.tobytes() for row in encoder.encode(pictures[::-1])] == alone[::-1]
    with ThreadPoolExecutor(6) as executor:
        for _ in range(3):
            assert list(executor.map(lambda chip: encoder.encode([chip]).tobytes(), pictures)) == alone
        batches = executor.map(encoder.encode, [pictures] * 4)
        assert all([row.tobytes() for row in batch] == alone for batch in batches)


def test_two_encoders_of_one_bundle_give_the_same_bits(encoder: OnnxEncoder, chips: dict[str, Chip]) -> None:
    bundle = resolve_bundle("pretrained")
    another = load_encoder(bundle)
    assert another.encode(list(chips.values())).tobytes() == encoder.encode(list(chips.values())).tobytes()


def test_a_recognizer_embeds_as_its_encoder_does(
    encoder: OnnxEncoder, recognizer: Recognizer, chips: dict[str, Chip]
) -> None:
    pictures = list(chips.values())
    assert recognizer.embed(pictures).tobytes() == encoder.encode(pictures).tobytes()
    assert recognizer.embed([]).shape == (0, 128)


# ------------------------------------------------------------------ other graphs


def graph(*, size: int = 3, kind: str = "uint8", pixels: int = 112) -> bytes:
    """A network that gives the mean colour, for chips of that kind and size."""
    onnx = pytest.importorskip("onnx")
    helper, types = onnx.helper, onnx.TensorProto
    chip = helper.make_tensor_value_info(
        "chips", types.UINT8 if kind == "uint8" else types.FLOAT, ["n", pixels, pixels, 3]
    )
    embedding = helper.make_tensor_value_info("embeddings", types.FLOAT, ["n", size])
    nodes = [
        helper.make_node("Cast", ["chips"], ["float"], to=types.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["embeddings"], axes=[1, 2], keepdims=0),
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "mean colour", [chip], [embedding]),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )
    return bytes(model.SerializeToString())


def encoder_of(folder: Path, encoder: bytes, embedding_size: int = 3) -> OnnxEncoder:
    settings: dict[str, Any] = {"metric": Cosine(), "calibration": None, "about": {}, "others": {}}
    bundle = write_bundle(folder, encoder, embedding_size=embedding_size, **settings)
    return load_encoder(bundle)


def test_any_graph_from_chips_to_embeddings_is_a_model(tmp_path: Path) -> None:
    chip = np.zeros((112, 112, 3), np.uint8)
    chip[..., 0], chip[..., 2] = 30, 40
    np.testing.assert_allclose(encoder_of(tmp_path / "mine", graph()).encode([chip]), [[0.6, 0, 0.8]], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "embedding_size"),
    [({}, 4), ({"kind": "float"}, 3), ({"pixels": 100}, 3)],
    ids=["another embedding size", "another type of input", "another size of input"],
)
def test_a_graph_that_is_not_what_its_manifest_says_is_a_model_error(
    options: dict[str, Any], embedding_size: int, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="mine"):
        encoder_of(tmp_path / "mine", graph(**options), embedding_size).encode([np.zeros((112, 112, 3), np.uint8)])
