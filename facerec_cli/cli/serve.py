"""facerec serve."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facerec_cli.cli import options
from facerec_cli.cli.extras import needing_extra
from facerec_cli.cli.streams import say
from facerec_cli.errors import VideoError

if TYPE_CHECKING:
    from facerec_cli.faces.sources import Source

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def _duration(_context: click.Context, _parameter: click.Parameter, value: str | None) -> timedelta | None:
    if value is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})([dhms])", value)
    if not found:
        raise click.BadParameter(f"{value} is no time: give one such as 30d, 12h or 45m.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _token(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[!-~]+", value):
        raise click.BadParameter("a token is of ASCII letters, digits and signs, without spaces.")
    return value


def _watched(_context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> tuple[Source, ...]:
    from facerec_cli.service.settings import Limits, watched_source

    try:
        sources = tuple(dict.fromkeys(map(watched_source, value)))
    except VideoError as error:
        raise click.BadParameter(f"{error}: {error.remedy}.") from error
    if len(sources) > Limits().sources:
        raise click.BadParameter(f"{len(sources)} sources are too many: at most {Limits().sources} are watched.")
    return sources


@click.command(
    "serve",
    short_help="Serve a web page, and an API for programs.",
    epilog="Example: facerec serve -db database --open",
)
@options.database_option
@options.model_option
@options.device_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; another needs --token.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one.")
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
@click.option(
    "--token",
    callback=_token,
    envvar="FACEREC_TOKEN",
    help="What clients must show; FACEREC_TOKEN does not appear in lists of processes.",
)
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="Answer to this name too: a proxy's.")
@click.option("--read-only", is_flag=True, help="Identify alone: show and change nobody.")
@click.option(
    "--remember-strangers",
    "strangers_kept",
    callback=_duration,
    metavar="TIME",
    help="Keep faces that nobody knew for so long, such as 30d, grouped, to be named later.",
)
@click.option(
    "--watch",
    "watched",
    multiple=True,
    callback=_watched,
    envvar="FACEREC_WATCH",
    metavar="SOURCE",
    help="Watch a camera (its number), a stream (rtsp://…, http://…) or a file; may be repeated. A password in an"
    " address is safer in FACEREC_WATCH, sources apart by spaces: that does not appear in lists of processes.",
)
@click.option("--certfile", type=options.GivenPath(exists=True, dir_okay=False), help="TLS certificate, PEM.")
@click.option("--keyfile", type=options.GivenPath(exists=True, dir_okay=False), help="Its key, PEM.")
def command(
    database: str,
    model: str,
    device: str,
    host: str,
    port: int,
    opens: bool,
    token: str | None,
    hosts: tuple[str, ...],
    read_only: bool,
    strangers_kept: timedelta | None,
    watched: tuple[Source, ...],
    certfile: Path | None,
    keyfile: Path | None,
) -> int:
    """Serve a page on which people are enrolled and identified, and the same as an API.

    Nobody but this machine reaches it, unless another --host is given.
    """
    if (certfile is None) != (keyfile is None):
        raise click.UsageError("--certfile and --keyfile belong together: give both.")
    if read_only and strangers_kept:
        raise click.UsageError("--read-only keeps nobody: leave out --remember-strangers.")
    from facerec_cli.service.settings import Settings

    settings = Settings(
        database=database,
        model=model,
        device=device,
        host=host,
        port=port,
        token=token,
        read_only=read_only,
        watched=watched,
        strangers_kept=strangers_kept,
        allowed_hosts=hosts,
        certificate=(str(certfile), str(keyfile)) if certfile and keyfile else None,
    )
    if not settings.is_local and not token:
        raise click.UsageError(f"Others can reach {host}: give --token, or FACEREC_TOKEN, that they must show.")

    def ready(address: str) -> None:
        from facerec_cli.gallery.opening import shown_location

        say(f"Serving {shown_location(database)} with {model} at {address}: Ctrl-C ends it.")
        if opens:
            click.launch(address)

    with needing_extra("The web service", "serve"):
        from facerec_cli.service.server import serve

        serve(settings, ready)
    say("Stopped; what was under way is finished.")
    return 0
