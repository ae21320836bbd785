"""Run a bundle's encoder with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from facerec_cli.defaults import CPU
from facerec_cli.devices import run_on_cpu
from facerec_cli.encoders.admission import admitted
from facerec_cli.encoders.bundle import CHIP_INPUT, ENCODER, Bundle
from facerec_cli.encoders.encoder import Embeddings, Encoder
from facerec_cli.encoders.graph import read_graph
from facerec_cli.errors import DamagedModelError, DependencyError
from facerec_cli.runtime import is_of_a_runtime, new_session
from facerec_cli.untrusted import plain
from facerec_cli.words import count

if TYPE_CHECKING:
    from facerec_cli.faces.alignment import Chip


def load_encoder(bundle: Bundle, device: str = CPU, faces: int | None = None) -> OnnxEncoder:
    """The encoder of a model; device and faces are those of ``OnnxEncoder``.

    Raises:
        DamagedModelError: it is missing, is not the one that model.json describes, or cannot be run.
        DependencyError: the device is not installed.
    """
    return OnnxEncoder(bundle, read_graph(bundle), device, faces)


class OnnxEncoder(Encoder):
    """Chips to embeddings; one instance serves many threads.

    Attributes:
        device: what it runs on: a key of ``devices.DEVICES``, or ``cpu``.
        run: the graph there, before the metric scales what it gives.
    """

    def __init__(self, bundle: Bundle, graph: bytes, device: str = CPU, faces: int | None = None) -> None:
        """Load the encoder.

        Args:
            bundle: the model.
            graph: its encoder.onnx, from ``read_graph``.
            device: what it is to run on: ``cpu``, a key of ``devices.DEVICES``, or ``auto``.
            faces: about how many are to be embedded, which ``auto`` goes by; None for nobody knows how many.

        Raises:
            DamagedModelError: it is not a graph that ONNX Runtime can run.
            DependencyError: the device is not installed.
        """
        self._bundle, self._path = bundle, bundle.folder / ENCODER
        with self._understood("loaded"):
            session = new_session(graph)
        taken, given = session.get_inputs(), session.get_outputs()
        contract = [(one.type, list(one.shape[1:])) for one in (*taken, *given[:1])]
        if contract != [("tensor(uint8)", CHIP_INPUT["shape"]), ("tensor(float)", [bundle.embedding_size])]:
            raise DamagedModelError(
                f"{self._path} does not turn a chip into {bundle.embedding_size} numbers, as model.json says",
                "restore the model",
            )
        self._metric = bundle.load_metric()
        with self._understood("run"):
            self.device, self.run = admitted(graph, run_on_cpu(session), device, faces)
        self.size = bundle.embedding_size

    def encode(self, chips: Sequence[Chip]) -> Embeddings:
        """Embed chips.

        An embedding never depends, not even in its last bit, on what else was in the batch.

        Args:
            chips: n chips, each uint8 [112, 112, 3], RGB.

        Returns:
            float32 [n, d].

        Raises:
            DamagedModelError: the graph fails, or gives something else than it said.
        """
        if not chips:
            return np.empty((0, self.size), np.float32)
        given = self._run(np.stack(chips))
        if given.shape != (len(chips), self.size):
            raise DamagedModelError(
                f"{self._path} gives {list(given.shape)} for {count(len(chips), 'chip')}, where "
                f"{[len(chips), self.size]} is right",
                "restore the model",
            )
        return self._metric.scaled(given)

    def _run(self, chips: npt.NDArray[np.uint8]) -> Embeddings:
        if self.device == CPU:
            with self._understood("run"):
                return self.run(chips)
        try:
            return self.run(chips)
        except Exception as error:  # drivers and runtimes have errors of any class
            why = plain(str(error).partition("\n")[0])
            raise DependencyError(f"The device {self.device} failed ({why})", "choose the CPU") from error

    def __reduce__(self) -> tuple[Callable[..., OnnxEncoder], tuple[Bundle, str]]:
        """Pickled for another process, it is loaded there, on the same device."""
        return load_encoder, (self._bundle, self.device)

    @contextmanager
    def _understood(self, what: str) -> Iterator[None]:
        """Turn ONNX Runtime's own errors, which share no other base class, into words."""
        try:
            yield
        except Exception as error:
            if not is_of_a_runtime(error):
                raise
            why = plain(str(error).partition("\n")[0])
            raise DamagedModelError(f"{self._path} cannot be {what} ({why})", "restore the model") from error


def run_graph(graph: bytes, chips: Sequence[Chip]) -> Embeddings:
    """What an encoder.onnx gives for chips, each uint8 [112, 112, 3] RGB, before a metric scales it: float32 [n, d]."""
    return run_on_cpu(new_session(graph))(np.stack(chips))
