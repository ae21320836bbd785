"""facerec doctor."""

from __future__ import annotations

import click

from facerec_cli.cli import options
from facerec_cli.cli.progress import Reporter
from facerec_cli.cli.render import Results


@click.command(
    "doctor",
    short_help="Say what facerec runs on, and whether all is whole.",
    epilog="Example: facerec doctor --format json > report.json",
)
@options.database_option
@options.model_option
@options.format_option
def command(database: str, model: str, output_format: str) -> int:
    """Say what facerec runs on, which models and devices there are, whether the database is whole, and how fast it is.

    It takes ten seconds and changes nothing. Its output is what a report of a fault should contain; it names the
    database's place, and nobody who is enrolled.
    """
    from facerec_cli.recognition.diagnosis import diagnose

    with Reporter("Looking and measuring", output_format=output_format) as reporter:
        found = diagnose(model, database)
    with Results(output_format, ("part", "field", "value")) as results:
        rows = [
            {"part": part, "field": field.replace("_", " "), "value": "" if value is None else str(value)}
            for part, values in found.parts.items()
            for field, value in values.items()
        ]
        results.add(found.to_json(), rows)
    for problem in found.problems:
        reporter.error(f"{problem}.")
    return reporter.status
