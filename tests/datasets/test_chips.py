from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image, ImageOps

from facerec_cli import locks
from facerec_cli.datasets import chips as chips_module
from facerec_cli.datasets.chips import ChipSet, load_chips
from facerec_cli.errors import DataError, PhotoError
from facerec_cli.faces.extraction import Extractor

LFW_PHOTO = "Aaron_Eckhart/Aaron_Eckhart_0001.jpg"
PEOPLE = ("Barack Obama", "Eileen Collins", "Emmanuel Macron", "Jacinda Ardern", "Rishi Sunak")
LOADING = """
import json, sys, time
from pathlib import Path
from facerec_cli.datasets.chips import load_chips
def progress(done, total):
    print(json.dumps([done, total]), flush=True)
    if done == int(sys.argv[2]):
        time.sleep(600)
load_chips(Path(sys.argv[1]), progress)
"""


@pytest.fixture(scope="module")
def made(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the five people: each sample small, and mirrored; 14 photos."""
    folder = tmp_path_factory.mktemp("made") / "people"
    for path in sorted([*samples.glob("*.jpg"), *samples.glob("*.png")]):
        (person,) = [name for name in PEOPLE if path.stem.startswith(name.lower().replace(" ", "_"))]
        (folder / person).mkdir(parents=True, exist_ok=True)
        small = Image.open(path).convert("RGB").resize((160, 200))
        small.save(folder / person / f"{path.stem}.png")
        ImageOps.mirror(small).save(folder / person / f"{path.stem}_mirrored.png")
    return folder


@pytest.fixture
def people(made: Path, tmp_path: Path) -> Path:
    """A copy of that folder, without chips."""
    return Path(shutil.copytree(made, tmp_path / "people"))


@pytest.fixture(scope="module")
def whole(made: Path) -> ChipSet:
    """The chips of the folder, from a run that nothing disturbed."""
    return load_chips(made)


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor()


def counted(folder: Path) -> tuple[ChipSet, list[tuple[int, int]]]:
    """The chips, and what the progress was told."""
    told: list[tuple[int, int]] = []
    return load_chips(folder, lambda done, total: told.append((done, total))), told


def of(total: int) -> list[tuple[int, int]]:
    """What the progress is told when so many photos are computed."""
    return [(done, total) for done in range(1, total + 1)]


def assert_same(one: ChipSet, other: ChipSet) -> None:
    assert one.photos == other.photos
    assert one.people == other.people
    assert one.faceless == other.faceless
    assert one.is_lfw == other.is_lfw
    assert np.array_equal(one.chips, other.chips)
    assert np.array_equal(one.scores, other.scores)
    assert np.array_equal(one.has_face, other.has_face)
    assert one.quality.keys() == other.quality.keys()
    for name, values in one.quality.items():
        assert np.array_equal(values, other.quality[name], equal_nan=True)


def assert_one_clause(text: str) -> None:
    assert not text.endswith(".")
    assert ". " not in text
    assert "\n" not in text


# ------------------------------------------------------------------ what it gives


def test_chips_are_those_of_the_extraction(whole: ChipSet, extractor: Extractor) -> None:
    assert whole.photos == sorted(whole.photos)
    assert len(whole.photos) == 14
    assert set(whole.people) == set(PEOPLE)
    assert whole.people == [photo.split("/")[0] for photo in whole.photos]
    assert whole.chips.shape == (14, 112, 112, 3)
    assert whole.has_face.all()
    assert (whole.faceless, whole.unreadable, whole.is_lfw) == ([], [], False)
    for row, photo in enumerate(whole.photos):
        face = extractor.extract(whole.folder / photo).faces[0]
        assert np.array_equal(whole.chips[row], face.chip)
        assert whole.scores[row] == pytest.approx(face.score)
        assert {name: values[row] for name, values in whole.quality.items()} == pytest.approx(vars(face.quality))


def test_rows_by_photo_and_by_person(whole: ChipSet) -> None:
    assert whole.row == {photo: row for row, photo in enumerate(whole.photos)}
    assert whole.rows_of.keys() == set(PEOPLE)
    assert len(whole.rows_of["Emmanuel Macron"]) == 4
    assert all(whole.people[row] == name for name, rows in whole.rows_of.items() for row in rows)
    assert sum(map(len, whole.rows_of.values())) == 14


def test_what_of_a_folder_cannot_be_searched_is_told_and_the_rest_has_chips(people: Path, whole: ChipSet) -> None:
    (people / "Gone").symlink_to("nowhere")
    (people / "Empty").mkdir()
    (people / os.fsdecode(b"J\xe9r\xf4me")).symlink_to("Empty")
    chips = load_chips(people)
    assert chips.photos == whole.photos
    assert [str(error) for error in chips.unreadable] == [f"{people / 'Gone'} is a link that leads nowhere"]
    assert [[path.name for path in paths] for paths in chips.left_out.values()] == [
        ["Empty"],
        [os.fsdecode(b"J\xe9r\xf4me")],
    ]


def test_photos_that_give_no_chip_are_told_and_keep_their_row(people: Path, whole: ChipSet) -> None:
    (people / "Nobody").mkdir()
    Image.new("RGB", (200, 200), "green").save(people / "Nobody" / "grass.png")
    (people / "Barack Obama" / "text.jpg").write_text("no picture")
    chips = load_chips(people)
    assert len(chips.photos) == 16
    assert chips.faceless == ["Nobody/grass.png"]
    (error,) = chips.unreadable
    assert_one_clause(str(error))
    assert str(people / "Barack Obama" / "text.jpg") in str(error)
    for photo in ("Nobody/grass.png", "Barack Obama/text.jpg"):
        row = chips.photos.index(photo)
        assert not chips.has_face[row]
        assert not chips.chips[row].any()
        assert np.isnan(chips.quality["sharpness"][row])
        assert photo not in chips.row
    assert "Nobody" not in chips.rows_of
    assert np.array_equal(chips.chips[chips.has_face], whole.chips)


def test_a_link_to_nowhere_is_an_unreadable_photo_like_others(people: Path) -> None:
    (people / "Barack Obama" / "gone.jpg").symlink_to(people / "nothing.jpg")
    chips = load_chips(people)
    (error,) = chips.unreadable
    assert "gone.jpg" in str(error)
    assert chips.has_face.sum() == 14


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_not_unicode_is_a_name_too(people: Path) -> None:
    photo = people / "Barack Obama" / "barack_obama.png"
    photo.rename(photo.with_name(os.fsdecode(b"z\xe9.png")))
    chips = load_chips(people)
    assert chips.has_face.sum() == 14
    assert len(chips.rows_of["Barack Obama"]) == 2


def pasted(samples: Path, path: Path) -> Path:
    """A photo with a big face at its left and a small one in its middle."""
    path.parent.mkdir(parents=True)
    photo = Image.new("RGB", (640, 360), "grey")
    photo.paste(Image.open(samples / "barack_obama.jpg").convert("RGB").resize((240, 300)), (0, 30))
    photo.paste(Image.open(samples / "rishi_sunak.jpg").convert("RGB").resize((120, 150)), (260, 105))
    photo.save(path, quality=95)
    return path


@pytest.mark.parametrize(("name", "is_lfw"), [(LFW_PHOTO, True), ("Aaron_Eckhart/Aaron_Eckhart_0002.jpg", False)])
def test_lfw_means_the_face_in_the_middle_and_others_the_largest(
    name: str, is_lfw: bool, samples: Path, tmp_path: Path, extractor: Extractor
) -> None:
    # LFW has one photo of this person: a second one makes it another data set.
    photo = pasted(samples, tmp_path / "people" / name)
    large, small = extractor.extract(photo).faces
    x, _, width, _ = small.box
    assert abs(x + width / 2 - 320) < 60
    chips = load_chips(tmp_path / "people")
    assert chips.is_lfw == is_lfw
    assert np.array_equal(chips.chips[0], (small if is_lfw else large).chip)


def test_a_photo_that_is_not_lfws_changes_which_face_is_meant(
    samples: Path, tmp_path: Path, extractor: Extractor
) -> None:
    photo = pasted(samples, tmp_path / "people" / LFW_PHOTO)
    large, small = extractor.extract(photo).faces
    assert np.array_equal(load_chips(tmp_path / "people").chips[0], small.chip)
    shutil.copy(samples / "rishi_sunak.jpg", tmp_path / "people" / "Rishi Sunak.jpg")
    chips, told = counted(tmp_path / "people")
    assert told == of(2)
    assert np.array_equal(chips.chips[chips.row[LFW_PHOTO]], large.chip)


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_folder_without_photos_is_one_sentence_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PhotoError) as raised:
        load_chips(tmp_path / name)
    assert_one_clause(str(raised.value))
    assert str(tmp_path / name) in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


# ------------------------------------------------------------------ computed once


def test_what_is_there_is_not_computed_again(people: Path, whole: ChipSet) -> None:
    first, told = counted(people)
    assert told == of(14)
    kept = people.with_name("people.chips.h5")
    before = kept.stat()
    content = kept.read_bytes()
    second, told = counted(people)
    assert told == []
    after = kept.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert kept.read_bytes() == content
    assert_same(first, second)
    assert_same(second, whole)


def test_faceless_photos_are_not_tried_again_but_unreadable_ones_are(people: Path) -> None:
    Image.new("RGB", (200, 200), "green").save(people / "Grass.png")
    bad = people / "Barack Obama" / "text.png"
    bad.write_text("no picture")
    first = load_chips(people)
    second, told = counted(people)
    assert told == of(1)
    (error,) = second.unreadable
    assert [str(error)] == [str(before) for before in first.unreadable]
    assert second.faceless == ["Grass.png"]
    assert_same(first, second)
    shutil.copy(people / "Barack Obama" / "barack_obama.png", bad)
    mended, told = counted(people)
    assert told == of(1)
    assert mended.unreadable == []
    assert mended.has_face[mended.photos.index("Barack Obama/text.png")]


def change(folder: Path) -> None:
    shutil.copy(folder / "Rishi Sunak" / "rishi_sunak.png", folder / "Barack Obama" / "barack_obama.png")


def touch(folder: Path) -> None:
    os.utime(folder / "Barack Obama" / "barack_obama.png", ns=(1, 1))


def add(folder: Path) -> None:
    (folder / "Ada").mkdir()
    for name in ("1.png", "2.png"):
        shutil.copy(folder / "Rishi Sunak" / "rishi_sunak.png", folder / "Ada" / name)


def remove(folder: Path) -> None:
    (folder / "Barack Obama" / "barack_obama.png").unlink()


def rename(folder: Path) -> None:
    (folder / "Barack Obama").rename(folder / "Zoe")


@pytest.mark.parametrize(("alter", "computed"), [(change, 1), (touch, 1), (add, 2), (remove, 0), (rename, 2)])
def test_only_what_changed_is_computed(alter: Callable[[Path], None], computed: int, people: Path) -> None:
    before = load_chips(people)
    alter(people)
    after, told = counted(people)
    assert told == of(computed)
    people.with_name("people.chips.h5").unlink()
    assert_same(after, load_chips(people))
    # The earlier set is what it was: its file was replaced, not changed.
    assert before.has_face.all()
    assert before.chips.reshape(14, -1).any(axis=1).all()


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def overwritten(path: Path) -> None:
    path.write_text("no HDF5")


def realigned(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["aligner"] += 1


def reformatted(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["format"] += 1


def without_attributes(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs.clear()


def without_a_listing(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["size"]


def without_scores(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["score"]


def without_a_quality(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["quality/size"]


@pytest.mark.parametrize(
    "damage",
    [
        truncated,
        emptied,
        overwritten,
        realigned,
        reformatted,
        without_attributes,
        without_a_listing,
        without_scores,
        without_a_quality,
    ],
)
def test_a_file_that_is_damaged_or_of_other_chips_is_made_anew(
    damage: Callable[[Path], None], people: Path, whole: ChipSet, made: Path
) -> None:
    shutil.copy(made.with_name("people.chips.h5"), people.with_name("people.chips.h5"))
    assert counted(people)[1] == []  # copying kept the photos' times, so that the damage alone is what counts
    damage(people.with_name("people.chips.h5"))
    chips, told = counted(people)
    assert told == of(14)
    assert_same(chips, whole)
    assert counted(people)[1] == []


# ------------------------------------------------------------------ interrupted, and at once


def loading(folder: Path, stop_at: int = 0) -> subprocess.Popen[str]:
    """Another process that computes the chips, telling its progress, and stands still after so many."""
    return subprocess.Popen(
        [sys.executable, "-c", LOADING, str(folder), str(stop_at)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("done", [1, 6])
def test_killed_it_goes_on_where_it_was(done: int, people: Path, whole: ChipSet) -> None:
    process = loading(people, done)
    assert process.stdout is not None
    told = [json.loads(process.stdout.readline()) for _ in range(done)]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert told[-1] == [done, 14]
    chips, rest = counted(people)
    assert rest == of(14 - done)
    assert_same(chips, whole)


def test_killed_at_any_moment_it_ends_right(people: Path, whole: ChipSet) -> None:
    for kill in range(5):
        process = loading(people)
        time.sleep(0.15 + 0.1 * kill)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert_same(load_chips(people), whole)
    assert counted(people)[1] == []


def test_two_at_once_share_the_work(people: Path, whole: ChipSet) -> None:
    processes = [loading(people) for _ in range(2)]
    told = [process.communicate()[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(map(len, told)) == [0, 14]
    chips, rest = counted(people)
    assert rest == []
    assert_same(chips, whole)


def test_who_gets_nowhere_is_named_and_not_waited_for(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chips_module, "_PATIENCE", 0.3)
    monkeypatch.setattr(locks, "_MOMENT", 0.1)
    process = loading(people, stop_at=3)
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    told: list[str] = []
    try:
        with pytest.raises(DataError, match=f"process {process.pid} on .* gets nowhere$") as raised:
            load_chips(people, waiting=told.append)
    finally:
        process.kill()
        process.communicate()
    assert_one_clause(str(raised.value))
    assert str(people.with_name("people.chips.h5")) in str(raised.value)
    assert [who.split(" on ")[0] for who in told] == [f"process {process.pid}"]


@pytest.mark.skipif(os.name == "nt", reason="locks otherwise")
@pytest.mark.parametrize("refused", [errno.ENOLCK, errno.ENOSYS])
def test_a_disk_without_locks_is_one_sentence(refused: int, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(descriptor: int, operation: int) -> None:
        raise OSError(refused, os.strerror(refused))

    monkeypatch.setattr("fcntl.flock", without)
    with pytest.raises(DataError, match=r"its file system has no locks$") as raised:
        load_chips(people)
    assert_one_clause(str(raised.value))


def test_a_file_that_cannot_be_read_is_not_made_anew(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_chips(people)
    kept = people.with_name("people.chips.h5").read_bytes()

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patched, pytest.raises(DataError, match="files"):
        patched.setattr(chips_module, "read_columns", refuse)
        load_chips(people)
    assert people.with_name("people.chips.h5").read_bytes() == kept


# ------------------------------------------------------------------ disks


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write to every folder")
def test_an_unwritable_folder_is_one_sentence(people: Path) -> None:
    people.parent.chmod(0o500)
    try:
        with pytest.raises(DataError, match="not readable and writable") as raised:
            load_chips(people)
    finally:
        people.parent.chmod(0o700)
    assert_one_clause(str(raised.value))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 500 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", place], capture_output=True, check=False
    )
    if not mounted or mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def small_copy(samples: Path, folder: Path) -> Path:
    """Fourteen photos that take little room themselves."""
    folder.mkdir()
    for number in range(14):
        path = sorted(samples.glob("*.jpg"))[number % 6]
        Image.open(path).convert("RGB").resize((128, 160)).save(folder / f"{number}.jpg", quality=60 + number)
    return folder


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_done(small_disk: Path, samples: Path) -> None:
    folder = small_copy(samples, small_disk / "people")
    with pytest.raises(DataError, match="the disk is full") as raised:
        load_chips(folder)
    assert_one_clause(str(raised.value))
    assert str(small_disk / "people.chips.h5") in str(raised.value)
    assert {path.name for path in small_disk.iterdir()} == {"people", ".people.chips.h5.lock"}
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    chips, told = counted(folder)
    assert told == of(14)
    assert chips.has_face.all()


LIMITED = """
import resource, sys
from pathlib import Path
from facerec_cli.datasets.chips import load_chips
from facerec_cli.errors import DataError
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    load_chips(Path(sys.argv[1]))
except DataError as error:
    print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="there are no such limits")
