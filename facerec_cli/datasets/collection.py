"""An index of photos: the faces of each, found and embedded once, in one SQLite file for its user alone.

A photo is known by its absolute path, and is as it was while its size and time are; its SHA-256 tells when it only
moved. What was found by an earlier version of detection, alignment or measurement counts for nothing.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.errors import CollectionError, DamagedCollectionError
from facerec_cli.faces.extraction import extraction_version
from facerec_cli.faces.quality import Quality
from facerec_cli.files import refusal
from facerec_cli.tables import Kind, TableFile

_SCHEMA = """
CREATE TABLE photos (
    id INTEGER PRIMARY KEY AUTOINCREMENT, path BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, modified INTEGER NOT NULL,
    sha256 TEXT NOT NULL, version INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    faces INTEGER NOT NULL, note TEXT, error TEXT, problem TEXT, remedy TEXT
);
CREATE INDEX photos_sha256 ON photos (sha256);
CREATE TABLE faces (
    id INTEGER PRIMARY KEY AUTOINCREMENT, photo INTEGER NOT NULL, number INTEGER NOT NULL, box BLOB NOT NULL,
    landmarks BLOB NOT NULL, score REAL NOT NULL, doubtful INTEGER NOT NULL, quality BLOB NOT NULL,
    UNIQUE (photo, number)
);
CREATE TABLE groups (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);
CREATE TABLE grouped (face INTEGER PRIMARY KEY, "group" INTEGER NOT NULL);
CREATE INDEX grouped_group ON grouped ("group");
CREATE TABLE chips (face INTEGER PRIMARY KEY, jpeg BLOB NOT NULL);
CREATE TABLE embedded (
    photo INTEGER NOT NULL, digest TEXT NOT NULL, embeddings BLOB NOT NULL, PRIMARY KEY (photo, digest)
)
"""
"""``modified`` is in nanoseconds. Of a photo that cannot be used, ``error`` is the class of the error. Landmarks and
embeddings are float32, box and quality float64, least byte first; the embeddings are those of the photo's faces in
order."""
_KIND = Kind(
    format=1,
    schema=_SCHEMA,
    settings=("secure_delete = ON",),
    newer=CollectionError,
    refused=CollectionError,
    damaged=DamagedCollectionError,
    loss="delete it: it is made anew from the photos",
)
_MODE = 0o600
_TOGETHER = 500
"""Photos that are looked up at once: SQLite takes 999 parameters."""


@dataclass(frozen=True, eq=False)
class KeptFace:
    """A face of a photo in the index, as ``faces.extraction.Face`` has it, with its chip as JPEG."""

    box: tuple[float, float, float, float]
    landmarks: npt.NDArray[np.float32]
    score: float
    doubtful: bool
    quality: Quality
    jpeg: bytes


@dataclass(frozen=True)
class Version:
    """What tells whether a file is as it was: its size, bytes, and the time of its last change, nanoseconds."""

    size: int
    modified: int


@dataclass(frozen=True)
class Refused:
    """Why a photo cannot be used: the error's class, problem and remedy."""

    error: str
    problem: str
    remedy: str


@dataclass(frozen=True, eq=False)
class KeptPhoto:
    """A photo in the index.

    Attributes:
        version: of its file.
        sha256: of its file.
        width: of the upright photo, pixels; 0 where it cannot be used.
        height: of the upright photo, pixels; 0 where it cannot be used.
        faces: largest first.
        embeddings: float32 [faces, d], by one model.
        note: what of the photo was not looked at.
        refused: why it cannot be used.
    """

    version: Version
    sha256: str
    width: int
    height: int
    faces: Sequence[KeptFace]
    embeddings: Embeddings
    note: str | None = None
    refused: Refused | None = None


@dataclass(frozen=True, eq=False)
class Survey:
    """What an index has of photos, each of which is in one of these.

    Attributes:
        embeddings: float32 [faces, d] of those that it has as they are now, in their order.
        refused: why others cannot be used.
        missing: those that it has not, or not as they are now, or not by this model.
    """

    embeddings: Mapping[Path, Embeddings]
    refused: Mapping[Path, Refused]
    missing: Sequence[Path]


