"""Who is marked in photos: by digiKam, Lightroom, exiftool and facerec, each read by the other."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from PIL import Image

from facerec_cli.errors import MetadataError, SidecarError, UnreadablePhotoError, UnsupportedPhotoError
from facerec_cli.metadata.areas import Area, Canvas
from facerec_cli.metadata.marks import read_marks
from facerec_cli.metadata.regions import Region, mark, regions_in
from facerec_cli.metadata.xmp import Packet
from tests.faces.pictures import STORED_AS
from tests.metadata.packets import DIGIKAM, LIGHTROOM, needs_exiftool, read_by_exiftool, write_by_exiftool

ADA = Region("Ada Lovelace", Area(0.5, 0.3, 0.2, 0.4))
GRACE = Region("Grace Hopper", Area(0.8, 0.6, 0.1, 0.2))
WAITING = Area(0.1, 0.2, 0.1, 0.2)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return saved_photo(tmp_path / "photo.jpg")


def saved_photo(path: Path, orientation: int = 1, size: tuple[int, int] = (400, 300)) -> Path:
    exif = Image.Exif()
    exif[274] = orientation
    Image.new("RGB", size).save(path, exif=exif)
    return path


def near(regions: tuple[Region, ...]) -> list[Region]:
    """Regions, their areas as far as files keep them."""
    return [Region(one.name, Area(*(round(number, 5) for number in one.area)), one.kind) for one in regions]


# ------------------------------------------------------------------ reading what others write


def test_digikam_s_regions_are_read_once_though_it_writes_them_twice(photo: Path) -> None:
    photo.with_name("photo.jpg.xmp").write_text(DIGIKAM, encoding="utf-8")
    marks = read_marks(photo)
    assert near(marks.regions) == [ADA, Region("", WAITING)]
    assert marks.sidecar.name == "photo.jpg.xmp"


def test_microsoft_s_regions_are_read_where_there_are_no_others(photo: Path) -> None:
    begin, end = DIGIKAM.index("<mwg-rs:Regions"), DIGIKAM.index("</mwg-rs:Regions>") + len("</mwg-rs:Regions>")
    photo.with_name("photo.jpg.xmp").write_text(DIGIKAM[:begin] + DIGIKAM[end:], encoding="utf-8")
    assert near(read_marks(photo).regions) == [ADA, Region("", WAITING)]


def test_lightroom_s_regions_are_read_but_not_those_of_what_the_photo_was_made_of(photo: Path) -> None:
    photo.with_suffix(".xmp").write_text(LIGHTROOM)
    marks = read_marks(photo)
    assert near(marks.regions) == [ADA, Region("Rex", Area(0.9, 0.9, 0.1, 0.1), "Pet")]
    assert [one.may_be_person for one in marks.regions] == [True, False]
    assert marks.sidecar.name == "photo.xmp"


def test_lightroom_s_sidecar_of_a_raw_photo_is_not_the_jpeg_s(photo: Path) -> None:
    photo.with_suffix(".xmp").write_text(LIGHTROOM.replace('"JPG"', '"CR2"'))
    assert (read_marks(photo).regions, read_marks(photo).sidecar.name) == ((), "photo.jpg.xmp")
    photo.with_suffix(".xmp").write_text(LIGHTROOM.replace('photoshop:SidecarForExtension="JPG"', ""))
    assert len(read_marks(photo).regions) == 2
    photo.with_suffix(".NEF").write_bytes(b"raw")
    assert read_marks(photo).regions == ()


def test_several_sources_are_one_list_and_the_photo_s_own_sidecar_comes_first(photo: Path) -> None:
    photo.with_suffix(".xmp").write_text(LIGHTROOM.replace("Ada Lovelace", "Somebody Else"))
    photo.with_name("photo.jpg.xmp").write_text(DIGIKAM, encoding="utf-8")
    assert [one.name for one in read_marks(photo).regions] == ["Ada Lovelace", "", "Rex"]


@needs_exiftool
@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp", "jpg.xmp"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_what_exiftool_writes_is_read(ending: str, orientation: int, tmp_path: Path) -> None:
    photo = saved_photo(tmp_path / f"photo.{ending.removesuffix('.xmp')}", orientation)
    canvas = Canvas(400, 300, orientation)
    write_by_exiftool(tmp_path / f"photo.{ending}", "Ada Lovelace", canvas.stored(ADA.area), (400, 300))
    assert near(read_marks(photo).regions) == [ADA]


@pytest.mark.parametrize("orientation", STORED_AS)
def test_programs_that_count_in_the_upright_photo_say_so_by_its_size(orientation: int, tmp_path: Path) -> None:
    photo = saved_photo(tmp_path / "photo.jpg", orientation)
    upright = orientation in (5, 6, 7, 8)
    size = 'stDim:w="300" stDim:h="400"' if upright else 'stDim:w="400" stDim:h="300"'
    text = DIGIKAM.replace('stDim:w="400" stDim:h="300"', size)
    photo.with_name("photo.jpg.xmp").write_text(text, encoding="utf-8")
    marks = read_marks(photo)
    assert near(marks.regions)[0].area == (ADA.area if upright else near_area(marks.canvas.upright(ADA.area)))
    # What is added is counted as the others are.
    marks.add([GRACE])
    assert GRACE in near(read_marks(photo).regions)


def near_area(area: Area) -> Area:
    return Area(*(round(number, 5) for number in area))


# ------------------------------------------------------------------ writing


@pytest.mark.parametrize("orientation", STORED_AS)
def test_what_is_marked_is_read_again_however_the_photo_is_stored(orientation: int, tmp_path: Path) -> None:
    photo = saved_photo(tmp_path / "photo.jpg", orientation)
    before = photo.read_bytes()
    read_marks(photo).add([ADA])
    assert near(read_marks(photo).regions) == [ADA]
    read_marks(photo).add([GRACE])
    assert near(read_marks(photo).regions) == [ADA, GRACE]
    assert photo.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"photo.jpg", "photo.jpg.xmp"}


@needs_exiftool
@pytest.mark.parametrize("orientation", STORED_AS)
def test_exiftool_reads_what_is_marked_as_of_the_stored_photo(orientation: int, tmp_path: Path) -> None:
    photo = saved_photo(tmp_path / "photo.jpg", orientation)
    marks = read_marks(photo)
    marks.add([ADA, Region("Jürgen “J” <&> 王", GRACE.area)])
    found = read_by_exiftool(marks.sidecar, "RegionInfo")["XMP:RegionInfo"]
    assert found["AppliedToDimensions"] == {"W": 400, "H": 300, "Unit": "pixel"}
    assert [one["Name"] for one in found["RegionList"]] == ["Ada Lovelace", "Jürgen “J” <&> 王"]
    for one, region in zip(found["RegionList"], (ADA, GRACE), strict=True):
        area = one["Area"]
        stored = marks.canvas.stored(region.area)
        assert [area[key] for key in "XYWH"] == pytest.approx(list(stored), abs=1e-6)
        assert (area["Unit"], one["Type"]) == ("normalized", "Face")


def fields(path: Path) -> list[str]:
    """All that a packet holds, as text: names, attributes, texts, comments, instructions."""
    tree = etree.parse(str(path), etree.XMLParser(strip_cdata=False))
    return [f"{one.tag} {sorted(one.attrib.items())} {(one.text or '').strip()}" for one in tree.getroot().iter()] + [
        str(one) for one in tree.getroot().itersiblings(preceding=True)
    ]


@pytest.mark.parametrize(("name", "text"), [("photo.jpg.xmp", DIGIKAM), ("photo.xmp", LIGHTROOM)])
def test_nothing_that_others_wrote_is_lost(name: str, text: str, photo: Path) -> None:
    sidecar = photo.with_name(name)
    sidecar.write_text(text, encoding="utf-8")
    before, regions = fields(sidecar), read_marks(photo).regions
    read_marks(photo).add([GRACE])
    after = fields(sidecar)
    assert all(before.count(one) <= after.count(one) for one in before)
    assert near(read_marks(photo).regions) == [*near(regions), GRACE]
    for kept in ("<![CDATA[a < b]]>", "<!-- kept by hand -->", '<?xpacket end="w"?>', 'crs:Exposure2012="+0.35"'):
        assert (kept in sidecar.read_text(encoding="utf-8")) == (kept in text)


@needs_exiftool
def test_exiftool_finds_all_in_a_merged_sidecar_and_microsoft_s_regions_are_kept_in_step(photo: Path) -> None:
    sidecar = photo.with_name("photo.jpg.xmp")
    sidecar.write_text(DIGIKAM, encoding="utf-8")
    read_marks(photo).add([GRACE, Region("Who Waited", WAITING)])
    found = read_by_exiftool(sidecar, "RegionInfo", "RegionInfoMP", "TagsList", "ColorLabel")
    listed = found["XMP:RegionInfo"]["RegionList"]
    assert [one.get("Name") for one in listed] == ["Ada Lovelace", "Who Waited", "Grace Hopper"]
    microsoft = [(one.get("PersonDisplayName"), one.get("Rectangle")) for one in found["XMP:RegionInfoMP"]["Regions"]]
    assert microsoft == [
        ("Ada Lovelace", "0.4, 0.1, 0.2, 0.4"),
        ("Who Waited", "0.05, 0.1, 0.1, 0.2"),
        ("Without a Place", None),
        ("Grace Hopper", "0.75, 0.5, 0.1, 0.2"),
    ]
    assert found["XMP:TagsList"] == ["People/Ada Lovelace"]
    assert found["XMP:ColorLabel"] == 3


def test_regions_for_a_picture_of_another_shape_are_not_added_to(photo: Path) -> None:
    sidecar = photo.with_name("photo.jpg.xmp")
    sidecar.write_text(DIGIKAM.replace('stDim:w="400"', 'stDim:w="200"'), encoding="utf-8")
    before = sidecar.read_bytes()
    with pytest.raises(MetadataError, match="another shape"):
        read_marks(photo).add([GRACE])
    assert sidecar.read_bytes() == before


def test_a_new_sidecar_holds_what_the_photo_does(tmp_path: Path) -> None:
    """Programs that find one look no further."""
    photo = tmp_path / "photo.jpg"
    note = 'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="0123" crs:Exposure2012'
    Image.new("RGB", (400, 300)).save(photo, xmp=LIGHTROOM.replace("crs:Exposure2012", note).encode())
    assert [one.name for one in read_marks(photo).regions] == ["Ada Lovelace", "Rex"]
    read_marks(photo).add([GRACE])
    text = photo.with_name("photo.jpg.xmp").read_text()
    assert "Exposure2012" in text and "HasExtendedXMP" not in text
    assert [one.name for one in read_marks(photo).regions] == ["Ada Lovelace", "Rex", "Grace Hopper"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_every_encoding_of_xmp_is_merged_into(encoding: str, photo: Path) -> None:
    sidecar = photo.with_name("photo.jpg.xmp")
    text = DIGIKAM.partition("\n")[2] if encoding.startswith("utf-16") else DIGIKAM
    sidecar.write_bytes(text.replace("Ada", "Ådå").encode(encoding))
    read_marks(photo).add([GRACE])
    assert [one.name for one in read_marks(photo).regions] == ["Ådå Lovelace", "", "Grace Hopper"]


@pytest.mark.parametrize(
    "regions",
    [
        "",
        "<mwg-rs:Regions/>",
        '<mwg-rs:Regions mwg-rs:Kept="yes"/>',
        "<mwg-rs:Regions><rdf:Description/></mwg-rs:Regions>",
    ],
)
def test_regions_may_be_missing_or_empty(regions: str) -> None:
    begin, end = DIGIKAM.index("<mwg-rs:Regions"), DIGIKAM.index("</mwg-rs:Regions>") + len("</mwg-rs:Regions>")
    packet = Packet((DIGIKAM[:begin] + regions + DIGIKAM[end:]).encode())
    mark(packet, Canvas(400, 300), [GRACE])
    again = Packet(packet.to_bytes())
    assert GRACE in near(tuple(regions_in(again, Canvas(400, 300))))
    assert ("Kept" in regions) == (b'mwg-rs:Kept="yes"' in packet.to_bytes())


names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1).map(str.strip).filter(bool)
sizes = st.floats(0.01, 0.2)
regions = st.builds(Region, names, st.builds(Area, st.floats(0.1, 0.9), st.floats(0.1, 0.9), sizes, sizes))


@given(st.lists(regions, max_size=4, unique_by=lambda one: one.name), st.sampled_from(sorted(STORED_AS)))
def test_any_name_and_place_comes_back(people: list[Region], orientation: int) -> None:
    canvas, packet = Canvas(4000, 3000, orientation), Packet()
    mark(packet, canvas, people)
    found = {one.name: one.area for one in regions_in(Packet(packet.to_bytes()), canvas)}
    for person, area in found.items():
        expected = next(one.area for one in people if one.name == person)
        assert list(area) == pytest.approx(list(expected), abs=1e-6)


# ------------------------------------------------------------------ permissions, links, damage


def test_a_sidecar_has_its_folder_s_permissions_or_keeps_its_own(photo: Path) -> None:
    photo.parent.chmod(0o700)
    read_marks(photo).add([ADA])
    sidecar = photo.with_name("photo.jpg.xmp")
    assert stat.S_IMODE(sidecar.stat().st_mode) == 0o600
    sidecar.chmod(0o664)
    read_marks(photo).add([GRACE])
    assert stat.S_IMODE(sidecar.stat().st_mode) == 0o664


def test_a_link_stays_a_link(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    real = tmp_path / "elsewhere" / "kept.xmp"
    real.write_text(DIGIKAM, encoding="utf-8")
    photo.with_name("photo.jpg.xmp").symlink_to(real)
    read_marks(photo).add([GRACE])
    assert photo.with_name("photo.jpg.xmp").is_symlink()
    assert "Grace Hopper" in real.read_text(encoding="utf-8")


def test_a_folder_that_takes_nothing_is_told(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marks = read_marks(photo)
    photo.with_name("photo.jpg.xmp").mkdir()
    with pytest.raises(SidecarError, match=r"photo.jpg.xmp cannot be written"):
        marks.add([ADA])
    assert not any((photo.parent / "photo.jpg.xmp").iterdir())


BOMB = """<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>"""
OUTSIDE = """<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>"""


@pytest.mark.parametrize("kind", [BOMB, OUTSIDE, "<!DOCTYPE x SYSTEM 'http://localhost/x.dtd'>"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_are_refused(kind: str, encoding: str) -> None:
    text = DIGIKAM.partition("\n")[2].replace("<x:xmpmeta", f"{kind}<x:xmpmeta", 1).replace('kept"', 'kept &b;"')
    with pytest.raises(ValueError, match="document type"):
        Packet(text.encode(encoding))


@pytest.mark.parametrize("content", [b"", b"\0\1\2", b"<x", b"<a/>", b"<a>" * 10_000, DIGIKAM.encode()[:900]])
def test_what_is_no_xmp_is_told_and_left_alone(content: bytes, photo: Path) -> None:
    sidecar = photo.with_name("photo.jpg.xmp")
    sidecar.write_bytes(content)
    with pytest.raises(MetadataError, match=r"^The XMP of .*photo\.jpg\.xmp cannot be read \(it is "):
        read_marks(photo)
    assert sidecar.read_bytes() == content


@given(st.data())
def test_damaged_packets_are_read_or_refused(data: st.DataObject) -> None:
    damaged = bytearray(DIGIKAM.encode())
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(32, 126))
    try:
        packet = Packet(bytes(damaged))
    except ValueError:
        return
    for one in regions_in(packet, Canvas(400, 300)):
        assert 0 <= one.area.x <= 1 and one.area.size >= 0


def test_photos_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(UnsupportedPhotoError):
        read_marks(tmp_path / "text.jpg")
    with pytest.raises(UnreadablePhotoError, match="does not exist"):
        read_marks(tmp_path / "nothing.jpg")
