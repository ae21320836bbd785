from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facerec_cli import Gallery
from facerec_cli.encoders.metric import Cosine, Space
from facerec_cli.errors import DatabaseError, PersonError
from facerec_cli.gallery.base import NewFace, clean_name, templates
from facerec_cli.gallery.chipfile import encode_chip
from facerec_cli.gallery.hdf5 import Hdf5Gallery

DIGEST = "a" * 64
OTHER = "b" * 64
SPACE, OTHER_SPACE = Space(DIGEST, Cosine()), Space(OTHER, Cosine())
JPEG = encode_chip(np.full((112, 112, 3), 128, np.uint8))
Vector = npt.NDArray[np.float32]


def unit(*numbers: float) -> Vector:
    vector = np.array(numbers, np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def face(name: str, embedding: Vector, photo: int = 0) -> NewFace:
    return NewFace(name, JPEG, embedding, sha256(photo), f"{photo}.jpg", 0.9)


def sha256(photo: int) -> str:
    return hashlib.sha256(str(photo).encode()).hexdigest()


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    return Gallery.open(tmp_path / "database", create=True)


def everything(gallery: Gallery) -> tuple[list[str], dict[str, list[str]], Mapping[str, Vector]]:
    names = [person.name for person in gallery.people()]
    photos = {name: [face.source for face in gallery.faces(name)] for name in names}
    return names, photos, {name: gallery.template(DIGEST, name) for name in names}


def test_a_new_database_is_private_ignored_by_git_and_empty(gallery: Gallery) -> None:
    folder = Path(gallery.location)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"
    assert gallery.people() == []
    assert gallery.search(SPACE, unit(1, 0)[None]) == [[]]


def test_no_database_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="facerec enroll"):
        Gallery.open(tmp_path / "nowhere")


def test_enrolled_people_are_found_nearest_first(gallery: Gallery) -> None:
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1), face("Bob", unit(1, 1), 2), face("Eve", unit(0, 1), 3)])
    (found,) = gallery.search(SPACE, unit(1, 0.1)[None], top=2)
    assert [match.name for match in found] == ["Ada", "Bob"]
    assert found[0].distance == pytest.approx(1 - unit(1, 0.1)[0], abs=1e-6)


def test_equal_distances_go_by_enrolment(gallery: Gallery) -> None:
    names = [f"person {number}" for number in range(9)]
    gallery.add(SPACE, [face(name, unit(1, 0), number) for number, name in enumerate(names)])
    (found,) = gallery.search(SPACE, unit(1, 0)[None], top=4)
    assert [match.name for match in found] == names[:4]


def test_asking_for_more_people_than_there_are_gives_all(gallery: Gallery) -> None:
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1)])
    assert len(gallery.search(SPACE, unit(0, 1)[None], top=5)[0]) == 1


def test_the_same_photo_again_changes_nothing(gallery: Gallery) -> None:
    assert gallery.add(SPACE, [face("Ada", unit(1, 0), 1), face("Ada", unit(1, 0), 1)]) == [True, False]
    before = Path(gallery.location, "gallery.h5").read_bytes()
    assert gallery.add(SPACE, [face("Ada", unit(1, 0), 1)]) == [False]
    assert Path(gallery.location, "gallery.h5").read_bytes() == before
    assert gallery.has_photo("Ada", sha256(1))
    assert not gallery.has_photo("Ada", sha256(2))
    assert not gallery.has_photo("Bob", sha256(1))


def test_a_template_is_the_mean_direction_of_the_photos(gallery: Gallery) -> None:
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1)])
    gallery.add(SPACE, [face("Ada", unit(0, 1), 2), face("Bob", unit(0, 1), 2)])
    assert gallery.template(DIGEST, "Ada") == pytest.approx(unit(1, 1))
    assert gallery.photo_counts().tolist() == [2, 1]


def test_templates_of_opposite_photos_are_unknown_not_zero() -> None:
    both = np.stack([unit(1, 0), unit(-1, 0)])
    assert np.isnan(templates(both, np.array([0, 0]), 1, Cosine())).all()


def test_rename_keeps_photos_and_moves_chips(gallery: Gallery) -> None:
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1), face("Ada", unit(1, 0), 2), face("Bob", unit(0, 1), 3)])
    gallery.rename("Ada", "A person with a much longer name than before")
    names, photos, _ = everything(gallery)
    assert names == ["A person with a much longer name than before", "Bob"]
    assert photos[names[0]] == ["1.jpg", "2.jpg"]
    assert all((Path(gallery.location) / face.chip).exists() for face in gallery.faces())
    assert len(list(Path(gallery.location, "faces").glob("*/*.jpg"))) == 3
    assert len(list(Path(gallery.location, "faces").iterdir())) == 2


def test_rename_to_somebody_enrolled_is_refused(gallery: Gallery) -> None:
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    with pytest.raises(PersonError, match="Bob is already enrolled"):
        gallery.rename("Ada", "Bob")
    with pytest.raises(PersonError, match="Nobody named 'Eve'"):
        gallery.rename("Eve", "Mallory")


