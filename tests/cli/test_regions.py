"""Names that other programs read and write: enroll --from-regions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from facerec_cli.faces.extraction import Extractor
from facerec_cli.metadata.areas import Area, area_of
from facerec_cli.metadata.marks import read_marks
from facerec_cli.metadata.regions import Region
from tests.conftest import Run
from tests.faces.pictures import STORED_AS
from tests.metadata.packets import needs_exiftool, write_by_exiftool

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
