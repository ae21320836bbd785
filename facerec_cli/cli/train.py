"""facerec train."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from facerec_cli.cli import options
from facerec_cli.cli.measuring import load
from facerec_cli.cli.render import Reporter, count
from facerec_cli.cli.training_extra import prepare_keras

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from facerec_cli.datasets.chips import ChipSet
    from facerec_cli.training.recipes import Recipe
    from facerec_cli.training.trainer import Epoch

_RECIPES = ("siamese", "euclidean", "euclidean-mae", "contrastive", "triplet")


@click.command("train", epilog="Example: facerec train --data data/lfw -m saved_best --minutes 60")
@click.option("--recipe", type=click.Choice(_RECIPES), default="siamese", show_default=True, help="What to train.")
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
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random.")
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
    seed: int,
    resume: bool,
    overwrite: bool,
) -> int:
    """Train a Siamese network on a folder of people into a model that enroll and identify use with -m.

    Of LFW the people of View 1's peopleDevTrain serve, so that pairsDevTest can be reported on.
    """
    from facerec_cli.errors import ModelError

    folder, work = Path("models") / model, Path("models") / f".{model}.training"
    if folder.exists() and not overwrite:
        raise ModelError(f"{folder} exists: choose another name with -m, or replace it with --overwrite.")
    if work.exists() and not (resume or overwrite):
        raise ModelError(f"A training of {model} is unfinished in {work}: go on with --resume, or --overwrite it.")
    prepare_keras("Training")
    from facerec_cli.training.recipes import RECIPES

    chosen = _changed(RECIPES[recipe], epochs, batch)
    with Reporter("Finding faces") as reporter:
        chips = load(data, reporter)
    settings = {"recipe": asdict(chosen), "seed": seed, "split": split, "photos": _digest(chips)}
    _keep_settings(work, settings, resume)
    with TrainingView(chosen.epochs) as view:
        people, encoder, history = _train(chosen, chips, split, seed, minutes, work, view)
    best = max(history, key=lambda epoch: epoch.accuracy)
    _finish(folder, encoder, history, chips, people, chosen, settings, reporter)
    shutil.rmtree(work)
    reporter.note(
        f"Wrote {folder}: {best.accuracy:.2%} ± {best.error:.2%} on pairs of {len(people.unseen):,} unseen people, "
        f"epoch {best.epoch} of {len(history)}, {history[-1].seconds / 60:.1f} minutes."
    )
    return reporter.status


@dataclass(frozen=True)
class People:
    """The rows of the people to train on, and of each unseen person."""

    trained: list[int]
    names: list[str]
    unseen: dict[str, list[int]]


def _train(
    recipe: Recipe, chips: ChipSet, split: float, seed: int, minutes: float | None, work: Path, view: TrainingView
) -> tuple[People, Any, list[Epoch]]:
    import numpy as np

    from facerec_cli.evaluation.protocols import pairs_of
    from facerec_cli.training.sampling import PhotosByPerson
    from facerec_cli.training.trainer import Unseen, train

    people = _split(chips, split, seed)
    number = {name: place for place, name in enumerate(sorted(chips.rows_of))}
    owner = np.array([number.get(name, -1) for name in chips.people])
    photos = PhotosByPerson.of(owner, np.array(people.trained))
    rows = sorted(row for own in people.unseen.values() for row in own)
    place_of = {row: place for place, row in enumerate(rows)}
    pairs = pairs_of([[place_of[row] for row in own] for own in people.unseen.values()])
    unseen = Unseen(np.asarray(chips.chips[rows]), pairs)
    encoder, history = train(
        recipe, chips.chips, recipe.sampler(photos), unseen, work, view, seed=seed, minutes=minutes
    )
    return people, encoder, history


def _split(chips: ChipSet, split: float, seed: int) -> People:
    import numpy as np

    from facerec_cli.datasets.lfw import everybody
    from facerec_cli.errors import DataError
    from facerec_cli.training.sampling import split_people

    names = sorted(chips.rows_of)
    if chips.is_lfw:
        names = sorted({person.name for person in everybody() if person.view1 == "train"} & set(names))
    owner = np.array([place for place, name in enumerate(names) for _ in chips.rows_of[name]])
    rows = np.array([row for name in names for row in chips.rows_of[name]])
    trained, unseen = split_people(owner, split, seed)
    held: dict[str, list[int]] = {}
    for place in unseen:
        held.setdefault(names[owner[place]], []).append(int(rows[place]))
    if len(held) < 2 or all(len(own) < 2 for own in held.values()):
        raise DataError(
            f"{chips.folder} leaves {count(len(held), 'unseen person')} and nobody with two photos among them: "
            "add people, or train on fewer with --split."
        )
    return People(rows[trained].tolist(), sorted({names[person] for person in owner[trained]}), held)


def _finish(
    folder: Path,
    encoder: Any,
    history: list[Epoch],
    chips: ChipSet,
    people: People,
    recipe: Recipe,
    settings: dict[str, Any],
    reporter: Reporter,
) -> None:
    import numpy as np

    from facerec_cli.encoders.bundle import CALIBRATION_PEOPLE, TRAINING_PEOPLE
    from facerec_cli.encoders.metric import Cosine
    from facerec_cli.evaluation.strangers import calibrate_people
    from facerec_cli.training.export import to_onnx, write_trained

    rows = sorted(row for own in people.unseen.values() for row in own)
    graph = to_onnx(encoder, np.asarray(chips.chips[rows[:32]]))
    embeddings = np.full((len(chips.photos), encoder.output_shape[-1]), np.nan, np.float32)
    embeddings[rows] = encoder.predict(np.asarray(chips.chips[rows]), batch_size=128, verbose=0)
    calibration = None
    try:
        about = {"data": f"{chips.folder.name}, people held out of training"}
        calibration = calibrate_people(embeddings, list(people.unseen.values()), Cosine(), about)
    except ValueError as error:
        reporter.warn(
            f"The model is not calibrated, since {error}: `facerec models calibrate -m {folder.name} --data FOLDER` "
            "does it on other people, or identify with --threshold."
        )
    write_trained(
        folder,
        encoder,
        graph,
        calibration,
        {
            "description": recipe.description,
            "training_data": f"{count(len(people.trained), 'photo')} of {count(len(people.names), 'person')} of "
            f"{chips.folder.name}, and nothing else",
            "training": settings,
            "validation": asdict(max(history, key=lambda epoch: epoch.accuracy)),
        },
        history,
        {TRAINING_PEOPLE: people.names} | ({CALIBRATION_PEOPLE: list(people.unseen)} if calibration else {}),
    )


def _changed(recipe: Recipe, epochs: int | None, batch: int | None) -> Recipe:
    recipe = recipe if batch is None else recipe.of_batch(batch)
    return recipe if epochs is None else replace(recipe, epochs=epochs)


def _digest(chips: ChipSet) -> str:
    """SHA-256 over which photos there are, 64 hex digits."""
    return hashlib.sha256("\n".join(chips.photos).encode()).hexdigest()


def _keep_settings(work: Path, settings: dict[str, Any], resume: bool) -> None:
    """Note what is being trained; only the same can be gone on with."""
    from facerec_cli.errors import ModelError

    path, text = work / "settings.json", json.dumps(settings, indent=2, sort_keys=True)
    if resume and path.exists() and path.read_text(encoding="utf-8") == text:
        return
    if resume and path.exists():
        raise ModelError(f"The training in {work} is another: repeat its options and data, or --overwrite it.")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")


class TrainingView:
    """How a training looks: a bar and the best so far on a terminal, a line an epoch everywhere; to stderr."""

    def __init__(self, epochs: int) -> None:
        """Prepare for so many epochs."""
        self.epochs = epochs
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._done = 0
        self._best = ""
        self._say: Callable[[str], None] = lambda line: click.echo(line, err=True)

    def __enter__(self) -> TrainingView:
        """Show the bar."""
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[state]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()
            self._task = self._progress.add_task("Training", total=None, state="")
            self._say = self._progress.console.print
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        if self._progress:
            self._progress.stop()

    def stepped(self, step: int, steps: int, loss: float) -> None:
        if self._progress and self._task is not None:
            done = self._done * steps + step
            self._progress.update(
                self._task,
                total=self.epochs * steps,
                completed=done,
                state=f"epoch {self._done + 1}/{self.epochs}  loss {loss:.3f}{self._best}",
            )

    def validated(self, epoch: Epoch, is_best: bool) -> None:
        self._done = epoch.epoch
        if is_best:
            self._best = f"  best {epoch.accuracy:.2%} (epoch {epoch.epoch})"
        accuracy = f"unseen people {epoch.accuracy:.2%} ± {epoch.error:.2%}  AUC {epoch.auc:.4f}"
        speed = f"{epoch.images_per_second:.0f} images/s{'  best' if is_best else ''}"
        self._say(f"epoch {epoch.epoch}/{self.epochs}  loss {epoch.loss:.3f}  {accuracy}  {speed}")
