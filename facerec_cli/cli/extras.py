"""What extras install, for the commands that need it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from facerec_cli.errors import DependencyError

_MAIN = {"train": "keras", "serve": "fastapi", "ray": "ray"}
"""The library that most of all is missing where an extra is."""


@contextmanager
def needing_extra(purpose: str, extra: str) -> Iterator[None]:
    """Import what an extra brings, or say how to get it.

    Args:
        purpose: what needs it, as the sentence begins.
        extra: its name.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        yield
    except ImportError as error:
        name = (error.name or _MAIN[extra]).capitalize()
        raise DependencyError(
            f"{purpose} needs {name} ({error})", f"`pip install 'facerec[{extra}]'` brings it"
        ) from error
