"""The XMP files that lie beside photos: ``photo.jpg.xmp`` (digiKam, darktable), ``photo.xmp`` (Lightroom)."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from facerec_cli.errors import MetadataError, SidecarError
from facerec_cli.faces.endings import RAW_SUFFIXES, SUFFIXES
from facerec_cli.files import new_file, refusal
from facerec_cli.metadata.embedded import MAX_PACKET
from facerec_cli.metadata.xmp import Packet
from facerec_cli.untrusted import regular_bytes

_ENDINGS = (".xmp", ".XMP")
_FOR_ENDING = "photoshop:SidecarForExtension"


def read_sidecars(photo: Path) -> dict[Path, Packet]:
    """The sidecars of a photo, that which is its alone first.

    Raises:
        MetadataError: one cannot be read, or is no XMP.
    """
    own = _there([photo.with_name(f"{photo.name}{ending}") for ending in _ENDINGS])
    found = {own: _read(own)} if own else {}
    shared = _there([photo.with_suffix(ending) for ending in _ENDINGS])
    if shared:
        packet = _read(shared)
        if _is_of(photo, packet):
            found[shared] = packet
    return found


def new_sidecar(photo: Path) -> Path:
    """Where a photo's sidecar goes that has none."""
    return photo.with_name(f"{photo.name}{_ENDINGS[0]}")


def write_sidecar(path: Path, packet: Packet) -> None:
    """Write a sidecar, whole or not at all: where a link leads, with the permissions that it had, or its folder's.

    Raises:
        SidecarError: it cannot be written.
    """
    place = Path(os.path.realpath(path))
    try:
        mode = stat.S_IMODE(place.parent.stat().st_mode) & 0o666
        with new_file(place, mode=mode) as beside:
            beside.write_bytes(packet.to_bytes())
            if place.exists():
                shutil.copymode(place, beside)
    except OSError as error:
        reason, remedy = refusal(error)
        raise SidecarError(f"{path} cannot be written ({reason})", remedy) from error


def unreadable(path: Path | str, reason: object) -> MetadataError:
    """The error for a photo or sidecar whose XMP cannot be read."""
    return MetadataError(f"The XMP of {path} cannot be read ({reason})", "repair it with the program that wrote it")


def _there(names: list[Path]) -> Path | None:
    return next((path for path in names if os.path.lexists(path)), None)


def _read(path: Path) -> Packet:
    try:
        return Packet(regular_bytes(Path(os.path.realpath(path)), MAX_PACKET))
    except (OSError, ValueError) as error:
        raise unreadable(path, refusal(error).reason if isinstance(error, OSError) else error) from error


def _is_of(photo: Path, packet: Packet) -> bool:
    """Whether a sidecar that has the photo's name without its ending is this photo's, and not that of its raw file."""
    ending = packet.text(_FOR_ENDING).lower()
    if ending:
        return photo.suffix.lower() == f".{ending}"
    others = (SUFFIXES | RAW_SUFFIXES) - {photo.suffix.lower()}
    return not any(os.path.lexists(photo.with_suffix(case)) for other in others for case in (other, other.upper()))
