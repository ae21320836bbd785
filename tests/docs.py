"""The programs that the documentation shows."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def program(page: str, heading: str, language: str = "python") -> str:
    """The program that a page shows under a heading of the second level."""
    text = (ROOT / page).read_text(encoding="utf-8")
    block = rf"^## {heading}\n(?:(?!^## ).)*?^```{language}\n(.*?)^```$"
    (shown,) = re.findall(block, text, re.DOTALL | re.MULTILINE)
    return str(shown)
