"""Where a training keeps its state and leaves its model, and who may use that place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facerec_cli.encoders.bundle import BUNDLED
from facerec_cli.errors import (
    FinishedModelError,
    ModelError,
    ModelExistsError,
    OtherTrainingError,
    TrainingHeldError,
    UnfinishedTrainingError,
    UnusableModelNameError,
)
from facerec_cli.files import refusal, write_file
from facerec_cli.json_text import json_text
from facerec_cli.locks import LockHeldError, locked
from facerec_cli.untrusted import is_plain

FOLDS = range(1, 11)
"""Of LFW's View 2."""


@dataclass(frozen=True)
class Workplace:
    """The place of one model's training.

    Attributes:
        models: the folder of models.
        name: the model's.
    """

    models: Path
    name: str

    @property
    def model(self) -> Path:
        """Where the finished model goes."""
        return self.models / self.name

    @property
    def work(self) -> Path:
        """Where an unfinished training is kept."""
        return self.models / f".{self.name}.training"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nobody else train a model of this name meanwhile.

        Raises:
            UnusableModelNameError: no model of the user's can have the name.
            ModelError: nothing can be written there.
            TrainingHeldError: somebody else is training it.
        """
        self._check_usable()
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self.models / f".{self.name}.lock", timeout=0))
            except LockHeldError as error:
                raise TrainingHeldError(
                    f"Another process is training {self.name}", "wait for it, or choose another name"
                ) from error
            except OSError as error:
                reason, remedy = refusal(error)
                raise ModelError(f"Nobody can train in {self.models}, {reason}", remedy) from error
            yield

    def check_free(self, *, resume: bool, overwrite: bool, finished_is_fine: bool = False) -> None:
        """Whether a model of this name may be made, before any work is done for it.

        Args:
            resume: an unfinished training may be there.
            overwrite: a finished model and an unfinished training may be there.
            finished_is_fine: a finished model may be there too.

        Raises:
            UnusableModelNameError: no model of the user's can have the name.
            ModelExistsError, UnfinishedTrainingError: something is there.
            ModelError: nothing can be written there.
        """
        self._check_usable()
        if self.model.exists() and not (self.model / "model.json").exists():
            raise ModelExistsError(f"{self.model} exists and is no model", "move it away, or choose another name")
        if self.work.exists():
            if not (resume or overwrite):
                raise UnfinishedTrainingError(
                    f"A training of {self.name} is unfinished in {self.work}", "go on with it, or replace it"
                )
        elif self.model.exists() and not overwrite and not finished_is_fine:
            raise FinishedModelError(f"{self.model} exists", "choose another name, or replace it")

    def keep_settings(self, settings: dict[str, Any], resume: bool) -> None:
        """Note what is being trained, since only the same can be gone on with.

        Args:
            settings: what decides the result, as JSON has it.
            resume: go on with what is there.

        Raises:
            OtherTrainingError: what is there to go on with is another training.
            ModelError: nothing can be written there.
        """
        path, text = self.work / "settings.json", json_text(settings, indent=2, sort_keys=True)
        if resume and path.exists():
            if path.read_text(encoding="utf-8") == text:
                return
            raise OtherTrainingError(
                f"The training in {self.work} is another", "repeat its recipe, settings and data, or begin anew"
            )
        try:
            shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir(parents=True)
            write_file(path, text.encode())
        except OSError as error:
            reason, remedy = refusal(error)
            raise ModelError(f"{self.work} cannot be written, {reason}", remedy) from error

    def forget_work(self) -> None:
        """Delete the training's state, when its model is saved."""
        shutil.rmtree(self.work, ignore_errors=True)  # what is left is seen at the next training of the name

    def _check_usable(self) -> None:
        name = self.name
        if Path(name).name != name or name.startswith(".") or not is_plain(name) or (BUNDLED / name).exists():
            raise UnusableModelNameError(
                f"{name!r} is no name for a model of yours",
                "give one without / or a leading dot, and no bundled one's",
            )
        try:
            self.models.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.models):
                pass
        except OSError as error:
            reason, remedy = refusal(error)
            raise ModelError(f"Nothing can be written to {self.models}, {reason}", remedy) from error


def fold_places(models: Path, name: str) -> list[Workplace]:
    """The places of the models for the ten folds of View 2, whose name is followed by ``-fold-1`` and so on."""
    return [Workplace(models, f"{name}-fold-{number}") for number in FOLDS]
