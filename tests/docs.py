"""The programs that the documentation shows, and what it says that they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
_RUNNERS = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
_EXAMPLE = re.compile(rf"^```({'|'.join(_RUNNERS)})\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
_TIME = re.compile(r"\d[\d.,]* (?:s|photos/s|frames/s)\b|\d{4}-\d\d-\d\dT[\d:.]+Z")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


class Example(NamedTuple):
    """A program of a page, and the output that the page shows right below it; empty where it shows none."""

    language: str
    code: str
    shown: str

    def run(self, folder: Path) -> str:
        """What it prints in a folder that is the user's home too, standard error included; it has to succeed."""
        done = subprocess.run(
            [*_RUNNERS[self.language], self.code],
            cwd=folder,
            env={
                **os.environ,
                # The installed entry point, beside the Python that runs the tests.
                "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
                "HOME": str(folder),
                "XDG_CACHE_HOME": str(folder / ".cache"),
                "COLUMNS": "200",
                "TERM": "dumb",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"{self.code}ended with {done.returncode}:\n{done.stdout}")
        return done.stdout


def examples(page: str) -> list[Example]:
    """All examples of a page, from its top to its end."""
    return [Example(*found) for found in _EXAMPLE.findall(_text(page))]


def parts(output: str) -> tuple[list[str], list[float]]:
    """What is printed, without how long it took: its lines without their numbers and padding, and these numbers."""
    timeless = _TIME.sub("…", output)
    lines = [" ".join(line.split()) for line in _NUMBER.sub("#", timeless).splitlines()]
    return lines, [float(number) for number in _NUMBER.findall(timeless)]


def program(page: str, heading: str, language: str = "python") -> str:
    """The program that a page shows first under a heading of the second level."""
    return programs(page, heading, language)[0]


def programs(page: str, heading: str, language: str) -> list[str]:
    """All programs of a language that it shows there."""
    (part,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", _text(page), re.DOTALL | re.MULTILINE)
    return _blocks(part, language)


def blocks(page: str, language: str) -> list[str]:
    """All pieces of a language on a page."""
    return _blocks(_text(page), language)


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
