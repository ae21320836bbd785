"""Options that several commands share."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from facerec_cli.defaults import AUTO, CPU, DEFAULT_FPIR, DEFAULT_MODEL, DEVICE_NAMES, FULL_SIZE, WORKING_SIZE
from facerec_cli.storage import Url, is_url

Decorated = TypeVar("Decorated", bound=Callable[..., object])
_PASSWORD = re.compile(r"(?!github:)[^/]+://[^/]*:[^/]*@", re.IGNORECASE)
"""In a URL; what has this form in GitHub's is its repository."""


class GivenPath(click.Path):
    """A path; an empty one, as an unset variable leaves it, is not the current folder."""

    def __init__(self, **kinds: bool) -> None:
        """What may be there, as ``click.Path`` takes it."""
        super().__init__(path_type=Path, **kinds)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the path is empty.", param, ctx)
        return super().convert(value, param, ctx)


PHOTO = GivenPath(allow_dash=True, readable=False)
"""One that cannot be read is told in its place, and ends nothing."""


class _PhotoOrUrl(GivenPath):
    """A path, or a URL."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not (isinstance(value, str) and is_url(value)):
            return super().convert(value, param, ctx)
        if _PASSWORD.match(value):
            self.fail("A URL with a password would be shown: give it as its library takes it elsewhere.", param, ctx)
        return Url(value)


PHOTO_OR_URL = _PhotoOrUrl(allow_dash=True, readable=False)
"""Of photos that may be in object storage."""


class PhotosCommand(click.Command):
    """A command whose -i takes all that follow it up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread(args, ("-i", "--image")))


class ModelsCommand(click.Command):
    """A command whose -m takes all that follow it up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread(args, ("-m", "--model")))


def spread(args: Sequence[str], greedy: tuple[str, str]) -> list[str]:
    """``-i a b -m x`` as ``-i a -i b -m x``, which is what click understands.

    >>> spread(["-i", "a", "b", "-m", "x"], ("-i", "--image"))
    ['-i', 'a', '-i', 'b', '-m', 'x']
    """
    spread_args: list[str] = []
    taking = False
    for position, argument in enumerate(args):
        if argument == "--":
            return [*spread_args, *args[position:]]
        if argument.startswith("-") and argument != "-":
            taking = argument in greedy
        elif taking and spread_args[-1] not in greedy:
            spread_args.append(greedy[0])
        spread_args.append(argument)
    return spread_args


class FiniteRange(click.FloatRange):
    """A range that, unlike click's, has neither NaN, which is in no order, nor infinity."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


class WorkingSize(click.IntRange):
    """A number of pixels, or ``full``."""

    name = "pixels|full"

    def __init__(self) -> None:
        """From 64 pixels up."""
        super().__init__(min=64)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return FULL_SIZE if value == "full" else int(super().convert(value, param, ctx))


def probability_type(name: str) -> click.FloatRange:
    """A rate strictly between 0 and 1."""
    kind = FiniteRange(0, 1, min_open=True, max_open=True)
    kind.name = name
    return kind


photos_argument = click.argument("photos", nargs=-1, type=PHOTO, metavar="[PHOTO]...")
folders_argument = click.argument("folders", nargs=-1, required=True, type=PHOTO, metavar="FOLDER...")
image_option = click.option(
    "-i",
    "--image",
    "images",
    multiple=True,
    type=PHOTO,
    metavar="PHOTO...",
    help="Photos; takes all that follow up to the next option.",
)
database_option = click.option(
    "-db",
    "--database",
    metavar="LOCATION",
    default="database",
    show_default=True,
    help="Where the enrolled people are: a folder, or a PostgreSQL server, postgresql://user@host/name.",
)
model_option = click.option(
    "-m",
    "--model",
    default=DEFAULT_MODEL,
    show_default=True,
    help="Model: a name in ./models or a bundled one, or a folder.",
    shell_complete=lambda _context, _parameter, incomplete: _model_names(incomplete),
)
device_option = click.option(
    "--device",
    type=click.Choice([AUTO, CPU, *DEVICE_NAMES]),
    default=CPU,
    show_default=True,
    envvar="FACEREC_DEVICE",
    show_envvar=True,
    help="What embeds faces; auto: the first that is faster than the CPU, where there are many.",
)
data_option = click.option(
    "--data",
    type=GivenPath(file_okay=False),
    default=Path("data/lfw"),
    show_default=True,
    help="Folder of photos with a sub-folder a person; LFW is recognised by its names.",
)
format_option = click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="table; json: one object a line; csv.",
)
largest_option = click.option("--largest", is_flag=True, help="Take the biggest face of a photo with several.")
size_option = click.option(
    "--size",
    type=WorkingSize(),
    default=WORKING_SIZE,
    show_default="chosen by the photo",
    help="Longest side at which faces are looked for, pixels, or full: a large photo takes seconds, and no face is "
    "too small.",
)
thorough_option = click.option(
    "--thorough", is_flag=True, help="Look twice at every face: finds more people, in twice the time."
)
index_option = click.option(
    "--index",
    type=GivenPath(dir_okay=False),
    metavar="FILE",
    help="File of the index of your photos.  [default: one in your cache folder]",
)
no_index_option = click.option("--no-index", is_flag=True, help="Look at every photo, and keep nothing of it.")
fpir_option = click.option(
    "--fpir",
    type=probability_type("rate"),
    default=DEFAULT_FPIR,
    show_default=True,
    help="Share of strangers that may be named; the threshold follows from it and the people enrolled.",
)
threshold_option = click.option(
    "--threshold",
    type=FiniteRange(min=0),
    help="Largest distance that is a match, in place of an error rate.",
)


def _model_names(incomplete: str) -> list[str]:
    from facerec_cli.encoders.bundle import find_bundles

    return [name for name in find_bundles() if name.startswith(incomplete)]
