"""The programs that the documentation shows."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def program(page: str, heading: str) -> str:
    """The Python that a page shows under a heading of the second level."""
    text = (ROOT / page).read_text(encoding="utf-8")
    (shown,) = re.findall(rf"^## {heading}\n(?:(?!^## ).)*?^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return str(shown)
