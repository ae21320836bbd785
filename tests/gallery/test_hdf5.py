"""The embedded gallery beyond the contract: its folder, its files, and what can happen to them."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facerec_cli.cli.remedies import sentence
from facerec_cli.errors import (
    DamagedDatabaseError,
    DatabaseError,
    DatabaseRefusedError,
    LostChipError,
    NoDatabaseError,
    PersonError,
    SmallerDatabaseError,
    UnfinishedChangeError,
    UnusableLocationError,
)
from facerec_cli.gallery import chipstore
from facerec_cli.gallery.base import EnrolledFace, Gallery, Person, clean_name
from facerec_cli.gallery.hdf5 import Hdf5Gallery
from facerec_cli.gallery.opening import open_gallery
from facerec_cli.gallery.place import STRANGERS
from tests.gallery.faces import COMPARISON, DIGEST, JPEG, OTHER, OTHER_COMPARISON, face, sha256, unit


def people(gallery: Gallery) -> list[Person]:
    return list(gallery.snapshot().people())


def faces(gallery: Gallery) -> list[EnrolledFace]:
    return [record.face for record in gallery.snapshot().records(DIGEST)]


@pytest.fixture
def gallery(tmp_path: Path) -> Hdf5Gallery:
    return Hdf5Gallery(tmp_path / "database", create=True)


def test_a_new_database_is_private_ignored_by_git_and_empty(gallery: Hdf5Gallery) -> None:
    folder = Path(gallery.location)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"
    assert people(gallery) == []
    assert gallery.snapshot().search(COMPARISON, unit(1, 0)[None]) == [[]]


def test_no_database_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoDatabaseError, match="no database"):
        open_gallery(tmp_path / "nowhere")


def test_the_same_photo_again_changes_nothing(gallery: Hdf5Gallery) -> None:
    assert gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Ada", unit(1, 0), 1)]) == [True, False]
    before = Path(gallery.location, "gallery.h5").read_bytes()
    assert gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)]) == [False]
    assert Path(gallery.location, "gallery.h5").read_bytes() == before
    assert gallery.snapshot().has_photo("Ada", sha256(1))
    assert not gallery.snapshot().has_photo("Ada", sha256(2))
    assert not gallery.snapshot().has_photo("Bob", sha256(1))


def test_a_renamed_person_has_their_chips_in_a_folder_of_the_new_name(gallery: Hdf5Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Ada", unit(1, 0), 2), face("Bob", unit(0, 1), 3)])
    gallery.rename("Ada", "A person with a much longer name than before")
    folder = Path(gallery.location)
    assert all((folder / enrolled.chip).exists() for enrolled in faces(gallery))
    assert len(list((folder / "faces").glob("*/*.jpg"))) == 3
    assert len(list((folder / "faces").iterdir())) == 2


def test_remove_leaves_nothing_behind(gallery: Hdf5Gallery) -> None:
    ada = unit(0.7071, 0.1234)
    gallery.add(COMPARISON, [face("Ada", ada, 1), face("Bob", unit(0, 1), 2), face("Ada", unit(1, 1), 3)])
    assert ada.tobytes() in Path(gallery.location, "gallery.h5").read_bytes()
    assert gallery.remove("Ada") == 2
    content = Path(gallery.location, "gallery.h5").read_bytes()
    assert b"Ada" not in content
    assert ada.tobytes() not in content
    assert [path.parent.name[:3] for path in Path(gallery.location, "faces").glob("*/*")] == ["bob"]
    assert gallery.snapshot().search(COMPARISON, unit(1, 0)[None])[0][0].name == "Bob"


def test_a_reader_sees_what_another_wrote(gallery: Hdf5Gallery) -> None:
    reader = open_gallery(gallery.location)
    assert people(reader) == []
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    assert [person.name for person in people(reader)] == ["Ada"]


def test_rebuild_restores_people_and_photos_from_the_chips(gallery: Hdf5Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("王芳", unit(0, 1), 2), face("Ada", unit(1, 1), 3)])
    names = [person.name for person in people(gallery)]
    photos = {name: [face.source for face in gallery.snapshot().faces(name)] for name in names}
    Path(gallery.location, "gallery.h5").write_bytes(b"damaged")
    with pytest.raises(DamagedDatabaseError):
        people(gallery)
    assert gallery.survey().problems == []
    gallery.rebuild(COMPARISON, {})
    assert [person.name for person in people(gallery)] == names
    assert {name: [face.source for face in gallery.snapshot().faces(name)] for name in names} == photos
    assert len(list(gallery.snapshot().pending(DIGEST))) == 3


def test_rebuild_leaves_out_what_is_no_chip_and_says_so(gallery: Hdf5Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    folder = Path(gallery.location)
    damaged = folder / gallery.snapshot().faces("Ada")[0].chip
    damaged.write_bytes(b"")
    stray = folder / gallery.snapshot().faces("Bob")[0].chip
    stray.with_name("stray.jpg").write_bytes(JPEG)
    found = gallery.rebuild(COMPARISON, {}, smaller=True)
    assert [person.name for person in people(gallery)] == ["Bob"]
    assert len(found.problems) == 2
    assert any(str(damaged) in problem for problem in found.problems)
    assert any("stray.jpg has no record" in problem for problem in found.problems)


def test_a_rebuild_never_forgets_much_without_being_told_to(gallery: Hdf5Gallery) -> None:
    gallery.add(COMPARISON, [face(f"person {number}", unit(1, number), number) for number in range(20)])
    folder = Path(gallery.location)
    (folder / "faces").rename(folder / "elsewhere")
    with pytest.raises(DatabaseRefusedError, match="No such file or directory, and the index stays"):
        gallery.rebuild(COMPARISON, {})
    (folder / "faces").mkdir()
    with pytest.raises(SmallerDatabaseError, match="lose 20 of its 20 photos"):
        gallery.rebuild(COMPARISON, {})
    assert len(people(gallery)) == 20
    (folder / "faces").rmdir()
    (folder / "elsewhere").rename(folder / "faces")
    Path(folder, gallery.snapshot().faces("person 3")[0].chip).unlink()
    found = gallery.rebuild(COMPARISON, {})
    assert len(found.lost) == 1 and len(people(gallery)) == 19
    gallery.index_file.path.write_bytes(b"damaged")
    shutil.rmtree(folder / "faces")
    (folder / "faces").mkdir()
    with pytest.raises(SmallerDatabaseError):
        gallery.rebuild(COMPARISON, {})


def test_a_rebuild_takes_chips_that_the_index_does_not_name_only_when_told_to(gallery: Hdf5Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    folder = Path(gallery.location)
    kept = shutil.copytree(folder / "faces", folder / "kept")
    gallery.remove("Ada")
    shutil.copytree(kept, folder / "faces", dirs_exist_ok=True)
    assert len(gallery.survey().strangers) == 1
    gallery.rebuild(COMPARISON, {})
    assert [person.name for person in people(gallery)] == ["Bob"]
    gallery.rebuild(COMPARISON, {}, strangers=True)
    assert sorted(person.name for person in people(gallery)) == ["Ada", "Bob"]


def test_a_rebuild_is_one_step_and_keeps_ids(gallery: Hdf5Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2), face("Eve", unit(1, 1), 3)])
    gallery.remove("Ada")
    before = faces(gallery)
    gallery.rebuild(COMPARISON, {key: unit(1, 5) for key, _ in gallery.survey().chips})
    assert faces(gallery) == before
    assert gallery.snapshot().pending_count(DIGEST) == 0
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    assert gallery.snapshot().faces("Ada")[0].id > max(face.id for face in before)


def test_an_embedding_is_kept_at_the_photo_that_it_is_of_alone(gallery: Hdf5Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    ada, bob = gallery.snapshot().pending(OTHER)
    # Where the index was lost, ids may begin anew: the photo tells.
    gallery.store(OTHER_COMPARISON, [(replace(bob, id=ada.id), unit(0, 1, 0)), (bob, unit(1, 1, 0))])
    assert [face.name for face in gallery.snapshot().pending(OTHER)] == ["Ada"]


def test_two_names_that_share_a_folder_do_not_share_chips(
    gallery: Hdf5Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chipstore, "slug", lambda name: "the-same-0000")
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 1), face("Bob", unit(0, 1), 2)])
    assert len({face.chip for face in faces(gallery)}) == 3
    gallery.remove("Ada")
    for enrolled in faces(gallery):
        gallery.read_chip(enrolled)
    assert gallery.survey().problems == []


def test_a_removal_that_cannot_be_finished_says_so_and_the_next_writer_finishes_it(
    gallery: Hdf5Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    chip = Path(gallery.location, gallery.snapshot().faces("Ada")[0].chip)
    refuse_unlinking(monkeypatch, chip)
    with pytest.raises(
        UnfinishedChangeError, match="could not all be deleted, it is not readable and writable"
    ) as raised:
        gallery.remove("Ada")
    assert "untouched" not in str(raised.value)
    assert [person.name for person in people(gallery)] == ["Bob"]
    gallery.add(COMPARISON, [face("Eve", unit(0, 1), 3)])
    assert chip.exists()
    monkeypatch.undo()
    gallery.rebuild(COMPARISON, {})
    assert not chip.exists()
    assert sorted(person.name for person in people(gallery)) == ["Bob", "Eve"]


def test_a_missing_chip_is_named(gallery: Hdf5Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    (enrolled,) = faces(gallery)
    Path(gallery.location, enrolled.chip).unlink()
    with pytest.raises(LostChipError, match="Ada is missing") as raised:
        gallery.read_chip(enrolled)
    assert raised.value.subject == "1.jpg"


def test_a_lost_index_is_not_an_empty_database(gallery: Hdf5Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    Path(gallery.location, "gallery.h5").unlink()
    with pytest.raises(DamagedDatabaseError, match=r"damaged|missing"):
        people(open_gallery(gallery.location))
    with pytest.raises(DamagedDatabaseError, match=r"damaged|missing"):
        open_gallery(gallery.location, create=True)


def test_a_newer_format_is_refused_and_untouched(gallery: Hdf5Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    path = Path(gallery.location, "gallery.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["format"] = 3
    before = path.read_bytes()
    reader = open_gallery(gallery.location)
    with pytest.raises(DatabaseError, match="reads format 2"):
        people(reader)
    with pytest.raises(DatabaseError, match="reads format 2"):
        reader.add(COMPARISON, [face("Bob", unit(0, 1), 2)])
    assert path.read_bytes() == before
    assert len(list(Path(gallery.location, "faces").glob("*/*.jpg"))) == 1


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_index_is_damage(gallery: Hdf5Gallery, keep: float) -> None:
    gallery.add(COMPARISON, [face(f"person {number}", unit(1, number), number) for number in range(50)])
    path = Path(gallery.location, "gallery.h5")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(DamagedDatabaseError, match=r"damaged|missing"):
        open_gallery(gallery.location).snapshot().search(COMPARISON, unit(1, 0)[None])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_give_an_answer_or_one_sentence(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "flipped"
    if not folder.exists():
        open_gallery(folder, create=True).add(COMPARISON, [face(f"p{n}", unit(1, n), n) for n in range(3)])
        shutil.copyfile(folder / "gallery.h5", tmp_path / "good.h5")
    content = bytearray((tmp_path / "good.h5").read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / "gallery.h5").write_bytes(content)
    try:
        gallery = open_gallery(folder)
        people(gallery)
        faces(gallery)
        gallery.snapshot().search(COMPARISON, unit(1, 0)[None], top=3)
    except DatabaseError as error:
        assert sentence(error).count(". ") == 0


@pytest.mark.parametrize("seconds", [2**40, 2**62, -(2**62)])
def test_a_time_that_no_calendar_has_is_damage(gallery: Hdf5Gallery, seconds: int) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    path = Path(gallery.location) / "gallery.h5"
    with h5py.File(path, "r+") as file:
        file["people/created"][0] = seconds
    with pytest.raises(DamagedDatabaseError):
        people(open_gallery(gallery.location))


def test_a_failed_writing_changes_nothing(gallery: Hdf5Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    before = faces(gallery)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DatabaseError, match="disk is full"):
        gallery.add(COMPARISON, [face("Bob", unit(0, 1), 2)])
    monkeypatch.undo()
    assert faces(gallery) == before
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
    gallery = open_gallery(small_disk / "database", create=True)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(60_000))
    enrolled = 0
    with pytest.raises(DatabaseError, match="disk is full"):
        for number in range(10_000):
            gallery.add(COMPARISON, [face(f"person {number}", unit(1, number), number)])
            enrolled += 1
    assert enrolled > 5
    assert len(people(open_gallery(gallery.location))) == enrolled
    assert len(list(Path(gallery.location, "faces").glob("*/*.jpg"))) == enrolled
    ballast.unlink()
    assert gallery.add(COMPARISON, [face("one more", unit(1, 0), 10_000)]) == [True]
    assert len(people(gallery)) == enrolled + 1


def test_a_read_only_database_can_be_searched_but_not_changed(small_disk: Path) -> None:
    gallery = open_gallery(small_disk / "database", create=True)
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    reader = open_gallery(gallery.location)
    assert reader.snapshot().search(COMPARISON, unit(1, 0)[None])[0][0].name == "Ada"
    with pytest.raises(DatabaseRefusedError, match="not readable and writable"):
        reader.add(COMPARISON, [face("Bob", unit(0, 1), 2)])
    with pytest.raises(DatabaseRefusedError, match="not readable and writable"):
        open_gallery(small_disk / "another", create=True)


def test_writers_wait_for_each_other_and_lose_nothing(tmp_path: Path) -> None:
    script = """
