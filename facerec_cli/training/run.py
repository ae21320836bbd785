"""From a recipe and a data set to a model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.defaults import DEFAULT_MODEL, MODELS
from facerec_cli.encoders.bundle import Bundle
from facerec_cli.errors import ModelRefusedError, UncalibratedModelError, UnsavedModelError
from facerec_cli.files import refusal
from facerec_cli.json_text import json_text
from facerec_cli.training.build import build_sampler
from facerec_cli.training.data import TrainingData, divide
from facerec_cli.training.history import Epoch, TrainingWatcher, Unwatched
from facerec_cli.training.loop import Loop
from facerec_cli.training.recipe import Recipe
from facerec_cli.training.saving import save_model
from facerec_cli.training.trainer import train
from facerec_cli.training.workplace import Workplace


@dataclass(frozen=True)
class Plan:
    """What is decided about a training besides its recipe and its data.

    Attributes:
        split: share of the people to train on, in (0, 1); the others choose the best epoch, and calibrate the model.
        seed: of everything random.
        minutes: end after the epoch in which so many have passed, over all runs.
        tensorboard: folder for logs, a sub-folder a model.
        resume: go on with an unfinished training of the same name and settings, where there is one.
        overwrite: replace a finished model, or an unfinished training, of the same name.
        models: folder of the models.
    """

    split: float = 0.9
    seed: int = 0
    minutes: float | None = None
    tensorboard: Path | None = None
    resume: bool = False
    overwrite: bool = False
    models: Path = Path(MODELS)


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What a training comes to.

    Attributes:
        bundle: the model; ``about["validation"]`` says what it reaches on the pairs held out.
        history: what every epoch came to.
        is_whole: all of the recipe's epochs are done; otherwise the time was up, and the training can go on.
        held_out: how many people were held out; 0 where the data does not say who is who.
        advice: how good the model is beside the bundled one, and what to do next, in sentences.
        uncalibrated: why the model is not calibrated, where it is not.
    """

    bundle: Bundle
    history: list[Epoch]
    is_whole: bool
    held_out: int
    advice: list[str]
    uncalibrated: UncalibratedModelError | None


def train_model(
    recipe: Recipe,
    chips: ChipSet,
    name: str,
    plan: Plan | None = None,
    *,
    watcher: TrainingWatcher | None = None,
    loop: Loop | None = None,
) -> TrainedModel:
    """Train a model on a data set; of LFW, on the people of View 1's peopleDevTrain.

    Args:
        recipe: how.
        chips: of the data set, a folder of people or of triplets.
        name: the model's; it goes to the plan's folder of models.
        plan: all else, by default the usual.
        watcher: told how it goes.
        loop: in which it learns; that of the chief, where several machines train together.

    Raises:
        DataError: there are too few people, photos or triplets, or the recipe does not serve them.
        ModelError: the name is taken or held, what is there is another training, or the model cannot be saved.
        ExportError: the exported network is not the trained one.
        TrainingError: the training has diverged, or a checkpoint cannot be written or read.
    """
    plan = plan or Plan()
    place = Workplace(plan.models, name)
    with place.held():
        place.check_free(resume=plan.resume, overwrite=plan.overwrite)
        return train_here(recipe, divide(chips, plan.split, plan.seed), place, plan, watcher, loop)


def train_along(
    recipe: Recipe,
    chips: ChipSet,
    name: str,
    loop: Loop,
    plan: Plan | None = None,
    *,
    watcher: TrainingWatcher | None = None,
) -> None:
    """Train along with the chief of several machines, which writes the model; all else as ``train_model``."""
    plan = plan or Plan()
    data = divide(chips, plan.split, plan.seed)
    recipe = fitted(recipe, data, loop)
    work = Workplace(plan.models, name).work
    train(recipe, data, work, watcher or Unwatched(), name=name, seed=plan.seed, loop=loop)


def train_here(
    recipe: Recipe,
    data: TrainingData,
    place: Workplace,
    plan: Plan,
    watcher: TrainingWatcher | None = None,
    loop: Loop | None = None,
) -> TrainedModel:
    """Train a model on data that is divided already, in a place that the caller holds; errors as ``train_model``."""
    loop, watcher = loop or Loop(), watcher or Unwatched()
    recipe = fitted(recipe, data, loop)
    settings = settings_of(recipe, data, plan, loop)
    place.keep_settings(settings, plan.resume)
    trained = train(
        recipe,
        data,
        place.work,
        watcher,
        name=place.name,
        seed=plan.seed,
        minutes=plan.minutes,
        logs=plan.tensorboard / place.name if plan.tensorboard else None,
        loop=loop,
    )
    last = trained.history[-1]
    about = {
        "description": recipe.description,
        "training_data": f"{data.description}{begun_from(recipe) or ', and nothing else'}",
        "training": settings,
        "seconds": last.seconds,
    }
    try:
        watcher.noted(f"Exporting {place.name}, calibrating it, and comparing it with {DEFAULT_MODEL}.")
        from_scratch = not recipe.network_spec.is_trained
        saved = save_model(place.model, trained, data, about, from_scratch=from_scratch)
    except OSError as error:
        reason, remedy = refusal(error)
        raise UnsavedModelError(
            f"{place.name} is trained, but cannot be saved, {reason}", remedy, str(place.work)
        ) from error
    except ModelRefusedError as error:
        problem = f"{place.name} is trained, but cannot be saved: {error}"
        raise UnsavedModelError(problem, error.remedy, str(place.work)) from error
    is_whole = last.epoch >= recipe.epochs
    if is_whole:
        place.forget_work()
    return TrainedModel(saved.bundle, trained.history, is_whole, len(data.held_out), saved.advice, saved.uncalibrated)


def fitted(recipe: Recipe, data: TrainingData, loop: Loop) -> Recipe:
    """A recipe as the data needs it.

    Raises:
        DataError: there are too few people, photos or triplets, or the recipe does not serve them: told before anything
            is written.
    """
    recipe = recipe if data.trained else recipe.for_triplets()
    build_sampler(recipe.among(loop.replicas), data.source)
    return recipe


def settings_of(recipe: Recipe, data: TrainingData, plan: Plan, loop: Loop) -> dict[str, Any]:
    """What a training is, as JSON has it: what else decides its result is this machine's."""
    rows = np.concatenate([data.source.rows.ravel(), data.pairs.first, data.pairs.second]).tolist()
    digest = hashlib.sha256("\n".join(data.chips.photos[row] for row in rows).encode(errors="surrogateescape"))
    # The same names may stand for other pixels: the archives of LFW differ in nothing else.
    for row in sorted(set(rows)):
        digest.update(data.chips.chips[row])
    settings: dict[str, Any] = {
        "recipe": asdict(recipe),
        "seed": plan.seed,
        "split": plan.split,
        "photos": digest.hexdigest(),
    }
    if loop.replicas > 1:
        settings["replicas"] = loop.replicas
    return dict(json.loads(json_text(settings)))


def begun_from(recipe: Recipe) -> str:
    """What else a model owes its numbers to, as the end of a sentence; empty where nothing."""
    return "; begun from the bundled encoder, which saw other data" if recipe.network_spec.is_trained else ""
