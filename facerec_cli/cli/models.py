"""facerec models: the models that -m can name."""

from __future__ import annotations

from pathlib import Path

import click

from facerec_cli.cli import options
from facerec_cli.cli.render import Reporter, Results


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
    with Results(output_format, ("name", "embedding_size", "metric", "folder", "description")) as results:
        for name, folder in find_bundles().items():
            try:
                bundle = read_bundle(folder)
            except ModelError as error:
                reporter.error(error)
                continue
            results.add(
                {
                    "name": name,
                    "embedding_size": bundle.embedding_size,
                    "metric": bundle.metric,
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
    rows += [{"field": f"calibration {key}", "value": str(value)} for key, value in calibration["about"].items()]
    rows += [
        {"field": f"distance at FMR {rate:.0e}", "value": f"{distance:.4f}"}
        for rate, distance in zip(calibration["fmr"], calibration["distance"], strict=True)
    ]
    with Results(output_format, ("field", "value")) as results:
        results.add(record | {"calibration": calibration}, rows)
    return 0


@command.command("export", epilog="Example: facerec models export -m pretrained --out encoder.onnx")
@options.model_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The ONNX file to write.")
def export(model: str, out: Path) -> int:
    """Write a model's network as one ONNX file: chips, uint8 [n, 112, 112, 3] RGB, to embeddings, float32 [n, d]."""
    from facerec_cli.encoders.bundle import resolve_bundle
    from facerec_cli.errors import ModelError

    bundle = resolve_bundle(model)
    encoder = bundle.encoder_bytes()
    try:
        out.write_bytes(encoder)
    except OSError as error:
        raise ModelError(f"{out} cannot be written ({error.strerror}): choose another place with --out.") from error
    Reporter().note(f"Wrote {out}: {bundle.name}, {len(encoder) / 1e6:.1f} MB.")
    return 0
