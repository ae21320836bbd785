"""LFW's View 2 of a recipe: ten models, each trained without the people of the fold that it is reported on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import keras

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.encoders.bundle import Bundle, read_bundle
from facerec_cli.errors import DataError, IncompleteLfwError, OtherTrainingError, TrainingHeldError
from facerec_cli.evaluation.evaluating import embed_rows
from facerec_cli.evaluation.measuring import VerificationProtocol
from facerec_cli.evaluation.protocols import Exclusions, view2
from facerec_cli.evaluation.verification import Accuracy, over_folds
from facerec_cli.training.data import TrainingData, divide
from facerec_cli.training.history import TrainingWatcher
from facerec_cli.training.loop import Loop
from facerec_cli.training.recipe import Recipe
from facerec_cli.training.run import Plan, TrainedModel, fitted, settings_of, train_here
from facerec_cli.training.workplace import FOLDS, Workplace, fold_places


@dataclass(frozen=True)
class Score:
    """What a model reaches on its fold: the accuracy at a threshold from people held out of the others, and the AUC."""

    bundle: Bundle
    accuracy: float
    auc: float


@dataclass(frozen=True)
class Fold:
    """A fold of View 2.

    Attributes:
        number: counted from 1.
        model: its model's name.
        score: none where another process is training the model.
        trained: what the training came to; none where the model was there already, or is another process's.
    """

    number: int
    model: str
    score: Score | None = None
    trained: TrainedModel | None = None


def train_folds(
    recipe: Recipe,
    chips: ChipSet,
    name: str,
    plan: Plan | None = None,
    *,
    watcher: TrainingWatcher | None = None,
    loop: Loop | None = None,
) -> Iterator[Fold]:
    """Train the models that are not trained yet, and report each on its fold, as soon as it is trained.

    Several processes may share the folds. A finished model of the same training counts, unless the plan says to
    overwrite: it comes from another process, or from an earlier run.

    Args:
        recipe: how.
        chips: of LFW.
        name: the models' is followed by ``-fold-1`` and so on.
        plan: as of ``train_model``.
        watcher: told how each training goes.
        loop: in which they learn.

    Raises:
        DataError: the data set is not LFW.
        IncompleteLfwError: LFW is not whole.
        ModelError: something is where a model is to go.
        FacerecError: as ``train_model``, when a fold is asked for.
    """
    if not chips.is_lfw:
        raise DataError(f"{chips.folder} is not LFW, whose folds View 2 is about", "give LFW, or leave View 2 out")
    protocol = view2(chips, Exclusions())
    if protocol.notes:
        raise IncompleteLfwError(f"View 2 needs LFW whole, and {protocol.notes[0]}", "fetch it again")
    plan = plan or Plan()
    places = fold_places(plan.models, name)
    for place in places:
        place.check_free(resume=plan.resume, overwrite=plan.overwrite, finished_is_fine=True)
    # Of ten free places, what is in one by the time it is reached comes from another process that trains the same.
    plan = replace(plan, resume=plan.resume or not plan.overwrite)
    return (
        _fold(number, recipe, chips, place, plan, protocol, watcher, loop or Loop())
        for number, place in zip(FOLDS, places, strict=True)
    )


def over_view2(folds: Sequence[Fold]) -> Accuracy | None:
    """The mean accuracy of the folds and its standard error; None where one of the ten is left to another process."""
    accuracies = [fold.score.accuracy for fold in folds if fold.score]
    return over_folds(accuracies) if len(accuracies) == len(FOLDS) else None


def _fold(
    number: int,
    recipe: Recipe,
    chips: ChipSet,
    place: Workplace,
    plan: Plan,
    protocol: VerificationProtocol,
    watcher: TrainingWatcher | None,
    loop: Loop,
) -> Fold:
    try:
        with place.held():
            data = divide(chips, plan.split, plan.seed, number)
            bundle, trained = _finished(recipe, data, place, plan, loop), None
            if bundle is None:
                trained = train_here(recipe, data, place, plan, watcher, loop)
                bundle = trained.bundle
    except TrainingHeldError:
        return Fold(number, place.name)
    own = protocol.fold(number)
    looks = embed_rows(bundle, chips, own.rows().tolist(), [])
    accuracy, auc = own.at(bundle.about["validation"]["threshold"], looks.probes, bundle.load_metric())
    keras.utils.clear_session()
    return Fold(number, place.name, Score(bundle, accuracy, auc), trained)


def _finished(recipe: Recipe, data: TrainingData, place: Workplace, plan: Plan, loop: Loop) -> Bundle | None:
    """The model of a place, where it is this training's and finished.

    Raises:
        OtherTrainingError: it is another training's.
    """
    if not plan.resume or place.work.exists() or not place.model.exists():
        return None
    bundle = read_bundle(place.model)
    if bundle.about.get("training") != settings_of(fitted(recipe, data, loop), data, plan, loop):
        raise OtherTrainingError(
            f"{place.model} is of another training", "repeat its recipe and settings, or replace it"
        )
    return bundle
