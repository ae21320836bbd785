from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("keras", reason="training needs the extra `train`")

import keras
import onnx
from keras import ops
from sklearn.mixture import GaussianMixture

from facerec_cli.encoders.onnx_encoder import run_graph
from facerec_cli.errors import DataError
from facerec_cli.training.descriptors import DIRECTIONS, MIRRORED, DenseSift, FisherVector, Projection
from facerec_cli.training.dictionary import CELLS, Dictionary
from facerec_cli.training.export import round_to_half, to_onnx
from facerec_cli.training.fisher import fit
from facerec_cli.training.networks import joined, mirrored, plain
from tests.training.support import CHIPS, DATA

TINY = Dictionary(cell=12, step=12, words=4, size=8)
ROWS, PEOPLE = DATA.source.labelled


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return fit(TINY, CHIPS, ROWS, PEOPLE, seed=0)


def described(image: npt.NDArray[np.float64], cell: int = 6, step: int = 3) -> npt.NDArray[np.float32]:
    layer = DenseSift(cell, step)
    return np.asarray(ops.convert_to_numpy(layer(image.astype(np.float32)[None, ..., None])[0]))


@pytest.mark.parametrize("direction", range(DIRECTIONS))
def test_a_ramp_is_of_the_direction_in_which_it_rises(direction: int) -> None:
    y, x = np.mgrid[:48, :48]
    angle = math.tau * direction / DIRECTIONS
    ramp = 100 + 2 * (x * math.cos(angle) + y * math.sin(angle))
    seen = described(ramp)[4 * 9 + 4].reshape(CELLS, CELLS, DIRECTIONS)  # of the middle, away from the image's edges
    shares = np.square(seen).sum(axis=(0, 1))
    assert shares.argmax() == direction and shares[direction] > 0.99 * shares.sum()


def test_a_gradient_between_two_directions_is_of_both() -> None:
    y, x = np.mgrid[:48, :48]
    seen = described(100 + 2 * x * math.cos(math.pi / 8) + 2 * y * math.sin(math.pi / 8))[40]
    shares = np.square(seen).reshape(-1, DIRECTIONS).sum(axis=0)
    np.testing.assert_allclose(shares[:2], 0.5 * shares.sum(), rtol=0.01)


def test_a_descriptor_lies_where_its_place_says() -> None:
    image = np.zeros((90, 90))
    image[44:48, 36:40] = 200
    layer = DenseSift(6, 3)
    energy = np.square(ops.convert_to_numpy(layer(image.astype(np.float32)[None, ..., None])[0])).sum(axis=1)
    x, y = (layer.places[energy > 0.5].mean(axis=0) + 0.5) * 89
    assert abs(x - 37.5) < 2 and abs(y - 45.5) < 2


def test_light_and_its_strength_change_next_to_nothing() -> None:
    image = np.asarray(CHIPS[0], np.float64).mean(axis=2)
    np.testing.assert_allclose(described(image), described(image * 0.5 + 40), atol=0.002)


def test_a_cell_is_a_multiple_of_the_step() -> None:
    with pytest.raises(ValueError, match="multiple"):
        DenseSift(6, 4)


def test_a_mirror_image_has_the_same_descriptors_in_another_order() -> None:
    image = np.asarray(CHIPS[0, :79, :79], np.float64).mean(axis=2)
    found, others = described(image), described(image[:, ::-1])
    side = math.isqrt(len(found))
    back = others.reshape(side, side, -1)[:, ::-1].reshape(found.shape)
    np.testing.assert_allclose(back, found[:, MIRRORED], atol=1e-5)


def test_a_fisher_vector_is_the_gradient_of_the_mixtures_likelihood() -> None:
    generator = np.random.default_rng(0)
    found = generator.normal(size=(500, 3)) + np.repeat(np.eye(3) * 4, [200, 200, 100], axis=0)
    mixture = GaussianMixture(3, covariance_type="diag", random_state=0).fit(found)
    layer = FisherVector(3)
    layer.build((1, 20, 3))
    layer.set(mixture.weights_, mixture.means_, mixture.covariances_)
    some = found[::25]
    vector = ops.convert_to_numpy(layer(some[None].astype(np.float32))[0])

    def likelihood(means: npt.NDArray[np.float64]) -> float:
        mixture.means_ = means
        return float(mixture.score(some))

    means, step = mixture.means_.copy(), 1e-5
    slopes = np.zeros_like(means)
    for place in np.ndindex(*means.shape):
        moved = np.zeros_like(means)
        moved[place] = step
        slopes[place] = (likelihood(means + moved) - likelihood(means - moved)) / (2 * step)
    # Fisher's information of a mean is by its variance; each word's part is of unit length.
    slopes *= np.sqrt(mixture.covariances_)
    np.testing.assert_allclose(vector, slopes / np.linalg.norm(slopes, axis=1, keepdims=True), atol=5e-3)