def test_remove_leaves_nothing_behind(gallery: Gallery) -> None:
    ada = unit(0.7071, 0.1234)
    gallery.add(SPACE, [face("Ada", ada, 1), face("Bob", unit(0, 1), 2), face("Ada", unit(1, 1), 3)])
    assert ada.tobytes() in Path(gallery.location, "gallery.h5").read_bytes()
    assert gallery.remove("Ada") == 2
    content = Path(gallery.location, "gallery.h5").read_bytes()
    assert b"Ada" not in content
    assert ada.tobytes() not in content
    assert [path.parent.name[:3] for path in Path(gallery.location, "faces").glob("*/*")] == ["bob"]
    assert gallery.search(SPACE, unit(1, 0)[None])[0][0].name == "Bob"


def test_removing_again_cleans_up_after_a_removal_that_was_killed(gallery: Gallery) -> None:
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1)])
    (chips,) = Path(gallery.location, "faces").iterdir()
    kept = shutil.copytree(chips, Path(gallery.location) / "kept")
    gallery.remove("Ada")
    kept.rename(chips)
    with pytest.raises(PersonError):
        gallery.remove("Ada")
    assert not chips.exists()


def test_ids_are_never_used_twice(gallery: Gallery) -> None:
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1)])
    first = gallery.people()[0].id
    gallery.remove("Ada")
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1)])
    assert gallery.people()[0].id > first


def test_models_do_not_mix(gallery: Gallery) -> None:
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1)])
    gallery.add(OTHER_SPACE, [face("Bob", unit(0, 1, 1), 2)])
    assert [face.name for face in gallery.pending(DIGEST)] == ["Bob"]
    assert [face.name for face in gallery.pending(OTHER)] == ["Ada"]
    # Bob has no template of the first model, so there he cannot be found, near or far.
    assert [match.name for match in gallery.search(SPACE, unit(1, 0)[None], top=2)[0]] == ["Ada"]
    (pending,) = gallery.pending(OTHER)
    gallery.store(OTHER_SPACE, {pending.id: unit(1, 0, 0)})
    assert gallery.pending(OTHER) == []
    assert gallery.search(OTHER_SPACE, unit(1, 0, 0)[None])[0][0].name == "Ada"


def test_a_reader_sees_what_another_wrote(gallery: Gallery) -> None:
    reader = Gallery.open(gallery.location)
    assert reader.people() == []
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1)])
    assert [person.name for person in reader.people()] == ["Ada"]


def test_rebuild_restores_people_and_photos_from_the_chips(gallery: Gallery) -> None:
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1), face("王芳", unit(0, 1), 2), face("Ada", unit(1, 1), 3)])
    names, photos, _ = everything(gallery)
    Path(gallery.location, "gallery.h5").write_bytes(b"damaged")
    with pytest.raises(DatabaseError, match="people rebuild"):
        gallery.people()
    assert gallery.rebuild() == []
    assert [person.name for person in gallery.people()] == names
    assert {name: [face.source for face in gallery.faces(name)] for name in names} == photos
    assert len(gallery.pending(DIGEST)) == 3


def test_rebuild_leaves_out_what_is_no_chip_and_says_so(gallery: Gallery) -> None:
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    folder = Path(gallery.location)
    damaged = folder / gallery.faces("Ada")[0].chip
    damaged.write_bytes(b"")
    stray = folder / gallery.faces("Bob")[0].chip
    stray.with_name("stray.jpg").write_bytes(JPEG)
    problems = gallery.rebuild()
    assert [person.name for person in gallery.people()] == ["Bob"]
    assert len(problems) == 2
    assert any(str(damaged) in problem for problem in problems)
    assert any("stray.jpg has no record" in problem for problem in problems)


def test_a_missing_chip_is_named(gallery: Gallery) -> None:
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1)])
    (enrolled,) = gallery.faces()
    Path(gallery.location, enrolled.chip).unlink()
    with pytest.raises(DatabaseError, match=r"Ada is missing: enrol 1\.jpg again"):
        gallery.read_chip(enrolled)


def test_a_lost_index_is_not_an_empty_database(gallery: Gallery) -> None:
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1)])
    Path(gallery.location, "gallery.h5").unlink()
    with pytest.raises(DatabaseError, match="people rebuild"):
        Gallery.open(gallery.location).people()
    with pytest.raises(DatabaseError, match="people rebuild"):
        Gallery.open(gallery.location, create=True)


