from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("tensorflow")

import keras
import onnxruntime
from keras import ops

from facerec_cli.training.build import build_network
from facerec_cli.training.heads import L1Head
from facerec_cli.training.networks import CHIP_SHAPE, MIDDLE, WHOLE, Grey, Resize, koch, plain, residual
from facerec_cli.training.recipe import load_recipe

REGIONS = [WHOLE, MIDDLE]


def chips(count: int = 3) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, *CHIP_SHAPE), np.uint8)


# ------------------------------------------------------------------ preprocessing


@pytest.mark.parametrize("size", [32, 64, 100, 112, 128])
def test_resize_agrees_with_pillow(size: int) -> None:
    image = pytest.importorskip("PIL.Image")
    chip = chips(1)[0]
    expected = np.asarray(image.fromarray(chip).resize((size, size), image.Resampling.BILINEAR), np.float32)
    resized = ops.convert_to_numpy(Resize(size)(chip[None]))[0]
    # Pillow rounds to whole grey levels after each of the two axes.
    assert np.abs(resized - expected).max() <= 1.01


@pytest.mark.parametrize("region", [(16, 26, 96, 106), (0, 0, 112, 40), (100, 3, 112, 112)])
def test_resize_of_a_region_sees_nothing_outside_of_it(region: tuple[int, int, int, int]) -> None:
    image = pytest.importorskip("PIL.Image")
    chip = chips(1)[0]
    expected = image.fromarray(chip).crop(region).resize((64, 64), image.Resampling.BILINEAR)
    resized = ops.convert_to_numpy(Resize(64, region)(chip[None]))[0]
    assert np.abs(resized - np.asarray(expected, np.float32)).max() <= 1.01


@pytest.mark.parametrize("region", [(10, 0, 10, 112), (0, -1, 112, 112), (0, 0, 112, 113)])
def test_a_region_is_within_the_chip(region: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="112 pixels have no part from"):
        residual(regions=[region])


def test_resize_keeps_rows_columns_and_colours_apart() -> None:
    images = np.zeros((1, 4, 4, 3), np.uint8)
    images[0, :, 2:, 0] = 80
    images[0, 2:, :, 1] = 40
    # Four pixels to two: each sees 3/8, 3/8 and 1/8 of the three nearest, over 7/8 as the fourth is outside the edge.
    near, far = np.float32(80 * 6 / 7), np.float32(80 / 7)
    resized = ops.convert_to_numpy(Resize(2, (0, 0, 4, 4))(images))[0]
    assert resized[:, :, 0] == pytest.approx(np.array([[far, near], [far, near]]))
    assert resized[:, :, 1] == pytest.approx(np.array([[far, far], [near, near]]) / 2)
    assert not resized[:, :, 2].any()


def test_grey_is_luma() -> None:
    colours = np.array([[[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]]], np.uint8)
    grey = ops.convert_to_numpy(Grey()(colours))
    assert grey[0, 0, :, 0] == pytest.approx([76.245, 149.685, 29.07, 255])


# ------------------------------------------------------------------ networks


def test_koch_layer_by_layer() -> None:
    network = koch()
    shapes = [(tuple(layer.output.shape[1:]), layer.count_params()) for layer in network.layers]
    assert shapes == [
        ((112, 112, 3), 0),
        ((100, 100, 3), 0),
        ((100, 100, 3), 0),
        ((91, 91, 64), 10 * 10 * 3 * 64 + 64),
        ((46, 46, 64), 0),
        ((40, 40, 128), 7 * 7 * 64 * 128 + 128),
        ((20, 20, 128), 0),
        ((17, 17, 128), 4 * 4 * 128 * 128 + 128),
        ((9, 9, 128), 0),
        ((6, 6, 256), 4 * 4 * 128 * 256 + 256),
        ((9216,), 0),
        ((4096,), 9216 * 4096 + 4096),
    ]
    assert network.count_params() == 38_960_448
    head = L1Head()
    head.build(network.output_shape, (None,))
    assert network.count_params() + head.count_params() == 38_964_545


def test_koch_in_grey_with_weight_decay() -> None:
    network = koch(grey=True, weight_decay=1e-3)
    assert network.count_params() == 38_960_448 - 10 * 10 * 2 * 64
    kernels = [weight for weight in network.trainable_weights if weight.name == "kernel"]
    expected = 1e-3 * sum(float(ops.sum(ops.square(kernel))) for kernel in kernels)
    assert float(sum(network.losses)) == pytest.approx(expected, rel=1e-4)
    assert not koch().losses


def test_parameters_of_the_small_networks() -> None:
    assert residual().count_params() == 886_184
    assert build_network(load_recipe("siamese")).count_params() == 612_652
    assert plain().count_params() == 803_488


@pytest.mark.parametrize(
    ("network", "embedding"),
    [
        (residual(), 128),
        (residual(size=112, width=8, embedding=64), 64),
        (residual(size=32, width=8, embedding=16, regions=REGIONS), 32),
        (plain(), 128),
        (plain(size=100, grey=True, embedding=32, unit=True), 32),
        (koch(grey=True), 4096),
    ],
)
def test_a_saved_network_gives_the_same_embeddings(network: Any, embedding: int, tmp_path: Path) -> None:
    assert (network.input_shape, network.input.dtype, network.input.name) == ((None, *CHIP_SHAPE), "uint8", "chips")
    assert network.output_names == ["embedding"]
    expected = network.predict(chips(), verbose=0)
    assert (expected.shape, expected.dtype) == ((3, embedding), np.float32)
    network.save(tmp_path / "network.keras")
    again = keras.models.load_model(tmp_path / "network.keras", safe_mode=True)
    assert (again.predict(chips(), verbose=0) == expected).all()


@pytest.mark.parametrize(
    "network", [residual(width=8, regions=REGIONS), plain(), plain(size=100, grey=True, embedding=32, unit=True)]
)
def test_an_exported_network_gives_the_same_embeddings(network: Any, tmp_path: Path) -> None:
    expected = network.predict(chips(), verbose=0)
    network.export(tmp_path / "encoder.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "encoder.onnx")
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.type, taken.shape[1:]) == ("chips", "tensor(uint8)", list(CHIP_SHAPE))
    assert (given.type, given.shape[1:]) == ("tensor(float)", list(network.output_shape[1:]))
    for count in (1, 3):
        assert session.run(None, {"chips": chips()[:count]})[0] == pytest.approx(expected[:count], abs=1e-5)


def test_the_cosine_is_the_mean_of_the_regions_cosines() -> None:
    network = residual(size=32, width=8, embedding=16, regions=REGIONS)
    embeddings = network.predict(chips(2), verbose=0)
    parts = embeddings.reshape(2, 2, 16)
    assert np.linalg.norm(parts, axis=2) == pytest.approx(np.full((2, 2), math.sqrt(0.5)), abs=1e-5)


def test_a_region_does_not_see_the_others() -> None:
    network = residual(size=32, width=8, embedding=16, regions=[(0, 0, 112, 56), (0, 56, 112, 112)])
    changed = chips(1)
    changed[:, 60:] = 0
    upper, lower = np.split(network.predict(np.concatenate([chips(1), changed]), verbose=0), 2, axis=1)
    assert upper[0] == pytest.approx(upper[1], abs=1e-6)
    assert np.abs(lower[0] - lower[1]).max() > 0.01


@pytest.mark.parametrize("network", [residual(), plain(unit=True)])
def test_unit_length(network: Any) -> None:
    lengths = np.linalg.norm(network.predict(chips(), verbose=0), axis=1)
    assert lengths == pytest.approx(np.ones(3), abs=1e-5)
