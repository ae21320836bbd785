"""Who is where in a photo, as XMP has it: MWG-RS regions, and Microsoft's.

After the Metadata Working Group's guidelines 2.0, section 5.9, and Microsoft's people tagging. Areas are of the photo
as it is stored; where the size that regions apply to is that of the upright photo, as some programs count, they are of
that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from facerec_cli.metadata.areas import Area, Canvas
from facerec_cli.metadata.xmp import Element, Packet, add, add_item, add_text, field, items, structure, within

FACE = "Face"
_PEOPLE = ("", FACE)
"""Kinds of regions that may be people's; others are Pet, Focus and BarCode."""
_SAME = 0.4
"""Overlap from which two areas are of one thing."""
_MOST = 1_000
"""Regions of a photo that are looked at."""
_STORED_IN, _LIST = "mwg-rs:AppliedToDimensions", "mwg-rs:RegionList"
_MICROSOFT, _ITEMS = "MP:RegionInfo", "MPRI:Regions"
_PERSON, _RECTANGLE = "MPReg:PersonDisplayName", "MPReg:Rectangle"


@dataclass(frozen=True)
class Region:
    """A part of a photo, and who or what is there.

    Attributes:
        name: empty where nobody says.
        area: of the upright photo.
        kind: ``Face``, ``Pet``, ``Focus``, ``BarCode``, or empty where nobody says.
    """

    name: str
    area: Area
    kind: str = FACE

    @property
    def may_be_person(self) -> bool:
        """Whether it is no animal or thing."""
        return self.kind in _PEOPLE

    def is_same(self, other: Region) -> bool:
        """Whether two regions are of one thing: of one name, or in one place."""
        return (self.name == other.name != "") or self.area.overlap(other.area) >= _SAME


def regions_in(packet: Packet, canvas: Canvas) -> list[Region]:
    """The regions of a packet; what is no region that can be understood is passed over."""
    found: list[Region] = []
    turned = False
    for regions in packet.properties("mwg-rs:Regions"):
        holder = within(regions)
        turned = _is_upright(holder, canvas) or False
        for one in items(holder, _LIST)[:_MOST]:
            area = _mwg_area(one)
            if area:
                kind = field(one, "mwg-rs:Type")
                found.append(Region(field(one, "mwg-rs:Name"), area if turned else canvas.upright(area), kind))
    return joined(found, _microsoft_regions(packet, canvas, turned))


def joined(regions: Iterable[Region], others: Iterable[Region]) -> list[Region]:
    """Regions, and those of another list that say something more."""
    known = list(regions)
    for other in others:
        same = next((number for number, one in enumerate(known) if one.is_same(other)), None)
        if same is None:
            known.append(other)
        elif not known[same].name and known[same].may_be_person:
            known[same] = Region(other.name, known[same].area, known[same].kind)
    return known


def mark(packet: Packet, canvas: Canvas, people: Sequence[Region]) -> None:
    """Add people to a packet; where a region without a name is in their place, it gets the name.

    Microsoft's regions are kept in step where there are any.

    Args:
        packet: is changed.
        canvas: how the photo is stored.
        people: named, each once, and none of them there yet.

    Raises:
        ValueError: the regions that there are were made for a picture of another shape.
    """
    properties = packet.properties("mwg-rs:Regions")
    regions = properties[0] if properties else packet.add_property("mwg-rs:Regions")
    if not properties:
        size = {"stDim:w": str(canvas.width), "stDim:h": str(canvas.height), "stDim:unit": "pixel"}
        add(regions, _STORED_IN, size)
    turned = _is_upright(within(regions), canvas)
    if turned is None:
        raise ValueError("its regions were made for a picture of another shape")
    for person in people:
        area = person.area if turned else canvas.stored(person.area)
        named = next((one for one in items(within(regions), _LIST) if _may_be(one, area)), None)
        if named is None:
            named = add_item(within(regions), _LIST)
            place = {f"stArea:{key}": _written(value) for key, value in zip("xywh", area, strict=True)}
            add(named, "mwg-rs:Area", place | {"stArea:unit": "normalized"})
            add_text(named, "mwg-rs:Type", FACE)
        add_text(named, "mwg-rs:Name", person.name)
        for info in packet.properties(_MICROSOFT)[:1]:
            _mark_microsoft(within(info), person.name, area)


def _mark_microsoft(info: Element, name: str, area: Area) -> None:
    for one in items(info, _ITEMS):
        there = _rectangle(one)
        if not field(one, _PERSON) and there and there.overlap(area) >= _SAME:
            add_text(one, _PERSON, name)
            return
    one = add_item(info, _ITEMS)
    add_text(one, _PERSON, name)
    add_text(one, _RECTANGLE, ", ".join(_written(number) for number in area.box(1, 1)))


def _may_be(one: Element, area: Area) -> bool:
    """Whether a region waits for a name, in this place."""
    there = _mwg_area(one)
    if field(one, "mwg-rs:Name") or field(one, "mwg-rs:Type") not in _PEOPLE or not there:
        return False
    return there.overlap(area) >= _SAME


def _is_upright(regions: Element, canvas: Canvas) -> bool | None:
    """As ``Canvas.is_upright_size`` of what regions apply to; where that is not said, they are of the stored photo."""
    size = structure(regions, _STORED_IN)
    width, height = (_number(field(size, f"stDim:{side}")) if size is not None else 0 for side in "wh")
    return canvas.is_upright_size(width, height) if width > 0 and height > 0 else False


def _mwg_area(one: Element) -> Area | None:
    """The area of a region; of a circle its middle."""
    area = structure(one, "mwg-rs:Area")
    if area is None or field(area, "stArea:unit") not in ("", "normalized"):
        return None
    x, y, *size = (_number(field(area, f"stArea:{key}")) for key in "xywh")
    return _sound(Area(x, y, *(number if number > 0 else 0.0 for number in size)))


def _microsoft_regions(packet: Packet, canvas: Canvas, turned: bool) -> Iterable[Region]:
    for info in packet.properties(_MICROSOFT):
        for one in items(within(info), _ITEMS)[:_MOST]:
            area = _rectangle(one)
            if area:
                yield Region(field(one, _PERSON), area if turned else canvas.upright(area))


def _rectangle(one: Element) -> Area | None:
    """The area of one of Microsoft's regions; None where it has none, as people tagged without a place."""
    numbers = [_number(text) for text in field(one, _RECTANGLE).split(",")]
    if len(numbers) != 4:
        return None
    left, top, width, height = numbers
    return _sound(Area(left + width / 2, top + height / 2, width, height))


def _sound(area: Area) -> Area | None:
    """The area, if it is one of a picture."""
    return area if 0 <= area.x <= 1 and 0 <= area.y <= 1 and 0 <= area.width <= 2 and 0 <= area.height <= 2 else None


def _number(text: str) -> float:
    """A number as XMP writes it; NaN where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _written(value: float) -> str:
    """A share of a picture: a hundredth of a pixel of the largest, and never in powers of ten."""
    return f"{value:.7f}".rstrip("0").rstrip(".")
