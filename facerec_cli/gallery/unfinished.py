"""Chips that a writer has begun to put in or to take away, so that the next writer can finish what a kill left.

The note is on the disk before the first chip is touched, and goes when the index and the chips agree again. Whatever
the writer was doing, one rule finishes it: a chip of the note that the index does not name goes.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from facerec_cli.files import clear_strays, write_file
from facerec_cli.json_text import json_text


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
        clear_strays(self._path)
        try:
            keys = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return []
        except (ValueError, RecursionError):  # not ours: it was renamed in whole
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
