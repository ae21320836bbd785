from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from facerec_cli.errors import FacerecError, UnreachableSourceError, UnreadableVideoError, UnsupportedVideoError
from facerec_cli.faces import video
from facerec_cli.faces.images import pixels
from facerec_cli.faces.sources import parse_source
from facerec_cli.faces.video import Frame, Stream
from tests.cameras import camera
from tests.rtsp import RtspCamera, needs_rtsp
from tests.videos import RATE, SIZE, Pixels, needs_ffmpeg, pan, write_h264, write_video


def ramp(count: int, size: tuple[int, int] = (64, 48)) -> Iterator[Pixels]:
    """Frames that tell their number: grey, lighter and lighter, with a white top-left corner."""
    for number in range(count):
        frame = np.full((size[1], size[0], 3), 20 + 3 * number, np.uint8)
        frame[: size[1] // 4, : size[0] // 4] = 255
        yield frame


def shade(frame: Frame) -> int:
    """The number that a frame of ``ramp`` tells."""
    height, width = frame.image.shape[:2]
    return round((float(frame.image[height // 2 :, width // 2 :].mean()) - 20) / 3)


def frames_of(place: Path | str, every: float = 0.0) -> list[Frame]:
    with Stream(parse_source(str(place)), every=every) as stream:
        return list(stream)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds of ``ramp``."""
    return write_video(tmp_path / "clip.mp4", ramp(2 * RATE))


def test_a_file_gives_all_its_frames_in_order(clip: Path) -> None:
    with Stream(parse_source(str(clip))) as stream:
        assert (stream.size, stream.rate, stream.seconds, stream.is_live) == ((64, 48), RATE, 2.0, False)
        frames = list(stream)
    assert [frame.number for frame in frames] == list(range(2 * RATE))
    assert [shade(frame) for frame in frames] == pytest.approx(range(2 * RATE), abs=1)
    assert [frame.position for frame in frames] == pytest.approx(
        [number / RATE for number in range(2 * RATE)], abs=2e-3
    )
    assert {frame.time for frame in frames} == {None}
    assert stream.skipped == stream.interruptions == 0


def test_frames_are_rgb(tmp_path: Path) -> None:
    red = np.full((48, 64, 3), (200, 30, 30), np.uint8)
    frame = frames_of(write_video(tmp_path / "red.mp4", [red] * 3))[0]
    assert frame.image.dtype == np.uint8
    assert frame.image.mean(axis=(0, 1)) == pytest.approx([200, 30, 30], abs=8)


def test_every_leaves_frames_out(clip: Path) -> None:
    frames = frames_of(clip, every=0.5)
    assert [frame.number for frame in frames] == [0, 15, 30, 45]
    assert [frame.position for frame in frames] == pytest.approx([0, 0.5, 1, 1.5], abs=2e-3)


@needs_ffmpeg
def test_positions_are_the_time_stamps_of_a_rate_that_varies(tmp_path: Path) -> None:
    passed = ["-vf", "select='lt(n,10)+not(mod(n,10))'", "-vsync", "vfr"]
    frames = frames_of(write_h264(tmp_path / "varying.mp4", ramp(60), options=passed))
    expected = [number / RATE for number in [*range(10), 10, 20, 30, 40, 50]]
    assert [frame.position for frame in frames] == pytest.approx(expected, abs=2e-3)
    assert [shade(frame) for frame in frames][-5:] == pytest.approx([10, 20, 30, 40, 50], abs=1)


@needs_ffmpeg
def test_positions_are_by_the_rate_where_there_are_no_time_stamps(tmp_path: Path) -> None:
    frames = frames_of(write_h264(tmp_path / "bare.h264", ramp(10)))
    spacing = {round(later.position - frame.position, 6) for frame, later in pairwise(frames)}
    assert len(spacing) == 1
    assert min(spacing) > 0


@needs_ffmpeg
@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_video_that_is_to_be_turned_is_upright(tmp_path: Path, turn: int) -> None:
    lying = write_h264(tmp_path / "lying.mp4", ramp(5))
    turned, still = tmp_path / "turned.mp4", tmp_path / "still.png"
    tags = ["-c", "copy", "-metadata:s:v", f"rotate={turn}"]
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", str(lying), *tags, str(turned)], check=True)
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", str(turned), "-frames:v", "1", str(still)], check=True)
    with Stream(parse_source(str(turned))) as stream:
        assert stream.size == ((48, 64) if turn % 180 else (64, 48))
        image = next(iter(stream)).image
    np.testing.assert_allclose(image, pixels(still), atol=6)


@needs_ffmpeg
def test_pixels_are_made_square(tmp_path: Path) -> None:
    wide = write_h264(tmp_path / "wide.mp4", ramp(5), options=["-vf", "setsar=4/3"])
    high = write_h264(tmp_path / "high.mp4", ramp(5), options=["-vf", "setsar=3/4"])
    assert frames_of(wide)[0].image.shape == (48, 85, 3)
    assert frames_of(high)[0].image.shape == (64, 64, 3)


def test_a_name_is_no_pattern_and_no_protocol(clip: Path) -> None:
    for name in ("clip%03d.mp4", "http:clip.mp4", "-clip.mp4", "clip|x y?#.mp4"):
        assert len(frames_of(shutil.copy(clip, clip.with_name(name)))) == 2 * RATE


def test_files_that_are_no_videos_are_refused(tmp_path: Path, samples: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video\n" * 1000)
    (tmp_path / "photo.mp4").write_bytes((samples / "barack_obama.jpg").read_bytes())
    os.mkfifo(tmp_path / "fifo.mp4")
    expected: list[tuple[str, type[FacerecError], str]] = [
        ("nothing.mp4", UnreadableVideoError, "does not exist"),
        ("empty.mp4", UnreadableVideoError, "is empty"),
        ("", UnreadableVideoError, "is a folder"),
        ("fifo.mp4", UnreadableVideoError, "is not a regular file"),
        ("caf\udce9.mp4", UnreadableVideoError, "has a name that is no text"),
        ("text.mp4", UnsupportedVideoError, "is no video that can be read"),
        ("photo.mp4", UnsupportedVideoError, "is a photo"),
    ]
    for name, kind, problem in expected:
        with pytest.raises(kind, match=f"{name} {problem}"):
            frames_of(tmp_path / name)


def test_a_file_without_its_index_is_refused(clip: Path) -> None:
    clip.write_bytes(clip.read_bytes()[:1000])
    with pytest.raises(UnsupportedVideoError, match="is no video that can be read"):
        frames_of(clip)


def test_of_a_file_that_breaks_off_there_is_what_there_is(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", noise(6 * RATE))
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    states: list[str] = []
    with Stream(parse_source(str(broken)), on_state=states.append) as stream:
        frames = list(stream)
    assert 0 < len(frames) < 6 * RATE
    (state,) = states
    assert state.startswith(f"{broken} breaks off after ")
    assert state.endswith(" of 6 seconds")


def noise(count: int) -> Iterator[Pixels]:
    """Frames of noise, which take as many bytes at the end as at the beginning."""
    generator = np.random.default_rng(1)
    for _ in range(count):
        yield generator.integers(0, 255, (48, 64, 3), np.uint8)


def test_frames_that_are_damaged_end_nothing(clip: Path) -> None:
    content = bytearray(clip.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 500] = bytes(500)
    clip.write_bytes(content)
    assert len(frames_of(clip)) > RATE


def test_nothing_but_the_error_is_written(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video\n" * 1000)
    content = bytearray(clip.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 500] = bytes(500)
    clip.write_bytes(content)
    code = (
        "import sys\n"
        "from facerec_cli.errors import VideoError\n"
        "from facerec_cli.faces.sources import parse_source\n"
        "from facerec_cli.faces.video import Stream\n"
        "for text in sys.argv[1:]:\n"
        "    try:\n"
        "        with Stream(parse_source(text)) as stream:\n"
        "            print(len(list(stream)) > 0)\n"
        "    except VideoError as error:\n"
        "        print(type(error).__name__)\n"
    )
    places = [str(clip), str(tmp_path / "text.mp4"), "63", "rtsp://me:secret@127.0.0.1:9/", "http://127.0.0.1:9/a.mp4"]
    done = subprocess.run(
        [sys.executable, "-c", code, *places], capture_output=True, text=True, timeout=120, check=False
    )
    unreachable = "UnreachableSourceError\n" * 3
    assert (done.stdout, done.stderr) == (f"True\nUnsupportedVideoError\n{unreachable}", "")


def test_stopping_ends_the_iteration(clip: Path) -> None:
    with Stream(parse_source(str(clip))) as stream:
        frames = iter(stream)
        next(frames)
        stream.stop()
        assert list(frames) == []
    assert not [thread for thread in threading.enumerate() if thread.name == "facerec-video"]


def test_a_signal_may_stop_it(clip: Path) -> None:
    with Stream(parse_source(str(clip))) as stream:
        before = signal.signal(signal.SIGUSR1, lambda *_: stream.stop())
        try:
            count = 0
            for frame in stream:
                count += 1
                if frame.number == 3:
                    signal.raise_signal(signal.SIGUSR1)
        finally:
            signal.signal(signal.SIGUSR1, before)
    assert count == 4


class Files(BaseHTTPRequestHandler):
    """Serves one file, in parts where they are asked for, as web servers do, to whoever sends what is expected."""

    def __init__(self, path: Path, expected: str | None, *passed: object) -> None:
        self.path_served, self.expected = path, expected
        super().__init__(*passed)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != self.expected:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="videos"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = self.path_served.read_bytes()
        asked = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        begin, end = int(asked[0]), int(asked[2] or len(content) - 1)
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Range", f"bytes {begin}-{end}/{len(content)}")
        self.send_header("Content-Length", str(end + 1 - begin))
        self.end_headers()
        with suppress(OSError):  # whoever asked has what it wanted
            self.wfile.write(content[begin : end + 1])

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(path: Path, expected: str | None = None) -> Iterator[str]:
    """The URL of a file for the block."""
    handler: Callable[..., Files] = partial(Files, path, expected)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/{path.name}"
        finally:
            server.shutdown()
            thread.join()


def test_the_url_of_a_file_is_a_file(clip: Path) -> None:
    with served(clip) as url, Stream(parse_source(url)) as stream:
        assert (stream.is_live, stream.seconds) == (False, 2.0)
        frames = list(stream)
    assert [frame.number for frame in frames] == list(range(2 * RATE))
    assert {frame.time for frame in frames} == {None}


def test_a_password_may_have_any_characters(clip: Path) -> None:
    expected = "Basic " + b64encode(b"me:p/w@:#?").decode()
    with served(clip, expected) as url:
        assert len(frames_of(url.replace("http://", "http://me:p%2Fw%40%3A%23%3F@"))) == 2 * RATE
        with pytest.raises(UnreachableSourceError, match="gives no video"):
            frames_of(url.replace("http://", "http://me:other@"))


def test_a_server_that_has_no_video_is_told_without_the_password(samples: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p>Welcome</p>" * 100)
    with served(page) as url:
        source = parse_source(url.replace("http://", "http://me:secret@") + "?pwd=secret")
        with pytest.raises(UnreachableSourceError) as told, Stream(source):
            pass
    assert str(told.value) == f"{url} gives no video"
    assert "password" in told.value.remedy


@pytest.mark.parametrize("address", ["rtsp://me:secret@127.0.0.1:9/x", "http://me:secret@127.0.0.1:9/x", "63"])
def test_what_is_not_there_is_told(address: str) -> None:
    with pytest.raises(UnreachableSourceError) as told, Stream(parse_source(address)):
        pass
    assert "secret" not in str(told.value) + told.value.remedy


def seen(stream: Stream, enough: Callable[[Frame], bool]) -> list[Frame]:
    """The frames up to one that is enough."""
    frames = []
    for frame in stream:
        frames.append(frame)
        if enough(frame):
            return frames
    raise AssertionError("the stream ended before")


def test_of_a_camera_only_the_newest_frame_is_kept() -> None:
    with camera() as door, Stream(parse_source(door.url)) as stream:
        assert stream.is_live
        assert stream.size == (640, 480)
        frames = iter(stream)
        first = next(frames)
        while stream.skipped < 5:
            pass
        later = list(islice(frames, 3))
    assert first.time
    assert later[-1].time
    assert first.position == 0
    assert later[0].number >= first.number + 5
    assert later[-1].time > first.time


def test_what_every_leaves_out_of_a_live_source_is_not_skipped() -> None:
    with camera() as door, Stream(parse_source(door.url), every=0.3) as stream:
        frames = list(islice(stream, 4))
    assert stream.skipped == 0
    assert [int((frame.position + 0.001) / 0.3) for frame in frames] == [0, 1, 2, 3]


def test_a_camera_that_goes_is_sought_until_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "FIRST_WAIT", 0.1)
    states: list[str] = []
    with camera() as door, ExitStack() as again:

        def heard(state: str) -> None:
            states.append(state)
            if stream.is_lost:
                again.enter_context(camera(door.port))

        with Stream(parse_source(door.url), on_state=heard) as stream:
            frames = iter(stream)
            before = next(frames)
            door.close()
            after = seen(stream, lambda frame: stream.interruptions == 1)[-1]
    assert states == [f"{door.url} is lost; it is sought until it is back", f"{door.url} is back"]
    assert not stream.is_lost
    assert after.number > before.number
    assert after.position > before.position


@pytest.fixture
def rtsp_camera(tmp_path: Path, samples: Path) -> Iterator[RtspCamera]:
    (tmp_path / "pictures").mkdir()
    shown = RtspCamera(tmp_path / "pictures", pan(samples / "barack_obama.jpg", 1.0))
    shown.restore()
    yield shown
    shown.cut()


@needs_rtsp
def test_rtsp_is_read_and_found_again(rtsp_camera: RtspCamera, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "FIRST_WAIT", 0.1)
    states: list[str] = []
    url = rtsp_camera.url.replace("rtsp://", "rtsp://me:secret@")
    with Stream(parse_source(url), on_state=states.append) as stream:
        assert (stream.is_live, stream.size) == (True, SIZE)
        before = seen(stream, lambda frame: frame.number >= 10)
        rtsp_camera.cut()
        restored = threading.Timer(1, rtsp_camera.restore)
        restored.start()
        after = seen(stream, lambda frame: stream.interruptions == 1)
        restored.join()
    assert states == [f"{rtsp_camera.url} is lost; it is sought until it is back", f"{rtsp_camera.url} is back"]
    numbers = [frame.number for frame in before + after]
    assert numbers == sorted(set(numbers))
    positions = [frame.position for frame in before + after]
    assert positions == sorted(positions)


@needs_rtsp
def test_rtsp_that_stalls_is_lost(rtsp_camera: RtspCamera, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facerec_cli.faces.capture.TIMEOUT", 3.0)
    with Stream(parse_source(rtsp_camera.url)) as stream:
        stream._on_state = lambda state: stream.stop()
        for frame in stream:
            if frame.number == 10:
                rtsp_camera.stall()
    assert stream.is_lost


@needs_rtsp
def test_a_path_that_the_server_does_not_know(rtsp_camera: RtspCamera) -> None:
    with pytest.raises(UnreachableSourceError, match="gives no video"), Stream(parse_source(rtsp_camera.url + "/no")):
        pass
