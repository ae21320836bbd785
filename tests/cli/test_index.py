from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Run


@pytest.fixture
def album(samples: Path, tmp_path: Path) -> Path:
    """A folder of photos of two people who are enrolled, of others, and of nobody."""
    folder = tmp_path / "album"
    (folder / "2022").mkdir(parents=True)
    shutil.copy(samples / "jacinda_ardern_2022.jpg", folder / "2022")
    for name in ("emmanuel_macron_2025.jpg", "barack_obama.jpg"):
        shutil.copy(samples / name, folder)
    Image.new("RGB", (64, 64)).save(folder / "black.png")
    return folder


def looked_at(stderr: str) -> int:
    found = re.search(r"looked at ([\d,]+)", stderr)
    assert found, stderr
    return int(found[1].replace(",", ""))


def test_each_photo_is_looked_at_once(facerec: Run, album: Path, tmp_path: Path) -> None:
    index = tmp_path / "made" / "here.sqlite3"
    first = facerec("index", album, "--index", index)
    assert first.returncode == 0, first.stderr
    assert "4 photos with 3 faces in" in first.stderr
    assert looked_at(first.stderr) == 4
    assert stat.S_IMODE(index.stat().st_mode) == 0o600
    assert looked_at(facerec("index", album, "--index", index).stderr) == 0
    (album / "2022").rename(album / "moved")
    (album / "barack_obama.jpg").unlink()
    os.utime(album / "black.png", (1, 1))
    again = facerec("index", "album", "--index", index)
    assert looked_at(again.stderr) == 2
    assert "3 photos with 2 faces" in again.stderr
    assert "forgot 1," in again.stderr  # the moved one moved


def test_what_cannot_be_used_is_told_each_time_and_looked_at_once(facerec: Run, album: Path) -> None:
    (album / "text.jpg").write_text("no picture")
    first = facerec("index", album)
    again = facerec("index", "album")
    assert (first.returncode, again.returncode) == (1, 1)
    assert f"{album / 'text.jpg'} is damaged or not a picture" in first.stderr
    assert "Error: album/text.jpg is damaged or not a picture" in again.stderr
    assert looked_at(again.stderr) == 0
    shutil.copy(album / "barack_obama.jpg", album / "text.jpg")
    assert facerec("index", album).returncode == 0


def test_nothing_is_forgotten_while_a_folder_is_away(facerec: Run, album: Path) -> None:
    facerec("index", album)
    album.rename(album.with_name("away"))
    album.mkdir()
    done = facerec("index", album)
    assert done.returncode == 1
    assert "holds no photo" in done.stderr
    album.rmdir()
    album.with_name("away").rename(album)
    assert looked_at(facerec("index", album).stderr) == 0


def test_identify_says_by_the_index_what_it_says_without(facerec: Run, album: Path, samples: Path) -> None:
    facerec("enroll", "--name", "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    facerec("enroll", "--name", "Emmanuel Macron", samples / "emmanuel_macron_2014.jpg")
    (album / "text.jpg").write_text("no picture")

    def lines(*options: str) -> list[str]:
        return facerec("identify", "-r", "album", "--top", "2", "--format", "json", *options).stdout.splitlines()

    without = lines("--no-index")
    assert lines("--index", "i.sqlite3") == without
    assert lines("--index", "i.sqlite3") == without
    assert len(without) == 5
    assert looked_at(facerec("index", album, "--index", "i.sqlite3").stderr) == 0
    assert facerec("identify", album / "black.png", "--index", "i.sqlite3").returncode == 0
    assert facerec("identify", album / "black.png", "--index", "i.sqlite3", "--thorough").returncode == 2


def test_an_index_that_is_none_is_told(facerec: Run, album: Path, tmp_path: Path) -> None:
    (tmp_path / "text.sqlite3").write_text("no index" * 200)
    done = facerec("index", album, "--index", "text.sqlite3")
    assert done.returncode == 1
    assert "text.sqlite3 is damaged" in done.stderr
    assert "--index" in done.stderr or "delete it" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_was_done_before_each_of_ten_kills_is_kept(
    facerec_path: str, facerec: Run, album: Path, tmp_path: Path
) -> None:
    photo = Image.open(album / "barack_obama.jpg").resize((320, 400))
    for number in range(240):
        photo.putpixel((0, 0), (number, 0, 0))
        photo.save(album / f"{number}.png")
    before = 0
    for moment in range(10):
        process = subprocess.Popen([facerec_path, "index", "album", "--index", "i"], cwd=tmp_path, stderr=-3)
        # Every other time as soon as more is kept, or a little later; else wherever it is by then.
        while moment % 2 and photos_in(tmp_path / "i") <= before and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.1 * moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        after = photos_in(tmp_path / "i")
        assert after >= before
        before = after
    done = facerec("index", "album", "--index", "i")
    assert done.returncode == 0, done.stderr
    assert looked_at(done.stderr) == 244 - before
    assert "244 photos with 243 faces" in done.stderr


def photos_in(index: Path) -> int:
    """How many photos an index holds, that may be in the making."""
    if not index.exists():
        return 0
    with closing(sqlite3.connect(index)) as db:
        if db.execute("PRAGMA user_version").fetchone() == (0,):
            return 0
        return int(db.execute("SELECT count(*) FROM photos").fetchone()[0])


def test_two_fill_one_index_at_once(facerec_path: str, facerec: Run, album: Path, tmp_path: Path) -> None:
    command = [facerec_path, "index", "album", "--index", "i"]
    both = [subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.communicate()[1].count("4 photos with 3 faces") == 1
        assert process.returncode == 0
    assert looked_at(facerec("index", "album", "--index", "i").stderr) == 0


def test_watching_finds_what_comes(facerec_path: str, album: Path, samples: Path, tmp_path: Path) -> None:
    command = [facerec_path, "index", "album", "--index", "i", "--watch"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    try:
        assert any("Watching" in line for line in lines)
        shutil.copy(samples / "rishi_sunak.jpg", album / "new.jpg")
        assert any("5 photos with 4 faces" in line for line in lines)
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143


def test_a_photo_named_twice_is_one(facerec: Run, album: Path) -> None:
    done = facerec("index", album, album, album / "black.png")
    assert "4 photos with 3 faces" in done.stderr