class Collection:
    """The index; may be shared by threads, and by processes that use the same file.

    Every method may raise ``CollectionError``: the file cannot be read or written, or is damaged.

    Attributes:
        tables: the file.
    """

    def __init__(self, path: Path) -> None:
        """Open the index in a file, or make it.

        Raises:
            CollectionError: it cannot be opened, is damaged, or of a newer format.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason, remedy = refusal(error)
            raise CollectionError(f"{path} cannot be made, {reason}", remedy, str(path)) from error
        self.tables = TableFile(path, _MODE, _KIND)
        with self.tables.reading() as db:
            db.row_factory = sqlite3.Row

    def close(self) -> None:
        """Close the file."""
        self.tables.close()

    # ------------------------------------------------------------------ looking

    def survey(self, photos: Sequence[Path], digest: str) -> Survey:
        """What the index has of many photos, by the model of this digest, without their faces."""
        of = {key_of(photo): photo for photo in photos}
        with self.tables.reading() as db:
            rows = {key: row for key, _, row in _current(db, list(of), digest)}
        usable = [row for key in of if (row := rows.get(key)) and not row["error"]]
        embeddings = dict(zip((of[row["path"]] for row in usable), _all_vectors(usable), strict=True))
        refused = {
            of[key]: Refused(row["error"], row["problem"], row["remedy"]) for key, row in rows.items() if row["error"]
        }
        return Survey(embeddings, refused, [photo for key, photo in of.items() if key not in rows])

    def look(self, photos: Sequence[Path], digest: str) -> dict[Path, KeptPhoto]:
        """The photos that are in the index as they are now, with their embeddings by the model of this digest."""
        with self.tables.reading() as db:
            keys = [key_of(photo) for photo in photos]
            found = {key: _read(db, version, row) for key, version, row in _current(db, keys, digest)}
        return {photo: found[key] for photo, key in zip(photos, keys, strict=True) if key in found}

    def twin(self, sha256: str, version: Version, digest: str) -> KeptPhoto | None:
        """A photo of the same content, wherever it is or was, as one of this version."""
        with self.tables.reading() as db:
            rows = db.execute(f"{_SELECT} WHERE sha256 = ? AND version = ?", [digest, sha256, extraction_version()])
            found = next((row for row in rows.fetchall() if row["embeddings"] is not None), None)
            return _read(db, version, found) if found else None

    # ------------------------------------------------------------------ changing

    def add(self, photos: Mapping[Path, KeptPhoto], digest: str) -> None:
        """Put photos in, in place of what the index had at these paths.

        A photo whose twin is gone from its place has moved: the index's photo moves along.
        """
        with self.tables.changing() as db:
            for path, photo in photos.items():
                number = _place(db, path, photo)
                embeddings = photo.embeddings.astype("<f4").tobytes()
                db.execute("INSERT OR REPLACE INTO embedded VALUES (?, ?, ?)", [number, digest, embeddings])

    def drop_gone(self, folder: Path, there: Iterable[Path]) -> int:
        """Forget the photos below a folder that are no longer there; returns how many.

        Args:
            folder: which.
            there: all photos below it.
        """
        kept = {key_of(photo) for photo in there}
        with self.tables.reading() as db:
            gone = [path for path in _below(db, folder) if path not in kept]
        if gone:
            with self.tables.changing() as db:
                for path in gone:
                    for row in db.execute("SELECT id FROM photos WHERE path = ?", [path]).fetchall():
                        _forget(db, row["id"])
        return len(gone)


def usual_place() -> Path:
    """The file in the user's cache that is the index of all photos, where no other is named."""
    import platformdirs  # noqa: PLC0415 - who names another needs none

    return platformdirs.user_cache_path("facerec", appauthor=False) / "index.sqlite3"


def key_of(photo: Path) -> bytes:
    """What a photo is known by: its absolute path, without ``..`` and with links left as they are."""
    return os.fsencode(os.path.abspath(photo))  # noqa: PTH100 - Path.absolute leaves .. in


_SELECT = "SELECT photos.*, embeddings FROM photos LEFT JOIN embedded ON photo = photos.id AND digest = ?"


_INSERT = (
    "INSERT INTO photos"
    " (path, size, modified, sha256, version, width, height, faces, note, error, problem, remedy)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def _current(
    db: sqlite3.Connection, keys: Sequence[bytes], digest: str
) -> Iterator[tuple[bytes, Version, sqlite3.Row]]:
    """The rows of photos that are as they were, and embedded, with their keys and the files' versions; in no order."""
    for start in range(0, len(keys), _TOGETHER):
        some = keys[start : start + _TOGETHER]
        marks = ", ".join("?" * len(some))
        wanted = f"{_SELECT} WHERE version = ? AND embeddings IS NOT NULL AND path IN ({marks})"
        for row in db.execute(wanted, [digest, extraction_version(), *some]).fetchall():
            version = version_of(row["path"])
            if version == Version(row["size"], row["modified"]):
                yield row["path"], version, row