def test_a_projection_is_kept_in_eight_bits() -> None:
    kernel = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
    layer = Projection(5)
    layer.build((1, 4, 3))
    layer.set(kernel, np.arange(5.0))
    vectors = np.random.default_rng(1).normal(size=(7, 4, 3)).astype(np.float32)
    expected = vectors.reshape(7, 12) @ kernel + np.arange(5.0)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(vectors)), expected, atol=0.1)
    assert str(layer.kernel.dtype) == "int8"


@pytest.mark.parametrize("region", [(0, 0, 112, 112), (16, 26, 96, 106)])
def test_a_chip_and_its_mirror_image_have_the_same_embedding(region: tuple[int, int, int, int]) -> None:
    network = fit(Dictionary(cell=6, step=6, words=4, size=8, region=region), CHIPS, ROWS, PEOPLE, seed=0)
    flipped = np.ascontiguousarray(CHIPS[:8, :, ::-1])
    one, other = (network.predict_on_batch(chips) for chips in (CHIPS[:8], flipped))
    np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-5)


def test_a_dictionary_sees_its_region_alone() -> None:
    network = fit(Dictionary(cell=6, step=6, words=4, size=8, region=(16, 26, 96, 106)), CHIPS, ROWS, PEOPLE, seed=0)
    covered = CHIPS[:8].copy()
    covered[:, :26], covered[:, :, :16] = 0, 0
    np.testing.assert_allclose(network.predict_on_batch(covered), network.predict_on_batch(CHIPS[:8]), atol=1e-5)
    covered[:, 60:70] = 0
    assert np.abs(network.predict_on_batch(covered) - network.predict_on_batch(CHIPS[:8])).max() > 0.01


def test_the_same_seed_fits_the_same(network: keras.Model) -> None:
    again = fit(TINY, CHIPS, ROWS, PEOPLE, seed=0)
    np.testing.assert_allclose(again.predict_on_batch(CHIPS[:4]), network.predict_on_batch(CHIPS[:4]), atol=1e-6)


def test_what_is_black_in_many_chips_can_be_rounded_and_exported() -> None:
    chips = CHIPS.copy()
    chips[::3, :, :60] = 0
    bordered = fit(Dictionary(cell=12, step=6, words=32, size=8), chips, ROWS, PEOPLE, seed=0)
    round_to_half(bordered)
    assert np.isfinite(bordered.predict_on_batch(chips[:8])).all()
    to_onnx(bordered, chips[:4])


def test_too_few_descriptors_for_the_words_are_one_sentence() -> None:
    with pytest.raises(DataError, match=r"32 photos give .* descriptors, and a dictionary of 5,000 words takes 5,000"):
        fit(Dictionary(cell=14, step=14, words=5_000, size=8), CHIPS, ROWS, PEOPLE, seed=0)


def test_beside_a_network_it_is_exported_and_saved_as_it_is(network: keras.Model, tmp_path: Path) -> None:
    middle = fit(replace(TINY, region=(16, 26, 96, 106)), CHIPS, ROWS, PEOPLE, seed=0, name="middle")
    encoder = joined([mirrored(plain(size=32, unit=True)), network, middle])
    round_to_half(encoder)
    graph = to_onnx(encoder, CHIPS[:4])  # which holds it against Keras
    kernel = network.get_layer("projection").kernel
    constants = onnx.load_from_string(graph).graph.initializer
    assert tuple(kernel.shape)[::-1] in [tuple(one.dims) for one in constants if one.data_type == onnx.TensorProto.INT8]
    encoder.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    np.testing.assert_allclose(loaded.predict_on_batch(CHIPS[:4]), run_graph(graph, list(CHIPS[:4])), atol=1e-5)
