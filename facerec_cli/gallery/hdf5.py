"""The embedded gallery: a folder with the enrolled chips and one HDF5 index.

    database/
      faces/<name-slug>/<sha256-16>.jpg   every enrolled chip; its JPEG comment holds its record
      gallery.h5                          the index, which the chips can rebuild (but for embeddings, which follow)

Writers hold a lock, read the index anew, write it beside itself and rename it in; chips are written under the same lock
before the index that names them. Readers never lock: they map the old file or the new one, whole.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from facerec_cli.errors import DatabaseError, PersonError
from facerec_cli.gallery.base import EnrolledFace, Gallery, Match, NewFace, Person, clean_name, templates
from facerec_cli.gallery.chipfile import ChipRecord, decode_chip, read_record, slug, with_record
from facerec_cli.gallery.columns import Column, read_columns, sync_folder, text_column, write_columns

if TYPE_CHECKING:
    from facerec_cli.faces.alignment import Chip

FORMAT = 1
LOCK_TIMEOUT = 60.0
_SEARCH_BLOCK = 16_000_000
"""Most distances held at once by a search: 64 MB."""
_FACE_COLUMNS = ("id", "person", "chip", "sha256", "source", "score", "created")


@dataclass(frozen=True, eq=False)
class Index:
    """gallery.h5, mapped.

    Attributes:
        people: columns ``id``, ``name``, ``created``, each [people], ids ascending.
        faces: columns ``id``, ``person``, ``chip``, ``sha256``, ``source``, ``score``, ``created``, each [faces].
        embeddings: float32 [faces, d] by model digest; NaN rows are not embedded yet.
        templates: float32 [people, d] by model digest.
        next_id: the next free id, of people and faces alike; ids are never used twice.
    """

    people: dict[str, Column]
    faces: dict[str, Column]
    embeddings: dict[str, Column]
    templates: dict[str, Column]
    next_id: int

    @classmethod
    def empty(cls) -> Index:
        """An index of nobody."""
        numbers, text = np.empty(0, np.int64), np.empty(0, "S1")
        people = {"id": numbers, "name": text, "created": numbers}
        faces: dict[str, Column] = dict.fromkeys(_FACE_COLUMNS, numbers)
        faces |= {"chip": text, "sha256": text, "source": text, "score": np.empty(0, np.float32)}
        return cls(people, faces, {}, {}, next_id=1)

    @cached_property
    def owner(self) -> npt.NDArray[np.int64]:
        """The row in ``people`` of each face, int64 [faces]."""
        return np.searchsorted(self.people["id"], self.faces["person"]).astype(np.int64)

    @cached_property
    def photo_counts(self) -> npt.NDArray[np.int64]:
        """The number of faces of each person, int64 [people]."""
        return np.bincount(self.owner, minlength=len(self.people["id"])).astype(np.int64)

    def person_row(self, name: str) -> int | None:
        """The row of the person of this name."""
        rows = np.flatnonzero(self.people["name"] == name.encode())
        return int(rows[0]) if len(rows) else None

    def columns(self) -> dict[str, list[Column]]:
        """Everything, as ``write_columns`` takes it."""
        tables = {"people": self.people, "faces": self.faces}
        tables |= {"embeddings": self.embeddings, "templates": self.templates}
        return {f"{table}/{name}": [column] for table, columns in tables.items() for name, column in columns.items()}


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
        index = self._read()
        names, ids, created = (index.people[column] for column in ("name", "id", "created"))
        return [
            Person(int(ids[row]), names[row].decode(), int(photos), _time(created[row]))
            for row, photos in enumerate(index.photo_counts)
        ]

    def faces(self, name: str | None = None) -> list[EnrolledFace]:
        index = self._read()
        if name is None:
            rows = np.arange(len(index.owner))
        else:
            rows = np.flatnonzero(index.owner == self._person_row(index, name))
        return _faces(index, rows)

    def has_photo(self, name: str, sha256: str) -> bool:
        return _face_row(self._read(), name, sha256) is not None

    def photo_counts(self) -> npt.NDArray[np.int64]:
        return self._read().photo_counts

    def pending(self, digest: str) -> list[EnrolledFace]:
        index = self._read()
        embeddings = index.embeddings.get(digest)
        if embeddings is None:
            return _faces(index, np.arange(len(index.owner)))
        return _faces(index, np.flatnonzero(np.isnan(embeddings[:, 0])))

    def embeddings(self, digest: str) -> npt.NDArray[np.float32]:
        return self._read().embeddings.get(digest, np.empty((0, 0), np.float32))

    def read_chip(self, face: EnrolledFace) -> Chip:
        path = self.folder / face.chip
        try:
            return decode_chip(path.read_bytes())
        except FileNotFoundError as error:
            reason = "is missing"
            cause: Exception = error
        except (OSError, ValueError) as error:
            reason = f"cannot be used ({error})"
            cause = error
        raise DatabaseError(
            f"The chip {path} of {face.name} {reason}: enrol {face.source} again, "
            "or run `facerec people rebuild` to forget it."
        ) from cause

    def template(self, digest: str, name: str) -> npt.NDArray[np.float32]:
        index = self._read()
        row = self._person_row(index, name)
        return np.array(index.templates[digest][row])

    def search(self, digest: str, probes: npt.NDArray[np.float32], top: int = 1) -> list[list[Match]]:
        index = self._read()
        if len(index.people["id"]) == 0 or digest not in index.templates:
            return [[] for _ in probes]
        names, enrolled = index.people["name"], index.templates[digest]
        step = max(1, _SEARCH_BLOCK // len(enrolled))
        found: list[list[Match]] = []
        for start in range(0, len(probes), step):
            for cosines in probes[start : start + step] @ enrolled.T:
                rows = _largest(cosines, top)
                found.append([Match(names[row].decode(), max(0.0, 1.0 - float(cosines[row]))) for row in rows])
        return found

    # ------------------------------------------------------------------ writing

    def add(self, digest: str, faces: Sequence[NewFace]) -> list[bool]:
        with self._writing():
            index = self._read()
            now = int(time.time())
            rows: dict[str, int | None] = {face.name: index.person_row(face.name) for face in faces}
            new_people: list[tuple[int, str]] = []
            new_faces: list[tuple[int, int, NewFace]] = []  # id, person row, face
            seen: set[tuple[str, str]] = set()
            outcome = []
            next_id = index.next_id
            for face in faces:
                is_new = (face.name, face.sha256) not in seen and _face_row(index, face.name, face.sha256) is None
                outcome.append(is_new)
                seen.add((face.name, face.sha256))
                if not is_new:
                    continue
                row = rows[face.name]
                if row is None:
                    row = rows[face.name] = len(index.people["id"]) + len(new_people)
                    new_people.append((next_id, face.name))
                    next_id += 1
                new_faces.append((next_id, row, face))
                next_id += 1
            if not new_faces:
                return outcome
            person_ids = np.concatenate([index.people["id"], [id for id, _ in new_people]]).astype(np.int64)
            columns = index.columns()
            _append(columns, "people", _people_columns(new_people, now))
            _append(columns, "faces", _face_columns(new_faces, person_ids, now))
            patches = _append_embeddings(columns, index, digest, new_faces, len(new_people))
            with self._new_chips() as write_chip:
                for _, _, face in new_faces:
                    record = ChipRecord(face.name, face.sha256, face.source, face.score, now)
                    write_chip(_chip_path(face.name, face.sha256), with_record(face.jpeg, record))
                self._write(columns, next_id, patches)
        return outcome

    def rename(self, name: str, new_name: str) -> None:
        new_name = clean_name(new_name)
        with self._writing():
            index = self._read()
            row = self._person_row(index, name)
            if new_name == name:
                return
            if index.person_row(new_name) is not None:
                raise PersonError(f"{new_name} is already enrolled in {self.folder}: choose another name.")
            mine = np.flatnonzero(index.owner == row)
            chips = [chip.decode() for chip in index.faces["chip"]]
            names = [other.decode() for other in index.people["name"]]
            names[row] = new_name
            with self._new_chips() as write_chip:
                for face_row, face in zip(mine, _faces(index, mine), strict=True):
                    created = int(face.created.timestamp())
                    record = ChipRecord(new_name, face.sha256, face.source, face.score, created)
                    chips[face_row] = _chip_path(new_name, face.sha256)
                    write_chip(chips[face_row], with_record((self.folder / face.chip).read_bytes(), record))
                columns = index.columns()
                columns["people/name"] = [text_column(names)]
                columns["faces/chip"] = [text_column(chips)]
                self._write(columns, index.next_id)
            self._remove_chips(name)

    def remove(self, name: str) -> int:
        with self._writing():
            index = self._read()
            row = index.person_row(name)
            if row is None:
                # Killed between the two steps below, an earlier removal may have left the chips.
                self._remove_chips(name)
                raise self._nobody(name)
            people = np.arange(len(index.people["id"])) != row
            faces = index.owner != row
            kept = replace(
                index,
                people={column: values[people] for column, values in index.people.items()},
                faces={column: values[faces] for column, values in index.faces.items()},
                embeddings={model: values[faces] for model, values in index.embeddings.items()},
                templates={model: values[people] for model, values in index.templates.items()},
            )
            self._write(kept.columns(), index.next_id)
            self._remove_chips(name)
        return int((~faces).sum())

    def store(self, digest: str, embeddings: Mapping[int, npt.NDArray[np.float32]]) -> None:
        if not embeddings:
            return
        with self._writing():
            index = self._read()
            size = len(next(iter(embeddings.values())))
            rows = index.embeddings.get(digest)
            whole = np.full((len(index.owner), size), np.nan, np.float32) if rows is None else np.array(rows)
            for row, face_id in enumerate(index.faces["id"]):
                if int(face_id) in embeddings:
                    whole[row] = embeddings[int(face_id)]
            columns = index.columns()
            columns[f"embeddings/{digest}"] = [whole]
            columns[f"templates/{digest}"] = [templates(whole, index.owner, len(index.people["id"]))]
            self._write(columns, index.next_id)

    def rebuild(self) -> list[str]:
        problems: list[str] = []
        with self._writing():
            records: list[tuple[ChipRecord, str]] = []
            for path in sorted((self.folder / "faces").glob("*/*.jpg")):
                relative = path.relative_to(self.folder).as_posix()
                try:
                    jpeg = path.read_bytes()
                    decode_chip(jpeg)
                except (OSError, ValueError) as error:
                    problems.append(f"{path} cannot be used ({error}): it is left out.")
                    continue
                record = read_record(jpeg)
                if record is None:
                    problems.append(f"{path} has no record: it is left out; enrol its photo again.")
                    continue
                records.append((record, relative))
            records.sort(key=lambda item: (item[0].created, item[0].name, item[1]))
            names = list(dict.fromkeys(record.name for record, _ in records))
            since = {name: min(r.created for r, _ in records if r.name == name) for name in names}
            ids = {name: row + 1 for row, name in enumerate(names)}
            first = len(names) + 1
            index = Index(
                people={
                    "id": np.arange(1, first, dtype=np.int64),
                    "name": text_column(names),
                    "created": np.array([since[name] for name in names], np.int64),
                },
                faces={
                    "id": np.arange(first, first + len(records), dtype=np.int64),
                    "person": np.array([ids[record.name] for record, _ in records], np.int64),
                    "chip": text_column([relative for _, relative in records]),
                    "sha256": text_column([record.sha256 for record, _ in records]),
                    "source": text_column([record.source for record, _ in records]),
                    "score": np.array([record.score for record, _ in records], np.float32),
                    "created": np.array([record.created for record, _ in records], np.int64),
                },
                embeddings={},
                templates={},
                next_id=first + len(records),
            )
            self._write(index.columns(), index.next_id)
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
                    self._write(index.columns(), index.next_id)

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
            return Index.empty()

    def _load(self) -> Index:
        try:
            columns, attributes = read_columns(self.index_path)
            if attributes["format"] != FORMAT:
                raise DatabaseError(
                    f"{self.index_path} has format {attributes['format']}, and this facerec reads format {FORMAT}: "
                    "upgrade facerec."
                )
            tables: dict[str, dict[str, Column]] = {}
            for path, column in columns.items():
                table, name = path.split("/")
                tables.setdefault(table, {})[name] = column
            index = Index(
                people={name: tables["people"][name] for name in ("id", "name", "created")},
                faces={name: tables["faces"][name] for name in _FACE_COLUMNS},
                embeddings=tables.get("embeddings", {}),
                templates=tables.get("templates", {}),
                next_id=attributes["next_id"],
            )
            _check(index)
            return index
        except FileNotFoundError:
            raise
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError) as error:
            if isinstance(error, PermissionError):
                raise self._failed(error) from error
            raise DatabaseError(
                f"{self.index_path} is damaged: run `facerec people rebuild -db {self.folder}` "
                "to restore it from the enrolled chips."
            ) from error

    def _write(
        self,
        columns: Mapping[str, Sequence[Column]],
        next_id: int,
        patches: Mapping[str, tuple[Sequence[int], Column]] | None = None,
    ) -> None:
        write_columns(self.index_path, columns, {"format": FORMAT, "next_id": next_id}, patches)

    @contextmanager
    def _new_chips(self) -> Iterator[Callable[[str, bytes], None]]:
        """Write chips durably; if the index that names them cannot follow, they go again."""
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
            import shutil  # noqa: PLC0415 - readers never need it

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


def _chip_path(name: str, sha256: str) -> str:
    return f"faces/{slug(name)}/{sha256[:16]}.jpg"


def _time(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), timezone.utc)


def _faces(index: Index, rows: npt.NDArray[np.intp]) -> list[EnrolledFace]:
    column, names = index.faces, index.people["name"]
    return [
        EnrolledFace(
            id=int(column["id"][row]),
            name=names[index.owner[row]].decode(),
            chip=column["chip"][row].decode(),
            sha256=column["sha256"][row].decode(),
            source=column["source"][row].decode(),
            score=float(column["score"][row]),
            created=_time(column["created"][row]),
        )
        for row in rows
    ]


def _face_row(index: Index, name: str, sha256: str) -> int | None:
    """The row of a person's face from this photo."""
    row = index.person_row(name)
    if row is None:
        return None
    rows = np.flatnonzero(index.owner == row)
    found = rows[index.faces["sha256"][rows] == sha256.encode()]
    return int(found[0]) if len(found) else None


