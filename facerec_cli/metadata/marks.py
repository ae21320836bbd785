"""Who is marked in a photo, wherever that is written: in sidecars or in the photo; and marking more people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facerec_cli.errors import MetadataError
from facerec_cli.faces.decoding import unsupported
from facerec_cli.faces.headers import inspect
from facerec_cli.faces.images import photo_file
from facerec_cli.metadata.areas import Canvas
from facerec_cli.metadata.embedded import embedded_in
from facerec_cli.metadata.regions import Region, joined, mark, regions_in
from facerec_cli.metadata.sidecars import new_sidecar, read_sidecars, unreadable, write_sidecar
from facerec_cli.metadata.xmp import Packet

_EXTENDED = "xmpNote:HasExtendedXMP"


@dataclass(frozen=True, eq=False)
class Marks:
    """What is marked in a photo.

    Attributes:
        photo: its file.
        canvas: how it is stored.
        sidecar: where people who are marked go; it need not be there.
        regions: all, those of sidecars before those in the photo.
    """

    photo: Path
    canvas: Canvas
    sidecar: Path
    regions: tuple[Region, ...]
    _packet: Packet

    def add(self, people: Sequence[Region]) -> None:
        """Mark people in the sidecar; a new one begins with what the photo itself holds, since programs prefer it.

        Args:
            people: named, each once, and none of them marked yet.

        Raises:
            MetadataError: the regions that there are do not fit the photo.
            SidecarError: the sidecar cannot be written.
        """
        try:
            mark(self._packet, self.canvas, people)
        except ValueError as error:
            problem = f"Nobody can be marked in {self.sidecar} ({error})"
            raise MetadataError(problem, "mark them again with the program that wrote it") from error
        write_sidecar(self.sidecar, self._packet)


def read_marks(photo: Path, upright: tuple[int, int] | None = None) -> Marks:
    """What is marked in a photo, which is not decoded.

    Args:
        photo: its file.
        upright: width and height of the upright photo, where they are known: formats that turn pictures by means of
            their own do not say.

    Raises:
        UnreadablePhotoError: as ``opened``.
        UnsupportedPhotoError: the file is no picture.
        MetadataError: what is written of it cannot be read.
    """
    with photo_file(photo) as (file, size):
        try:
            header = inspect(file, size)
            embedded = embedded_in(file, size, header) if header else None
        except OSError as error:
            raise unreadable(photo, error.strerror) from error
    if header is None or embedded is None:
        raise unsupported(str(photo))
    canvas = Canvas(header.width, header.height, embedded.orientation)
    if upright and canvas.upright_size != upright:
        canvas = Canvas(*upright)
    sidecars = read_sidecars(photo)
    try:
        inside = [Packet(data) for data in embedded.packets]
    except ValueError as error:
        raise unreadable(photo, error) from error
    regions: list[Region] = []
    for packet in (*sidecars.values(), *inside):
        regions = joined(regions, regions_in(packet, canvas))
    if sidecars:
        place, packet = next(iter(sidecars.items()))
    else:
        place, packet = new_sidecar(photo), inside[0] if inside else Packet()
        packet.drop(_EXTENDED)
    return Marks(photo, canvas, place, tuple(regions), packet)