def _read(db: sqlite3.Connection, version: Version, row: sqlite3.Row) -> KeptPhoto:
    """A photo with all that the index has of it, as one of a version."""
    faces = db.execute(
        "SELECT box, landmarks, score, doubtful, quality, jpeg FROM faces JOIN chips ON face = id"
        " WHERE photo = ? ORDER BY number",
        [row["id"]],
    )
    refused = Refused(row["error"], row["problem"], row["remedy"]) if row["error"] else None
    return KeptPhoto(
        version,
        row["sha256"],
        row["width"],
        row["height"],
        [_face(face) for face in faces.fetchall()],
        _vectors(row),
        row["note"],
        refused,
    )


def _face(row: sqlite3.Row) -> KeptFace:
    x, y, width, height = np.frombuffer(row["box"], "<f8").tolist()
    landmarks = np.frombuffer(row["landmarks"], "<f4").reshape(-1, 2).astype(np.float32)
    quality = Quality(*np.frombuffer(row["quality"], "<f8").tolist())
    return KeptFace((x, y, width, height), landmarks, row["score"], bool(row["doubtful"]), quality, row["jpeg"])


def _vectors(row: sqlite3.Row) -> Embeddings:
    """A photo's embeddings; without faces there are none, of whatever length."""
    numbers = np.frombuffer(row["embeddings"], "<f4").astype(np.float32)
    return numbers.reshape(row["faces"], -1) if row["faces"] else numbers.reshape(0, 0)


def _all_vectors(rows: Sequence[sqlite3.Row]) -> list[Embeddings]:
    """The embeddings of photos, as ``_vectors``, which are parts of one array."""
    ends = np.cumsum([row["faces"] for row in rows]).tolist()
    if not ends or not ends[-1]:
        return list(map(_vectors, rows))
    numbers = np.frombuffer(b"".join(row["embeddings"] for row in rows), "<f4").astype(np.float32)
    block = numbers.reshape(ends[-1], -1)
    return [block[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _place(db: sqlite3.Connection, path: Path, photo: KeptPhoto) -> int:
    """Have a photo at a path, and return its id: the one that is there, or has moved there, or a new one."""
    key, version = key_of(path), extraction_version()
    here = db.execute("SELECT id, sha256, version FROM photos WHERE path = ?", [key]).fetchone()
    same = [photo.sha256, version]
    if here is not None and ([here["sha256"], here["version"]] != same or photo.refused):
        _forget(db, here["id"])
        here = None
    if here is None and photo.sha256:
        twins = db.execute("SELECT id, path FROM photos WHERE sha256 = ? AND version = ?", same).fetchall()
        here = next((twin for twin in twins if not os.path.lexists(twin["path"])), None)
    if here is not None:
        where = [key, photo.version.size, photo.version.modified, here["id"]]
        db.execute("UPDATE photos SET path = ?, size = ?, modified = ? WHERE id = ?", where)
        return int(here["id"])
    refused = photo.refused
    why = (refused.error, refused.problem, refused.remedy) if refused else (None, None, None)
    size = (photo.width, photo.height, len(photo.faces))
    values = (key, *astuple(photo.version), *same, *size, photo.note, *why)
    number = int(db.execute(_INSERT, values).lastrowid or 0)
    for place, face in enumerate(photo.faces):
        columns = (
            np.array(face.box, "<f8").tobytes(),
            face.landmarks.astype("<f4").tobytes(),
            face.score,
            face.doubtful,
            np.array(astuple(face.quality), "<f8").tobytes(),
        )
        added = db.execute(
            "INSERT INTO faces (photo, number, box, landmarks, score, doubtful, quality) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (number, place, *columns),
        )
        db.execute("INSERT INTO chips VALUES (?, ?)", [added.lastrowid, face.jpeg])
    return number


def _forget(db: sqlite3.Connection, photo: int) -> None:
    for table in ("chips", "grouped"):
        db.execute(f"DELETE FROM {table} WHERE face IN (SELECT id FROM faces WHERE photo = ?)", [photo])
    for table, column in (("faces", "photo"), ("embedded", "photo"), ("photos", "id")):
        db.execute(f"DELETE FROM {table} WHERE {column} = ?", [photo])


def _below(db: sqlite3.Connection, folder: Path) -> list[bytes]:
    """The paths below a folder that the index has."""
    begin = os.path.join(key_of(folder), b"")  # noqa: PTH118 - bytes
    end = begin[:-1] + bytes([begin[-1] + 1])
    return [row["path"] for row in db.execute("SELECT path FROM photos WHERE path >= ? AND path < ?", [begin, end])]


def version_of(path: bytes | Path) -> Version:
    """A file's version now; of one that cannot be asked about, none that any has."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a key is bytes
    except (OSError, ValueError):
        return Version(-1, -1)
    return Version(status.st_size, status.st_mtime_ns)