def _largest(cosines: npt.NDArray[np.float32], top: int) -> npt.NDArray[np.intp]:
    """The rows of the largest values, largest first, lower rows first among equals; NaN never."""
    count = min(top, len(cosines))
    if count == 0:
        return np.empty(0, np.intp)
    if np.isnan(cosines).any():
        cosines = np.nan_to_num(cosines, nan=-np.inf)
    bound = cosines.max() if count == 1 else np.partition(cosines, len(cosines) - count)[len(cosines) - count]
    rows = np.flatnonzero((cosines >= bound) & (cosines > -np.inf))
    return rows[np.lexsort((rows, -cosines[rows]))][:count]


def _append(columns: dict[str, list[Column]], table: str, new: Mapping[str, Column]) -> None:
    for name, values in new.items():
        columns[f"{table}/{name}"].append(values)


def _people_columns(people: Sequence[tuple[int, str]], now: int) -> dict[str, Column]:
    return {
        "id": np.array([id for id, _ in people], np.int64),
        "name": text_column([name for _, name in people]),
        "created": np.full(len(people), now, np.int64),
    }


def _face_columns(
    faces: Sequence[tuple[int, int, NewFace]], person_ids: npt.NDArray[np.int64], now: int
) -> dict[str, Column]:
    return {
        "id": np.array([id for id, _, _ in faces], np.int64),
        "person": np.array([person_ids[row] for _, row, _ in faces], np.int64),
        "chip": text_column([_chip_path(face.name, face.sha256) for _, _, face in faces]),
        "sha256": text_column([face.sha256 for _, _, face in faces]),
        "source": text_column([face.source for _, _, face in faces]),
        "score": np.array([face.score for _, _, face in faces], np.float32),
        "created": np.full(len(faces), now, np.int64),
    }


