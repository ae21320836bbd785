"""From a recipe and people to a model; or to the ten of LFW's View 2."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facerec_cli.cli.measuring import embed
from facerec_cli.cli.render import Reporter, Results, count
from facerec_cli.cli.training_place import MODELS, HeldError, held, keep_settings, work_of
from facerec_cli.cli.training_view import TrainingView
from facerec_cli.errors import DataError, ModelError

if TYPE_CHECKING:
    from facerec_cli.datasets.chips import ChipSet
    from facerec_cli.encoders.bundle import Bundle
    from facerec_cli.training.data import TrainingData
    from facerec_cli.training.device import Device
    from facerec_cli.training.recipes import Recipe

FOLDS = range(1, 11)
"""Of View 2."""


@dataclass(frozen=True)
class Training:
    """All that trainings of one call share."""

    recipe: Recipe
    chips: ChipSet
    split: float
    seed: int
    minutes: float | None
    tensorboard: Path | None
    resume: bool
    reporter: Reporter
    device: Device

    def into(self, name: str, people: set[str] | None, source: str) -> Bundle:
        """Train on people, or on triplets, into a model of this name."""
        from facerec_cli.training.result import save_model
        from facerec_cli.training.trainer import train

        recipe, data = self._divided(people)
        work, logs = work_of(name), self.tensorboard / name if self.tensorboard else None
        settings = self.settings(recipe, data)
        keep_settings(work, settings, self.resume)
        with TrainingView(name, recipe.epochs) as view:
            trained = train(
                recipe, data, work, view, seed=self.seed, minutes=self.minutes, logs=logs, device=self.device
            )
        about = {
            "description": recipe.description,
            "training_data": _described(recipe, data, source),
            "training": settings,
            "seconds": trained.history[-1].seconds,
        }
        try:
            bundle = save_model(MODELS / name, trained, data, about, self.reporter.warn)
        except OSError as error:
            raise ModelError(
                f"{name} is trained, but cannot be saved ({error.strerror or error}): free some space, and "
                f"--resume saves it from {work}."
            ) from error
        last = trained.history[-1]
        if last.epoch < recipe.epochs:
            self.reporter.warn(
                f"--minutes ended the training at epoch {last.epoch} of {recipe.epochs}, with the learning rate "
                f"still at {last.rate:.2g}: go on with --resume, or plan fewer --epochs, whose learning rate falls "
                "sooner."
            )
        else:
            shutil.rmtree(work)
        best = bundle.about["validation"]
        whom = f"{len(data.held_out):,} people" if data.held_out else "triplets"
        self.reporter.note(
            f"Wrote {bundle.folder}: {best['accuracy']:.2%} ± {best['error']:.2%} on pairs of the {whom} held out, "
            f"which chose epoch {best['epoch']} of {last.epoch}; {last.seconds / 60:.1f} minutes."
        )
        return bundle

    def settings(self, recipe: Recipe, data: TrainingData) -> dict[str, Any]:
        """What a training is, as JSON has it: what else decides its result is this machine's."""
        import numpy as np

        rows = np.concatenate([data.source.rows.ravel(), data.pairs.first, data.pairs.second]).tolist()
        digest = hashlib.sha256("\n".join(data.chips.photos[row] for row in rows).encode(errors="surrogateescape"))
        # The same names may stand for other pixels: the archives of LFW differ in nothing else.
        for row in sorted(set(rows)):
            digest.update(data.chips.chips[row])
        found = {
            "recipe": asdict(recipe),
            "seed": self.seed,
            "split": self.split,
            "photos": digest.hexdigest(),
        }
        if self.device.replicas > 1:
            found["replicas"] = self.device.replicas
        return dict(json.loads(json.dumps(found)))

    def done(self, name: str, people: set[str]) -> Bundle | None:
        """The model of this name, where it is this training's and finished.

        Raises:
            ModelError: it is another training's.
        """
        from facerec_cli.encoders.bundle import read_bundle

        if not self.resume or work_of(name).exists() or not (MODELS / name).exists():
            return None
        bundle = read_bundle(MODELS / name)
        if bundle.about.get("training") != self.settings(*self._divided(people)):
            raise ModelError(f"{bundle.folder} is of another training: repeat its options, or --overwrite it.")
        return bundle

    def along(self, name: str, people: set[str] | None) -> None:
        """Train along with the chief, which says how it goes and writes the model."""
        from facerec_cli.training.trainer import train

        recipe, data = self._divided(people)
        train(recipe, data, work_of(name), TrainingView(name, recipe.epochs), seed=self.seed, device=self.device)
        self.reporter.note(f"Trained {name} along: the machine that TF_CONFIG names first writes it.")

    def _divided(self, people: set[str] | None) -> tuple[Recipe, TrainingData]:
        """The recipe as these people, or triplets, need it, and who of them is trained on."""
        from facerec_cli.training.data import people_data, triplet_data

        if people is None:
            recipe, data = self.recipe.for_triplets(), triplet_data(self.chips, self.split, self.seed)
        else:
            recipe, data = self.recipe, people_data(self.chips, people, self.split, self.seed)
        recipe.among(self.device.replicas).sampler(data.source)  # too few people are told before anything is written
        return recipe, data


