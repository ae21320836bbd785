"""Numbers as people read them, in every door's sentences."""

from __future__ import annotations

from collections.abc import Sequence


def percent(rate: float) -> str:
    """A rate for people: 0.01 as ``1 %``."""
    return f"{rate * 100:.4g} %"


def count(number: int, noun: str) -> str:
    """A number of things: ``1 photo``, ``1,680 people``."""
    plural = {"person": "people"}.get(noun, f"{noun}s")
    return f"{number:,} {noun if number == 1 else plural}"


def some(things: Sequence[object]) -> str:
    """The first few of many things."""
    return ", ".join(map(str, things[:5])) + (", …" if len(things) > 5 else "")


def clock(seconds: float) -> str:
    """A time in a video, or how long something is: 65 seconds as ``0:01:05``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
