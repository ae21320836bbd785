"""Numbers of things, in words for people."""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """``1 photo``, ``1,200 photos``, ``no people``; ``many`` where it is not ``one`` with an s."""
    return f"{f'{count:,}' if count else 'no'} {one if count == 1 else many or f'{one}s'}"
