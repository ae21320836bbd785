"""The programs that the documentation shows."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def program(page: str, heading: str, language: str = "python") -> str:
    """The program that a page shows first under a heading of the second level."""
    return programs(page, heading, language)[0]


def programs(page: str, heading: str, language: str) -> list[str]:
    """All programs of a language that it shows there."""
    text = (ROOT / page).read_text(encoding="utf-8")
    (part,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    return re.findall(rf"^```{language}\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)
