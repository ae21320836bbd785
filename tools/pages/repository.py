"""Links that lead out of docs/: in the repository to other files of it, in the site to copies that it brings along."""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import dirname, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
DOCS, COPIES = "docs/", "repository/"
NAMED_IN_NAV = ("ARCHITECTURE.md", "benchmarks/README.md")
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:)[^()#\s]+")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Bring along what the navigation names, what pages link to, what that links to in turn, and so on."""
    waiting = [_home(file.src_uri) for file in files.documentation_pages()] + [*NAMED_IN_NAV]
    while waiting:
        path = waiting.pop()
        if not files.get_file_from_path(_place(path)):
            copy = File.generated(
                config, _place(path), abs_src_path=str(ROOT / path), inclusion=InclusionLevel.NOT_IN_NAV
            )
            files.append(copy)
        if path.endswith(".md"):
            text = (ROOT / path).read_text(encoding="utf-8")
            targets = {_target(path, link) for link in _LINK.findall(text)}
            waiting += [one for one in targets if (ROOT / one).is_file() and not files.get_file_from_path(_place(one))]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to the copies."""
    here = page.file.src_uri

    def led(link: re.Match[str]) -> str:
        place = _place(_target(_home(here), link[0]))
        return relpath(place, dirname(here)) if files.get_file_from_path(place) else link[0]

    return _LINK.sub(led, markdown)


def _target(path: str, link: str) -> str:
    """The file of the repository that a link in another one leads to."""
    return normpath(f"{dirname(path)}/{link}".lstrip("/"))


def _home(place: str) -> str:
    """Where in the repository the file at a place of the site is."""
    return place.removeprefix(COPIES) if place.startswith(COPIES) else DOCS + place


def _place(path: str) -> str:
    """Where in the site a file of the repository is."""
    return path.removeprefix(DOCS) if path.startswith(DOCS) else COPIES + path
