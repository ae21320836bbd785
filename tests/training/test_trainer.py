from __future__ import annotations

import csv
import errno
import inspect
import json
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageEnhance, ImageOps

pytest.importorskip("keras", reason="training needs the extra `train`")

from facerec_cli.cli.train import RECIPES as COMMAND_RECIPES
from facerec_cli.encoders.bundle import TRAINING_PEOPLE, VALIDATION_PEOPLE, read_bundle
from facerec_cli.encoders.metric import Cosine
from facerec_cli.encoders.onnx_encoder import OnnxEncoder
from facerec_cli.errors import TrainingError
from facerec_cli.training.data import people_data
from facerec_cli.training.device import Siamese
from facerec_cli.training.progress import Epoch
from facerec_cli.training.recipes import NETWORKS, RECIPES
from facerec_cli.training.trainer import train
from tests.conftest import Run
from tests.training.support import chip_set

CHIPS = np.random.default_rng(0).integers(0, 255, (48, 112, 112, 3), dtype=np.uint8)
PEOPLE = [f"person {number // 4}" for number in range(48)]
TINY = replace(
    RECIPES["siamese"],
    options=RECIPES["siamese"].options | {"size": 32, "width": 4},
    people=4,
    photos=2,
    steps_per_epoch=2,
    epochs=3,
    warm_up=1,
    learning_rate=0.01,
)


DATA = people_data(chip_set(CHIPS, PEOPLE), PEOPLE, 2 / 3, 0)


class Silent:
    def __init__(self) -> None:
        self.epochs: list[Epoch] = []

    def stepped(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        assert 1 <= step <= steps

    def begun(self, history: Sequence[Epoch]) -> None:
        self.earlier = list(history)

    def validated(self, epoch: Epoch, is_best: bool) -> None:
        self.epochs.append(epoch)


def run(
    work: Path, rate: float = 0.01, minutes: float | None = None, seed: int = 0
) -> tuple[npt.NDArray[np.float32], list[Epoch]]:
    trained = train(replace(TINY, learning_rate=rate), DATA, work, Silent(), seed=seed, minutes=minutes)
    return np.asarray(trained.encoder.predict(CHIPS[:8], verbose=0)), trained.history


@pytest.mark.slow
def test_a_resumed_training_with_dropout_and_a_head_is_the_unbroken_one(tmp_path: Path) -> None:
    recipe = replace(RECIPES["euclidean"].of_batch(8), options={"size": 32, "unit": True}, steps_per_epoch=2, epochs=3)
    whole = train(recipe, DATA, tmp_path / "whole", Silent())
    train(recipe, DATA, tmp_path / "broken", Silent(), minutes=1e-9)
    resumed = train(recipe, DATA, tmp_path / "broken", Silent())
    assert told(resumed.history) == told(whole.history)


def told(history: list[Epoch]) -> list[tuple[float | None, float, float]]:
    return [(epoch.loss, epoch.accuracy, epoch.auc) for epoch in history]


def test_a_resumed_training_is_the_unbroken_one(tmp_path: Path) -> None:
    whole, history = run(tmp_path / "whole")
    # No minutes at all: it ends after its first epoch.
    _, part = run(tmp_path / "broken", minutes=1e-9)
    assert told(part) == told(history[:1])
    resumed, again = run(tmp_path / "broken")
    assert told(again) == told(history)
    assert np.array_equal(resumed, whole)
    assert [epoch.epoch for epoch in again] == [1, 2, 3]


def test_a_training_in_bfloat16_is_measured_and_saved_in_float32(tmp_path: Path) -> None:
    half = TINY.in_bfloat16()
    assert {layer.compute_dtype for layer in half.made_network().layers if layer.weights} == {"bfloat16"}
    whole = train(half, DATA, tmp_path / "whole", Silent())
    train(half, DATA, tmp_path / "broken", Silent(), minutes=1e-9)
    resumed = train(half, DATA, tmp_path / "broken", Silent())
    assert told(resumed.history) == told(whole.history)
    for trained in (whole, resumed):
        assert {layer.compute_dtype for layer in trained.encoder._flatten_layers() if layer.weights} == {"float32"}
    one, other = (np.asarray(trained.encoder.predict(CHIPS[:8], verbose=0)) for trained in (whole, resumed))
    assert np.array_equal(one, other)
    # The first steps are the same but for rounding, bfloat16 having eight bits; later ones drift apart.
    exact = train(TINY, DATA, tmp_path / "exact", Silent(), minutes=1e-9).history[0].loss
    assert whole.history[0].loss == pytest.approx(exact, rel=0.05) and whole.history[0].loss != exact


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains(name: str, tmp_path: Path) -> None:
    recipe = replace(RECIPES[name].of_batch(8), steps_per_epoch=2, epochs=2, learning_rate=0.001)
    if "size" in inspect.signature(NETWORKS[recipe.network]).parameters:
        recipe = replace(recipe, options={**recipe.options, "size": 32})
    assert len(recipe.sampler(DATA.source).draw(np.random.default_rng(0)).rows) == 8
    trained = train(recipe, DATA, tmp_path, Silent())
    assert [epoch.epoch for epoch in trained.history] == ([0, 1, 2] if recipe.network == "pretrained" else [1, 2])
    assert all(math.isfinite(epoch.loss) for epoch in trained.history if epoch.loss is not None)
    embeddings = np.asarray(trained.encoder.predict(CHIPS[:4], verbose=0))
    assert np.ptp(embeddings, axis=0).max() > 1e-4
    if trained.metric == Cosine():
        assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1, abs=1e-5)
    else:
        assert recipe.objective == "l1"


