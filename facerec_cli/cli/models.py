"""facerec models: the models that -m can name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facerec_cli.cli import options
from facerec_cli.cli.groups import HelpfulGroup
from facerec_cli.cli.progress import Reporter, load_data_set
from facerec_cli.cli.render import Results
from facerec_cli.cli.spreading import ray_option, spread_over
from facerec_cli.cli.training_extra import prepare_keras
from facerec_cli.defaults import CPU, MODELS
from facerec_cli.words import count, percent

if TYPE_CHECKING:
    from facerec_cli.encoders.calibration import Calibration, Check, Curve
    from facerec_cli.training.exporting import ExportFormat


@click.group("models", cls=HelpfulGroup, epilog="Example: facerec models list")
def command() -> None:
    """List and show models, and export one for other programs."""


@command.command("list", epilog="Example: facerec models list --format json")
@options.format_option
def list_models(output_format: str) -> int:
    """List the models that -m can name."""
    from facerec_cli.encoders.bundle import find_bundles, read_bundle
    from facerec_cli.errors import ModelError

    reporter = Reporter()
    if Path(MODELS).is_dir() and not os.access(MODELS, os.R_OK | os.X_OK):
        reporter.warn(f"The folder {MODELS} is not readable for you, so that its models are not listed.")
    size = "size" if output_format == "table" else "embedding_size"
    with Results(output_format, ("name", size, "metric", "folder", "description")) as results:
        for name, folder in find_bundles().items():
            try:
                bundle = read_bundle(folder)
            except ModelError as error:
                reporter.error(error)
                continue
            results.add(
                {
                    "name": name,
                    size: bundle.embedding_size,
                    "metric": bundle.metric.partition(":")[0],
                    "folder": str(folder),
                    "description": str(bundle.about.get("description", "")),
                }
            )
    return reporter.status


@command.command("show", epilog="Example: facerec models show pretrained")
@click.argument("name", default="pretrained")
@options.format_option
def show_model(name: str, output_format: str) -> int:
    """Show what a model is, where it comes from, and its calibration."""
    from facerec_cli.devices import DEVICES
    from facerec_cli.encoders.bundle import resolve_bundle
    from facerec_cli.errors import ModelError

    reporter = Reporter()
    bundle = resolve_bundle(name)
    try:
        calibration = bundle.calibration
    except ModelError as error:
        reporter.error(error)
        calibration = None
    record: dict[str, object] = {
        "name": bundle.name,
        "folder": str(bundle.folder),
        "embedding_size": bundle.embedding_size,
        "metric": bundle.metric,
        "digest": bundle.digest,
        "devices": ", ".join([CPU, *(name for name, device in DEVICES.items() if device.is_installed())]),
    }
    # What a model says of itself is never in the place of what was found.
    record = {**record, **{key: value for key, value in bundle.about.items() if key not in record}}
    rows = [{"field": key.replace("_", " "), "value": str(value)} for key, value in record.items()]
    if calibration:
        rows += calibration_rows(calibration)
    with Results(output_format, ("field", "value")) as results:
        results.add(record | {"calibration": calibration.to_json() if calibration else None}, rows)
    return reporter.status


@command.command(
    "calibrate",
    short_help="Measure a model's error rates, for its thresholds.",
    epilog="Example: facerec models calibrate -m saved_best --data data/lfw",
)
@options.model_option
@options.device_option
@options.data_option
@ray_option
def calibrate(model: str, device: str, data: Path, ray: str | None) -> int:
    """Measure a model's error rates on people that it was not trained on, and store the thresholds in it.

    Of LFW the people of View 1's peopleDevTrain serve, so that all others can be reported on. A bundled model is copied
    to ./models, where its name then finds the copy.
    """
    from facerec_cli.encoders.bundle import CALIBRATION_PEOPLE, resolve_bundle
    from facerec_cli.evaluation.calibrating import calibrate_model

    bundle = resolve_bundle(model)
    spread = click.get_current_context().with_resource(spread_over(ray))
    with Reporter("Finding faces") as reporter:
        chips = load_data_set(data, reporter, spread)
    # A model named by its folder is changed where it lies, also the bundled one.
    folder = bundle.folder if Path(model) == bundle.folder else None
    with Reporter(f"Embedding with {bundle.name}") as embedding:
        calibrated = calibrate_model(bundle, chips, folder, embedding.update, spread, device)
    assert calibrated.calibration is not None
    with Results("table", ("field", "value")) as results:
        results.add({}, calibration_rows(calibrated.calibration))
    people = len(calibrated.people(CALIBRATION_PEOPLE))
    reporter.note(f"Calibrated {calibrated.folder} on {people:,} people.")
    return reporter.status


@command.command(
    "export",
    short_help="Write a model's network for other programs.",
    epilog="Example: facerec models export -m saved_best --format litert --out encoder.tflite",
)
@options.model_option
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["onnx", "litert", "savedmodel"]),
    default="onnx",
    show_default=True,
    help="ONNX; LiteRT, which was TensorFlow Lite; TensorFlow's SavedModel, a folder.",
)
@click.option("--out", type=options.GivenPath(), required=True, help="File to write; of savedmodel a folder.")
def export(model: str, file_format: ExportFormat, out: Path) -> int:
    """Write a model's network for other programs: chips, uint8 [n, 112, 112, 3] RGB, to embeddings, float32 [n, d].

    The other formats than ONNX need what training needs, and are held against ONNX before they are put in place.
    """
    from facerec_cli.encoders.bundle import resolve_bundle
    from facerec_cli.training.exporting import check_place, export_model

    bundle = resolve_bundle(model)
    check_place(file_format, out)
    if file_format != "onnx":
        prepare_keras(f"Exporting to {file_format}")
    export_model(bundle, file_format, out)
    size = sum(path.stat().st_size for path in (out, *out.rglob("*")) if path.is_file())
    Reporter().note(f"Wrote {out}: {bundle.name}, {size / 1e6:.1f} MB.")
    return 0


def calibration_rows(calibration: Calibration) -> list[dict[str, str]]:
    """A calibration, line by line, for people."""
    source, prior = calibration.source, calibration.prior
    values = {"calibration data": source.data, "calibration people": str(source.people)}
    values |= _curve_values("two photos", calibration.photos)
    if prior:
        values |= _curve_values("a photo and somebody enrolled", calibration.people)
        values["people's similarity"] = f"{prior.similarity:.4f}, deviation {prior.deviation:.4f}"
    if calibration.centred and prior:
        values |= _curve_values("the same, less what people share", calibration.centred)
        values["people's similarity, less what they share"] = f"0, deviation {prior.centred:.4f}"
    elif prior:
        values["seen from"] = "nothing: the model finds more people so"
    values |= _check_values(calibration.check)
    return [{"field": field, "value": value} for field, value in values.items()]


def _curve_values(what: str, curve: Curve) -> dict[str, str]:
    """The distances of a curve, and what they rest on."""
    values, evidence = {}, curve.evidence
    for rate, distance in zip(curve.fmr, curve.distance, strict=True):
        how = ", from the tail" if evidence and rate < evidence.measured_down_to_fmr else ""
        values[f"{what}: distance at FMR {rate:.0e}"] = f"{distance:.4f}{how}"
    if evidence:
        values[f"{what}: measured on"] = (
            f"{evidence.protocol}; {evidence.draws} draws of {evidence.impostor_pairs_per_draw:,} impostor pairs or "
            f"more, {evidence.genuine_pairs:,} genuine pairs"
        )
    if evidence and evidence.tail:
        tail = evidence.tail
        values[f"{what}: tail"] = (
            f"generalised Pareto below FMR {tail.fmr:.2g}: shape {tail.shape:.3f}, scale {tail.scale:.4f}, "
            f"within {tail.error:.4f} of the measured distances, medians of {evidence.draws} draws"
        )
    return values


def _check_values(check: Check | None) -> dict[str, str]:
    """What became of the promise, by photos enrolled a person."""
    values: dict[str, str] = {}
    if not check:
        return values
    for photos, outcome in check.by_photos.items():
        named, people = percent(round(outcome.strangers_named, 4)), percent(round(outcome.people_found, 4))
        values[f"check, {count(photos, 'photo')} a person"] = (
            f"{named} of strangers named, {people} of people found, asked for {percent(check.fpir)}, "
            f"{check.people} people, mean of {check.draws} draws"
        )
    return values
