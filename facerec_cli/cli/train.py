"""facerec train."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facerec_cli.cli import options
from facerec_cli.cli.measuring import load
from facerec_cli.cli.render import Reporter, count
from facerec_cli.cli.training_extra import prepare_keras
from facerec_cli.cli.training_place import check_free, held, work_of
from facerec_cli.cli.training_run import FOLDS, Training, train_folds
from facerec_cli.errors import DataError, DependencyError

if TYPE_CHECKING:
    from facerec_cli.datasets.chips import ChipSet
    from facerec_cli.training.cluster import Cluster
    from facerec_cli.training.device import Device
    from facerec_cli.training.recipes import Recipe

RECIPES = ("siamese", "koch", "euclidean", "euclidean-mae", "contrastive", "triplet", "finetune")


@click.command("train", epilog="Example: facerec train --data data/lfw -m saved_best --minutes 60")
@click.option(
    "--recipe",
    default="siamese",
    show_default=True,
    metavar="NAME|FILE.toml",
    help=f"What to train: {', '.join(RECIPES)}, or a file of your own.",
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
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="End after the epoch that reaches them.")
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
    type=click.Path(path_type=Path, file_okay=False),
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
    from facerec_cli.training.cluster import Cluster

    cluster = Cluster.named() if distribute == "multiworker" else None
    if cluster and view2:
        raise click.UsageError("--distribute multiworker trains one model and --view2 ten: leave out one of them.")
    is_chief = cluster is None or cluster.worker == 0
    names = [f"{model}-fold-{fold}" for fold in FOLDS] if view2 else [model]
    for name in names if is_chief else ():
        check_free(name, resume, overwrite, finished_is_fine=view2)
    prepare_keras("Training")
    device = _device(distribute, cluster)
    chosen = _recipe(recipe, epochs, batch, grey, bfloat16, freeze)
    with Reporter("Finding faces") as reporter:
        chips = load(data, reporter)
    if view2 and not chips.is_lfw:
        raise DataError(f"{data} is not LFW, whose folds --view2 is about: leave it out, or name LFW with --data.")
    # Of ten free places, what is in one by the time it is reached comes from another process that trains the same.
    resumes = resume or (view2 and not overwrite)
    training = Training(chosen, chips, split, seed, minutes, tensorboard, resumes, reporter, device)
    if view2:
        train_folds(training, names)
    elif not is_chief:
        training.along(model, _people(chips)[0])
    else:
        with held(model):
            check_free(model, resume, overwrite, finished_is_fine=False)  # another process may have been at it
            if resume and not work_of(model).exists():
                reporter.note(f"There is nothing to go on with: {model} is trained from the beginning.")
            training.into(model, *_people(chips))
    return reporter.status


def _device(distribute: str | None, cluster: Cluster | None) -> Device:
    """What to train on; of a cluster, when all of it is there."""
    import keras

    from facerec_cli.training.device import Device

    if distribute is None:
        return Device()
    if keras.config.backend() != "tensorflow":
        raise DependencyError(
            f"--distribute is TensorFlow's, and KERAS_BACKEND says {keras.config.backend()}: unset it, or train on "
            "one device."
        )
    from facerec_cli.training.distribution import Devices

    if cluster is None:
        return Devices()
    click.echo(f"Waiting until all {count(cluster.workers, 'machine')} of TF_CONFIG have started", err=True)
    # TensorFlow waits where Python does not learn of Ctrl-C.
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return Devices(cluster)
    finally:
        signal.signal(signal.SIGINT, handler)


def _recipe(named: str, epochs: int | None, batch: int | None, grey: bool, bfloat16: bool, freeze: bool) -> Recipe:
    from facerec_cli.training import recipes

    if named in recipes.RECIPES:
        recipe = recipes.RECIPES[named]
    elif named.endswith(".toml"):
        recipe = recipes.read_recipe(Path(named))
    else:
        raise DataError(f"There is no recipe {named!r}: choose one of {', '.join(RECIPES)}, or name a .toml file.")
    if batch is not None:
        recipe = recipe.of_batch(batch)
    if grey:
        recipe = recipe.in_grey()
    if bfloat16:
        recipe = recipe.in_bfloat16()
    if freeze:
        recipe = recipe.frozen()
    return recipe if epochs is None else replace(recipe, epochs=epochs)


def _people(chips: ChipSet) -> tuple[set[str] | None, str]:
    """Who takes part, and what to call them; None of a folder of triplets."""
    from facerec_cli.training.data import view1_people
    from facerec_cli.training.sampling import has_triplet_folders

    if has_triplet_folders(chips.folder):
        return None, chips.folder.name
    if chips.is_lfw:
        return view1_people(), f"{chips.folder.name}, peopleDevTrain"
    return set(chips.rows_of), chips.folder.name
