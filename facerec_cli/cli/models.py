"""facerec models: the models that -m can name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facerec_cli.cli import options
from facerec_cli.cli.render import Reporter, Results, count, percent
from facerec_cli.cli.training_extra import prepare_keras

if TYPE_CHECKING:
    from facerec_cli.evaluation.calibration import Calibration


@click.group("models", epilog="Example: facerec models list")
def command() -> None:
    """List and show models, and export one for other programs."""


@command.command("list", epilog="Example: facerec models list --format json")
@options.format_option
def list_models(output_format: str) -> int:
    """List the models that -m can name."""
    from facerec_cli.encoders.bundle import find_bundles, read_bundle
    from facerec_cli.errors import ModelError

    reporter = Reporter()
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
    from facerec_cli.encoders.bundle import resolve_bundle
    from facerec_cli.evaluation.calibration import Calibration

    bundle = resolve_bundle(name)
    calibration = bundle.calibration
    record = {
        "name": bundle.name,
        "folder": str(bundle.folder),
        "embedding_size": bundle.embedding_size,
        "metric": bundle.metric,
        "digest": bundle.digest,
        **bundle.about,
    }
    rows = [{"field": key.replace("_", " "), "value": str(value)} for key, value in record.items()]
    if calibration:
        rows += calibration_rows(Calibration.from_json(calibration, f"the model {bundle.name}"))
    with Results(output_format, ("field", "value")) as results:
        results.add(record | {"calibration": calibration}, rows)
    return 0


@command.command("calibrate", epilog="Example: facerec models calibrate -m saved_best --data data/lfw")
@options.model_option
@options.data_option
def calibrate(model: str, data: Path) -> int:
    """Measure a model's error rates on people that it was not trained on, and store the thresholds in it.

    Of LFW the people of View 1's peopleDevTrain serve, so that all others can be reported on. A bundled model is copied
    to ./models, where its name then finds the copy.
    """
    from facerec_cli.cli.measuring import embed, load
    from facerec_cli.datasets.lfw import everybody
    from facerec_cli.encoders.bundle import BUNDLED, CALIBRATION_PEOPLE, TRAINING_PEOPLE, write_bundle
    from facerec_cli.errors import DataError
    from facerec_cli.evaluation.strangers import calibrate_people
    from facerec_cli.recognizer import Recognizer

    recognizer = Recognizer(model)
    bundle = recognizer.bundle
    with Reporter("Finding faces") as reporter:
        chips = load(data, reporter)
    trained = bundle.people(TRAINING_PEOPLE)
    names = chips.rows_of.keys() - trained
    if chips.is_lfw:
        names &= {person.name for person in everybody() if person.view1 == "train"}
    people = sorted(names)
    rows = [chips.rows_of[name] for name in people]
    embeddings = embed(recognizer, chips, sorted(row for own in rows for row in own))
    source = f"{chips.folder.name}, the people of View 1's peopleDevTrain" if chips.is_lfw else chips.folder.name
    source += " whom it was not trained on" if trained else ""
    try:
        calibration = calibrate_people(embeddings, rows, recognizer.metric, {"data": source})
    except ValueError as error:
        raise DataError(f"{data} has {len(people):,} people to calibrate on, and {error}: add people.") from error
    others = {name: (bundle.folder / name).read_bytes() for name in bundle.sha256}
    others[CALIBRATION_PEOPLE] = "".join(f"{name}\n" for name in people).encode(errors="surrogateescape")
    # A model named by its folder is changed where it lies, also the bundled one.
    is_named_bundled = bundle.folder.parent == BUNDLED and Path(model) != bundle.folder
    folder = Path("models") / bundle.folder.name if is_named_bundled else bundle.folder
    write_bundle(
        folder,
        bundle.encoder_bytes(),
        embedding_size=bundle.embedding_size,
        metric=recognizer.metric,
        calibration=calibration.to_json(),
        about=bundle.about,
        others=others,
    )
    with Results("table", ("field", "value")) as results:
        results.add({}, calibration_rows(calibration))
    reporter.note(f"Calibrated {folder} on {len(people):,} people.")
    return reporter.status


@command.command("export", epilog="Example: facerec models export -m saved_best --format litert --out encoder.tflite")
@options.model_option
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["onnx", "litert", "savedmodel"]),
    default="onnx",
    show_default=True,
    help="ONNX; LiteRT, which was TensorFlow Lite; TensorFlow's SavedModel, a folder.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write; of savedmodel a folder.")
def export(model: str, file_format: str, out: Path) -> int:
    """Write a model's network for other programs: chips, uint8 [n, 112, 112, 3] RGB, to embeddings, float32 [n, d].

    The other formats than ONNX need what training needs, and are held against ONNX before they are put in place.
    """
    from facerec_cli.cli.placing import placed
    from facerec_cli.encoders.bundle import resolve_bundle

    bundle = resolve_bundle(model)
    with placed(out, is_folder=file_format == "savedmodel") as beside:
        if file_format == "onnx":
            beside.write_bytes(bundle.encoder_bytes())
        else:
            prepare_keras(f"Exporting to {file_format}")
            from facerec_cli.training.formats import write_litert, write_savedmodel

            (write_litert if file_format == "litert" else write_savedmodel)(bundle, beside)
    size = sum(path.stat().st_size for path in (out, *out.rglob("*")) if path.is_file())
    Reporter().note(f"Wrote {out}: {bundle.name}, {size / 1e6:.1f} MB.")
    return 0


def calibration_rows(calibration: Calibration) -> list[dict[str, str]]:
    """A calibration, line by line, for people."""
    about = dict(calibration.about)
    tail, check = about.pop("tail"), about.pop("check")
    values = {f"calibration {key.replace('_', ' ')}": str(value) for key, value in about.items()}
    for rate, distance in zip(calibration.fmr, calibration.distance, strict=True):
        how = "" if rate >= about["measured_down_to_fmr"] else ", from the tail"
        values[f"distance at FMR {rate:.0e}"] = f"{distance:.4f}{how}"
    values["tail"] = (
        f"generalised Pareto below FMR {tail['fmr']:.2g}: shape {tail['shape']:.3f}, scale {tail['scale']:.4f}, "
        f"within {tail['error']:.4f} of the measured distances, medians of {about['draws']} draws"
    )
    for photos, found in check["by_photos_a_person"].items():
        named, people = found["strangers_named"], found["people_found"]
        values[f"check, {count(int(photos), 'photo')} a person"] = (
            f"{percent(round(named, 4))} of strangers named, {percent(round(people, 4))} of people found, "
            f"asked for {percent(check['fpir'])}, {check['people']} people, mean of {check['draws']} draws"
        )
    return [{"field": field, "value": value} for field, value in values.items()]
