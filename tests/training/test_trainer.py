from __future__ import annotations

import csv
import errno
import json
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("keras", reason="training needs the extra `train`")

from facerec_cli.cli.remedies import sentence
from facerec_cli.encoders.bundle import TRAINING_PEOPLE, VALIDATION_PEOPLE, read_bundle
from facerec_cli.encoders.metric import Cosine
from facerec_cli.encoders.onnx_encoder import load_encoder
from facerec_cli.errors import CheckpointError, DamagedCheckpointError, DivergedError
from facerec_cli.training.build import build_network, build_sampler
from facerec_cli.training.dictionary import Dictionary
from facerec_cli.training.history import Epoch, Unwatched
from facerec_cli.training.recipe import load_recipe
from facerec_cli.training.recipes import NAMES
from facerec_cli.training.siamese import Siamese
from facerec_cli.training.trainer import train
from tests.conftest import Run
from tests.training.support import CHIPS, DATA, TINY, Noting, outcome, people


def run(
    work: Path, rate: float = 0.01, minutes: float | None = None, seed: int = 0
) -> tuple[npt.NDArray[np.float32], list[Epoch]]:
    trained = train(replace(TINY, learning_rate=rate), DATA, work, Unwatched(), seed=seed, minutes=minutes)
    return np.asarray(trained.encoder.predict(CHIPS[:8], verbose=0)), trained.history


@pytest.mark.slow
def test_a_resumed_training_with_dropout_and_a_head_is_the_unbroken_one(tmp_path: Path) -> None:
    recipe = replace(
        load_recipe("euclidean").of_batch(8), options={"size": 32, "unit": True}, steps_per_epoch=2, epochs=3
    )
    whole = train(recipe, DATA, tmp_path / "whole", Unwatched())
    train(recipe, DATA, tmp_path / "broken", Unwatched(), minutes=1e-9)
    resumed = train(recipe, DATA, tmp_path / "broken", Unwatched())
    assert outcome(resumed.history) == outcome(whole.history)


def test_a_training_goes_on_with_the_dictionaries_that_it_fitted(tmp_path: Path) -> None:
    whole_face = Dictionary(cell=12, step=12, words=4, size=8)
    recipe = replace(TINY, dictionaries=(whole_face, replace(whole_face, region=(16, 26, 96, 106))))
    whole = train(recipe, DATA, tmp_path / "whole", Unwatched())
    train(recipe, DATA, tmp_path / "broken", Unwatched(), minutes=1e-9)
    told = Noting()
    resumed = train(recipe, DATA, tmp_path / "broken", told)
    assert outcome(resumed.history) == outcome(whole.history) and not any("words" in line for line in told.told)
    one, other = (trained.encoder.predict_on_batch(CHIPS[:4]) for trained in (whole, resumed))
    np.testing.assert_array_equal(one, other)
    assert one.shape == (4, 128 + 8 + 8)
    (tmp_path / "broken" / "dictionary-1.weights.h5").write_bytes(b"half")
    with pytest.raises(DamagedCheckpointError, match="is damaged"):
        train(recipe, DATA, tmp_path / "broken", Unwatched())


def test_a_resumed_training_is_the_unbroken_one(tmp_path: Path) -> None:
    whole, history = run(tmp_path / "whole")
    # No minutes at all: it ends after its first epoch.
    _, part = run(tmp_path / "broken", minutes=1e-9)
    assert outcome(part) == outcome(history[:1])
    # What a kill in the middle of saving leaves goes with the next saving.
    (tmp_path / "broken" / ".best.weights.h5.4711.abcdef01").write_bytes(b"half")
    (tmp_path / "broken" / ".abcdefgh").mkdir()
    (tmp_path / "broken" / ".abcdefgh" / "best.weights.h5").write_bytes(b"half")
    resumed, again = run(tmp_path / "broken")
    assert outcome(again) == outcome(history)
    assert np.array_equal(resumed, whole)
    assert [epoch.epoch for epoch in again] == [1, 2, 3]
    assert {path.name for path in (tmp_path / "broken").iterdir()} == {
        path.name for path in (tmp_path / "whole").iterdir()
    }


def test_a_training_in_bfloat16_is_measured_and_saved_in_float32(tmp_path: Path) -> None:
    half = TINY.in_bfloat16()
    assert {layer.compute_dtype for layer in build_network(half).layers if layer.weights} == {"bfloat16"}
    whole = train(half, DATA, tmp_path / "whole", Unwatched())
    train(half, DATA, tmp_path / "broken", Unwatched(), minutes=1e-9)
    resumed = train(half, DATA, tmp_path / "broken", Unwatched())
    assert outcome(resumed.history) == outcome(whole.history)
    for trained in (whole, resumed):
        assert {layer.compute_dtype for layer in trained.encoder._flatten_layers() if layer.weights} == {"float32"}
    one, other = (np.asarray(trained.encoder.predict(CHIPS[:8], verbose=0)) for trained in (whole, resumed))
    assert np.array_equal(one, other)


