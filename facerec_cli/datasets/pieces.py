"""What has come of a file so far: contiguous pieces on disk, whatever ended the download."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from facerec_cli.files import write_file
from facerec_cli.json_text import json_text

Span = tuple[int, int]
"""A range of bytes: first, and one past the last."""
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Version:
    """Which version of a file the pieces belong to."""

    url: str
    size: int
    etag: str | None


class Pieces:
    """The pieces of one file, in a folder beside its final place.

    A piece is a file named by the offset of its first byte, and as long as what has come; nothing else is recorded,
    so a process killed at any instant loses no byte that it had received.
    """

    def __init__(self, target: Path) -> None:
        """Look at what there is for ``target``."""
        self.target = target
        self.folder = target.with_name(f".{target.name}.pieces")

    def piece(self, start: int) -> Path:
        """The file of the piece that begins at an offset."""
        return self.folder / f"{start:020d}"

    def spans(self) -> list[Span]:
        """What has come, in order, adjoining pieces merged."""
        merged: list[Span] = []
        for path in sorted(self.folder.glob("[0-9]*")):
            start, stop = int(path.name), int(path.name) + path.stat().st_size
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
            else:
                merged.append((start, stop))
        return merged

    def gaps(self, size: int) -> list[Span]:
        """What is missing of so many bytes, in order."""
        missing: list[Span] = []
        position = 0
        for start, stop in [*self.spans(), (size, size)]:
            if start > position:
                missing.append((position, start))
            position = max(position, stop)
        return missing

    def source(self) -> Version | None:
        """The version that the pieces belong to."""
        try:
            fields = json.loads((self.folder / "source.json").read_text(encoding="utf-8"))
            return Version(str(fields["url"]), int(fields["size"]), fields["etag"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def begin(self, source: Version) -> None:
        """Note the version that pieces will belong to."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_file(self.folder / "source.json", json_text(asdict(source)).encode())

    def discard(self) -> None:
        """Forget all pieces."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def assemble(self) -> Path:
        """Join the pieces into the first one, which is then the whole file; may be interrupted and called again."""
        first, *rest = sorted(self.folder.glob("[0-9]*"))
        with first.open("ab") as whole:
            for path in rest:
                with path.open("rb") as piece:
                    # An earlier, interrupted joining may have taken some of it already.
                    piece.seek(whole.tell() - int(path.name))
                    shutil.copyfileobj(piece, whole, _BLOCK)
                whole.flush()
                path.unlink()
        return first
