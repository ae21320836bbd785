"""Trainings of a program: no command takes part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras", reason="training needs the extra `train`")

from facerec_cli.cli.remedies import sentence
from facerec_cli.datasets.chips import ChipSet
from facerec_cli.encoders.bundle import TRAINING_PEOPLE, read_bundle
from facerec_cli.errors import (
    DataError,
    FinishedModelError,
    OtherTrainingError,
    RecipeError,
    TrainingHeldError,
    UnsavedModelError,
)
from facerec_cli.training import run, view2
from facerec_cli.training.data import TrainingData, divide
from facerec_cli.training.loop import Loop
from facerec_cli.training.recipe import Recipe
from facerec_cli.training.run import Plan, TrainedModel, settings_of, train_model
from facerec_cli.training.workplace import Workplace
from tests.docs import program
from tests.training.support import CHIP_SET, CHIPS, PEOPLE, TINY, Noting, chip_set, people

SHORT = replace(TINY, epochs=1)
EXPORTING = "Exporting {}, calibrating it, and comparing it with pretrained."


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model ``tiny``, trained by a program and ended by the clock."""
    folder = tmp_path_factory.mktemp("run") / "models"
    plan = Plan(split=0.6, minutes=1e-9, models=folder)
    ended = train_model(TINY, CHIP_SET, "tiny", plan)
    assert not ended.is_whole
    assert ended.bundle.about["training"] == settings_of(TINY, divide(CHIP_SET, 0.6, 0), plan, Loop())
    assert Workplace(folder, "tiny").work.exists()
    return folder


def test_what_the_clock_ended_goes_on(models: Path) -> None:
    noting = Noting()
    trained = train_model(TINY, CHIP_SET, "tiny", Plan(split=0.6, resume=True, models=models), watcher=noting)
    assert noting.told == ["begun tiny for 3 after 1", "epoch 2", "epoch 3", "ended", EXPORTING.format("tiny")]
    assert trained.is_whole and [epoch.epoch for epoch in trained.history] == [1, 2, 3]
    assert trained.bundle == read_bundle(models / "tiny")
    assert len(trained.bundle.people(TRAINING_PEOPLE)) == 7 and trained.held_out == 5
    assert "takes 200 people" in str(trained.uncalibrated)
    assert not Workplace(models, "tiny").work.exists()
    with pytest.raises(FinishedModelError):
        train_model(TINY, CHIP_SET, "tiny", Plan(split=0.6, resume=True, models=models))


def test_nobody_else_trains_it_meanwhile(models: Path) -> None:
    with Workplace(models, "held").held(), pytest.raises(TrainingHeldError):
        train_model(TINY, CHIP_SET, "held", Plan(models=models))


def test_a_model_that_cannot_be_saved_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(UnsavedModelError) as caught:
        patched.setattr(run, "save_model", full)
        train_model(SHORT, CHIP_SET, "mine", Plan(split=0.6, models=tmp_path))
    assert sentence(caught.value) == (
        "mine is trained, but cannot be saved, the disk is full: free some space, and --resume saves it from "
        f"{tmp_path / '.mine.training'}."
    )
    noting = Noting()
    train_model(SHORT, CHIP_SET, "mine", Plan(split=0.6, resume=True, models=tmp_path), watcher=noting)
    assert noting.told == ["begun mine for 1 after 1", "ended", EXPORTING.format("mine")]


def test_what_a_recipe_cannot_learn_from_is_told_before_anything_is_written(tmp_path: Path) -> None:
    for folder in ("anchor", "positive", "negative"):
        (tmp_path / "three" / folder).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "three" / folder / f"{number}.jpg").touch()
    triplets = chip_set(CHIPS[:12], ["anchor"] * 4 + ["positive"] * 4 + ["negative"] * 4, tmp_path / "three")
    photos = [f"{folder}/{number}.jpg" for folder in ("anchor", "positive", "negative") for number in range(4)]
    with pytest.raises(RecipeError, match="does not say who is who"):
        train_model(TINY, replace(triplets, photos=photos), "mine", Plan(models=tmp_path / "models"))
    with pytest.raises(DataError, match="A batch takes 50 people"):
        train_model(replace(TINY, people=50), CHIP_SET, "mine", Plan(split=0.6, models=tmp_path / "models"))
    assert [path.name for path in (tmp_path / "models").iterdir() if path.is_dir()] == []


