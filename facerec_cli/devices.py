"""What an encoder can run on beside the CPU, where it is installed.

The CPU is everybody's, by ONNX Runtime, and what all others are held against; see ``encoders.admission``.
"""

from __future__ import annotations

import queue
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from facerec_cli.defaults import AUTO, CPU
from facerec_cli.errors import DependencyError
from facerec_cli.parallel import usable_cores
from facerec_cli.runtime import new_session

WORTH = 500
"""Faces from which on another device than the CPU pays: OpenVINO takes half a second more to start, and gains some
milliseconds a face."""
BATCH = 16
"""Chips that an accelerator is given at once: fewer leave it idle, and more wait for each other."""

Run = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
"""Chips, uint8 [n, 112, 112, 3] RGB, to what the graph makes of them, float32 [n, d]; may be called by many threads.
What it makes of one never depends, not even in its last bit, on the others."""


@dataclass(frozen=True)
class Device:
    """Something that runs networks.

    Attributes:
        what: it is, for people.
        remedy: how to get it, as a clause.
        is_installed: whether what it takes is there, which does not say yet that it works.
        open: makes an ONNX graph run on it.
    """

    what: str
    remedy: str
    is_installed: Callable[[], bool]
    open: Callable[[bytes], Run]


def known(name: str) -> Device:
    """A device by its name.

    Raises:
        DependencyError: there is none of that name, or it is not installed.
    """
    if name not in DEVICES:
        raise DependencyError(f"There is no device named {name!r}", f"choose {AUTO}, {CPU}, {', '.join(DEVICES)}")
    device = DEVICES[name]
    if not device.is_installed():
        raise DependencyError(f"{device.what} is not installed", device.remedy)
    return device


def worth_trying(wish: str, faces: int | None) -> list[str]:
    """The devices to try before the CPU, best first.

    Args:
        wish: a device's name, ``cpu``, or ``auto``.
        faces: about how many are to be embedded; None for nobody knows how many.

    Raises:
        DependencyError: the one that is wished for is not installed.
    """
    if wish == AUTO:
        is_long = faces is None or faces >= WORTH
        return [name for name in _QUICK_TO_START if DEVICES[name].is_installed()] if is_long else []
    if wish == CPU:
        return []
    known(wish)
    return [wish]


def run_on_cpu(session: Any) -> Run:
    """A session of ONNX Runtime's on the CPU, where a batch is no faster: 13.7 ms a chip alone, 13.6 ms in fours."""
    return _one_by_one(_as_batch(session))


def _as_batch(session: Any) -> Run:
    name = session.get_inputs()[0].name

    def run(chips: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        embeddings: npt.NDArray[np.float32] = session.run(None, {name: chips})[0]
        return embeddings

    return run


def _one_by_one(run: Run) -> Run:
    return lambda chips: np.concatenate([run(chips[row : row + 1]) for row in range(len(chips))])


def _on_openvino(graph: bytes) -> Run:
    """On the CPU by OpenVINO, in bfloat16 where the processor has it."""
    # Nothing is sent anywhere: OpenVINO would number the user, and count, as it is imported.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino  # noqa: PLC0415 - takes long, and is there for few

    core = openvino.Core()
    has_bfloat16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if has_bfloat16 else "f32",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": 1,
        # Else all of them are on the first core.
        "ENABLE_CPU_PINNING": False,
    }
    model = core.read_model(model=graph)
    return _one_by_one(_Pool(lambda: core.compile_model(model, "CPU", settings).create_infer_request()))