def test_the_command_line_knows_every_recipe() -> None:
    assert set(COMMAND_RECIPES) == set(RECIPES)


def test_another_seed_is_another_model(tmp_path: Path) -> None:
    (one, _), (other, _) = run(tmp_path / "one", minutes=1e-9), run(tmp_path / "other", minutes=1e-9, seed=1)
    assert not np.allclose(one, other)


def test_numbers_that_are_none_stop_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="NaN"):
        run(tmp_path / "work", rate=math.inf)


def test_a_full_disk_is_a_sentence_and_the_last_checkpoint_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, minutes=1e-9)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    save = Siamese.save_weights

    def full(model: Siamese, path: Path) -> None:
        save(model, path)
        path.write_bytes(path.read_bytes()[:1000])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched, pytest.raises(TrainingError, match=r"disk is full.*go on with --resume\.$"):
        patched.setattr(Siamese, "save_weights", full)
        run(tmp_path)
    assert before.items() <= {path.name: path.read_bytes() for path in tmp_path.iterdir()}.items()


def people(samples: Path, folder: Path) -> Path:
    """Twelve people of four photos: the samples, as they are and in parts that look like somebody else."""
    for number, path in enumerate(sorted(samples.glob("*.jpg")) * 2):
        with Image.open(path) as opened:
            photo = ImageOps.exif_transpose(opened).convert("RGB")
        photo = ImageOps.mirror(photo) if number >= 6 else photo
        person = folder / f"person {number}"
        person.mkdir(parents=True)
        for variant, brightness in enumerate((0.8, 0.95, 1.0, 1.1)):
            ImageEnhance.Brightness(photo).enhance(brightness).save(person / f"{variant}.jpg")
    return folder


def test_a_tiny_training_ends_in_a_model_that_other_processes_use(facerec: Run, samples: Path, tmp_path: Path) -> None:
    folder = people(samples, tmp_path / "people")
    options = ("--data", folder, "--batch", "8", "--split", "0.6")
    done = facerec("train", "-m", "tiny", "--epochs", "1", "--tensorboard", "logs", "--resume", *options)
    assert done.returncode == 0, done.stderr
    assert "There is nothing to go on with: tiny is trained from the beginning." in done.stderr
    assert list((tmp_path / "logs" / "tiny").rglob("events.*"))
    assert "epoch 1/1" in done.stderr
    bundle = read_bundle(tmp_path / "models" / "tiny")
    assert not (tmp_path / "models" / ".tiny.training").exists()
    # The report goes where the model goes, and must not carry pictures of the people it was measured on.
    report = {path.name for path in (bundle.folder / "report").iterdir()}
    assert {"report.html", "metrics.json", "training.png", "held-out-roc.png"} <= report
    assert not any("hardest" in name for name in report)
    assert len(bundle.people(TRAINING_PEOPLE)) == 7
    assert len(bundle.people(VALIDATION_PEOPLE)) == 5
    with (bundle.folder / "history.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["epoch"] == "1"
    embeddings = OnnxEncoder(bundle, bundle.encoder_bytes()).encode([CHIPS[0], CHIPS[1]])
    assert embeddings.shape == (2, 256)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1)

    # Other processes enrol and identify with it: without Keras, see test_house, and without a calibration, for which
    # the people are too few.
    assert "identify takes --threshold" in done.stderr
    enrolled = facerec("enroll", "-m", "tiny", "--name", "Rishi", samples / "rishi_sunak.jpg")
    assert enrolled.returncode == 0, enrolled.stderr
    found = facerec("identify", "-m", "tiny", "--threshold", "0.01", "-i", samples / "rishi_sunak.jpg")
    assert found.returncode == 0 and "Rishi" in found.stdout
    asked = facerec("identify", "-m", "tiny", samples / "rishi_sunak.jpg")
    assert asked.returncode == 1
    assert "tiny is not calibrated, so it has no threshold of its own: give one with --threshold" in asked.stderr
    listed = facerec("people", "list", "-m", "tiny")
    assert listed.returncode == 0 and "Rishi" in listed.stdout and "not calibrated" in listed.stderr
    shown = facerec("evaluate", "-m", "tiny", "--data", folder, "--protocol", "pairs", "--format", "json")
    assert shown.returncode == 0, shown.stderr
    assert "all pairs of 5 of 5 people" in shown.stderr  # nobody whom it was trained on
    assert "5 people of people chose the best epoch of tiny" in shown.stderr
    assert {json.loads(line)["model"] for line in shown.stdout.splitlines()} == {"tiny"}

    again = facerec("train", "--data", folder, "-m", "tiny")
    assert again.returncode == 1
    assert "--overwrite" in again.stderr
    assert read_bundle(bundle.folder) == bundle


def test_too_few_people_are_one_sentence(facerec: Run, samples: Path, tmp_path: Path) -> None:
    (tmp_path / "one" / "Rishi").mkdir(parents=True)
    os.link(samples / "rishi_sunak.jpg", tmp_path / "one" / "Rishi" / "1.jpg")
    done = facerec("train", "--data", "one")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "models" / "saved_best").exists()
