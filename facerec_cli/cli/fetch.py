"""facerec fetch."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facerec_cli.cli.bars import DownloadBars
from facerec_cli.cli.render import Reporter, Results, count

if TYPE_CHECKING:
    from facerec_cli.datasets.remote import RemoteFile

_SETS = ("lfw", "lfw-funneled", "lfw-deepfunneled")


@click.command("fetch", epilog="Example: facerec fetch lfw --jobs 8; facerec fetch list dev_urls.txt eval_urls.txt")
@click.argument("what", type=click.Choice([*_SETS, "list"]), default="lfw")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    show_default=True,
    help="Folder for data sets.",
)
@click.option("--jobs", type=click.IntRange(1, 64), default=8, show_default=True, help="Connections at once.")
@click.option("--mirror", metavar="URL", help="Look for the files below this URL first.")
@click.option(
    "--from",
    "own",
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="Take this archive or unpacked folder in place of a download.",
)
@click.option("--list", "listing", is_flag=True, help="Show what there is to fetch, and what is here already.")
@click.option("--yes", is_flag=True, help="Accept the data set's terms without being asked.")
def command(
    what: str,
    files: tuple[Path, ...],
    data: Path,
    jobs: int,
    mirror: str | None,
    own: Path | None,
    listing: bool,
    yes: bool,
) -> int:
    """Fetch a data set: Labeled Faces in the Wild (the default), or photos that lists name by URL.

    The photos come as a folder a person in DATA/lfw, the protocol files (pairs.txt, people.txt and those of View 1) in
    DATA. What was fetched is never fetched again; what was interrupted goes on where it stopped.
    """
    if listing:
        return _list(data)
    if (what == "list") != bool(files):
        raise click.UsageError("Name lists of URLs with `facerec fetch list FILE…`, and only there.")
    if what == "list":
        return _fetch_lists(files, data, jobs)
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
                    "here": str(data / name) if (data / name).is_dir() else "no",
                    "licence": "research, no promise of commercial fitness",
                }
            )
    return 0


def _fetch_lfw(name: str, data: Path, jobs: int, mirror: str | None, own: Path | None, yes: bool) -> int:
    from facerec_cli.datasets.download import Settings, download
    from facerec_cli.datasets.lfw import ARCHIVES, PAIRS, check_photos, people_files
    from facerec_cli.datasets.unpack import adopt, unpack

    reporter = Reporter()
    folder = data / name
    wanted = [_mirrored(file, mirror) for file in PAIRS]
    if not folder.is_dir() and own is None:
        wanted.insert(0, _mirrored(ARCHIVES[name], mirror))
    if not all((data / file.name).exists() for file in wanted) and not _terms_accepted(data, yes):
        return 1
    for file, content in people_files().items():
        if not (data / file).exists():
            (data / file).write_bytes(content)
    with DownloadBars() as bars:
        outcomes = download(wanted, data, bars, Settings(jobs=jobs))
    for error in outcomes.values():
        if error:
            reporter.error(error)
    if folder.is_dir():
        reporter.note(f"{folder} is there already: nothing to fetch.")
    elif not outcomes.get(ARCHIVES[name].name):
        archive = data / ARCHIVES[name].name if own is None else own
        if archive.is_dir():
            adopt(archive, folder, check_photos)
        else:
            with DownloadBars() as bars:
                bars.started("unpacking", 0, archive.stat().st_size)
                unpack(archive, folder, check_photos, lambda read: bars.advanced("unpacking", read))
        reporter.note(f"{folder}: 13,233 photos of 5,749 people.")
    return reporter.status


def _mirrored(file: RemoteFile, mirror: str | None) -> RemoteFile:
    return replace(file, urls=(f"{mirror.rstrip('/')}/{file.name}", *file.urls)) if mirror else file


def _terms_accepted(data: Path, yes: bool) -> bool:
    """Show LFW's terms before the first download, and ask."""
    from facerec_cli.datasets.lfw import TERMS
    from facerec_cli.errors import FetchError

    try:
        data.mkdir(parents=True, exist_ok=True)
        noted = data / ".lfw-terms-accepted"
        if noted.exists():
            return True
        click.echo(TERMS, err=True)
        if not yes and not sys.stdin.isatty():
            raise FetchError("These terms need your consent: run the command again with --yes.")
        if not yes and not click.confirm("Fetch it under these terms?", err=True):
            return False
        noted.write_text(TERMS + "\n", encoding="utf-8")
    except OSError as error:
        raise FetchError(f"{data} cannot be written ({error.strerror}): choose another place with --data.") from error
    return True


def _fetch_lists(files: tuple[Path, ...], data: Path, jobs: int) -> int:
    from facerec_cli.datasets.download import Settings
    from facerec_cli.datasets.url_lists import ListedPhoto, fetch_listed, read_list

    photos = [photo for file in files for photo in read_list(file)]
    with Reporter("Fetching", len(photos)) as reporter:

        def told(photo: ListedPhoto, outcome: str) -> None:
            reporter.advance()
            if outcome in ("mismatched", "unreadable"):
                reporter.warn(f"{photo.url} of {photo.person} is {outcome}.")

        counts = fetch_listed(photos, data, told, Settings(jobs=jobs))
        reporter.note(
            f"{count(counts['fetched'], 'photo')} fetched to {data}, {counts['there already']:,} there already, "
            f"{counts['dead']:,} dead, {counts['mismatched']:,} with another MD5, {counts['unreadable']:,} unreadable."
        )
    return 0
