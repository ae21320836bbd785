"""The embedded gallery: a folder with the enrolled chips and one HDF5 index.

    database/
      faces/<name-slug>/<sha256-16>.jpg   every enrolled chip; its JPEG comment holds its record
      gallery.h5                          the index, which the chips can rebuild (but for embeddings, which follow)
      calibration.json                    where people asked for it: each model's calibration to the people enrolled

Writers hold a lock, read the index anew, write it beside itself and rename it in; chips are written under the same lock
before the index that names them. Readers never lock: they map the old file or the new one, whole.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facerec_cli.columns import read_columns, write_columns
from facerec_cli.encoders.calibration import Calibration
from facerec_cli.encoders.encoder import Embedding
from facerec_cli.encoders.metric import Comparison
from facerec_cli.errors import (
    DamagedCalibrationError,
    DamagedDatabaseError,
    DatabaseError,
    DatabaseRefusedError,
    LostChipError,
    ModelError,
    NameTakenError,
    NoDatabaseError,
    UnusableLocationError,
)
from facerec_cli.files import refusal, write_file
from facerec_cli.gallery.base import EnrolledFace, Gallery, NewFace, clean_name
from facerec_cli.gallery.changes import Content, add, content, renamed, with_embeddings, without
from facerec_cli.gallery.chipstore import ChipFolder, ChipRecord, decode_chip, read_record
from facerec_cli.gallery.index import Index
from facerec_cli.gallery.snapshot import IndexSnapshot

if TYPE_CHECKING:
    from facerec_cli.faces.alignment import Chip

FORMAT = 1
LOCK_TIMEOUT = 60.0
_CALIBRATION = "calibration.json"


class Hdf5Gallery(Gallery):
    """A gallery in a folder; see the module's description."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        """Open a database folder.

        Raises:
            NoDatabaseError: there is none and ``create`` is false.
            UnusableLocationError: a file is there.
            DatabaseError: it cannot be made.
        """
        self.folder = folder
        self.location = str(folder)
        self.index_path = folder / "gallery.h5"
        self._chips = ChipFolder(folder)
        self._cached: tuple[tuple[int, int, int], Index] | None = None
        if folder.exists() and not folder.is_dir():
            raise UnusableLocationError(f"{folder} is a file, not a folder", "name another database")
        if create:
            self._create()
        elif not folder.is_dir():
            raise NoDatabaseError(f"There is no database at {folder}", "enrol somebody in it")

    # ------------------------------------------------------------------ reading

    def snapshot(self) -> IndexSnapshot:
        return IndexSnapshot(self.location, self._read(), partial(self._calibration, self._calibration_text()))

    def read_chip(self, face: EnrolledFace) -> Chip:
        try:
            return decode_chip(self._chips.read(face.chip))
        except (OSError, ValueError) as error:
            reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be used ({error})"
            raise self._lost(face, reason) from error

    # ------------------------------------------------------------------ writing

    def add(self, comparison: Comparison, faces: Sequence[NewFace]) -> list[bool]:
        with self._writing():
            addition = add(self._read(), comparison, faces, int(time.time()))
            if addition.records:
                self._write(addition.content, addition.records)
        return addition.is_new

    def rename(self, name: str, new_name: str) -> None:
        new_name = clean_name(new_name)
        with self._writing():
            now = self.snapshot()
            row = now.row(name)
            if new_name == name:
                return
            if now.index.person_row(new_name) is not None:
                raise NameTakenError(f"{new_name} is already enrolled in {self.folder}", "choose another name")
            records = []
            for face in now.faces(name):
                created = int(face.created.timestamp())
                record = ChipRecord(face.id, new_name, face.sha256, face.source, face.score, created)
                try:
                    records.append((record, self._chips.read(face.chip)))
                except FileNotFoundError as error:
                    raise self._lost(face, "is missing") from error
            self._write(content(renamed(now.index, row, new_name)), records)
            self._chips.remove_person(name)

    def remove(self, name: str) -> int:
        with self._writing():
            now = self.snapshot()
            if now.index.person_row(name) is None:
                # Killed between the two steps below, an earlier removal may have left the chips.
                self._chips.remove_person(name)
            row = now.row(name)
            self._write(content(without(now.index, row)))
            self._chips.remove_person(name)
        return len(now.index.face_rows(row))

    def store(self, comparison: Comparison, embeddings: Mapping[int, Embedding]) -> None:
        if embeddings:
            with self._writing():
                self._write(content(with_embeddings(self._read(), comparison, embeddings)))

    def set_calibration(self, digest: str, calibration: Calibration | None) -> None:
        with self._writing():
            kept = {
                model: known for model, known in self._calibrations(self._calibration_text()).items() if model != digest
            }
            if calibration:
                kept[digest] = calibration.to_json()
            write_file(self.folder / _CALIBRATION, f"{json.dumps(kept, indent=2)}\n".encode())

    def rebuild(self) -> list[str]:
        """Make the index anew from the kept chips; embeddings follow when a model is next used.

        Returns:
            A sentence for each chip that could not be used.
        """
        problems: list[str] = []
        records: list[tuple[ChipRecord, str]] = []
        with self._writing():
            for key in self._chips.all_keys():
                path = self.folder / key
                try:
                    jpeg = self._chips.read(key)
                    decode_chip(jpeg)
                except (OSError, ValueError) as error:
                    problems.append(f"{path} cannot be used ({error}): it is left out.")
                    continue
                record = read_record(jpeg)
                if record is None:
                    problems.append(f"{path} has no record: it is left out; enrol its photo again.")
                else:
                    records.append((record, key))
            self._write(content(Index.from_records(records)))
        return problems

    # ------------------------------------------------------------------ the folder

    def _create(self) -> None:
        try:
            if not self.folder.exists():
                self.folder.mkdir(parents=True, mode=0o700)
                write_file(self.folder / ".gitignore", b"*\n")
            elif not self.index_path.exists():
                self.folder.chmod(0o700)
        except OSError as error:
            raise self._refused(error) from error
        if not self.index_path.exists():
            # An index from the start: chips without one are damage, never a first enrolment still under way.
            with self._writing():
                index = self._read()
                if not self.index_path.exists():
                    self._write(content(index))

    def _calibration(self, text: bytes, digest: str) -> Calibration | None:
        stored = self._calibrations(text).get(digest)
        try:
            return None if stored is None else Calibration.from_json(stored, "the people enrolled")
        except ModelError as error:
            raise self._damaged_calibration() from error

    def _calibration_text(self) -> bytes:
        try:
            return (self.folder / _CALIBRATION).read_bytes()
        except FileNotFoundError:
            return b"{}"
        except OSError as error:
            raise self._refused(error) from error

    def _calibrations(self, text: bytes) -> dict[str, Any]:
        try:
            return dict(json.loads(text))
        except (ValueError, TypeError, RecursionError) as error:
            raise self._damaged_calibration() from error

    def _damaged_calibration(self) -> DamagedCalibrationError:
        path = self.folder / _CALIBRATION
        return DamagedCalibrationError(f"{path} is damaged", "delete it, and calibrate again", self.location)

    def _read(self) -> Index:
        try:
            status = self.index_path.stat()
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            if self._cached is None or self._cached[0] != version:
                self._cached = (version, self._load())
            return self._cached[1]
        except FileNotFoundError as error:
            if self._chips.all_keys():
                raise DamagedDatabaseError(
                    f"{self.index_path} is missing, but {self._chips.faces} holds chips",
                    "rebuild it from them",
                    self.location,
                ) from error
            return Index.from_records([])
        except PermissionError as error:
            raise self._refused(error) from error

    def _load(self) -> Index:
        try:
            columns, attributes = read_columns(self.index_path)
            if attributes["format"] != FORMAT:
                raise DatabaseError(
                    f"{self.index_path} has format {attributes['format']}, and this facerec reads format {FORMAT}",
                    "upgrade facerec",
                )
            return Index.from_columns(columns, attributes["next_id"])
        except (FileNotFoundError, PermissionError):
            raise
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            raise DamagedDatabaseError(
                f"{self.index_path} is damaged", "rebuild it from the enrolled chips", self.location
            ) from error

    def _write(self, whole: Content, records: Sequence[tuple[ChipRecord, bytes]] = ()) -> None:
        """Write chips durably, then the index that names them; if it cannot follow, the chips go again."""
        with self._chips.adding() as add_chip:
            for record, jpeg in records:
                add_chip(record, jpeg)
            write_columns(self.index_path, whole.columns, {"format": FORMAT, "next_id": whole.next_id}, whole.patches)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the lock, and turn what the disk refuses into words."""
        import filelock  # noqa: PLC0415 - readers never need it

        lock = filelock.FileLock(self.folder / ".lock", timeout=LOCK_TIMEOUT)
        try:
            with lock:
                yield
        except filelock.Timeout as error:
            raise DatabaseError(
                f"{self.folder} has been in use by another process for {LOCK_TIMEOUT:.0f} s", "try again later"
            ) from error
        except OSError as error:
            raise self._refused(error) from error

    def _lost(self, face: EnrolledFace, reason: str) -> LostChipError:
        problem = f"The chip {self.folder / face.chip} of {face.name} {reason}"
        return LostChipError(problem, f"enrol {face.source} again, or forget it", face.source)

    def _refused(self, error: OSError) -> DatabaseRefusedError:
        reason, remedy = refusal(error)
        return DatabaseRefusedError(
            f"{self.folder} cannot be changed, {reason}, and what was enrolled before is untouched", remedy
        )
