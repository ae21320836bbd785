"""facerec train."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facerec_cli.cli import options
from facerec_cli.cli.extras import needing_extra
from facerec_cli.cli.progress import Reporter, TrainingView, load_data_set
from facerec_cli.cli.render import Results
from facerec_cli.cli.streams import say
from facerec_cli.cli.training_extra import prepare_keras
from facerec_cli.defaults import MODELS
from facerec_cli.errors import DependencyError
from facerec_cli.training.recipes import NAMES, find_recipe
from facerec_cli.words import count

if TYPE_CHECKING:
    from facerec_cli.datasets.chips import ChipSet
    from facerec_cli.training.loop import Loop
    from facerec_cli.training.machines import Machines
    from facerec_cli.training.recipe import Recipe
    from facerec_cli.training.run import Plan, TrainedModel


@click.command(
    "train",
    short_help="Train a model on a folder of people.",
    epilog="Example: facerec train --data data/lfw -m saved_best --minutes 60",
)
@click.option(
    "--recipe",
    default=NAMES[0],
    show_default=True,
    metavar="NAME|FILE.toml",
    help=f"What to train: {', '.join(NAMES)}, or a file of your own.",
)
@options.data_option
@click.option("-m", "--model", default="saved_best", show_default=True, help="Name of the new model, in ./models.")
@click.option(
    "--split",
    type=options.probability_type("share"),
    default=0.9,
    show_default=True,
    help="Share of the people to train on; the others say which epoch is the best, and calibrate the model.",
)
@click.option("--epochs", type=click.IntRange(min=1), help="In place of the recipe's.")
@click.option(
    "--minutes", type=options.FiniteRange(min=0, min_open=True), help="End after the epoch that reaches them."
)
@click.option("--batch", type=click.IntRange(min=4), help="Photos a batch, in place of the recipe's.")
@click.option("--grey", is_flag=True, help="Let the network see no colour.")
@click.option("--bfloat16", is_flag=True, help="Compute in half precision: faster on CPUs and GPUs that have it.")
@click.option("--freeze", is_flag=True, help="Of finetune: train only the last layer.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random.")
@click.option(
    "--view2",
    is_flag=True,
    help="LFW's View 2: train ten models, NAME-fold-1 to NAME-fold-10, each without the people of its fold.",
)
@click.option(
    "--tensorboard",
    type=options.GivenPath(file_okay=False),
    metavar="DIR",
    help="Write logs for TensorBoard to this folder.",
)
@click.option(
    "--distribute",
    type=click.Choice(["mirrored", "multiworker"]),
    help="Share every batch among this machine's GPUs, or among those of the machines that TF_CONFIG names.",
)
@click.option("--resume", is_flag=True, help="Go on with a training that was stopped.")
@click.option("--overwrite", is_flag=True, help="Replace a model, or an unfinished training, of that name.")
def command(
    recipe: str,
    data: Path,
    model: str,
    split: float,
    epochs: int | None,
    minutes: float | None,
    batch: int | None,
    grey: bool,
    bfloat16: bool,
    freeze: bool,
    seed: int,
    view2: bool,
    tensorboard: Path | None,
    distribute: str | None,
    resume: bool,
    overwrite: bool,
) -> int:
    """Train a Siamese network on a folder of people into a model that enroll and identify use with -m.

    The folder has a sub-folder a person; or the three folders anchor, positive and negative. Of LFW the people of View
    1's peopleDevTrain serve, so that pairsDevTest can be reported on.
    """
    from facerec_cli.training.machines import Machines
    from facerec_cli.training.workplace import Workplace, fold_places

    machines = Machines.named() if distribute == "multiworker" else None
    if machines and view2:
        raise click.UsageError("--distribute multiworker trains one model and --view2 ten: leave out one of them.")
    find_recipe(recipe)
    with needing_extra("Training", "train"):
        from facerec_cli.training.recipe import load_recipe
    chosen = load_recipe(recipe)
    chosen = chosen if batch is None else chosen.of_batch(batch)
    chosen = chosen.in_grey() if grey else chosen
    chosen = chosen.in_bfloat16() if bfloat16 else chosen
    chosen = chosen.frozen() if freeze else chosen
    chosen = chosen if epochs is None else replace(chosen, epochs=epochs)
    is_chief = machines is None or machines.index == 0
    places = fold_places(Path(MODELS), model) if view2 else [Workplace(Path(MODELS), model)]
    for place in places if is_chief else ():
        place.check_free(resume=resume, overwrite=overwrite, finished_is_fine=view2 and resume)
    say("Starting Keras, which takes some seconds.")
    prepare_keras("Training")
    from facerec_cli.training.build import check_parts
    from facerec_cli.training.run import Plan, train_along, train_model

    loop = _loop(distribute, machines)
    if recipe not in NAMES:
        check_parts(chosen)
    with Reporter("Finding faces") as reporter:
        chips = load_data_set(data, reporter)
    plan = Plan(split, seed, minutes, tensorboard, resume, overwrite)
    if view2:
        _train_folds(chosen, chips, model, plan, loop, reporter)
    elif not is_chief:
        with TrainingView(chips) as view:
            train_along(chosen, chips, model, loop, plan, watcher=view)
        reporter.note(f"Trained {model} along: the machine that TF_CONFIG names first writes it.")
    else:
        if resume and not places[0].work.exists():
            reporter.note(f"There is nothing to go on with: {model} is trained from the beginning.")
        with TrainingView(chips) as view:
            trained = train_model(chosen, chips, model, plan, watcher=view, loop=loop)
        _report(trained, chosen.epochs, reporter)
    return reporter.status


def _loop(distribute: str | None, machines: Machines | None) -> Loop:
    """What to learn in; of several machines, when all of them are there."""
    import keras

    from facerec_cli.training.loop import Loop

    if distribute is None:
        return Loop()
    if keras.config.backend() != "tensorflow":
        raise DependencyError(
            f"--distribute is TensorFlow's, and KERAS_BACKEND says {keras.config.backend()}",
            "unset it, or train on one device",
        )
    from facerec_cli.training.distribution import DistributedLoop

    if machines is None:
        return DistributedLoop()
    say(f"Waiting until all {count(machines.count, 'machine')} of TF_CONFIG have started")
    # TensorFlow waits where Python does not learn of signals.
    handlers = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return DistributedLoop(machines)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _report(trained: TrainedModel, epochs: int, reporter: Reporter) -> None:
    """Say what a training came to."""
    bundle, last = trained.bundle, trained.history[-1]
    if trained.uncalibrated:
        reporter.warn(trained.uncalibrated)
    if not trained.is_whole:
        reporter.warn(
            f"--minutes ended the training at epoch {last.epoch} of {epochs}, with the learning rate still at "
            f"{last.rate:.2g}: go on with --resume, or plan fewer --epochs, whose learning rate falls sooner."
        )
    best = bundle.about["validation"]
    whom = f"{trained.held_out:,} people" if trained.held_out else "triplets"
    reporter.note(
        f"Wrote {bundle.folder}: {best['accuracy']:.2%} ± {best['error']:.2%} on pairs of the {whom} held out, "
        f"which chose epoch {best['epoch']} of {last.epoch}; {last.seconds / 60:.1f} minutes."
    )
    for sentence in trained.advice:
        reporter.note(sentence)
    reporter.note(f"All of it on one page: {bundle.folder / 'report' / 'report.html'}")


def _train_folds(recipe: Recipe, chips: ChipSet, model: str, plan: Plan, loop: Loop, reporter: Reporter) -> None:
    from facerec_cli.training.run import begun_from
    from facerec_cli.training.view2 import over_view2, train_folds

    folds = []
    with TrainingView(chips) as view, Results("table", ("fold", "accuracy", "AUC", "minutes")) as results:
        for fold in train_folds(recipe, chips, model, plan, watcher=view, loop=loop):
            folds.append(fold)
            if fold.trained:
                _report(fold.trained, recipe.epochs, reporter)
            if fold.score is None:
                reporter.note(f"Another process is training {fold.model}: it is left to it.")
                continue
            results.add(
                {
                    "fold": str(fold.number),
                    "accuracy": f"{fold.score.accuracy:.2%}",
                    "AUC": f"{fold.score.auc:.4f}",
                    "minutes": f"{fold.score.bundle.about['seconds'] / 60:.1f}",
                }
            )
    total = over_view2(folds)
    if total is None:
        missing = sum(fold.score is None for fold in folds)
        reporter.note(
            f"Folds left to other processes: {missing} of ten. When they are done, the same command with --resume "
            "reports all."
        )
        return
    reporter.note(
        f"View 2: {total.mean:.2%} ± {total.standard_error:.2%}, ten trainings ({recipe.name}), each without its "
        f"fold's people; each threshold from people held out of the other nine folds{begun_from(recipe)}."
    )