@pytest.mark.parametrize("most", [100, 3_000, 300_000])
def test_a_file_that_may_not_be_so_large_is_one_sentence(most: int, people: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(people), str(most)], capture_output=True, text=True, check=False
    )
    chips = people.with_name("people.chips.h5")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"The chips cannot be kept in {chips}, the disk is full\n"
    assert not chips.exists()
    assert [path.name for path in people.parent.glob("*") if path != people] == [".people.chips.h5.lock"]


def test_a_file_with_holes_on_a_full_disk_is_one_sentence_and_no_crash(
    small_disk: Path, samples: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder = small_copy(samples, tmp_path / "elsewhere" / "people")
    process = loading(folder, stop_at=1)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate()
    # As a copy by a program that leaves out what is zero, onto a disk that has room for little more.
    for name in ("people", "people.chips.h5"):
        subprocess.run(["cp", "-a", "--sparse=always", folder.with_name(name), small_disk], check=True)
    with pytest.raises(DataError, match="the disk is full"):
        load_chips(small_disk / "people")
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    assert load_chips(small_disk / "people").has_face.all()


def test_a_read_only_disk_is_one_sentence(small_disk: Path, samples: Path) -> None:
    folder = small_copy(samples, small_disk / "people")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(DataError, match="not readable and writable") as raised:
        load_chips(folder)
    assert_one_clause(str(raised.value))
    assert str(small_disk / "people.chips.h5") in str(raised.value)
