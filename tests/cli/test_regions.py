"""Names that other programs read and write: enroll --from-regions, and tag."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from facerec_cli.faces.extraction import Extractor
from facerec_cli.metadata.areas import Area, area_of
from facerec_cli.metadata.marks import read_marks
from facerec_cli.metadata.regions import Region
from tests.conftest import Run
from tests.docs import program
from tests.faces.pictures import STORED_AS
from tests.metadata.packets import needs_exiftool, read_by_exiftool, write_by_exiftool

ARDERN, OBAMA = "Jacinda Ardern", "Barack Obama"


@pytest.fixture(scope="module")
def places(samples: Path) -> dict[str, Area]:
    """Where the largest face of each sample is."""
    extractor = Extractor()
    found = {path.name: extractor.extract(path) for path in samples.glob("*.jpg")}
    return {name: area_of(one.faces[0].box, one.width, one.height) for name, one in found.items()}


def stored(sample: Path, place: Path, orientation: int) -> Path:
    """A copy of a sample as a camera with this orientation stores it."""
    transpose = STORED_AS[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    with Image.open(sample) as picture:
        turned = picture.convert("RGB") if transpose is None else picture.convert("RGB").transpose(transpose)
        turned.save(place, exif=exif, quality=95)
    return place


def people_in(facerec: Run) -> dict[str, int]:
    lines = facerec("people", "list", "--format", "json").stdout.splitlines()
    return {one["name"]: one["photos"] for one in map(json.loads, lines)}


# ------------------------------------------------------------------ enroll --from-regions


@needs_exiftool
def test_people_whom_other_programs_named_are_enrolled(
    facerec: Run, samples: Path, tmp_path: Path, places: dict[str, Area]
) -> None:
    """In the photo, in a sidecar, in a subfolder; as of the stored photo."""
    folder = tmp_path / "photos"
    (folder / "2018").mkdir(parents=True)
    for name in ("barack_obama.jpg", "rishi_sunak.jpg"):
        shutil.copy(samples / name, folder)
    obama, ardern = folder / "barack_obama.jpg", folder / "2018" / "pm.jpg"
    with Image.open(obama) as picture:
        write_by_exiftool(obama, " Barack  Obama", places[obama.name], picture.size)
    stored(samples / "jacinda_ardern_2018.jpg", ardern, 6)
    with Image.open(ardern) as picture:
        area = places["jacinda_ardern_2018.jpg"].turned(8)
        write_by_exiftool(folder / "2018" / "pm.jpg.xmp", ARDERN, area, picture.size)
    done = facerec("enroll", "--from-regions", folder)
    assert done.returncode == 0, done.stderr
    assert people_in(facerec) == {OBAMA: 1, ARDERN: 1}
    assert "1 photo of 3 name nobody." in done.stderr
    assert "Left out" not in done.stderr
    done = facerec("identify", samples / "jacinda_ardern_2022.jpg", "--format", "json")
    assert json.loads(done.stdout)["faces"][0]["name"] == ARDERN
    assert "nothing changed" in facerec("enroll", "--from-regions", folder).stderr


def test_what_is_no_person_or_does_not_agree_is_told_or_passed_over(
    facerec: Run, samples: Path, tmp_path: Path, places: dict[str, Area]
) -> None:
    photo = Path(shutil.copy(samples / "barack_obama.jpg", tmp_path))
    somewhere = Area(0.05, 0.05, 0.08, 0.08)
    regions = [Region(OBAMA, somewhere), Region("unknown", places[photo.name]), Region("Rex", Area(0.9, 0.9, 0.1, 0.1))]
    read_marks(photo).add(regions)
    sidecar = photo.with_name(f"{photo.name}.xmp")
    text = sidecar.read_text()
    sidecar.write_text("Pet".join(text.rsplit("Face", 1)))
    done = facerec("enroll", "--from-regions", photo, "--format", "json")
    assert done.returncode == 1
    outcomes = {one["name"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert {name: one["status"] for name, one in outcomes.items()} == {OBAMA: "refused", "unknown": "refused"}
    assert "shows no face, or not one alone, where Barack Obama is marked" in outcomes[OBAMA]["error"]
    assert "is what strangers are called" in outcomes["unknown"]["error"]
    sidecar.write_text("<damaged")
    done = facerec("enroll", "--from-regions", photo)
    assert done.returncode == 1
    assert f"Error: The XMP of {sidecar} cannot be read (it is no XML): repair it" in done.stderr


def test_names_come_from_the_photos_alone(facerec: Run, samples: Path) -> None:
    for more in (["--name", OBAMA], ["--largest"]):
        done = facerec("enroll", "--from-regions", samples, *more)
        assert done.returncode == 2
        assert "leave out --name and --largest" in done.stderr


# ------------------------------------------------------------------ tag


@pytest.fixture
def folder(facerec: Run, samples: Path, tmp_path: Path) -> Path:
    """Photos of two people enrolled and one who is not."""
    facerec("enroll", "--name", ARDERN, samples / "jacinda_ardern_2018.jpg")
    facerec("enroll", "--name", OBAMA, samples / "barack_obama.jpg")
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("barack_obama.jpg", "jacinda_ardern_2022.jpg", "rishi_sunak.jpg"):
        shutil.copy(samples / name, folder)
    return folder


def tagged(facerec: Run, *arguments: str | Path) -> dict[str, list[tuple[str, str]]]:
    """The people of each photo, and what became of them."""
    done = facerec("tag", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {Path(one["photo"]).name: [(who["name"], who["status"]) for who in one["people"]] for one in lines}


def test_known_people_are_marked_once_and_photos_are_not_touched(facerec: Run, folder: Path) -> None:
    photos = {path: path.read_bytes() for path in folder.iterdir()}
    planned = tagged(facerec, "--dry-run", folder)
    assert planned["jacinda_ardern_2022.jpg"] == [(ARDERN, "to be tagged")]
    assert set(folder.iterdir()) == photos.keys()
    assert tagged(facerec, folder) == {
        "barack_obama.jpg": [(OBAMA, "tagged")],
        "jacinda_ardern_2022.jpg": [(ARDERN, "tagged")],
        "rishi_sunak.jpg": [],
    }
    sidecars = {path: path.read_bytes() for path in folder.glob("*.xmp")}
    assert {path.name for path in sidecars} == {"barack_obama.jpg.xmp", "jacinda_ardern_2022.jpg.xmp"}
    again = tagged(facerec, folder)
    assert again["jacinda_ardern_2022.jpg"] == [(ARDERN, "tagged before")]
    assert {path: path.read_bytes() for path in folder.iterdir()} == photos | sidecars


@needs_exiftool
@pytest.mark.parametrize("orientation", STORED_AS)
def test_exiftool_finds_the_face_in_the_photo_as_it_is_stored(
    orientation: int, facerec: Run, folder: Path, samples: Path, places: dict[str, Area]
) -> None:
    photo = stored(samples / "barack_obama.jpg", folder / "turned.jpg", orientation)
    assert tagged(facerec, photo) == {"turned.jpg": [(OBAMA, "tagged")]}
    info = read_by_exiftool(folder / "turned.jpg.xmp", "RegionInfo")["XMP:RegionInfo"]
    with Image.open(photo) as picture:
        assert (info["AppliedToDimensions"]["W"], info["AppliedToDimensions"]["H"]) == picture.size
    (region,) = info["RegionList"]
    found = Area(*(region["Area"][key] for key in "XYWH"))
    expected = places["barack_obama.jpg"].turned({6: 8, 8: 6}.get(orientation, orientation))
    assert (region["Name"], region["Type"]) == (OBAMA, "Face")
    assert found.overlap(expected) > 0.8


@pytest.mark.parametrize("ending", ["png", "webp", "tif", "heic", "avif", "bmp", "gif"])
def test_every_format_gets_a_sidecar_that_is_read_again(ending: str, facerec: Run, folder: Path, samples: Path) -> None:
    if ending == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    with Image.open(stored(samples / "barack_obama.jpg", folder / "turned.jpg", 6)) as picture:
        if ending in ("bmp", "gif"):  # which know of no orientation
            Image.open(samples / "barack_obama.jpg").save(folder / f"photo.{ending}")
        else:
            picture.save(folder / f"photo.{ending}", exif=picture.getexif().tobytes())
    assert tagged(facerec, folder / f"photo.{ending}") == {f"photo.{ending}": [(OBAMA, "tagged")]}
    assert facerec("enroll", "--from-regions", folder / f"photo.{ending}", "-db", "other").returncode == 0


def test_names_that_are_there_stay(facerec: Run, folder: Path, places: dict[str, Area]) -> None:
    """Another name, a face that waits for one, a person whose region is elsewhere, a pet."""
    obama, ardern = folder / "barack_obama.jpg", folder / "jacinda_ardern_2022.jpg"
    read_marks(obama).add([Region("Barry", places[obama.name])])
    read_marks(ardern).add([Region("Waits", places[ardern.name]), Region("Rex", Area(0.1, 0.1, 0.1, 0.1))])
    sidecar = ardern.with_name(f"{ardern.name}.xmp")
    sidecar.write_text(sidecar.read_text().replace("<mwg-rs:Name>Waits</mwg-rs:Name>", ""))
    done = facerec("tag", folder)
    assert done.returncode == 0
    assert f"Warning: {obama} names a face Barry that looks like {OBAMA}: it keeps that name." in done.stderr
    assert [one.name for one in read_marks(obama).regions] == ["Barry"]
    assert [one.name for one in read_marks(ardern).regions] == [ARDERN, "Rex"]
    read_marks(folder / "rishi_sunak.jpg").add([Region("JACINDA  ardern", Area(0.1, 0.1, 0.1, 0.1))])
    shutil.copy(ardern, folder / "rishi_sunak.jpg")
    assert tagged(facerec, folder / "rishi_sunak.jpg")["rishi_sunak.jpg"] == [(ARDERN, "tagged before")]


def test_what_cannot_be_written_or_read_is_told_and_the_rest_is_done(facerec: Run, folder: Path) -> None:
    (folder / "barack_obama.jpg.xmp").write_text("<damaged")
    (folder / "text.jpg").write_text("no picture")
    done = facerec("tag", folder, "--format", "csv")
    assert done.returncode == 1
    assert "barack_obama.jpg.xmp cannot be read (it is no XML)" in done.stderr
    assert (folder / "barack_obama.jpg.xmp").read_text() == "<damaged"
    assert (folder / "jacinda_ardern_2022.jpg.xmp").is_file()
    assert len(done.stdout.splitlines()) == 5


def test_faces_enrolled_are_not_the_collection_s(facerec: Run, folder: Path, tmp_path: Path) -> None:
    done = facerec("tag", tmp_path)
    assert "Left out 1 database" in done.stderr
    assert not list((tmp_path / "database").rglob("*.xmp"))


def test_the_documentation_shows_what_is_written(facerec: Run, samples: Path, tmp_path: Path) -> None:
    facerec("enroll", "--name", ARDERN, samples / "jacinda_ardern_2018.jpg")
    shutil.copy(samples / "jacinda_ardern_2022.jpg", tmp_path / "party.jpg")
    assert tagged(facerec, "party.jpg") == {"party.jpg": [(ARDERN, "tagged")]}

    def lines(text: str) -> list[str]:
        """Without indentation, and with as many digits as every machine's networks give."""
        return [re.sub(r"(0\.\d{3})\d+", r"\1", line.strip()) for line in text.splitlines()]

    shown = lines(program("docs/collections.md", "Names that other programs read", "xml"))
    written = lines((tmp_path / "party.jpg.xmp").read_text())
    begin = written.index(shown[0])
    assert written[begin : begin + len(shown)] == shown
