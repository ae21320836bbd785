from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from facerec_cli.defaults import AUTO, CPU
from facerec_cli.devices import DEVICES, Device, Run, run_on_cpu
from facerec_cli.encoders import admission
from facerec_cli.encoders.admission import AGREEMENT, admitted, tried
from facerec_cli.encoders.bundle import resolve_bundle
from facerec_cli.encoders.onnx_encoder import load_encoder
from facerec_cli.encoders.synthetic import synthetic_chips
from facerec_cli.errors import DependencyError, DeviceWarning
from facerec_cli.runtime import new_session

GRAPH = resolve_bundle("pretrained").encoder_bytes()
Chips = npt.NDArray[np.uint8]
Embeddings = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def on_cpu() -> Run:
    return run_on_cpu(new_session(GRAPH))


@pytest.fixture
def strange(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[bytes], Run]], None]:
    """Another device of the name cuda: what is wrong with it cannot be had with a real one."""

    def put(opened: Callable[[bytes], Run]) -> None:
        monkeypatch.setitem(DEVICES, "cuda", Device("A strange device", "none", lambda: True, opened))

    return put


def test_the_synthetic_chips_are_always_the_same_and_differ(on_cpu: Run) -> None:
    chips = synthetic_chips()
    assert chips.shape == (6, 112, 112, 3)
    assert chips.dtype == np.uint8
    np.testing.assert_array_equal(chips, synthetic_chips())
    embeddings = np.concatenate([on_cpu(chips[row : row + 1]) for row in range(6)])
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    assert (embeddings @ embeddings.T - np.eye(6)).max() < 0.99


@pytest.mark.parametrize("name", ["openvino"])
def test_what_is_installed_agrees_with_the_cpu(name: str, on_cpu: Run) -> None:
    pytest.importorskip(name)
    trial = tried(name, GRAPH, on_cpu)
    assert trial.trouble is None
    assert AGREEMENT <= trial.agreement <= 1.000001
    assert trial.speed > 0


def test_other_embeddings_are_refused_in_a_sentence(
    on_cpu: Run, strange: Callable[[Callable[[bytes], Run]], None]
) -> None:
    noise = np.random.default_rng(0)

    def run(chips: Chips) -> Embeddings:
        found = on_cpu(chips)
        return found + noise.normal(0, 0.1 * np.abs(found).mean(), found.shape).astype(np.float32)

    strange(lambda _: run)
    with pytest.warns(DeviceWarning, match=r"^A strange device gives other embeddings than the CPU .*: the CPU is"):
        assert admitted(GRAPH, on_cpu, "cuda", 1) == (CPU, on_cpu)


def test_embeddings_that_are_no_numbers_are_refused(
    on_cpu: Run, strange: Callable[[Callable[[bytes], Run]], None]
) -> None:
    strange(lambda _: lambda chips: np.full_like(on_cpu(chips), np.nan))
    assert tried("cuda", GRAPH, on_cpu).trouble


def test_a_device_that_cannot_run_the_model_is_told(
    on_cpu: Run, strange: Callable[[Callable[[bytes], Run]], None]
) -> None:
    def opened(_: bytes) -> Run:
        raise RuntimeError("no such driver\nand a long trace")

    strange(opened)
    with pytest.warns(DeviceWarning, match=r"cannot run this model \(no such driver\): the CPU is used"):
        assert admitted(GRAPH, on_cpu, "cuda", 1) == (CPU, on_cpu)


@pytest.mark.parametrize(("speed", "taken"), [(1.0, CPU), (3.0, "cuda")])
def test_unasked_only_what_is_faster_is_taken(
    speed: float,
    taken: str,
    on_cpu: Run,
    monkeypatch: pytest.MonkeyPatch,
    strange: Callable[[Callable[[bytes], Run]], None],
) -> None:
    strange(lambda _: on_cpu)
    monkeypatch.setattr(admission, "worth_trying", lambda *_: ["cuda"])
    times = {"cuda": 0.012 / speed}

    def measured(run: Run, chips: Chips, real: Any = admission._measured) -> tuple[Embeddings, float]:
        return real(run, chips)[0], times.pop("cuda", 0.012)

    monkeypatch.setattr(admission, "_measured", measured)
    assert admitted(GRAPH, on_cpu, AUTO, None)[0] == taken


# ------------------------------------------------------------------ encoders


def test_an_encoder_says_what_it_runs_on_and_keeps_its_wish_on_its_way() -> None:
    pytest.importorskip("openvino")
    encoder = load_encoder(resolve_bundle("pretrained"), "openvino")
    assert encoder.device == "openvino"
    assert pickle.loads(pickle.dumps(encoder)).device == "openvino"
    chips = list(synthetic_chips())
    found, expected = encoder.encode(chips), load_encoder(resolve_bundle("pretrained")).encode(chips)
    assert (found * expected).sum(axis=1).min() >= AGREEMENT
    np.testing.assert_array_equal(found, encoder.encode(chips))


def test_a_device_that_fails_later_is_told_by_its_name(
    on_cpu: Run, strange: Callable[[Callable[[bytes], Run]], None]
) -> None:
    turns = iter(range(7))

    def run(chips: Chips) -> Embeddings:
        if next(turns, None) is None:
            raise OSError("out of memory")
        return on_cpu(chips)

    strange(lambda _: run)
    encoder = load_encoder(resolve_bundle("pretrained"), "cuda")
    assert encoder.device == "cuda"
    with pytest.raises(DependencyError, match=r"^The device cuda failed \(out of memory\)$"):
        encoder.encode(list(synthetic_chips()))


def test_networks_of_several_threads_give_the_same_bits(on_cpu: Run) -> None:
    pytest.importorskip("openvino")
    run, chips = DEVICES["openvino"].open(GRAPH), synthetic_chips()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda turn: run(chips[turn % 6 : turn % 6 + 1]), range(48)))
    for turn, embedding in enumerate(found):
        np.testing.assert_array_equal(embedding, found[turn % 6])


def test_a_device_that_is_not_there_is_an_error() -> None:
    with pytest.raises(DependencyError):
        load_encoder(resolve_bundle("pretrained"), "directml")
