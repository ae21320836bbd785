"""What a training leaves behind: a bundle, calibrated on the people held out, with a report of how good it is."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facerec_cli.defaults import DEFAULT_MODEL
from facerec_cli.encoders.bundle import (
    BUNDLED,
    CALIBRATION_PEOPLE,
    TRAINING_PEOPLE,
    VALIDATION_PEOPLE,
    Bundle,
    read_bundle,
)
from facerec_cli.encoders.calibration import Calibration, Source
from facerec_cli.errors import DataError, UncalibratedModelError
from facerec_cli.evaluation.calibrating import UncalibratableError, calibrate_people
from facerec_cli.evaluation.evaluating import embed_rows
from facerec_cli.evaluation.looks import Looks
from facerec_cli.evaluation.measuring import Protocol, VerificationProtocol
from facerec_cli.evaluation.page import Picture
from facerec_cli.evaluation.plots import learning_curves
from facerec_cli.evaluation.protocols import Exclusions, view1
from facerec_cli.evaluation.report import write_report
from facerec_cli.evaluation.results import Evaluation
from facerec_cli.training.advice import advice
from facerec_cli.training.data import TrainingData
from facerec_cli.training.export import round_to_half, to_onnx, write_trained
from facerec_cli.training.trainer import Trained
from facerec_cli.training.validation import measure, predicted

_CHECKED = 32
"""Chips on which the exported network is held against the trained one."""


@dataclass(frozen=True)
class Saved:
    """A model as it was saved, what to know of it, and why it is not calibrated where it is not."""

    bundle: Bundle
    advice: list[str]
    uncalibrated: UncalibratedModelError | None


def save_model(
    folder: Path, trained: Trained, data: TrainingData, about: dict[str, Any], *, from_scratch: bool
) -> Saved:
    """Export, calibrate, evaluate beside the bundled model, and write a trained one.

    Args:
        folder: where it goes.
        trained: the model.
        data: what it was trained on, and the people held out.
        about: what people should know.
        from_scratch: whether it began with an untrained network.

    Raises:
        ExportError: the exported network is not the trained one.
        ModelError: the folder cannot be written.
        OSError: there is no room for what is written on the way.
    """
    round_to_half(trained.encoder)
    protocols = _protocols(data)
    rows = np.unique(np.concatenate([protocol.rows() for protocol in protocols]))
    held_out = np.array([row for own in data.held_out.values() for row in own], np.int64)
    graph = to_onnx(trained.encoder, np.asarray(data.chips.chips[rows[:_CHECKED]]))
    looks = _looks(trained, data, np.union1d(rows, held_out))
    calibration = uncalibrated = None
    try:
        source = Source(f"{data.chips.folder.name}, people held out of training", len(data.held_out))
        calibration = calibrate_people(looks, list(data.held_out.values()), trained.metric, source)
    except UncalibratableError as error:
        uncalibrated = UncalibratedModelError(
            f"The model is not calibrated, since {error}, so it has no threshold of its own; the distance "
            f"{trained.best.threshold:.3f} told the people held out apart best",
            "calibrate it on other people",
            folder.name,
        )
    evaluation = _evaluation(folder.name, trained, data, protocols, looks, calibration)
    told = advice(evaluation, len(data.trained), trained.best.epoch, from_scratch=from_scratch)
    bundle = write_trained(
        folder,
        trained,
        graph,
        calibration,
        about | {"validation": asdict(trained.best) | _validation(trained, data)},
        _lists(data, calibration is not None),
        _report(trained, evaluation, told),
    )
    return Saved(bundle, told, uncalibrated)


def _evaluation(
    name: str,
    trained: Trained,
    data: TrainingData,
    protocols: list[Protocol],
    looks: Looks,
    calibration: Calibration | None,
) -> Evaluation:
    """The model's results beside the bundled one's."""
    bundled = read_bundle(BUNDLED / DEFAULT_MODEL)
    others = embed_rows(bundled, data.chips, np.unique(np.concatenate([own.rows() for own in protocols])).tolist(), [])
    evaluation = Evaluation(data.chips, [name, bundled.name])
    for protocol in protocols:
        # What a calibration comes to says nothing on the people it was made of.
        is_official = protocol is not protocols[0]
        own = protocol.measure(looks, trained.metric, calibration if is_official else None)
        evaluation.add(protocol, own)
        theirs = bundled.calibration if is_official else None
        evaluation.add(protocol, protocol.measure(others, bundled.load_metric(), theirs))
    return evaluation


def _lists(data: TrainingData, is_calibrated: bool) -> dict[str, list[str]]:
    """Who was trained on, who chose the best epoch, and who was calibrated on; of triplets nobody knows."""
    if not data.trained:
        return {}
    lists = {TRAINING_PEOPLE: data.trained, VALIDATION_PEOPLE: list(data.held_out)}
    return lists | ({CALIBRATION_PEOPLE: list(data.held_out)} if is_calibrated else {})


def _validation(trained: Trained, data: TrainingData) -> dict[str, float]:
    """What the model reaches as it is saved."""
    embeddings = predicted(trained.encoder, data.unseen.chips, trained.metric)
    accuracy, error, threshold, auc = measure(embeddings, trained.metric, data.unseen)
    return {"accuracy": accuracy, "error": error, "threshold": threshold, "auc": auc}


def _protocols(data: TrainingData) -> list[Protocol]:
    """The pairs held out, and View 1 where nobody of its pairs was trained on."""
    same = int(data.pairs.same.sum())
    description = f"{same:,} genuine and {len(data.pairs.same) - same:,} impostor pairs held out of training"
    notes = ["these pairs chose the best epoch, so that the numbers are a little too good"]
    people = int(max(data.pairs.first_person.max(), data.pairs.second_person.max())) + 1
    protocols: list[Protocol] = [VerificationProtocol("held-out", description, notes, data.pairs, people)]
    if data.chips.is_lfw:
        try:
            protocols.append(view1(data.chips, Exclusions(frozenset(data.trained))))
        except DataError:
            return protocols  # trained on people of View 1's test, or its files are not beside the photos
    return protocols


def _looks(trained: Trained, data: TrainingData, rows: npt.NDArray[np.int64]) -> Looks:
    """The embeddings of some photos; the other rows are NaN.

    Where embeddings can be added up, the network adds the mirror image itself, so that both ways are one.
    """
    wanted = predicted(trained.encoder, np.asarray(data.chips.chips[rows]), trained.metric)
    embeddings = np.full((len(data.chips.photos), wanted.shape[1]), np.nan, np.float32)
    embeddings[rows] = wanted
    return Looks(embeddings, embeddings)


def _report(trained: Trained, evaluation: Evaluation, told: list[str]) -> dict[str, bytes]:
    """The files of report/."""
    epochs = [epoch for epoch in trained.history if epoch.loss is not None]
    curves = learning_curves(
        [epoch.epoch for epoch in epochs],
        [epoch.loss or 0.0 for epoch in epochs],
        [epoch.accuracy for epoch in epochs],
        [epoch.error for epoch in epochs],
    )
    with tempfile.TemporaryDirectory() as folder:
        further = [Picture("training", "training: loss, and accuracy on pairs held out", curves)]
        write_report(Path(folder), evaluation, with_photos=False, further=further, advice=told)
        return {
            f"report/{path.name}": path.read_bytes() for path in sorted(Path(folder).rglob("*.*")) if path.is_file()
        }
