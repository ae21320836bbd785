"""What a database keeps of calibrations to the people enrolled: one a model, in a JSON file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facerec_cli.encoders.calibration import Calibration
from facerec_cli.errors import DamagedCalibrationError, ModelError
from facerec_cli.files import write_file
from facerec_cli.json_text import json_text
from facerec_cli.untrusted import parsed, regular_bytes

_MOST_BYTES = 16_000_000


@dataclass(frozen=True)
class Calibrations:
    """The file as it was at one moment."""

    path: Path
    text: bytes

    def of(self, digest: str) -> Calibration | None:
        """A model's calibration, if there is one.

        Raises:
            DamagedCalibrationError: the file is damaged.
        """
        stored = self.all().get(digest)
        try:
            return None if stored is None else Calibration.from_json(stored, "the people enrolled")
        except ModelError as error:
            raise self._damaged() from error

    def all(self) -> dict[str, Any]:
        """What is stored, by digest; errors as ``of``."""
        try:
            return dict(parsed(self.text))
        except (ValueError, TypeError) as error:
            raise self._damaged() from error

    def _damaged(self) -> DamagedCalibrationError:
        location = str(self.path.parent)
        return DamagedCalibrationError(f"{self.path} is damaged", "delete it, and calibrate again", location)


class CalibrationFile:
    """Reads and writes calibration.json."""

    def __init__(self, folder: Path) -> None:
        """Keep the file in a database's folder."""
        self._path = folder / "calibration.json"
        self._cached: tuple[tuple[int, int, int], Calibrations] | None = None

    def read(self) -> Calibrations:
        """The file as it is now, or an empty one.

        Raises:
            OSError: the system refuses to read it.
        """
        try:
            status = self._path.stat()
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            if self._cached is None or self._cached[0] != version:
                self._cached = version, Calibrations(self._path, regular_bytes(self._path, _MOST_BYTES))
            return self._cached[1]
        except FileNotFoundError:
            return Calibrations(self._path, b"{}")

    def change(self, digest: str, calibration: Calibration | None, *, mode: int) -> None:
        """Keep a calibration, or forget it; only for who holds the lock.

        Raises:
            OSError: the system refuses.
            DamagedCalibrationError: the file is damaged.
        """
        kept = self.read().all()
        kept.pop(digest, None)
        if calibration:
            kept[digest] = calibration.to_json()
        write_file(self._path, f"{json_text(kept, indent=2)}\n".encode(), mode=mode)
