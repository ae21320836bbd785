"""facerec watch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facerec_cli.cli import options
from facerec_cli.cli.render import Results
from facerec_cli.cli.stopping import finishing
from facerec_cli.cli.views import Views
from facerec_cli.cli.watching import CSV_COLUMNS, LEAST_WIDTHS, WatchReporter, csv_row, table_columns, table_row
from facerec_cli.errors import AnnotatedVideoError

if TYPE_CHECKING:
    from facerec_cli.delivery.outbox import Delivery
    from facerec_cli.faces.sources import Source
    from facerec_cli.recognition.visits import Event

_EVERY = 0.1
"""Seconds between two frames that are looked at, where no video is written."""
_PATIENCE, _PATIENCE_OF_A_FILE = 10.0, 60.0
"""Seconds that the end waits for a receiver of events."""


@click.command("watch", epilog="Example: facerec watch rtsp://camera.local/stream --on-event ./open-door")
@click.argument("source", metavar="SOURCE")
@options.database_option
@options.model_option
@options.device_option
@options.fpir_option
@options.threshold_option
@click.option(
    "--every",
    type=options.FiniteRange(min=0),
    metavar="SECONDS",
    show_default="0.1; with --annotate 0, every frame",
    help="From one frame that is looked at to the next.",
)
@click.option(
    "--annotate",
    type=options.GivenPath(dir_okay=False),
    metavar="FILE",
    help="Write a video with boxes and names, without sound: .mp4 is quick; .webm, which browsers show too, is slower.",
)
@click.option("--show", "shows", is_flag=True, help="Show it in a window; q or Esc ends it.")
@click.option(
    "--on-event",
    "targets",
    multiple=True,
    metavar="COMMAND|URL",
    help="Tell a program who is seen, as JSON on its standard input, or an http or mqtt URL; repeatable.",
)
@click.option("--departures", is_flag=True, help="Of a camera or a stream, tell also when somebody leaves.")
@options.format_option
def command(
    source: str,
    database: str,
    model: str,
    device: str,
    fpir: float,
    threshold: float | None,
    every: float | None,
    annotate: Path | None,
    shows: bool,
    targets: tuple[str, ...],
    departures: bool,
    output_format: str,
) -> int:
    """Say who is seen in a video, once a visit.

    SOURCE is a camera's number, such as 0, a video file, or a URL (rtsp, http). A file is told visit by visit, when
    each is over; of a camera or a stream each arrival is told at once, until Ctrl-C.
    """
    from facerec_cli.faces.sources import parse_source

    place = parse_source(source)
    if annotate:
        _check_place(annotate, place)
    from facerec_cli.recognition.recognizer import Recognizer

    recognizer = Recognizer(model, device=device, quick=True)
    from facerec_cli.cli.progress import show_embedding
    from facerec_cli.gallery.opening import open_gallery
    from facerec_cli.recognition.identification import CurrentIdentifier

    gallery = open_gallery(database)
    status = show_embedding(recognizer, gallery)
    identifier = CurrentIdentifier(recognizer, gallery, fpir=fpir, threshold=threshold)
    from facerec_cli.faces.video import Stream
    from facerec_cli.recognition.watching import watch

    every = every if every is not None else 0.0 if annotate else _EVERY
    stream = Stream(place, every=every, on_state=lambda state: reporter.note(f"{state}."))
    with stream, finishing(stream.stop):
        reporter = WatchReporter(stream, output_format)
        columns = table_columns(is_live=stream.is_live, departures=departures)
        with (
            reporter,
            _deliveries(targets, place, reporter) as deliveries,
            Results(output_format, CSV_COLUMNS if output_format == "csv" else columns, least=LEAST_WIDTHS) as results,
            Views(stream, reporter, annotate=annotate, every=every, shows=shows) as views,
        ):
            if known := identifier():
                results.caption(known.threshold.explanation)
            looks = watch(recognizer, identifier, stream, source=place.name, is_live=stream.is_live)
            for look in views.attended(looks):
                reporter.look(look)
                for event in look.events:
                    is_news = event.kind == "arrived" or departures if stream.is_live else event.ends_visit
                    told = [one for one in deliveries if is_news or one.wants_departures]
                    _tell(event, results if is_news else None, told)
                    if event.ends_visit:
                        reporter.left(event.visit)
        reporter.sum_up()
    return max(status, reporter.status)


def _tell(event: Event, results: Results | None, deliveries: Sequence[Delivery]) -> None:
    record = event.to_json()
    if results:
        results.add(record, [csv_row(record) if results.format == "csv" else table_row(event)])
    for delivery in deliveries:
        delivery.send(record)


@contextmanager
def _deliveries(targets: Sequence[str], source: Source, reporter: WatchReporter) -> Iterator[list[Delivery]]:
    """Who is told of events; in the end they get a while to take what waits for them."""
    opened: list[Delivery] = []
    patience = _PATIENCE if source.is_live else _PATIENCE_OF_A_FILE
    try:
        if targets:
            from facerec_cli.delivery.opening import open_delivery

            for target in targets:
                opened.append(open_delivery(target, source.name, lambda problem: reporter.warn(f"{problem}.")))
        yield opened
    except (KeyboardInterrupt, BrokenPipeError):
        patience = 0
        raise
    finally:
        # They take it side by side. What did not get there has been told already.
        end = time.monotonic() + patience
        reporter.errors += sum([delivery.close(max(0.0, end - time.monotonic())) for delivery in opened])


def _check_place(annotate: Path, source: Source) -> None:
    """See that a video does not take the place of the one that is watched."""
    is_file = not source.is_live and annotate.exists() and Path(str(source.address)).exists()
    if is_file and annotate.samefile(str(source.address)):
        raise AnnotatedVideoError(f"{annotate} is the video that is watched", "choose another file with --annotate")