def test_bfloat16_is_the_same_but_for_rounding() -> None:
    exact, half = build_network(TINY), build_network(TINY.in_bfloat16())
    half.set_weights(exact.get_weights())
    expected, rounded = (network.predict(CHIPS[:8], verbose=0) for network in (exact, half))
    assert rounded.dtype == np.float32
    # Eight bits.
    assert rounded == pytest.approx(expected, abs=0.02) and (rounded != expected).any()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_trains(name: str, tmp_path: Path) -> None:
    recipe = replace(load_recipe(name).of_batch(8), steps_per_epoch=2, epochs=2, learning_rate=0.001)
    if recipe.network in ("plain", "residual"):
        recipe = replace(recipe, options={**recipe.options, "size": 32})
    assert len(build_sampler(recipe, DATA.source).draw(np.random.default_rng(0)).rows) == 8
    trained = train(recipe, DATA, tmp_path, Unwatched())
    assert [epoch.epoch for epoch in trained.history] == ([0, 1, 2] if recipe.network_spec.is_trained else [1, 2])
    assert all(math.isfinite(epoch.loss) for epoch in trained.history if epoch.loss is not None)
    embeddings = np.asarray(trained.encoder.predict(CHIPS[:4], verbose=0))
    assert np.ptp(embeddings, axis=0).max() > 1e-4
    if isinstance(trained.metric, Cosine):
        assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1, abs=1e-5)
    else:
        assert recipe.objective == "l1"


def test_a_watcher_is_told_how_it_goes(tmp_path: Path) -> None:
    first, then = Noting(), Noting()
    train(TINY, DATA, tmp_path, first, name="mine", minutes=1e-9)
    train(TINY, DATA, tmp_path, then, name="mine")
    assert first.told == ["begun mine for 3 after 0", "epoch 1", "ended"]
    assert then.told == ["begun mine for 3 after 1", "epoch 2", "epoch 3", "ended"]


def test_a_damaged_checkpoint_is_told(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(DamagedCheckpointError, match="is damaged") as caught:
        run(tmp_path)
    assert sentence(caught.value).endswith(": begin anew with --overwrite.")


def test_another_seed_is_another_model(tmp_path: Path) -> None:
    (one, _), (other, _) = run(tmp_path / "one", minutes=1e-9), run(tmp_path / "other", minutes=1e-9, seed=1)
    assert not np.allclose(one, other)


def test_numbers_that_are_none_stop_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="NaN"):
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

    with monkeypatch.context() as patched, pytest.raises(CheckpointError, match=r"disk is full$") as caught:
        patched.setattr(Siamese, "save_weights", full)
        run(tmp_path)
    assert sentence(caught.value).endswith("the disk is full: free some space, and go on with --resume.")
    assert before.items() <= {path.name: path.read_bytes() for path in tmp_path.iterdir()}.items()


def test_a_tiny_training_ends_in_a_model_that_other_processes_use(facerec: Run, samples: Path, tmp_path: Path) -> None:
    folder = people(samples, tmp_path / "people")
    own = "steps_per_epoch = 4\n[options]\nsize = 32\nwidth = 4\n"
    own += "[[dictionaries]]\ncell = 12\nstep = 6\nwords = 8\nsize = 16\n"
    (tmp_path / "short.toml").write_text(own, encoding="utf-8")
    options = ("--recipe", "short.toml", "--data", folder, "--batch", "8", "--split", "0.6")
    done = facerec("train", "-m", "tiny", "--epochs", "1", "--tensorboard", "logs", "--resume", *options)
    assert done.returncode == 0, done.stderr
    assert "There is nothing to go on with: tiny is trained from the beginning." in done.stderr
    assert list((tmp_path / "logs" / "tiny").rglob("events.*"))
    begun = (
        f"Training tiny from {sum(1 for _ in folder.rglob('*.*'))} photos in {folder}: up to 1 epoch, with a line here"
    )
    before = done.stderr.partition("epoch 1/1")[0]
    assert begun in before and "Starting Keras" in before and "8 visual words" in before
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
    embeddings = load_encoder(bundle).encode([CHIPS[0], CHIPS[1]])
    assert embeddings.shape == (2, 128 + 16)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1)

    # Other processes enrol and identify with it: without Keras, see test_house, and without a calibration, for which
    # the people are too few.
    assert "The model is not calibrated, since it takes 200 people" in done.stderr
    assert "give one with --threshold" in done.stderr
    enrolled = facerec("enroll", "-m", "tiny", "--name", "Rishi", samples / "rishi_sunak.jpg")
    assert enrolled.returncode == 0, enrolled.stderr
    found = facerec("identify", "-m", "tiny", "--threshold", "0.01", "-i", samples / "rishi_sunak.jpg")
    assert found.returncode == 0 and "Rishi" in found.stdout
    asked = facerec("identify", "-m", "tiny", samples / "rishi_sunak.jpg")
    assert asked.returncode == 1
    assert "give one with --threshold, or calibrate it with `facerec models calibrate -m tiny" in asked.stderr
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
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "models" / "saved_best").exists()