def test_a_newer_format_is_refused_and_untouched(gallery: Gallery) -> None:
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1)])
    path = Path(gallery.location, "gallery.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["format"] = 2
    before = path.read_bytes()
    reader = Gallery.open(gallery.location)
    with pytest.raises(DatabaseError, match="upgrade facerec"):
        reader.people()
    with pytest.raises(DatabaseError, match="upgrade facerec"):
        reader.add(SPACE, [face("Bob", unit(0, 1), 2)])
    assert path.read_bytes() == before
    assert len(list(Path(gallery.location, "faces").glob("*/*.jpg"))) == 1


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_index_is_damage(gallery: Gallery, keep: float) -> None:
    gallery.add(SPACE, [face(f"person {number}", unit(1, number), number) for number in range(50)])
    path = Path(gallery.location, "gallery.h5")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(DatabaseError, match="people rebuild"):
        Gallery.open(gallery.location).search(SPACE, unit(1, 0)[None])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_give_an_answer_or_one_sentence(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "flipped"
    if not folder.exists():
        Gallery.open(folder, create=True).add(SPACE, [face(f"p{n}", unit(1, n), n) for n in range(3)])
        shutil.copyfile(folder / "gallery.h5", tmp_path / "good.h5")
    content = bytearray((tmp_path / "good.h5").read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / "gallery.h5").write_bytes(content)
    try:
        gallery = Gallery.open(folder)
        gallery.people()
        gallery.faces()
        gallery.search(SPACE, unit(1, 0)[None], top=3)
    except DatabaseError as error:
        assert str(error).count(". ") <= 1


@pytest.mark.parametrize("seconds", [2**40, 2**62, -(2**62)])
def test_a_time_that_no_calendar_has_is_damage(gallery: Gallery, seconds: int) -> None:
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1)])
    path = Path(gallery.location) / "gallery.h5"
    with h5py.File(path, "r+") as file:
        file["people/created"][0] = seconds
    with pytest.raises(DatabaseError, match="rebuild"):
        Gallery.open(gallery.location).people()


def test_a_failed_writing_changes_nothing(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1)])
    before = everything(gallery)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DatabaseError, match="disk is full"):
        gallery.add(SPACE, [face("Bob", unit(0, 1), 2)])
    monkeypatch.undo()
    assert everything(gallery)[:2] == before[:2]
    assert sorted(path.name for path in Path(gallery.location).iterdir()) == [
        ".gitignore",
        ".lock",
        "faces",
        "gallery.h5",
    ]
    assert len(list(Path(gallery.location, "faces").iterdir())) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 300 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", place], capture_output=True, check=False
    )
    if not mounted or mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    gallery = Gallery.open(small_disk / "database", create=True)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(60_000))
    enrolled = 0
    with pytest.raises(DatabaseError, match="disk is full"):
        for number in range(10_000):
            gallery.add(SPACE, [face(f"person {number}", unit(1, number), number)])
            enrolled += 1
    assert enrolled > 5
    assert len(Gallery.open(gallery.location).people()) == enrolled
    assert len(list(Path(gallery.location, "faces").glob("*/*.jpg"))) == enrolled
    ballast.unlink()
    assert gallery.add(SPACE, [face("one more", unit(1, 0), 10_000)]) == [True]
    assert len(gallery.people()) == enrolled + 1


def test_a_read_only_database_can_be_searched_but_not_changed(small_disk: Path) -> None:
    gallery = Gallery.open(small_disk / "database", create=True)
    gallery.add(SPACE, [face("Ada", unit(1, 0), 1)])
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    reader = Gallery.open(gallery.location)
    assert reader.search(SPACE, unit(1, 0)[None])[0][0].name == "Ada"
    with pytest.raises(DatabaseError, match="permissions"):
        reader.add(SPACE, [face("Bob", unit(0, 1), 2)])
    with pytest.raises(DatabaseError, match="permissions"):
        Gallery.open(small_disk / "another", create=True)


def test_writers_wait_for_each_other_and_lose_nothing(tmp_path: Path) -> None:
    script = """
import sys
import numpy as np
from tests_helper import face, unit, SPACE
from facerec_cli import Gallery
gallery = Gallery.open(sys.argv[1], create=True)
for number in range(20):
    gallery.add(SPACE, [face(f"{sys.argv[2]} {number}", unit(1, number), number)])
"""
    (tmp_path / "tests_helper.py").write_text(Path(__file__).read_text())
    (tmp_path / "writer.py").write_text(script)
    location = tmp_path / "database"
    writers = [
        subprocess.Popen([sys.executable, tmp_path / "writer.py", location, f"writer{number}"], cwd=tmp_path)
        for number in range(4)
    ]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        if (location / "gallery.h5").exists():
            people = Hdf5Gallery(location).people()
            assert len(people) >= seen
            assert all(person.photos == 1 for person in people)
            seen = len(people)
    assert [writer.returncode for writer in writers] == [0] * 4
    assert len(Gallery.open(location).people()) == 80


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "cannot be empty"),
        ("  ", "cannot be empty"),
        ("a\nb", "control characters"),
        ("Unknown", "strangers"),
        ("x" * 201, "longer than 200"),
    ],
)
def test_names_that_cannot_be(name: str, sentence: str) -> None:
    with pytest.raises(PersonError, match=sentence):
        clean_name(name)


def test_names_are_normalised() -> None:
    assert clean_name("  Jose\u0301 ") == "Jos\u00e9"
