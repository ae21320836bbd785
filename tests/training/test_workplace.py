"""Where a training is kept, and who may use that place."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from facerec_cli.errors import (
    FinishedModelError,
    ModelError,
    ModelExistsError,
    OtherTrainingError,
    TrainingHeldError,
    UnfinishedTrainingError,
    UnusableModelNameError,
)
from facerec_cli.training.workplace import Workplace, fold_places


def finished(models: Path, name: str) -> Workplace:
    """A place where a model is."""
    (models / name).mkdir(parents=True)
    (models / name / "model.json").touch()
    return Workplace(models, name)


@pytest.mark.parametrize("name", ["a/b", "", "..", ".hidden", "pretrained", "a\nb", "a\x1b[2J", "\u202egnp"])
def test_odd_names_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnusableModelNameError, match="is no name for a model of yours"):
        Workplace(tmp_path / "models", name).check_free(resume=False, overwrite=True)
    assert not (tmp_path / "models").exists()


def test_what_is_not_a_model_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(ModelExistsError, match="exists and is no model"):
        Workplace(tmp_path, "other").check_free(resume=True, overwrite=True)


def test_a_finished_model_is_replaced_only_where_that_is_meant(tmp_path: Path) -> None:
    place = finished(tmp_path, "mine")
    for resume in (False, True):
        with pytest.raises(FinishedModelError, match=r"exists$"):
            place.check_free(resume=resume, overwrite=False)
    place.check_free(resume=False, overwrite=True)
    place.check_free(resume=True, overwrite=False, finished_is_fine=True)


def test_an_unfinished_training_is_gone_on_with_or_replaced(tmp_path: Path) -> None:
    place = finished(tmp_path, "mine")  # begun to replace a model
    place.keep_settings({"seed": 0}, resume=False)
    with pytest.raises(UnfinishedTrainingError, match="is unfinished in"):
        place.check_free(resume=False, overwrite=False)
    place.check_free(resume=True, overwrite=False)
    place.check_free(resume=False, overwrite=True)
    place.forget_work()
    assert not place.work.exists()


def test_only_the_same_training_is_gone_on_with(tmp_path: Path) -> None:
    place = Workplace(tmp_path, "mine")
    place.keep_settings({"seed": 0, "split": 0.9}, resume=True)
    (place.work / "state").touch()
    place.keep_settings({"split": 0.9, "seed": 0}, resume=True)
    assert (place.work / "state").exists()
    with pytest.raises(OtherTrainingError, match="is another"):
        place.keep_settings({"seed": 1, "split": 0.9}, resume=True)
    place.keep_settings({"seed": 1, "split": 0.9}, resume=False)
    assert not (place.work / "state").exists()


def test_a_place_is_held_by_one(tmp_path: Path) -> None:
    first, second = Workplace(tmp_path, "mine"), Workplace(tmp_path, "mine")
    with first.held():
        with pytest.raises(TrainingHeldError, match="Another process is training mine"), second.held():
            pass
        with Workplace(tmp_path, "other").held():
            pass
    with second.held():
        pass


def test_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "models").touch()
    with pytest.raises(ModelError, match="Nothing can be written to"):
        Workplace(tmp_path / "models", "mine").check_free(resume=False, overwrite=False)


def test_the_ten_folds_have_places_of_their_own(tmp_path: Path) -> None:
    assert [place.name for place in fold_places(tmp_path, "mine")] == [f"mine-fold-{fold}" for fold in range(1, 11)]


@pytest.mark.skipif(os.name == "nt", reason="locks otherwise")
def test_a_disk_without_locks_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", without)
    with pytest.raises(ModelError, match=r"its file system has no locks$"), Workplace(tmp_path, "mine").held():
        raise AssertionError
