"""Where an encoder runs: another device than the CPU has to agree with it first.

Between devices embeddings differ by rounding. A model's calibration, and so its thresholds, were measured on the CPU;
what is as near to the CPU's embeddings as ``AGREEMENT`` keeps them (OpenVINO in bfloat16, the least near of
all, takes 0.07 points off View 2's accuracy, whose standard error is 0.13: benchmarks/README.md).
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerec_cli.defaults import AUTO, CPU
from facerec_cli.devices import DEVICES, Run, worth_trying
from facerec_cli.errors import DeviceWarning

AGREEMENT = 0.999
"""Least cosine of a device's embedding and the CPU's, for each of some synthetic chips."""
FASTER = 1.1
"""How many times as fast as the CPU a device has to be, to be chosen unasked."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What came of an encoder on a device.

    Attributes:
        run: it, on the device; None where that fails.
        agreement: the least cosine of an embedding and the CPU's.
        speed: how many times as fast as the CPU it is.
        trouble: why the device is not to be used, as the end of a clause that begins with it; None where it is.
    """

    run: Run | None = None
    agreement: float = 0.0
    speed: float = 0.0
    trouble: str | None = None

    @property
    def is_faster(self) -> bool:
        """Whether it may be chosen unasked."""
        return self.speed >= FASTER


def tried(name: str, graph: bytes, on_cpu: Run) -> Trial:
    """Try an encoder on a device.

    Args:
        name: a key of ``devices.DEVICES``.
        graph: encoder.onnx.
        on_cpu: it, on the CPU.
    """
    # Not above: it imports OpenCV, and beside that an encoder is to be loading.
    from facerec_cli.encoders.synthetic import synthetic_chips  # noqa: PLC0415

    chips = synthetic_chips()
    try:
        run = DEVICES[name].open(graph)
        found, seconds = _measured(run, chips)
    except Exception as error:  # drivers and runtimes, broken ones among them, have errors of any class
        return Trial(trouble=f"cannot run this model ({str(error).partition(chr(10))[0][:200]})")
    expected, seconds_on_cpu = _measured(on_cpu, chips)
    products = (found * expected).sum(axis=1)
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    agreement = float((products / np.maximum(lengths, np.finfo(np.float32).tiny)).min())
    trouble = None
    if not agreement >= AGREEMENT:  # also where it is no number
        trouble = f"gives other embeddings than the CPU (a cosine of {agreement:.4f} where {AGREEMENT} is needed)"
    return Trial(run, agreement, seconds_on_cpu / seconds, trouble)


def admitted(graph: bytes, on_cpu: Run, wish: str, faces: int | None) -> tuple[str, Run]:
    """What an encoder runs on, and by which call.

    Args:
        graph: encoder.onnx.
        on_cpu: it, on the CPU.
        wish: a device's name, ``cpu``, or ``auto``: the first that is faster than the CPU.
        faces: about how many are to be embedded; None for nobody knows how many.

    Raises:
        DependencyError: the device that is wished for is not installed.

    Warns:
        DeviceWarning: it does not agree with the CPU, or cannot run, and the CPU takes its place.
    """
    for name in worth_trying(wish, faces):
        trial = tried(name, graph, on_cpu)
        if trial.run and not trial.trouble and (wish != AUTO or trial.is_faster):
            return name, trial.run
        if wish != AUTO:
            warnings.warn(f"{DEVICES[name].what} {trial.trouble}: the CPU is used.", DeviceWarning, stacklevel=2)
    return CPU, on_cpu


def _measured(run: Run, chips: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], float]:
    """What becomes of chips, and the least seconds that one took."""
    run(chips[:1])  # which takes longer
    embeddings, seconds = [], []
    for row in range(len(chips)):
        begun = time.perf_counter()
        embeddings.append(run(chips[row : row + 1]))
        seconds.append(time.perf_counter() - begun)
    return np.concatenate(embeddings), min(seconds)
