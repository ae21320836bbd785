"""facerec fetch."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from facerec_cli.cli import options
from facerec_cli.cli.progress import DownloadBars, Reporter
from facerec_cli.cli.render import Results
from facerec_cli.words import count

_SETS = ("lfw", "lfw-funneled", "lfw-deepfunneled")


@click.command(
    "fetch",
    short_help="Fetch a data set: LFW, or photos that lists name.",
    epilog="Example: facerec fetch lfw --jobs 8; facerec fetch list dev_urls.txt eval_urls.txt",
)
@click.argument("what", type=click.Choice([*_SETS, "list"]), default="lfw")
@click.argument("files", nargs=-1, type=options.GivenPath(), metavar="[FILE]...")
@click.option(
    "--data",
    type=options.GivenPath(file_okay=False),
    default=Path("data"),
    show_default=True,
    help="Folder for data sets.",
)
@click.option("--jobs", type=click.IntRange(1, 64), default=8, show_default=True, help="Connections at once.")
@click.option("--mirror", metavar="URL", help="Look for the archive below this URL first; lists may name its host.")
@click.option(
    "--from",
    "own",
    type=options.GivenPath(exists=True),
    metavar="PATH",
    help="Take this archive (tar, zip) or unpacked folder in place of a download.",
)
@click.option("--allow-private", is_flag=True, help="Follow lists and redirects to addresses that are not public.")
@click.option("--list", "listing", is_flag=True, help="Show what there is to fetch, and what is here already.")
@click.option("--yes", is_flag=True, help="Accept the data set's terms without being asked.")
def command(
    what: str,
    files: tuple[Path, ...],
    data: Path,
    jobs: int,
    mirror: str | None,
    own: Path | None,
    allow_private: bool,
    listing: bool,
    yes: bool,
) -> int:
    """Fetch a data set: Labeled Faces in the Wild (the default), or photos that lists name by URL.

    The photos come as a folder a person in DATA/lfw, the protocol files (pairs.txt, people.txt and those of View 1) in
    DATA. What was fetched is never fetched again; what was interrupted goes on where it stopped. Lists reach public
    addresses alone, wherever they are redirected to; a proxy resolves names itself, so there its own rules hold.
    """
    if listing:
        return _list(data)
    if (what == "list") != bool(files):
        raise click.UsageError("Name lists of URLs with `facerec fetch list FILE…`, and only there.")
    if what == "list":
        return _fetch_lists(files, data, jobs, mirror, allow_private)
    return _fetch_lfw(what, data, jobs, mirror, own, yes)


def _list(data: Path) -> int:
    from facerec_cli.datasets.lfw import ARCHIVES

    with Results("table", ("name", "size", "here", "licence")) as results:
        for name in _SETS:
            size = ARCHIVES[name].size
            results.add(
                {
                    "name": name,
                    "size": f"{size / 1e6:,.0f} MB" if size else "unknown",
                    "here": str(data / name) if os.path.isdir(data / name) else "no",  # noqa: PTH112 - does not raise
                    "licence": "research, no promise of commercial fitness",
                }
            )
    return 0


def _fetch_lfw(name: str, data: Path, jobs: int, mirror: str | None, own: Path | None, yes: bool) -> int:
    from facerec_cli.datasets.answers import Settings
    from facerec_cli.datasets.fetching import fetch_lfw
    from facerec_cli.errors import TermsError

    def consent(terms: str) -> bool:
        click.echo(terms, err=True)
        return yes or (sys.stdin.isatty() and click.confirm("Fetch it under these terms?", err=True))

    reporter = Reporter()
    try:
        with DownloadBars() as bars:
            fetched = fetch_lfw(name, data, consent, mirror=mirror, own=own, watcher=bars, settings=Settings(jobs=jobs))
    except TermsError:
        if sys.stdin.isatty():  # whoever has just said no knows why
            return 1
        raise
    for error in fetched.failures:
        reporter.error(error)
    if fetched.was_there:
        reporter.note(f"{fetched.folder} is there already: nothing to fetch.")
    elif fetched.is_there:
        reporter.note(f"{fetched.folder}: 13,233 photos of 5,749 people.")
    return reporter.status


def _fetch_lists(files: tuple[Path, ...], data: Path, jobs: int, mirror: str | None, allow_private: bool) -> int:
    from facerec_cli.datasets.addresses import PublicAlone
    from facerec_cli.datasets.answers import Settings
    from facerec_cli.datasets.url_lists import ListedPhoto, fetch_listed, read_list
    from facerec_cli.errors import FetchError

    public_alone = None if allow_private else PublicAlone.but_for(mirror)
    lists = {}
    problems: list[FetchError] = []
    for file in files:
        try:
            lists[file] = read_list(file)
            problems += lists[file].refused
        except FetchError as error:
            problems.append(error)
    photos = [photo for found in lists.values() for photo in found.photos]
    got: set[ListedPhoto] = set()
    with Reporter("Fetching", len(photos)) as reporter:
        for problem in problems:
            reporter.error(problem)

        def told(photo: ListedPhoto, outcome: str | FetchError) -> None:
            reporter.advance()
            if isinstance(outcome, FetchError):
                reporter.error(outcome)
            elif outcome in ("mismatched", "unreadable"):
                reporter.warn(f"{photo.url} of {photo.person} is {outcome}.")
            elif outcome != "dead":
                got.add(photo)

        counts = fetch_listed(photos, data, told, Settings(jobs=jobs), public_alone)
        for file, found in lists.items():
            if got.isdisjoint(found.photos):
                reporter.error(
                    FetchError(f"Nothing that {file} lists could be fetched", "check the network and the list")
                )
        refused = f", {counts['refused']:,} refused" if counts["refused"] else ""
        reporter.note(
            f"{count(counts['fetched'], 'photo')} fetched to {data}, {counts['there already']:,} there already, "
            f"{counts['dead']:,} dead, {counts['mismatched']:,} with another MD5, {counts['unreadable']:,} unreadable"
            f"{refused}."
        )
    return reporter.status
