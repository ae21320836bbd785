from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("tensorflow", reason="training needs the extra `train`")

import keras

from facerec_cli.datasets.folder import search
from facerec_cli.defaults import DEFAULT_MODEL
from facerec_cli.encoders.bundle import BUNDLED, read_bundle
from facerec_cli.encoders.onnx_encoder import load_encoder
from facerec_cli.faces.extraction import Extractor
from facerec_cli.training.export import to_onnx
from facerec_cli.training.losses import contrastive
from facerec_cli.training.networks import CHIP_SHAPE, mirrored
from facerec_cli.training.pretrained import HEAD, pretrained

Chips = npt.NDArray[np.uint8]
PARAMETERS = 9_631_680
RANDOM = np.random.default_rng(0).integers(0, 256, (4, *CHIP_SHAPE), np.uint8)


@pytest.fixture(scope="module")
def network() -> Any:
    return pretrained()


@pytest.fixture(scope="module")
def chips(samples: Path) -> Chips:
    """Those of the sample photos, and random ones."""
    extractor = Extractor()
    faces = [extractor.extract(photo).one_face().chip for photo in search(samples).photos]
    assert len(faces) == 7
    return np.concatenate([faces, RANDOM])


def test_it_embeds_as_the_bundled_encoder(network: Any, chips: Chips) -> None:
    assert (network.name, network.input_shape, network.input.dtype) == ("pretrained", (None, *CHIP_SHAPE), "uint8")
    assert (network.input.name, network.output_names) == ("chips", ["embedding"])
    embeddings = network.predict(chips, verbose=0)
    assert (embeddings.shape, embeddings.dtype) == ((len(chips), 128), np.float32)
    assert np.abs(embeddings - load_encoder(read_bundle(BUNDLED / DEFAULT_MODEL)).encode(list(chips))).max() <= 1e-5


def test_a_model_of_the_same_name_does_not_stand_in(
    network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = shutil.copytree(BUNDLED / DEFAULT_MODEL, tmp_path / "models" / DEFAULT_MODEL)
    (other / "encoder.onnx").write_bytes(b"another")
    monkeypatch.chdir(tmp_path)
    for expected, found in zip(network.get_weights(), pretrained().get_weights(), strict=True):
        assert np.array_equal(found, expected)


def test_training_behaves_as_inference(network: Any) -> None:
    """No layer keeps statistics or drops anything."""
    assert not network.non_trainable_weights
    assert keras.ops.convert_to_numpy(network(RANDOM, training=True)) == pytest.approx(
        keras.ops.convert_to_numpy(network(RANDOM, training=False)), abs=1e-6
    )


@pytest.mark.parametrize(("frozen", "trainable"), [(False, PARAMETERS), (True, 7 * 7 * 1024 * 128 + 128)])
def test_gradients_reach_what_is_trainable(frozen: bool, trainable: int) -> None:
    network = pretrained(frozen)
    assert network.count_params() == PARAMETERS
    assert sum(np.prod(weight.shape) for weight in network.trainable_weights) == trainable
    before = {layer.name: layer.get_weights() for layer in network.layers if layer.weights}
    network.compile(keras.optimizers.SGD(0.01), loss=lambda y, x: contrastive(x, y[:, 0]), jit_compile=False)
    assert np.isfinite(network.train_on_batch(RANDOM, np.array([[0], [0], [1], [2]])))
    learned = {
        name
        for name, weights in before.items()
        if all((now != was).any() for now, was in zip(network.get_layer(name).get_weights(), weights, strict=True))
    }
    assert learned == ({HEAD} if frozen else before.keys())


@pytest.mark.parametrize("frozen", [False, True])
def test_a_saved_network_gives_the_same_embeddings(frozen: bool, tmp_path: Path) -> None:
    network = mirrored(pretrained(frozen))
    network.save(tmp_path / "network.keras")
    again = keras.models.load_model(tmp_path / "network.keras", safe_mode=True)
    assert np.array_equal(again.predict(RANDOM, verbose=0), network.predict(RANDOM, verbose=0))
    assert len(again.trainable_weights) == len(network.trainable_weights)


def test_an_exported_network_gives_the_same_embeddings(network: Any, chips: Chips) -> None:
    """``to_onnx`` compares."""
    to_onnx(mirrored(network), chips)
