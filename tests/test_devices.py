from __future__ import annotations

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from facerec_cli import devices
from facerec_cli.defaults import AUTO, CPU, DEVICE_NAMES
from facerec_cli.devices import DEVICES, WORTH, Gathered, by_provider, known, worth_trying
from facerec_cli.encoders.bundle import resolve_bundle
from facerec_cli.encoders.synthetic import synthetic_chips
from facerec_cli.errors import DependencyError
from facerec_cli.runtime import CPU_PROVIDER

Chips = npt.NDArray[np.uint8]


def test_the_command_line_offers_what_there_is() -> None:
    assert tuple(DEVICES) == DEVICE_NAMES


def test_little_work_stays_on_the_cpu_and_much_goes_where_it_is_installed() -> None:
    installed = [name for name, device in DEVICES.items() if device.is_installed() and name != "tensorrt"]
    assert worth_trying(AUTO, WORTH - 1) == []
    assert worth_trying(AUTO, WORTH) == worth_trying(AUTO, None) == installed
    assert worth_trying(CPU, None) == []


def test_a_wish_holds_however_little_there_is_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "find_spec", lambda _: object())
    assert worth_trying("openvino", 1) == ["openvino"]


def test_what_is_not_installed_is_refused_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "find_spec", lambda _: None)
    with pytest.raises(DependencyError, match=r"^OpenVINO on the CPU is not installed") as refusal:
        worth_trying("openvino", 1)
    assert "facerec[openvino]" in refusal.value.remedy
    assert "openvino" not in worth_trying(AUTO, None)


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(DependencyError, match="no device named 'tpu'") as refusal:
        known("tpu")
    assert all(name in refusal.value.remedy for name in (AUTO, CPU, *DEVICE_NAMES))


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_an_execution_provider_that_does_not_start_is_no_silent_cpu() -> None:
    with pytest.raises(RuntimeError, match="TensorrtExecutionProvider could not start"):
        by_provider("TensorrtExecutionProvider")(resolve_bundle("pretrained").encoder_bytes())


# ------------------------------------------------------------------ batches


def sums(chips: Chips) -> npt.NDArray[np.float32]:
    return np.asarray(chips.reshape(len(chips), -1).sum(axis=1)[:, np.newaxis], np.float32)


def chip(number: int) -> Chips:
    return np.full((1, 2, 2, 3), number, np.uint8)


def test_chips_of_many_threads_gather_while_a_batch_runs() -> None:
    sizes: list[int] = []
    going_on, may_end = threading.Event(), threading.Event()

    def run(chips: Chips) -> npt.NDArray[np.float32]:
        sizes.append(int((chips.reshape(len(chips), -1) > 0).any(axis=1).sum()))
        going_on.set()
        assert may_end.wait(60)
        return sums(chips)

    gathered = Gathered(run, batch=4)
    with ThreadPoolExecutor(8) as threads:
        coming = [threads.submit(gathered, chip(1))]
        assert going_on.wait(60)
        coming += [threads.submit(gathered, chip(number)) for number in range(2, 8)]
        while gathered.waiting < 6:
            pass
        may_end.set()
        assert [float(one.result(60)[0, 0]) for one in coming] == [12.0 * number for number in range(1, 8)]
    assert sizes == [1, 4, 2]


def test_every_batch_has_as_many_chips() -> None:
    sizes: list[int] = []

    def run(chips: Chips) -> npt.NDArray[np.float32]:
        sizes.append(len(chips))
        return sums(chips)

    gathered = Gathered(run, batch=4)
    for number in range(1, 4):
        assert gathered(chip(number)) == 12 * number
    assert sizes == [4, 4, 4]


def test_all_chips_of_a_call_are_run_together() -> None:
    sizes: list[int] = []
    began = time.monotonic()

    def run(chips: Chips) -> npt.NDArray[np.float32]:
        sizes.append(int((chips.reshape(len(chips), -1) > 0).any(axis=1).sum()))
        while sum(sizes) + gathered.waiting < 7:  # until the whole call has come
            assert time.monotonic() < began + 60
        return sums(chips)

    gathered = Gathered(run, batch=4)
    chips = np.concatenate([chip(number) for number in range(1, 8)])
    np.testing.assert_array_equal(gathered(chips)[:, 0], [12.0 * number for number in range(1, 8)])
    assert sum(sizes) == 7
    assert all(size == 4 for size in sizes[1:-1]) and max(sizes) <= 4


def test_what_nobody_needs_any_more_ends_its_thread_and_is_freed() -> None:
    class Session:
        def __call__(self, chips: Chips) -> npt.NDArray[np.float32]:
            return sums(chips)

    session = Session()
    held, before = weakref.ref(session), set(threading.enumerate())
    gathered = Gathered(session)
    del session
    assert gathered(chip(1)) == 12
    (thread,) = set(threading.enumerate()) - before
    del gathered
    thread.join(60)
    assert not thread.is_alive()
    gc.collect()
    assert held() is None


def test_what_is_no_chip_is_refused_and_holds_up_nobody() -> None:
    gathered = Gathered(sums, batch=4)
    gathered(chip(1))
    wrongs: list[Any] = [
        np.zeros((2, 2, 3), np.uint8),
        np.zeros((0, 2, 2, 3), np.uint8),
        np.zeros((1, 2, 2, 3), np.float32),
    ]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="is no chips"):
            gathered(wrong)
    assert gathered(chip(2)) == 24


def test_what_fails_fails_for_whoever_is_in_the_batch_and_for_nobody_else() -> None:
    def run(chips: Chips) -> npt.NDArray[np.float32]:
        if (chips == 13).any():
            raise RuntimeError("the driver is gone")
        return sums(chips)

    gathered = Gathered(run, batch=4)
    with pytest.raises(RuntimeError, match="the driver is gone"):
        gathered(chip(13))
    assert gathered(chip(1)) == 12


def test_an_embedding_does_not_depend_on_its_company() -> None:
    """By ONNX Runtime's CPU provider, in the place of an accelerator's."""
    run = by_provider(CPU_PROVIDER)(resolve_bundle("pretrained").encoder_bytes())
    chips = synthetic_chips()
    alone = [run(chips[row : row + 1]) for row in range(len(chips))]
    with ThreadPoolExecutor(len(chips)) as threads:
        together = list(threads.map(lambda row: run(chips[row : row + 1]), range(len(chips))))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