def _append_embeddings(
    columns: dict[str, list[Column]],
    index: Index,
    digest: str,
    faces: Sequence[tuple[int, int, NewFace]],
    new_people: int,
) -> dict[str, tuple[Sequence[int], Column]]:
    """Add rows to every model's embeddings and templates, NaN for other models than this.

    Returns:
        The template rows of people that had photos before, to overwrite.
    """
    new = np.stack([face.embedding for _, _, face in faces])
    size = new.shape[1]
    old_people = len(index.people["id"])
    if digest not in index.embeddings:
        columns[f"embeddings/{digest}"] = [np.full((len(index.owner), size), np.nan, np.float32)]
        columns[f"templates/{digest}"] = [np.full((old_people, size), np.nan, np.float32)]
    for model, parts in [(key.split("/")[1], parts) for key, parts in columns.items() if key.startswith("emb")]:
        rows = new if model == digest else np.full((len(new), parts[0].shape[1]), np.nan, np.float32)
        parts.append(rows)
        columns[f"templates/{model}"].append(np.full((new_people, rows.shape[1]), np.nan, np.float32))
    touched = sorted({row for _, row, _ in faces})
    position = {row: place for place, row in enumerate(touched)}
    before = np.flatnonzero(np.isin(index.owner, [row for row in touched if row < old_people]))
    owner = [position[int(row)] for row in index.owner[before]] + [position[row] for _, row, _ in faces]
    earlier = np.asarray(columns[f"embeddings/{digest}"][0])[before]
    values = templates(np.concatenate([earlier, new]), np.array(owner, np.int64), len(touched))
    return {f"templates/{digest}": (touched, values)}


def _check(index: Index) -> None:
    """Refuse an index whose columns do not fit together."""
    people, faces = len(index.people["id"]), len(index.faces["id"])
    lengths = [(column, people) for column in (*index.people.values(), *index.templates.values())]
    lengths += [(column, faces) for column in (*index.faces.values(), *index.embeddings.values())]
    if any(len(column) != expected for column, expected in lengths):
        raise ValueError("columns of different lengths")
    if index.embeddings.keys() != index.templates.keys():
        raise ValueError("embeddings without templates")
    if faces and not np.isin(index.faces["person"], index.people["id"]).all():
        raise ValueError("a face of nobody")
