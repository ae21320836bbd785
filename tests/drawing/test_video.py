"""Videos that are written: as many frames as their time asks for, and whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from facerec_cli.drawing.video import CODECS, LONGEST_STILL, VideoFile
from facerec_cli.errors import AnnotatedVideoError
from facerec_cli.faces.sources import parse_source
from facerec_cli.faces.video import Stream

SIZE = (64, 48)


def grey(level: int, size: tuple[int, int] = SIZE) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((size[1], size[0], 3), level, np.uint8)


def written(place: Path, frames: Sequence[tuple[int, float]], rate: float = 10) -> list[int]:
    """The levels of grey of a video's frames, to the nearest ten."""
    with VideoFile(place, SIZE, rate) as video:
        for level, position in frames:
            video.add(grey(level), position)
    with Stream(parse_source(str(place))) as stream:
        return [round(float(frame.image.mean()) / 10) * 10 for frame in stream]


@pytest.mark.parametrize("ending", CODECS)
def test_frames_in_time_are_there_once_each(ending: str, tmp_path: Path) -> None:
    levels = [10 * number for number in range(1, 21)]
    assert written(tmp_path / f"x{ending}", [(level, level / 100) for level in levels]) == levels


def test_a_late_frame_leaves_the_last_one_shown(tmp_path: Path) -> None:
    assert written(tmp_path / "x.mp4", [(50, 7.0), (100, 7.4), (150, 7.5)]) == [50] * 4 + [100, 150]


def test_of_frames_that_are_too_near_some_are_left_out(tmp_path: Path) -> None:
    frames = [(20 * number, number / 20) for number in range(1, 11)]
    assert len(written(tmp_path / "x.mp4", frames)) in (5, 6)


def test_what_is_missing_for_long_is_left_out(tmp_path: Path) -> None:
    levels = written(tmp_path / "x.mp4", [(50, 0.0), (100, 3600.0), (150, 3600.1)])
    assert levels == [50] * int(LONGEST_STILL * 10) + [100, 150]


def test_a_frame_of_another_size_is_scaled(tmp_path: Path) -> None:
    with VideoFile(tmp_path / "x.mp4", SIZE, 10) as video:
        video.add(grey(50), 0)
        video.add(grey(200, (128, 96)), 0.1)
    with Stream(parse_source(str(tmp_path / "x.mp4"))) as stream:
        assert [frame.image.shape for frame in stream] == [(48, 64, 3)] * 2


def test_without_a_frame_there_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_text("before")
    with VideoFile(tmp_path / "x.mp4", SIZE, 10):
        pass
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_work_that_breaks_off_leaves_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), VideoFile(tmp_path / "x.mp4", SIZE, 10) as video:
        video.add(grey(50), 0)
        raise KeyboardInterrupt
    with Stream(parse_source(str(tmp_path / "x.mp4"))) as stream:
        assert len(list(stream)) == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [("x.avi", "no kind of video"), ("folder.mp4", "is a folder"), ("caf\udce9.mp4", "is no text")],
)
def test_no_video_can_be_there(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(AnnotatedVideoError, match=said):
        VideoFile(tmp_path / name, SIZE, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.mp4"]


@pytest.mark.parametrize("ending", CODECS)
@pytest.mark.skipif(sys.platform == "win32", reason="no limits on files' sizes there")
def test_a_disk_that_is_full_leaves_nothing(ending: str, tmp_path: Path) -> None:
    """OpenCV says nothing of it."""
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from facerec_cli.drawing.video import VideoFile\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        f"with VideoFile(Path('x{ending}'), (320, 240), 10) as video:\n"
        "    for number in range(20):\n"
        "        video.add(np.random.default_rng(number).integers(0, 255, (240, 320, 3), np.uint8), number / 10)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert f"AnnotatedVideoError: x{ending} cannot be written whole" in done.stderr
    assert list(tmp_path.iterdir()) == []
