"""Names that other programs read and write: people marked in photos' metadata, known and to be known."""

from __future__ import annotations

from pathlib import Path

from facerec_cli.metadata.marks import read_marks
from facerec_cli.recognition.marked import Marked


def marked_people(photo: Path) -> list[tuple[str, Marked]]:
    """The people whom somebody named in a photo's metadata, for ``enroll_all``; no animals and things.

    Raises:
        PhotoError: the photo, or what is written of it, cannot be read.
    """
    regions = read_marks(photo).regions
    areas = [region.area for region in regions]
    return [
        (region.name, Marked(photo, region.name, areas, number))
        for number, region in enumerate(regions)
        if region.name and region.may_be_person
    ]
