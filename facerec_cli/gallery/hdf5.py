"""The embedded gallery: a folder with the enrolled chips and one HDF5 index.

    database/
      faces/<name-slug>/<sha256-16>.jpg   every enrolled chip; its JPEG comment holds its record
      gallery.h5                          the index, which the chips can rebuild (but for embeddings, which follow)
    calibration.json                    where people asked for it: each model's calibration to the people enrolled

Writers hold a lock, read the index anew, write it beside itself and rename it in; chips are written under the same lock
before the index that names them. Readers never lock: they map the old file or the new one, whole.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from facerec_cli.columns import read_columns, sync_folder, write_columns
from facerec_cli.encoders.metric import Space
from facerec_cli.errors import DatabaseError, PersonError
from facerec_cli.gallery.base import EnrolledFace, Gallery, Match, NewFace, Person, clean_name
from facerec_cli.gallery.chipfile import ChipRecord, chip_path, decode_chip, read_record, slug, with_record
from facerec_cli.gallery.index import Content, Index

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
            DatabaseError: there is none and ``create`` is false, or it cannot be made.
        """
        self.folder = folder
        self.location = str(folder)
        self.index_path = folder / "gallery.h5"
        self._cached: tuple[tuple[int, int, int], Index] | None = None
        if create:
            self._create()
        elif not folder.is_dir():
            raise DatabaseError(
                f"There is no database at {folder}: enrol somebody with `facerec enroll --name NAME PHOTO`, "
                "or name a database with -db."
            )

    # ------------------------------------------------------------------ reading

    def people(self) -> list[Person]:
        return self._read().list_people()

    def faces(self, name: str | None = None) -> list[EnrolledFace]:
        index = self._read()
        return index.list_faces(None if name is None else index.face_rows(self._person_row(index, name)))

    def has_photo(self, name: str, sha256: str) -> bool:
        return self._read().has_photo(name, sha256)

    def photo_counts(self) -> npt.NDArray[np.int64]:
        return self._read().photo_counts

    def pending(self, digest: str) -> list[EnrolledFace]:
        return self._read().pending(digest)

    def embeddings(self, digest: str) -> npt.NDArray[np.float32]:
        return self._read().embeddings.get(digest, np.empty((0, 0), np.float32))

    def template(self, digest: str, name: str) -> npt.NDArray[np.float32]:
        index = self._read()
        return np.array(index.templates[digest][self._person_row(index, name)])

    def search(self, space: Space, probes: npt.NDArray[np.float32], top: int = 1) -> list[list[Match]]:
        return self._read().search(space, probes, top)

    def calibration(self, digest: str) -> dict[str, Any] | None:
        return self._calibrations().get(digest)

    def read_chip(self, face: EnrolledFace) -> Chip:
        path = self.folder / face.chip
        try:
            return decode_chip(path.read_bytes())
        except (OSError, ValueError) as error:
            reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be used ({error})"
            raise DatabaseError(
                f"The chip {path} of {face.name} {reason}: enrol {face.source} again, "
                "or run `facerec people rebuild` to forget it."
            ) from error

    # ------------------------------------------------------------------ writing

    def add(self, space: Space, faces: Sequence[NewFace]) -> list[bool]:
        with self._writing():
            addition = self._read().add(space, faces, int(time.time()))
            if addition.records:
                self._write(addition.content, addition.records)
        return addition.is_new

    def rename(self, name: str, new_name: str) -> None:
        new_name = clean_name(new_name)
        with self._writing():
            index = self._read()
            row = self._person_row(index, name)
            if new_name == name:
                return
            if index.person_row(new_name) is not None:
                raise PersonError(f"{new_name} is already enrolled in {self.folder}: choose another name.")
            records = []
            for face in index.list_faces(index.face_rows(row)):
                jpeg = (self.folder / face.chip).read_bytes()
                created = int(face.created.timestamp())
                records.append((ChipRecord(face.id, new_name, face.sha256, face.source, face.score, created), jpeg))
            self._write(index.renamed(row, new_name).content(), records)
            self._remove_chips(name)

    def remove(self, name: str) -> int:
        with self._writing():
            index = self._read()
            row = index.person_row(name)
            if row is None:
                # Killed between the two steps below, an earlier removal may have left the chips.
                self._remove_chips(name)
                raise self._nobody(name)
            self._write(index.without(row).content())
            self._remove_chips(name)
        return len(index.face_rows(row))

    def store(self, space: Space, embeddings: Mapping[int, npt.NDArray[np.float32]]) -> None:
        if embeddings:
            with self._writing():
                self._write(self._read().with_embeddings(space, embeddings).content())

    def set_calibration(self, digest: str, calibration: dict[str, Any] | None) -> None:
        with self._writing():
            kept = {model: known for model, known in self._calibrations().items() if model != digest}
            if calibration:
                kept[digest] = calibration
            path = self.folder / _CALIBRATION
            beside = path.with_name(f".{_CALIBRATION}.{os.getpid()}")
            try:
                beside.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)

    def rebuild(self) -> list[str]:
        problems: list[str] = []
        records: list[tuple[ChipRecord, str]] = []
        with self._writing():
            for path in sorted((self.folder / "faces").glob("*/*.jpg")):
                try:
                    jpeg = path.read_bytes()
                    decode_chip(jpeg)
                except (OSError, ValueError) as error:
                    problems.append(f"{path} cannot be used ({error}): it is left out.")
                    continue
                record = read_record(jpeg)
                if record is None:
                    problems.append(f"{path} has no record: it is left out; enrol its photo again.")
                else:
                    records.append((record, path.relative_to(self.folder).as_posix()))
            self._write(Index.from_records(records).content())
        return problems

    # ------------------------------------------------------------------ the folder

    def _create(self) -> None:
        try:
            if not self.folder.exists():
                self.folder.mkdir(parents=True, mode=0o700)
                (self.folder / ".gitignore").write_text("*\n", encoding="utf-8")
            elif not self.folder.is_dir():
                raise DatabaseError(f"{self.folder} is a file, not a folder: name another database with -db.")
            elif not self.index_path.exists():
                self.folder.chmod(0o700)
        except OSError as error:
            raise self._failed(error) from error
        if not self.index_path.exists():
            # An index from the start: chips without one are damage, never a first enrolment still under way.
            with self._writing():
                index = self._read()
                if not self.index_path.exists():
                    self._write(index.content())

    def _calibrations(self) -> dict[str, dict[str, Any]]:
        path = self.folder / _CALIBRATION
        try:
            kept = dict(json.loads(path.read_text(encoding="utf-8")))
            for calibration in kept.values():
                if not {"fmr", "distance", "slope"} <= calibration.keys() or "people" not in calibration["about"]:
                    raise ValueError("a calibration is incomplete")
            return kept
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._failed(error) from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise DatabaseError(
                f"{path} is damaged: delete it, and run `facerec people calibrate -db {self.folder}` again."
            ) from error

    def _read(self) -> Index:
        try:
            status = self.index_path.stat()
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            if self._cached is None or self._cached[0] != version:
                self._cached = (version, self._load())
            return self._cached[1]
        except FileNotFoundError as error:
            if any((self.folder / "faces").glob("*/*.jpg")):
                raise DatabaseError(
                    f"{self.index_path} is missing, but {self.folder / 'faces'} holds chips: "
                    f"run `facerec people rebuild -db {self.folder}`."
                ) from error
            return Index.from_records([])
        except PermissionError as error:
            raise self._failed(error) from error

    def _load(self) -> Index:
        try:
            columns, attributes = read_columns(self.index_path)
            if attributes["format"] != FORMAT:
                raise DatabaseError(
                    f"{self.index_path} has format {attributes['format']}, and this facerec reads format {FORMAT}: "
                    "upgrade facerec."
                )
            return Index.from_columns(columns, attributes["next_id"])
        except (FileNotFoundError, PermissionError):
            raise
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            raise DatabaseError(
                f"{self.index_path} is damaged: run `facerec people rebuild -db {self.folder}` "
                "to restore it from the enrolled chips."
            ) from error

    def _write(self, content: Content, records: Sequence[tuple[ChipRecord, bytes]] = ()) -> None:
        """Write chips durably, then the index that names them; if it cannot follow, the chips go again."""
        with self._new_chips() as write_chip:
            for record, jpeg in records:
                write_chip(chip_path(record.name, record.sha256), with_record(jpeg, record))
            attributes = {"format": FORMAT, "next_id": content.next_id}
            write_columns(self.index_path, content.columns, attributes, content.patches)

    @contextmanager
    def _new_chips(self) -> Iterator[Callable[[str, bytes], None]]:
        written: list[Path] = []

        def write(relative: str, data: bytes) -> None:
            path = self.folder / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            written.append(path)
            with path.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())

        try:
            yield write
        except BaseException:
            for path in written:
                path.unlink(missing_ok=True)
                if not any(path.parent.iterdir()):
                    path.parent.rmdir()
            raise

    def _remove_chips(self, name: str) -> None:
        folder = self.folder / "faces" / slug(name)
        if folder.is_dir():
            shutil.rmtree(folder)
            sync_folder(folder.parent)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the lock, and turn what the disk refuses into a sentence."""
        import filelock  # noqa: PLC0415 - readers never need it

        lock = filelock.FileLock(self.folder / ".lock", timeout=LOCK_TIMEOUT)
        try:
            with lock:
                yield
        except filelock.Timeout as error:
            raise DatabaseError(
                f"{self.folder} has been in use by another process for {LOCK_TIMEOUT:.0f} s: try again later."
            ) from error
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> DatabaseError:
        text = str(error)
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} or "No space left" in text:
            why = "the disk is full: free some space and run the command again"
        elif error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            why = "it is not readable and writable for you: change its permissions or name another database with -db"
        else:
            why = f"{error.strerror or text}: check the disk"
        return DatabaseError(f"{self.folder} cannot be changed, {why}. What was enrolled before is untouched.")

    def _person_row(self, index: Index, name: str) -> int:
        row = index.person_row(name)
        if row is None:
            raise self._nobody(name)
        return row

    def _nobody(self, name: str) -> PersonError:
        return PersonError(f"Nobody named {name!r} is enrolled in {self.folder}: `facerec people list` shows who is.")