import sys
import numpy as np
from tests.gallery.faces import COMPARISON, face, unit
from facerec_cli import open_gallery
gallery = open_gallery(sys.argv[1], create=True)
for number in range(20):
    gallery.add(COMPARISON, [face(f"{sys.argv[2]} {number}", unit(1, number), number)])
"""
    location = tmp_path / "database"
    writers = [
        subprocess.Popen([sys.executable, "-c", script, location, f"writer{number}"], cwd=Path(__file__).parents[2])
        for number in range(4)
    ]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        if (location / "gallery.h5").exists():
            enrolled = people(Hdf5Gallery(location))
            assert len(enrolled) >= seen
            assert all(person.photos == 1 for person in enrolled)
            seen = len(enrolled)
    assert [writer.returncode for writer in writers] == [0] * 4
    assert len(people(open_gallery(location))) == 80


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


def test_a_file_is_no_place_for_a_database(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("something else")
    with pytest.raises(UnusableLocationError, match="not a folder"):
        open_gallery(tmp_path / "file", create=True)


@pytest.mark.parametrize("location", ["mysql://ada:Geheim@host/people", "s3://bucket"])
def test_a_kind_of_store_that_facerec_does_not_know_is_told(location: str, tmp_path: Path) -> None:
    with pytest.raises(UnusableLocationError, match=location.partition(":")[0]) as refused:
        open_gallery(location, create=True)
    assert "Geheim" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def refuse_unlinking(monkeypatch: pytest.MonkeyPatch, refused: Path) -> None:
    real = os.unlink

    def unlink(path: Path, *arguments: object, **named: object) -> None:
        if Path(path) == refused:
            raise PermissionError(errno.EACCES, "Permission denied")
        real(path)

    monkeypatch.setattr(os, "unlink", unlink)


def test_a_rename_that_cannot_be_finished_costs_no_chip(gallery: Hdf5Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    refuse_unlinking(monkeypatch, gallery.folder / gallery.snapshot().faces("Ada")[0].chip)
    with pytest.raises(UnfinishedChangeError):
        gallery.rename("Ada", "Ada Byron")
    for number in range(3):
        gallery.add(COMPARISON, [face("Eve", unit(0, 1), 10 + number)])
        gallery.read_chip(gallery.snapshot().faces("Ada Byron")[0])
    found = gallery.survey()
    assert (found.lost, found.strangers) == ([], [])
    monkeypatch.undo()
    gallery.add(COMPARISON, [face("Eve", unit(0, 1), 20)])
    assert len(list((gallery.folder / "faces").glob("*/*"))) == len(faces(gallery))


def test_one_chip_that_cannot_be_deleted_keeps_no_other(gallery: Hdf5Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), photo) for photo in range(5)])
    chips = [gallery.folder / enrolled.chip for enrolled in faces(gallery)]
    refuse_unlinking(monkeypatch, chips[1])
    with pytest.raises(UnfinishedChangeError):
        gallery.remove("Ada")
    assert [chip.exists() for chip in chips] == [False, True, False, False, False]


def test_who_was_forgotten_does_not_come_back_when_the_index_is_lost(
    gallery: Hdf5Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1), face("Bob", unit(0, 1), 2)])
    chip = gallery.folder / gallery.snapshot().faces("Ada")[0].chip
    refuse_unlinking(monkeypatch, chip)
    with pytest.raises(UnfinishedChangeError):
        gallery.remove("Ada")
    monkeypatch.undo()
    gallery.index_file.path.write_bytes(b"damaged")
    assert list(gallery.survey().strangers) == [chip.relative_to(gallery.folder).as_posix()]
    gallery.rebuild(COMPARISON, {})
    assert [person.name for person in people(gallery)] == ["Bob"]
    assert not chip.exists()


def test_what_is_not_ours_stays_where_it_is(gallery: Hdf5Gallery, tmp_path: Path) -> None:
    outside = tmp_path / "documents"
    outside.mkdir()
    (outside / "1.h5").write_bytes(b"mine")
    segments = gallery.folder / "segments"
    segments.mkdir()
    (segments / "@eaDir").mkdir()
    (segments / "film.ts").write_bytes(b"mine")
    (gallery.folder / ".gallery.h5.folder").mkdir()
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    assert {path.name for path in segments.iterdir()} == {"@eaDir", "film.ts"}
    shutil.rmtree(segments)
    segments.symlink_to(outside)
    with pytest.raises(DatabaseError):
        gallery.add(COMPARISON, [face("Bob", unit(1, 0), 2)])
    assert (outside / "1.h5").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["segments", "faces"])
def test_a_folder_of_other_things_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "project" / name).mkdir(parents=True)
    (tmp_path / "project" / name / "part1.ts").write_bytes(b"mine")
    with pytest.raises(UnusableLocationError, match="holds other things"):
        open_gallery(tmp_path / "project", create=True)


def test_strangers_may_be_there_before_anybody_is_enrolled(tmp_path: Path) -> None:
    for name in (STRANGERS, f"{STRANGERS}-journal"):
        (tmp_path / name).write_bytes(b"")
    open_gallery(tmp_path, create=True)
    assert (tmp_path / STRANGERS).exists()


def test_linked_chips_are_nobodys(gallery: Hdf5Gallery, tmp_path: Path) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    (gallery.folder / "faces").rename(tmp_path / "pictures")
    (gallery.folder / "faces").symlink_to(tmp_path / "pictures")
    (chip,) = (tmp_path / "pictures").glob("*/*.jpg")
    (gallery.folder / ".unfinished.json").write_text(f'["faces/{chip.parent.name}/{chip.name}", "\\ud800", 7]')
    with pytest.raises(DatabaseRefusedError):
        gallery.add(COMPARISON, [face("Bob", unit(1, 0), 2)])
    assert chip.exists()
    with pytest.raises(DatabaseRefusedError, match="it is a link"):
        gallery.survey()


@pytest.mark.parametrize("name", ["gallery.h5", ".unfinished.json"])
def test_a_pipe_in_a_files_place_is_told(gallery: Hdf5Gallery, name: str) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    (gallery.folder / name).unlink(missing_ok=True)
    os.mkfifo(gallery.folder / name)
    with pytest.raises(DatabaseError):
        Hdf5Gallery(gallery.folder).remove("Ada")


def test_a_rebuild_keeps_what_was_embedded_meanwhile_and_leaves_no_stray(gallery: Hdf5Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    embeddings = {key: unit(1, 5) for key, _ in gallery.survey().chips}
    gallery.add(COMPARISON, [face("Bob", unit(0, 1), 2)])
    (gallery.folder / ".gallery.h5.12.ab").write_bytes(b"Ada")
    gallery.rebuild(COMPARISON, embeddings)
    assert gallery.snapshot().template(DIGEST, "Bob") == pytest.approx(unit(0, 1))
    assert gallery.snapshot().template(DIGEST, "Ada") == pytest.approx(unit(1, 5))
    assert not (gallery.folder / ".gallery.h5.12.ab").exists()


def test_processes_that_make_a_database_at_once_all_have_it(tmp_path: Path) -> None:
    script = "import sys; from facerec_cli import open_gallery; input(); open_gallery(sys.argv[1], create=True)"
    for round_number in range(3):
        makers = [
            subprocess.Popen([sys.executable, "-c", script, tmp_path / str(round_number)], stdin=subprocess.PIPE)
            for _ in range(4)
        ]
        for maker in makers:
            assert maker.stdin
            maker.stdin.write(b"\n")
            maker.stdin.close()
        assert [maker.wait() for maker in makers] == [0] * 4


def test_an_index_of_an_older_facerec_is_rebuilt(gallery: Hdf5Gallery) -> None:
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    with h5py.File(gallery.index_file.path, "r+") as file:
        file.attrs["format"] = 1
    with pytest.raises(DamagedDatabaseError, match="of an older facerec"):
        gallery.snapshot()
    gallery.rebuild(COMPARISON, {})
    assert [person.name for person in people(gallery)] == ["Ada"]


@pytest.mark.parametrize("name", ["unknown", "\x1b]0;x\x07", " Ada", "a\nb"])
def test_a_name_that_nobody_can_have_is_damage(gallery: Hdf5Gallery, name: str) -> None:
    gallery.add(COMPARISON, [face("A" * 20, unit(1, 0), 1)])
    with h5py.File(gallery.index_file.path, "r+") as file:
        file["people/name"][0] = name
    now = Hdf5Gallery(gallery.folder).snapshot()
    for ask in (lambda: list(now.people()), lambda: now.search(COMPARISON, unit(1, 0)[None])):
        with pytest.raises(DamagedDatabaseError):
            ask()
