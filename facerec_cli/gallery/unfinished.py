"""Chips that a writer has begun to put in or to take away, so that the next writer can finish what a kill left.

The note is on the disk before the first chip is touched, and goes when the index and the chips agree again. Whatever
the writer was doing, one rule finishes it: a chip of the note that the index does not name goes.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from facerec_cli.files import write_file
from facerec_cli.json_text import json_text
from facerec_cli.untrusted import parsed, regular_bytes

_MOST_BYTES = 64_000_000


class UnfinishedChips:
    """The note beside an index; only who holds the lock may touch it."""

    def __init__(self, folder: Path) -> None:
        """Keep the note in a database's folder."""
        self._path = folder / ".unfinished.json"

    def noted(self) -> list[str]:
        """The keys of the chips.

        Raises:
            OSError: the system refuses to read it.
        """
        try:
            keys = parsed(regular_bytes(self._path, _MOST_BYTES))
        except FileNotFoundError:
            return []
        except ValueError:  # not ours: that is renamed in whole
            return []
        return [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []

    def note(self, keys: Collection[str], *, mode: int) -> list[str]:
        """Have these in the note, besides those that are there: what nobody could finish yet, which is returned.

        Raises:
            OSError: the system refuses to write.
        """
        earlier = self.noted()
        write_file(self._path, json_text([*earlier, *keys]).encode(), mode=mode)
        return earlier

    def clear(self) -> None:
        """The chips are as the index says."""
        self._path.unlink(missing_ok=True)