def test_only_a_training_on_the_same_pixels_is_the_same() -> None:
    def settings(chips: ChipSet) -> dict[str, Any]:
        return settings_of(TINY, divide(chips, 0.6, 0), Plan(split=0.6), Loop())

    assert settings(CHIP_SET) == settings(chip_set(CHIPS.copy(), PEOPLE))
    assert settings(CHIP_SET) != settings(chip_set(CHIPS[::-1].copy(), PEOPLE))


def test_the_pages_program_trains(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    people(samples, tmp_path / "people")
    short = 'network = "plain"\nepochs = 1\nsteps_per_epoch = 2\npeople = 2\nphotos = 2\n[options]\nunit = true\n'
    (tmp_path / "mine.toml").write_text(short, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(program("docs/training.md", "In a program"), {})
    assert capsys.readouterr().out.startswith("models/mine ")
    assert read_bundle(tmp_path / "models" / "mine").embedding_size == 128


# ------------------------------------------------------------------ View 2


class Protocol:
    """Stands in for View 2 where there is no LFW."""

    notes: tuple[str, ...] = ()

    def fold(self, number: int) -> Protocol:
        return self

    def rows(self) -> np.ndarray:
        return np.arange(2)

    def at(self, threshold: float, embeddings: Any, metric: Any) -> tuple[float, float]:
        assert embeddings.shape == (len(PEOPLE), 128)
        return 0.75, 0.5


@pytest.fixture
def folds(monkeypatch: pytest.MonkeyPatch, models: Path) -> Iterator[list[int]]:
    """The numbers of the folds that are trained; none really is, since each has the model ``tiny``."""
    trained: list[int] = []

    def divided(chips: ChipSet, share: float, seed: int, fold: int) -> TrainingData:
        return divide(replace(chips, is_lfw=False), share, seed)

    def here(recipe: Recipe, data: TrainingData, place: Workplace, plan: Plan, *_: Any) -> TrainedModel:
        trained.append(int(place.name.rpartition("-")[2]))
        bundle = read_bundle(models / "tiny")
        return TrainedModel(bundle, [], True, 5, [], None)

    monkeypatch.setattr(view2, "view2", lambda chips, seen: Protocol())
    monkeypatch.setattr(view2, "divide", divided)
    monkeypatch.setattr(view2, "train_here", here)
    yield trained


LFW = replace(CHIP_SET, is_lfw=True)


def test_every_fold_is_trained_and_reported(folds: list[int], tmp_path: Path) -> None:
    results = list(view2.train_folds(TINY, LFW, "mine", Plan(split=0.6, models=tmp_path)))
    assert folds == [fold.number for fold in results] == list(range(1, 11))
    assert [fold.model for fold in results[:2]] == ["mine-fold-1", "mine-fold-2"]
    total = view2.over_view2(results)
    assert total is not None and (total.mean, total.standard_error) == (0.75, 0)


def test_a_fold_at_which_another_process_is_is_left_to_it(folds: list[int], tmp_path: Path) -> None:
    with Workplace(tmp_path, "mine-fold-3").held():
        results = list(view2.train_folds(TINY, LFW, "mine", Plan(split=0.6, models=tmp_path)))
    assert 3 not in folds and results[2].score is None and len(folds) == 9
    assert view2.over_view2(results) is None


def test_a_finished_fold_is_not_trained_again_unless_it_is_another_training(
    folds: list[int], models: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine-fold-1").symlink_to(models / "tiny")
    assert next(view2.train_folds(TINY, LFW, "mine", Plan(split=0.6, models=tmp_path))).score
    assert folds == []
    with pytest.raises(OtherTrainingError, match="is of another training"):
        next(view2.train_folds(TINY, LFW, "mine", Plan(split=0.6, seed=1, models=tmp_path)))
    assert next(view2.train_folds(TINY, LFW, "mine", Plan(split=0.6, overwrite=True, models=tmp_path))).score
    assert folds == [1]


def test_view_2_is_of_lfw(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not LFW, whose folds View 2 is about"):
        view2.train_folds(TINY, CHIP_SET, "mine", Plan(models=tmp_path))
