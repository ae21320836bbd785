"""facerec train."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facerec_cli.cli import options
from facerec_cli.cli.measuring import embed, load
from facerec_cli.cli.render import Reporter, Results, count
from facerec_cli.cli.training_extra import prepare_keras
from facerec_cli.cli.training_view import TrainingView
from facerec_cli.errors import DataError, DependencyError, ModelError

if TYPE_CHECKING:
    from facerec_cli.datasets.chips import ChipSet
    from facerec_cli.encoders.bundle import Bundle
    from facerec_cli.training.cluster import Cluster
    from facerec_cli.training.data import TrainingData
    from facerec_cli.training.recipes import Recipe
    from facerec_cli.training.trainer import Device

RECIPES = ("siamese", "koch", "euclidean", "euclidean-mae", "contrastive", "triplet", "finetune")
MODELS = Path("models")
_FOLDS = range(1, 11)


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
@click.option("--freeze", is_flag=True, help="Of finetune: train only the last layers.")
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
    names = [f"{model}-fold-{fold}" for fold in _FOLDS] if view2 else [model]
    for name in names if is_chief else ():
        _check_free(name, resume, overwrite, finished_is_fine=view2)
    prepare_keras("Training")
    device = _device(distribute, cluster)
    chosen = _recipe(recipe, epochs, batch, grey, bfloat16, freeze)
    with Reporter("Finding faces") as reporter:
        chips = load(data, reporter)
    if view2 and not chips.is_lfw:
        raise DataError(f"{data} is not LFW, whose folds --view2 is about: leave it out, or name LFW with --data.")
    training = _Training(chosen, chips, split, seed, minutes, tensorboard, resume, overwrite, reporter, device)
    if view2:
        _train_folds(training, names)
    elif not is_chief:
        training.along(model, *_people(chips))
    else:
        with _held(model):
            training.into(model, *_people(chips))
    return reporter.status


def _device(distribute: str | None, cluster: Cluster | None) -> Device:
    """What to train on; of a cluster, when all of it is there."""
    import keras

    from facerec_cli.training.trainer import Device

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


@dataclass(frozen=True)
class _Training:
    """All that trainings of one call share."""

    recipe: Recipe
    chips: ChipSet
    split: float
    seed: int
    minutes: float | None
    tensorboard: Path | None
    resume: bool
    overwrite: bool
    reporter: Reporter
    device: Device

    def into(self, name: str, people: set[str] | None, source: str) -> Bundle:
        """Train on people, or on triplets, into a model of this name."""
        from facerec_cli.training.result import save_model
        from facerec_cli.training.trainer import train

        recipe, data = self._divided(people)
        work, logs = _work(name), self.tensorboard / name if self.tensorboard else None
        settings = self.settings(recipe, data)
        if _keep_settings(work, settings, self.resume):
            self.reporter.note(f"There is nothing to go on with in {work}: {name} is trained from the beginning.")
        with TrainingView(name, recipe.epochs) as view:
            trained = train(
                recipe, data, work, view, seed=self.seed, minutes=self.minutes, logs=logs, device=self.device
            )
        about = {
            "description": recipe.description,
            "training_data": _described(recipe, data, source),
            "training": settings,
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
        """What decides a training's result, as JSON has it."""
        rows = [data.source.rows, data.pairs.first, data.pairs.second]
        photos = "\n".join(data.chips.photos[row] for part in rows for row in part.ravel().tolist())
        found = {
            "recipe": asdict(recipe),
            "seed": self.seed,
            "split": self.split,
            "photos": hashlib.sha256(photos.encode(errors="surrogateescape")).hexdigest(),
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

        if not self.resume or _work(name).exists() or not (MODELS / name).exists():
            return None
        bundle = read_bundle(MODELS / name)
        if bundle.about.get("training") != self.settings(*self._divided(people)):
            raise ModelError(f"{bundle.folder} is of another training: repeat its options, or --overwrite it.")
        return bundle

    def along(self, name: str, people: set[str] | None, source: str) -> None:
        """Train along with the chief, which says how it goes and writes the model."""
        from facerec_cli.training.trainer import train

        recipe, data = self._divided(people)
        train(recipe, data, _work(name), TrainingView(name, recipe.epochs), seed=self.seed, device=self.device)
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


def _train_folds(training: _Training, names: list[str]) -> None:
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
        for fold, name in zip(_FOLDS, names, strict=True):
            people, source = people_without_fold(fold), f"{training.chips.folder.name} without fold {fold} of View 2"
            try:
                with _held(name):
                    bundle = training.done(name, people) or training.into(name, people, source)
            except _HeldError:
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
                    "minutes": f"{bundle.about['validation']['seconds'] / 60:.1f}",
                }
            )
            keras.utils.clear_session()
    if missing := len(names) - len(accuracies):
        training.reporter.note(
            f"{missing} of the ten folds left to other processes: when they are done, the same command with --resume "
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


def _work(name: str) -> Path:
    """Where an unfinished training is kept."""
    return MODELS / f".{name}.training"


class _HeldError(ModelError):
    """Another process is training the model."""


@contextmanager
def _held(name: str) -> Iterator[None]:
    """Let nobody else train a model of this name meanwhile."""
    import filelock

    lock = filelock.FileLock(MODELS / f".{name}.lock", timeout=0)
    try:
        with lock:
            yield
    except filelock.Timeout as error:
        raise _HeldError(f"Another process is training {name}: wait for it, or choose another name with -m.") from error


def _check_free(name: str, resume: bool, overwrite: bool, finished_is_fine: bool) -> None:
    """Whether a model of this name may be made, before any work is done for it."""
    from facerec_cli.encoders.bundle import BUNDLED

    folder, work = MODELS / name, _work(name)
    if Path(name).name != name or name.startswith(".") or (BUNDLED / name).exists():
        raise ModelError(
            f"{name!r} is no name for a model of yours: give -m one without / or a leading dot, and no bundled one's."
        )
    try:
        MODELS.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=MODELS):
            pass
    except OSError as error:
        raise ModelError(f"Nothing can be written to {MODELS} ({error.strerror}): train elsewhere.") from error
    if folder.exists() and not (folder / "model.json").exists():
        raise ModelError(f"{folder} exists and is no model: move it away, or choose another name with -m.")
    if work.exists():
        if not (resume or overwrite):
            raise ModelError(f"A training of {name} is unfinished in {work}: go on with --resume, or --overwrite it.")
    elif folder.exists() and not overwrite and not (resume and finished_is_fine):
        raise ModelError(f"{folder} exists: choose another name with -m, or replace it with --overwrite.")


def _keep_settings(work: Path, settings: dict[str, Any], resume: bool) -> bool:
    """Note what is being trained, since only the same can be gone on with; whether that was asked for in vain."""
    path, text = work / "settings.json", json.dumps(settings, indent=2, sort_keys=True)
    if resume and path.exists():
        if path.read_text(encoding="utf-8") == text:
            return False
        raise ModelError(
            f"The training in {work} is another: repeat its options and data, or begin anew without --resume."
        )
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{work} cannot be written ({error.strerror}): make room for it.") from error
    return resume
