"""The one place that writes JSON: RFC 8259 has neither NaN nor Infinity, and most readers refuse them."""

from __future__ import annotations

import json
from typing import Any


def json_text(value: Any, *, indent: int | None = None, sort_keys: bool = False, ensure_ascii: bool = True) -> str:
    """A value as JSON; arguments as ``json.dumps``, and in ASCII any text fits any file.

    Raises:
        ValueError: a number is none (NaN), or infinite.
    """
    return json.dumps(value, allow_nan=False, ensure_ascii=ensure_ascii, indent=indent, sort_keys=sort_keys)