class _Pool:
    """As many requests of OpenVINO's as there are cores, each of a network of its own, made as they are needed.

    Each that follows has to give what the first gave of a chip. One network with a stream a core starts sooner, and in
    one of twelve starts it gave wrong embeddings (OpenVINO 2026.4, bfloat16); of 100 with one stream each none did.
    """

    def __init__(self, new: Callable[[], Any]) -> None:
        """Make the first."""
        self._new, self._left = new, usable_cores() - 1
        self._making = threading.Lock()
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        first = new()
        self._expected = self._of_noise(first)
        self._idle.put(first)

    @staticmethod
    def _of_noise(request: Any) -> bytes:
        _, *sides = request.model_inputs[0].partial_shape
        noise = np.random.default_rng(0).integers(0, 256, (1, *(side.get_length() for side in sides)), np.uint8)
        return bytes(request.infer({0: noise})[0].tobytes())

    def __call__(self, chips: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Run a chip."""
        request = self._request()
        try:
            embeddings: npt.NDArray[np.float32] = request.infer({0: chips})[0].copy()
            return embeddings
        finally:
            self._idle.put(request)

    def _request(self) -> Any:
        if self._left and self._idle.empty() and self._making.acquire(blocking=False):
            try:
                if self._left:
                    self._left -= 1
                    request = self._new()
                    if self._of_noise(request) == self._expected:
                        return request
            except RuntimeError:  # those there are go on
                self._left = 0
            finally:
                self._making.release()
        return self._idle.get()


def by_provider(provider: str) -> Callable[[bytes], Run]:
    """How graphs are opened on an execution provider of ONNX Runtime's."""

    def opened(graph: bytes) -> Run:
        session = new_session(graph, provider)
        if session.get_providers()[0] != provider:  # what is installed, and finds no driver
            raise RuntimeError(f"{provider} could not start")
        return Gathered(_as_batch(session))

    return opened


class Gathered:
    """Chips of several threads, run together.

    While a batch runs the next one gathers, so that nobody waits for company. Each has as many chips, if need be empty
    ones, so that no embedding depends on how many others there were.
    """

    def __init__(self, run: Run, batch: int = BATCH) -> None:
        """Gather for something that is quicker on many chips at once."""
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        arguments = (self._waiting, run, batch)
        threading.Thread(target=_run_gathered, args=arguments, name="facerec-batches", daemon=True).start()
        # The thread knows nothing of this object, so that it ends, and what runs is freed, when nobody needs it.
        weakref.finalize(self, self._waiting.put, None)

    @property
    def waiting(self) -> int:
        """How many chips wait for the next batch, about."""
        return self._waiting.qsize()

    def __call__(self, chips: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Run chips, in company if there is some.

        Raises:
            ValueError: they are no chips.
        """
        if chips.ndim != 4 or not len(chips) or chips.dtype != np.uint8:
            raise ValueError(f"{chips.dtype} {list(chips.shape)} is no chips")
        waiting = [_Waiting(chip) for chip in chips]
        for one in waiting:
            self._waiting.put(one)
        return np.stack([one.embedding.result() for one in waiting])


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A chip, uint8 [112, 112, 3] RGB, and what will come of it, float32 [d]."""

    chip: npt.NDArray[np.uint8]
    embedding: Future[npt.NDArray[np.float32]] = field(default_factory=Future)


def _run_gathered(coming: queue.SimpleQueue[_Waiting | None], run: Run, batch: int) -> None:
    """Run what comes, as many at once as there are, until nobody is left who could send more."""
    while (first := coming.get()) is not None:
        gathered = [first]
        while len(gathered) < batch and not coming.empty():
            another = coming.get()
            if another is None:
                coming.put(None)
                break
            gathered.append(another)
        try:
            chips = np.zeros((batch, *first.chip.shape), np.uint8)
            for row, one in enumerate(gathered):
                chips[row] = one.chip
            embeddings = run(chips)
        except Exception as error:  # of any kind: it is raised where the chips came from
            for one in gathered:
                one.embedding.set_exception(error)
        else:
            for row, one in enumerate(gathered):
                one.embedding.set_result(embeddings[row].copy())


def _provider(what: str, remedy: str, provider: str) -> Device:
    def is_installed() -> bool:
        import onnxruntime  # noqa: PLC0415 - who is asked for the CPU alone need not know

        return provider in onnxruntime.get_available_providers()

    return Device(what, remedy, is_installed, by_provider(provider))


_GPU = "put onnxruntime-gpu in the place of onnxruntime (`pip uninstall onnxruntime`, `pip install onnxruntime-gpu`)"
DEVICES: Mapping[str, Device] = {
    "cuda": _provider("CUDA on an NVIDIA GPU", _GPU, "CUDAExecutionProvider"),
    "tensorrt": _provider("TensorRT on an NVIDIA GPU", f"{_GPU} and install TensorRT", "TensorrtExecutionProvider"),
    "directml": _provider(
        "DirectML on a GPU",
        "put onnxruntime-directml in the place of onnxruntime (`pip uninstall onnxruntime`, "
        "`pip install onnxruntime-directml`)",
        "DmlExecutionProvider",
    ),
    "coreml": _provider("Core ML", "onnxruntime brings it on a Mac", "CoreMLExecutionProvider"),
    "openvino": Device(
        "OpenVINO on the CPU",
        "`pip install 'facerec[openvino]'` brings it",
        lambda: find_spec("openvino") is not None,
        _on_openvino,
    ),
}
"""All but the CPU, those most likely to be fast first."""
_QUICK_TO_START = ("cuda", "directml", "coreml", "openvino")
"""TensorRT prepares a network for minutes."""