def train_folds(training: Training, names: list[str]) -> None:
    """Train what is not trained yet, and report the ten models, each on its own fold of View 2."""
    import keras

    from facerec_cli.evaluation.protocols import Exclusions
    from facerec_cli.evaluation.protocols import view2 as pairs_of_view2
    from facerec_cli.evaluation.verification import over_folds
    from facerec_cli.recognizer import Recognizer
    from facerec_cli.training.data import people_without_fold

    protocol = pairs_of_view2(training.chips, Exclusions())
    if protocol.notes:
        raise DataError(f"View 2 needs LFW whole, and {protocol.notes[0]}: `facerec fetch` brings it.")
    accuracies = []
    with Results("table", ("fold", "accuracy", "AUC", "minutes")) as results:
        for fold, name in zip(FOLDS, names, strict=True):
            people, source = people_without_fold(fold), f"{training.chips.folder.name} without fold {fold} of View 2"
            try:
                with held(name):
                    bundle = training.done(name, people) or training.into(name, people, source)
            except HeldError:
                training.reporter.note(f"Another process is training {name}: it is left to it.")
                continue
            recognizer, own = Recognizer(bundle.folder), protocol.fold(fold)
            embeddings = embed(recognizer, training.chips, own.rows().tolist())
            accuracy, auc = own.at(bundle.about["validation"]["threshold"], embeddings, recognizer.metric)
            accuracies.append(accuracy)
            results.add(
                {
                    "fold": str(fold),
                    "accuracy": f"{accuracy:.2%}",
                    "AUC": f"{auc:.4f}",
                    "minutes": f"{bundle.about['seconds'] / 60:.1f}",
                }
            )
            keras.utils.clear_session()
    if missing := len(names) - len(accuracies):
        training.reporter.note(
            f"Folds left to other processes: {missing} of ten. When they are done, the same command with --resume "
            "reports all."
        )
        return
    total = over_folds(accuracies)
    training.reporter.note(
        f"View 2: {total.mean:.2%} ± {total.standard_error:.2%}, ten trainings ({training.recipe.name}), each without "
        f"its fold's people; each threshold from people held out of the other nine folds{_begun_from(training.recipe)}."
    )


def _described(recipe: Recipe, data: TrainingData, source: str) -> str:
    what = f"{count(data.photos, 'photo')} of {count(len(data.trained), 'person')}"
    if not data.trained:
        what = count(len(data.source.rows), "triplet")
    return f"{what} of {source}{_begun_from(recipe) or ', and nothing else'}"


def _begun_from(recipe: Recipe) -> str:
    """What else a model owes its numbers to."""
    return "; begun from the bundled encoder, which saw other data" if recipe.network == "pretrained" else ""
