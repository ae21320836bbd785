"""What a tar or zip archive, or a folder, holds: regular files alone, each by a path that stays inside."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from facerec_cli.datasets.folder import is_added
from facerec_cli.errors import FetchError
from facerec_cli.files import refusal

MOST_BYTES = 2_000_000_000
"""An archive of more is refused, unpacked; LFW has 250 MB at most."""
MOST_ENTRIES = 100_000
"""An archive of more files and folders is refused; LFW has 18,983."""
_BLOCK = 1 << 16
_LONGEST_HEADER = 1 << 20
_COMPRESSED: Mapping[bytes, Callable[[IO[bytes]], io.BufferedIOBase]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error),
    # What the libraries let through: malformed numbers and names, and ways of compressing that they do not know.
    *(ValueError, IndexError, OverflowError, NotImplementedError),
)


@dataclass(frozen=True)
class Entry:
    """A regular file in an archive or a folder.

    Attributes:
        path: below the top; never absolute, never upwards.
        blocks: its bytes, to be taken before the next entry.
    """

    path: PurePosixPath
    blocks: Iterator[bytes]


def entries(source: Path, advanced: Callable[[int], None] = lambda _: None) -> Iterator[Entry]:
    """The regular files of a tar archive (plain, or compressed by gzip, bzip2 or xz), a zip archive, or a folder.

    Args:
        source: the archive or folder.
        advanced: told how many bytes of an archive were read since it was last told.

    Raises:
        FetchError: it cannot be read; it is no archive, damaged, or larger than ``MOST_BYTES`` or ``MOST_ENTRIES``
            unpacked; or it has a path that leads outside, a link, or a device. A folder's links are followed.
    """
    with _reading(source):
        if source.is_dir():
            yield from _of_folder(source)
            return
        if not source.is_file():
            raise FetchError(f"{source} is no regular file", "give an archive or a folder")
        with source.open("rb") as file:
            start = file.read(512)
            file.seek(0)
            if not start:
                raise FetchError(f"{source} is empty", "take another")
            if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
                yield from _of_zip(source, file, advanced)
                return
            for signature, opened in _COMPRESSED.items():
                if start.startswith(signature):
                    with opened(file) as stream:
                        yield from _of_tar(source, file, stream, advanced)
                    return
            if start[257:262] != b"ustar":
                raise FetchError(f"{source} is no tar or zip archive", "take another")
            yield from _of_tar(source, file, file, advanced)


class _Limits:
    """Counts what an archive unpacks to."""

    def __init__(self, source: Path) -> None:
        self.source, self.entries, self.bytes = source, 0, 0

    def add(self, size: int) -> None:
        """One more entry, of so many bytes unpacked, as the archive says."""
        self.entries, self.bytes = self.entries + 1, self.bytes + size
        if self.entries > MOST_ENTRIES or self.bytes > MOST_BYTES:
            raise FetchError(
                f"{self.source} was not taken, it holds more than {MOST_BYTES / 1e9:.0f} GB or {MOST_ENTRIES:,} files",
                "take another",
            )


class _ShortReads(io.RawIOBase):
    """A stream of which nobody takes more at once than a tar header may have: a header says how long it is itself."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


def _of_tar(
    source: Path, file: IO[bytes], stream: io.BufferedIOBase, advanced: Callable[[int], None]
) -> Iterator[Entry]:
    limits, told = _Limits(source), 0
    with tarfile.open(fileobj=_ShortReads(stream), mode="r:") as tar:
        for member in tar:
            limits.add(member.size)
            path = _path(source, member.name)
            if not member.isdir():
                if not member.isreg():
                    raise _outside(source, f"a link or device, {member.name!r}")
                content = tar.extractfile(member)
                assert content is not None
                yield Entry(path, _blocks(source, content))
            advanced(file.tell() - told)
            told = file.tell()
        # The checksum of what is compressed comes last.
        while block := stream.read(_BLOCK):
            limits.add(len(block))


def _of_zip(source: Path, file: IO[bytes], advanced: Callable[[int], None]) -> Iterator[Entry]:
    limits = _Limits(source)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        for member in members:
            limits.add(member.file_size)
        for member in members:
            path = _path(source, member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.is_dir():
                continue
            if kind not in (0, stat.S_IFREG):
                raise _outside(source, f"a link or device, {member.filename!r}")
            if member.flag_bits & 1:
                raise FetchError(f"{source} is encrypted", "decrypt it first")
            with archive.open(member) as content:
                yield Entry(path, _blocks(source, content))
            advanced(member.compress_size)


def _of_folder(source: Path) -> Iterator[Entry]:
    limits = _Limits(source)
    seen: set[tuple[int, int]] = set()

    def refused(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(source, followlinks=True, onerror=refused):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if not is_added(name)]
        for name in names:
            path = Path(folder, name)
            if path.is_file():
                limits.add(path.stat().st_size)
                with path.open("rb") as content:
                    yield Entry(PurePosixPath(path.relative_to(source).as_posix()), _blocks(path, content))


def _blocks(source: Path, content: IO[bytes]) -> Iterator[bytes]:
    with _reading(source):
        while block := content.read(_BLOCK):
            yield block


def _path(source: Path, name: str) -> PurePosixPath:
    """The path of an archive's entry; some zip programs on Windows write backslashes."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name or name[1:2] == ":":
        raise _outside(source, f"the path {name!r}")
    return path


def _outside(source: Path, what: str) -> FetchError:
    return FetchError(f"{source} was not taken, it has {what}", "take another")


@contextmanager
def _reading(source: Path) -> Iterator[None]:
    """Say what is wrong with a source where reading it fails."""
    try:
        yield
    except _DAMAGE as error:
        raise FetchError(f"{source} is damaged ({error or 'it ends early'})", "fetch it again") from error
    except OSError as error:
        # The decompressors' own errors have no number, and an offset before the start comes from a damaged header.
        if error.errno in (None, errno.EINVAL):
            raise FetchError(f"{source} is damaged ({error})", "fetch it again") from error
        why, remedy = refusal(error)
        raise FetchError(f"{error.filename or source} cannot be read, {why}", remedy) from error
