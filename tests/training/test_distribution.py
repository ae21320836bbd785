from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("keras", reason="training needs the extra `train`")

import keras

from facerec_cli.cli.train import _loop
from facerec_cli.encoders.bundle import read_bundle
from facerec_cli.errors import DependencyError
from facerec_cli.training.batches import Batches
from facerec_cli.training.history import Unwatched
from facerec_cli.training.loop import Loop
from facerec_cli.training.siamese import Siamese
from facerec_cli.training.trainer import train
from tests.training.support import DATA, TINY, outcome, people

# Without dropout, which two devices draw each for itself.
RECIPE = replace(TINY, network="residual", options={"size": 32, "width": 4}, people=8)
pytestmark = pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="distribution is TensorFlow's")

MIRRORED = """
import sys
from pathlib import Path
import tensorflow as tf
cpus = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], cpus)
from facerec_cli.training.distribution import DistributedLoop
from tests.training.test_distribution import learn
loop = DistributedLoop()
assert (loop.replicas, loop.here, loop.worker) == (2, 2, 0)
learn(Path(sys.argv[1]), loop, minutes=1e-9)
"""
WORKER = """
import sys
from pathlib import Path
from facerec_cli.training.distribution import DistributedLoop
from facerec_cli.training.machines import Machines
from tests.training.test_distribution import learn
loop = DistributedLoop(Machines.named())
assert (loop.replicas, loop.here) == (2, 1)
work = Path(sys.argv[1])
# The chief alone looks at the clock and says when it is over.
learn(work / "broken", loop, minutes=1e-9 if loop.worker == 0 else None)
if "resume" in sys.argv:
    learn(work / "broken", loop, name="resumed")
    learn(work / "whole", loop)
"""


class ByHand(Loop):
    """What two devices are to learn in an epoch, with nothing distributed: the mean of two batches' gradients."""

    replicas = here = 2

    def _losses(self, model: Siamese, batches: Batches, begun: int) -> Iterator[float]:
        import tensorflow as tf

        for step in count(2 * begun, 2):
            gradients, losses = [], []
            for chips, shown in (batches[step], batches[step + 1]):
                with tf.GradientTape() as tape:
                    loss = model.compute_loss(y=shown, y_pred=model(chips, training=True))
                gradients.append(tape.gradient(loss, model.trainable_variables))
                losses.append(float(loss))
            model.optimizer.apply([(one + other) / 2 for one, other in zip(*gradients, strict=True)])
            yield float(np.mean(losses))


def learn(
    work: Path, loop: Loop | None = None, minutes: float | None = None, name: str = "learnt"
) -> tuple[list[npt.NDArray[np.float32]], list[tuple[float | None, float, float]]]:
    """Train, and keep the weights and the history in ``work``'s folder; returns them as well."""
    trained = train(RECIPE, DATA, work, Unwatched(), minutes=minutes, loop=loop)
    weights, history = [variable.numpy() for variable in trained.encoder.trainable_variables], outcome(trained.history)
    np.savez(work.with_name(f"{work.name}-{name}.npz"), *weights)
    work.with_name(f"{work.name}-{name}.json").write_text(json.dumps(history))
    return weights, history


def learnt(work: Path, name: str = "learnt") -> tuple[list[npt.NDArray[np.float32]], Any]:
    """What ``learn`` kept."""
    with np.load(work.with_name(f"{work.name}-{name}.npz")) as weights:
        history = json.loads(work.with_name(f"{work.name}-{name}.json").read_text())
        return list(weights.values()), [tuple(epoch) for epoch in history]


def run_together(commands: list[list[str]], folders: list[Path]) -> list[str]:
    """Run processes that are each other's TF_CONFIG, each in a folder; returns what they say."""
    with ExitStack() as stack:
        # Ports that nobody uses now.
        sockets = [stack.enter_context(socket.socket()) for _ in commands]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    with ExitStack() as stack:
        processes = []
        for index, (command, folder) in enumerate(zip(commands, folders, strict=True)):
            config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            environment = {
                **os.environ,
                "TF_CONFIG": json.dumps(config),
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]),
            }
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            processes.append(stack.enter_context(process))
            stack.callback(process.kill)
        said = [process.communicate(timeout=300)[1] for process in processes]
        assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(said)
    return said


def equal(one: list[npt.NDArray[np.float32]], other: list[npt.NDArray[np.float32]]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.slow
def test_two_devices_follow_the_mean_of_their_gradients(tmp_path: Path) -> None:
    # One epoch: in later ones small numbers' rounding has grown, as batch norm over few photos lets it.
    by_hand, expected = learn(tmp_path / "by hand", ByHand(), minutes=1e-9)
    command = [sys.executable, "-c", MIRRORED, str(tmp_path / "mirrored")]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True)
    mirrored, history = learnt(tmp_path / "mirrored")
    assert [loss for loss, _, _ in history] == pytest.approx([loss for loss, _, _ in expected], rel=1e-4)
    for one, other in zip(mirrored, by_hand, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


@pytest.fixture
def works(tmp_path: Path) -> list[Path]:
    """A folder for each of two processes."""
    folders = [tmp_path / "chief", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    return folders


def test_two_processes_learn_the_same(works: list[Path], tmp_path: Path) -> None:
    run_together([[sys.executable, "-c", WORKER, str(work)] for work in works], works)
    # After one epoch, when the best weights are the last.
    (chief, history), (other, nothing) = (learnt(work / "broken") for work in works)
    assert len(history) == 1
    assert nothing == []
    assert equal(chief, other)
    alone, _ = learn(tmp_path / "alone", minutes=1e-9)
    assert not any(np.allclose(one, another, atol=1e-6) for one, another in zip(chief, alone, strict=True))
    assert (works[0] / "broken" / "best.weights.h5").exists()
    assert not (works[1] / "broken").exists()


@pytest.mark.slow
def test_two_processes_go_on_as_if_unbroken(works: list[Path]) -> None:
    run_together([[sys.executable, "-c", WORKER, str(work), "resume"] for work in works], works)
    # The other's folder holds no checkpoint: it has the chief's.
    (resumed, again), (whole, history) = learnt(works[0] / "broken", "resumed"), learnt(works[0] / "whole")
    assert again == history
    assert len(history) == RECIPE.epochs
    assert equal(resumed, whole)
    assert not list(works[1].rglob("*.h5"))


@pytest.mark.slow
def test_two_processes_of_the_command_line_make_one_model(
    facerec_path: str, samples: Path, works: list[Path], tmp_path: Path
) -> None:
    data = people(samples, tmp_path / "people")
    command = [facerec_path, "train", "-m", "tiny", "--data", str(data), "--distribute", "multiworker"]
    options = ["--split", "0.6", "--epochs", "1", "--batch", "16"]
    chief, other = run_together([command + options] * 2, works)
    assert "Wrote models/tiny" in chief
    assert "Trained tiny along" in other
    assert "epoch 1/1" not in other
    assert read_bundle(works[0] / "models" / "tiny")
    assert list(works[1].iterdir()) == []


def test_other_backends_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(DependencyError, match="KERAS_BACKEND says jax"):
        _loop("mirrored", None)
