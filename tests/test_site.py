"""The pages as MkDocs builds them: without a warning, complete, and with nothing from other servers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
import pytest

import facerec_cli
from facerec_cli.cli import facerec
from tests.docs import ROOT, blocks

pytest.importorskip("mkdocs", reason="building the pages needs the extra `docs`")


class Page(HTMLParser):
    """What a page has: the ids of its parts, where its links lead, and what a browser loads with it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value for name, value in attrs if value}
        self.ids |= {has["id"]} if "id" in has else set()
        if tag == "a" and "href" in has:
            self.links.append(has["href"])
        elif tag == "link" and has.get("rel") not in {"prev", "next", "canonical"} and "href" in has:
            self.loaded.append(has["href"])
        elif "src" in has:
            self.loaded.append(has["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    return folder


@cache
def page(place: Path) -> Page:
    return Page(place.read_text(encoding="utf-8"))


def commands(group: click.Group, path: str) -> Iterator[str]:
    yield path
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}"


def test_every_command_has_a_section(site: Path) -> None:
    every = {path.replace(" ", "-") for path in commands(facerec, "facerec")}
    assert len(every) > 30 and every <= page(site / "commands.html").ids


def test_what_programs_may_import_is_in_the_reference(site: Path) -> None:
    ids = page(site / "api.html").ids
    assert {f"facerec_cli.{name}" for name in facerec_cli.__all__} <= ids


def test_the_reference_has_what_pages_import(site: Path) -> None:
    shown = "\n".join(
        code for source in ("python", "training", "export") for code in blocks(f"docs/{source}.md", "python")
    )
    imported = re.findall(r"^from (facerec_cli[\w.]*) import (.*)$", shown, re.MULTILINE)
    names = {f"{module}.{name}" for module, several in imported for name in several.split(", ")}
    assert len(names) > 30 and names <= page(site / "api.html").ids


def test_every_record_has_a_table(site: Path) -> None:
    text = (site / "output.html").read_text(encoding="utf-8")
    assert {"identify", "people-export", "models-show"} <= page(site / "output.html").ids
    assert "<code>faces[].candidates[].name</code>" in text and "calibration.people.fmr" in text


def test_links_lead_to_what_is_there(site: Path) -> None:
    for place in site.rglob("*.html"):
        if place.name == "404.html":  # shown in place of any page, it has no links of its own
            continue
        for link in page(place).links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (place.parent / unquote(parts.path)).resolve() if parts.path else place
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file() and target.is_relative_to(site.resolve()), f"{place.name} leads to {link}"
            if parts.fragment and target.suffix == ".html":
                assert parts.fragment in page(target).ids or parts.fragment == "__skip", f"{place.name}: no {link}"


def test_nothing_comes_from_other_servers(site: Path) -> None:
    for place in site.rglob("*.html"):
        assert [one for one in page(place).loaded if urlsplit(one).netloc] == [], place.name
    for place in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", place.read_text(encoding="utf-8")), place.name
