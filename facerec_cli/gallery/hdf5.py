"""The embedded gallery: a folder with the enrolled chips and an HDF5 index.

    database/
      faces/<name-slug>/<sha256-16>.jpg   every enrolled chip; its JPEG comment holds its record
      gallery.h5, segments/               the index, which the chips can rebuild; ``indexfile`` says how it grows
      .unfinished.json                    while somebody writes: the chips that come or go

Writers hold a lock, finish what a killed one left, read the index anew, note which chips will come or go, write the new
ones, then the index that names them, and take the old ones away. Readers never lock.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from facerec_cli.defaults import DATABASE_INDEX
from facerec_cli.encoders.encoder import Embedding
from facerec_cli.encoders.metric import Comparison
from facerec_cli.errors import (
    DamagedDatabaseError,
    DatabaseError,
    DatabaseRefusedError,
    LostChipError,
    NameTakenError,
    NoDatabaseError,
    SmallerDatabaseError,
    UnfinishedChangeError,
    UnusableLocationError,
)
from facerec_cli.files import clear_strays, refusal, write_file
from facerec_cli.gallery import changes
from facerec_cli.gallery.addition import Addition, record_of
from facerec_cli.gallery.base import EnrolledFace, Gallery, NewFace, clean_name
from facerec_cli.gallery.changes import AddedFace
from facerec_cli.gallery.chipstore import ChipFolder, decode_chip, with_record, without_record
from facerec_cli.gallery.index import Index
from facerec_cli.gallery.indexfile import IndexFile
from facerec_cli.gallery.place import other_things
from facerec_cli.gallery.rebuilding import Survey, rebuilt, survey
from facerec_cli.gallery.segment import EMPTY
from facerec_cli.gallery.snapshot import IndexSnapshot
from facerec_cli.gallery.unfinished import UnfinishedChips
from facerec_cli.locks import LockHeldError, locked

if TYPE_CHECKING:
    from facerec_cli.faces.alignment import Chip

LOCK_TIMEOUT = 60.0


class Hdf5Gallery(Gallery):
    """A gallery in a folder; see the module's description."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        """Open a database folder.

        Raises:
            NoDatabaseError: there is none and ``create`` is false.
            UnusableLocationError: a file is there, or a folder of other things.
            DatabaseError: it cannot be made.
        """
        self.folder = folder
        self.location = str(folder)
        self.index_file = IndexFile(folder)
        self.chips = ChipFolder(folder, self._mode)
        self._unfinished = UnfinishedChips(folder)
        try:
            if folder.exists() and not folder.is_dir():
                raise UnusableLocationError(f"{folder} is a file, not a folder", "name another database")
            if create:
                self._create()
            elif not folder.is_dir():
                raise NoDatabaseError(f"There is no database at {folder}", "enrol somebody in it")
        except OSError as error:
            if not create:
                raise self._unreadable(error) from error
            reason, remedy = refusal(error)
            raise DatabaseRefusedError(f"{folder} cannot be made a database, {reason}", remedy) from error

    # ------------------------------------------------------------------ reading

    @property
    def beside(self) -> Path:
        return self.folder

    @property
    def identity(self) -> Hashable:
        return self.folder.resolve()

    def snapshot(self) -> IndexSnapshot:
        try:
            return IndexSnapshot(self.location, self._read())
        except OSError as error:
            raise self._unreadable(error) from error

    def read_jpeg(self, face: EnrolledFace) -> bytes:
        try:
            return without_record(self.chips.read(face.chip))
        except (OSError, ValueError) as error:
            raise self._lost(face, error) from error

    def read_chip(self, face: EnrolledFace) -> Chip:
        try:
            return decode_chip(self.read_jpeg(face))
        except ValueError as error:
            raise self._lost(face, error) from error

    # ------------------------------------------------------------------ writing

    def add(self, comparison: Comparison, faces: Sequence[NewFace]) -> list[bool]:
        with self._writing() as index:
            addition = Addition(index, self.chips)
            is_new = [addition.take(face) for face in faces]
            if addition.jpegs:
                self._commit(addition.index(comparison), new=addition.jpegs)
        return is_new

    def rename(self, name: str, new_name: str) -> None:
        new_name = clean_name(new_name)
        with self._writing() as index:
            number, row = self._look(index).place(name)
            if new_name == name:
                return
            if index.place(new_name) is not None:
                raise NameTakenError(f"{new_name} is already enrolled in {self.folder}", "choose another name")
            segment = index.segments[number]
            moved = self._moved(segment.faces_of(segment.face_rows(row).tolist()), new_name, {})
            keys = {face.id: key for face, key, _ in moved}
            self._commit(
                index.with_segment(number, changes.renamed(segment, row, new_name, keys)),
                new={key: jpeg for _, key, jpeg in moved},
                gone=[face.chip for face, _, _ in moved],
            )

    def merge(self, name: str, into: str) -> int:
        with self._writing() as index:
            now = self._look(index)
            (number, row), (target, target_row) = now.place(name), now.place(into)
            if name == into:
                return 0
            segment = index.segments[number]
            faces = list(segment.faces_of(segment.face_rows(row).tolist()))
            others = [face for face in faces if not index.segments[target].has_photo(target_row, face.sha256)]
            ids = {face.id: index.next_id + place for place, face in enumerate(others)}
            moved = self._moved(others, into, ids)
            person = int(index.segments[target].people["id"][target_row])
            smaller = index.with_segment(number, changes.without(segment, [face.id for face in faces]))
            grown = changes.added(
                smaller.segments[target],
                [],
                [AddedFace(person, record_of(face, into, ids), key) for face, key, _ in moved],
            )
            self._commit(
                smaller.with_segment(target, grown, index.next_id + len(others)),
                new={key: jpeg for _, key, jpeg in moved},
                gone=[face.chip for face in faces],
            )
        return len(others)

    def remove(self, name: str, photos: Collection[int] | None = None) -> int:
        with self._writing() as index:
            number, row = self._look(index).place(name)
            segment = index.segments[number]
            faces = [
                face
                for face in segment.faces_of(segment.face_rows(row).tolist())
                if photos is None or face.id in photos
            ]
            if faces:
                smaller = changes.without(segment, [face.id for face in faces])
                self._commit(index.with_segment(number, smaller), gone=[face.chip for face in faces])
        return len(faces)

    def store(self, comparison: Comparison, embeddings: Sequence[tuple[EnrolledFace, Embedding]]) -> None:
        if not embeddings:
            return
        given = [(face.id, face.sha256, embedding) for face, embedding in embeddings]
        with self._writing() as index:
            segments = [changes.with_embeddings(segment, comparison, given) for segment in index.segments]
            if any(one is not other for one, other in zip(segments, index.segments, strict=True)):
                self._commit(index.with_segments(segments))

    # ------------------------------------------------------------------ rebuilding

    def chip(self, key: str) -> Chip:
        """A chip by its key, as ``survey`` has them.

        Raises:
            OSError, ValueError: it cannot be read, or is none.
        """
        return decode_chip(self.chips.read(key))

    def survey(self) -> Survey:
        """Look at what a rebuild would make of the chips.

        Raises:
            DatabaseError: faces/ cannot be read.
        """
        with self._locked():
            return self._survey()

    def rebuild(
        self,
        comparison: Comparison,
        embeddings: Mapping[str, Embedding],
        *,
        strangers: bool = False,
        smaller: bool = False,
    ) -> Survey:
        """Make the index anew from the kept chips, in one step: until then readers have the old one.

        Args:
            comparison: by which model the embeddings are.
            embeddings: float32 [d] by the chip's key; where one is missing, it follows when the model is next used.
            strangers: take chips in that the index does not name.
            smaller: also where much would be lost.

        Returns:
            What was found.

        Raises:
            SmallerDatabaseError: much would be lost.
            DatabaseError: faces/ cannot be read, or the index not be written.
        """
        with self._locked():
            found = self._survey()
            if found.is_much_smaller and not smaller:
                raise SmallerDatabaseError(
                    f"{self.folder} would lose {len(found.lost):,} of its {found.enrolled:,} photos, "
                    f"since their chips are not in {self.chips.faces}",
                    "restore the chips",
                )
            left_out = set() if strangers else set(found.strangers)
            chips = [chip for chip in found.chips if chip[0] not in left_out]
            index = rebuilt(chips, self._readable(), comparison, embeddings)
            self.index_file.write(index, mode=self._mode())
            with suppress(OSError):  # the note stays
                self._settle(index)
        return found

    def _survey(self) -> Survey:
        index = self._readable()
        if index is not None:
            with suppress(OSError):  # the note stays, and its chips are none
                self._settle(index)
        try:
            return survey(self.chips, index, self._unfinished.noted())
        except OSError as error:
            problem = f"{self.chips.faces} cannot be read, {refusal(error).reason}, and the index stays as it is"
            raise DatabaseRefusedError(problem, "restore that folder") from error

    def _readable(self) -> Index | None:
        """The index; None where it is missing or damaged."""
        try:
            return self.index_file.read()
        except DamagedDatabaseError:
            return None

    # ------------------------------------------------------------------ the folder

    def _create(self) -> None:
        is_new = not self.folder.exists()
        with suppress(FileExistsError):
            self.folder.mkdir(parents=True, mode=0o700)
        if not is_new and self.index_file.path.exists():
            return
        strange = other_things(self.folder)
        if strange:
            raise UnusableLocationError(
                f"{self.folder} is no database and holds other things, such as {strange[0]}", "name an empty folder"
            )
        # An index from the start: chips without one are damage, never a first enrolment still under way.
        with self._locked():
            if is_new:
                write_file(self.folder / ".gitignore", b"*\n", mode=self._mode())
            index = self._read()
            if not self.index_file.path.exists():
                self.index_file.write(index, mode=self._mode())

    def _mode(self) -> int:
        """The permissions of new files: those of the folder, so that what is private stays so, and what is shared."""
        return self.folder.stat().st_mode & 0o666

    def _read(self) -> Index:
        try:
            index = self.index_file.read()
            # A disk that went away is not an empty database, in which everybody is a stranger.
            if index is None and not self.folder.is_dir():
                raise NoDatabaseError(f"There is no database at {self.folder} any more", "bring it back")
            if index is None and self.chips.faces.is_dir() and self.chips.all_keys()[0]:
                raise DamagedDatabaseError(
                    f"{self.index_file.path} is missing, but {self.chips.faces} holds chips",
                    "rebuild it from them",
                    self.location,
                )
        except OSError as error:
            raise self._unreadable(error) from error
        return Index([EMPTY], 1) if index is None else index

    def _look(self, index: Index) -> IndexSnapshot:
        return IndexSnapshot(self.location, index)

    def _commit(self, index: Index, *, new: Mapping[str, bytes] | None = None, gone: Collection[str] = ()) -> None:
        """Put chips in, write the index that names them, and take chips away that it no longer names."""
        new = new or {}
        left = self._unfinished.note([*new, *gone], mode=self._mode()) if new or gone else []
        try:
            for key, jpeg in new.items():
                self.chips.add(key, jpeg)
            refused = self.index_file.write(index, mode=self._mode())
        except BaseException:
            with suppress(OSError, DatabaseError):  # else the next writer does it
                now = self._read()
                self._settle(now)
                self.index_file.clear_strays(now)
            raise
        try:
            self.chips.remove(gone)
            if refused and gone:
                raise refused
        except OSError as error:
            reason, remedy = refusal(error)
            raise UnfinishedChangeError(
                f"{self.folder} no longer names them, but what it kept of them could not all be deleted, {reason}",
                remedy,
            ) from error
        if new or gone:
            with suppress(OSError):  # the note stays
                if left:
                    self._settle(index)
                else:
                    self._unfinished.clear()

    def _settle(self, index: Index) -> None:
        """Finish what a writer had begun: chips that it noted and the index does not name go."""
        noted = self._unfinished.noted()
        if noted:
            self.chips.remove(set(noted) - index.named(noted))
            self._unfinished.clear()

    @contextmanager
    def _writing(self) -> Iterator[Index]:
        """Hold the lock with the index as it is now, and nothing left of killed writers."""
        with self._locked():
            index = self._read()
            self.index_file.clear_strays(index)
            with suppress(OSError):  # the note stays, and whoever can do it, does
                self._settle(index)
            yield index

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock, and turn what the disk refuses into words."""
        try:
            with locked(self.folder / ".lock", LOCK_TIMEOUT, mode=self._mode()):
                for name in (".gitignore", DATABASE_INDEX, ".unfinished.json"):
                    clear_strays(self.folder / name)
                yield
        except LockHeldError as error:
            raise DatabaseError(
                f"{self.folder} has been in use for {LOCK_TIMEOUT:.0f} s, {error.strerror}", "try again later"
            ) from error
        except OSError as error:
            raise self._refused(error) from error

    def _moved(
        self, faces: Iterable[EnrolledFace], name: str, ids: Mapping[int, int]
    ) -> list[tuple[EnrolledFace, str, bytes]]:
        """Each face with the key and the JPEG of its chip under another name, and another id where there is one."""
        moved: list[tuple[EnrolledFace, str, bytes]] = []
        taken: set[str] = set()
        for face in faces:
            try:
                jpeg = self.chips.read(face.chip)
            except (OSError, ValueError) as error:
                raise self._lost(face, error) from error
            key = self.chips.free_key(name, face.sha256, taken)
            taken.add(key)
            moved.append((face, key, with_record(jpeg, record_of(face, name, ids))))
        return moved

    def _lost(self, face: EnrolledFace, error: OSError | ValueError) -> LostChipError:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be used ({error})"
        problem = f"The chip {self.folder / face.chip} of {face.name} {reason}"
        return LostChipError(problem, f"enrol {face.source} again, or forget it", face.source)

    def _unreadable(self, error: OSError) -> DatabaseRefusedError:
        reason, remedy = refusal(error)
        return DatabaseRefusedError(f"{self.folder} cannot be read, {reason}", remedy)

    def _refused(self, error: OSError) -> DatabaseRefusedError:
        reason, remedy = refusal(error)
        return DatabaseRefusedError(
            f"{self.folder} cannot be changed, {reason}, and what was enrolled before is untouched", remedy
        )
