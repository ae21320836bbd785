"""What holds for every command: help, start-up, formats, terminals."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_cli.cli import COMMANDS
from facerec_cli.cli.options import spread
from tests.conftest import Run
from tests.videos import pan, write_video

ROOT = Path(__file__).parents[2]


def commands() -> Iterator[tuple[str, click.Command]]:
    for name in COMMANDS:
        command = import_module(f"facerec_cli.cli.{name}").command
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", child) for sub, child in command.commands.items())


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_command_helps_with_an_example(name: str, command: click.Command) -> None:
    text = command.get_help(click.Context(command, info_name=name))
    assert re.search(rf"Example: facerec {name.split(maxsplit=1)[0]}", " ".join(text.split()))


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_is_in_the_readme(name: str) -> None:
    assert f"facerec {name}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_help_works_through_the_entry_point(facerec: Run, name: str) -> None:
    done = facerec(*name.split(), "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: facerec {name}")


@pytest.mark.parametrize("arguments", [[], ["people"], ["models"]], ids=" ".join)
def test_a_group_without_a_command_helps(arguments: list[str], facerec: Run) -> None:
    done = facerec(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == facerec(*arguments, "--help").stdout


@pytest.mark.parametrize("arguments", [[], ["people"], ["models"]], ids=" ".join)
def test_no_summary_is_cut_at_80_columns(arguments: list[str], facerec_path: str, tmp_path: Path) -> None:
    environment = {**os.environ, "COLUMNS": "80"}
    command = [facerec_path, *arguments, "--help"]
    text = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    summaries = text.partition("Commands:")[2].partition("Example:")[0].strip().splitlines()
    assert summaries and all(line.endswith(".") and not line.endswith("...") for line in summaries), summaries


def test_python_runs_it_as_a_module(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "facerec_cli", "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: facerec [OPTIONS]")


def imported_by(*arguments: str | Path, cwd: Path) -> set[str]:
    """The modules that a run of the command line imports."""
    script = (
        "import os, sys\n"
        "from facerec_cli import cli\n"
        "def leave(status):\n"
        "    sys.stdout.flush()\n"
        "    print('\\nMODULES', *sorted(sys.modules), flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "os._exit = leave\n"
        f"sys.argv = {['facerec', *map(str, arguments)]!r}\n"
        "cli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=cwd, capture_output=True, text=True, check=False)
    return set(done.stdout.rsplit("MODULES ", 1)[1].split())


def formats(command: click.Command) -> list[str]:
    """What a command can be asked to write."""
    kinds = (option.type for option in command.params if option.name == "output_format")
    return [str(choice) for kind in kinds if isinstance(kind, click.Choice) for choice in kind.choices]


SERVER = {"psycopg", "psycopg_pool", "pgvector", "facerec_cli.gallery.postgres.store", "ray"}
"""What a gallery on a server, or a cluster, needs, and a folder does not."""


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    modules = imported_by("--help", cwd=tmp_path)
    assert "click" in modules
    assert not modules & {"cv2", "numpy", "onnxruntime", "h5py", "rich", "PIL", "tensorflow", "keras", *SERVER}


def test_identify_imports_no_tensorflow_and_writing_nothing_it_only_reads(
    facerec: Run, tmp_path: Path, samples: Path
) -> None:
    facerec("enroll", "--name", "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    modules = imported_by("identify", samples / "jacinda_ardern_2022.jpg", cwd=tmp_path)
    assert {"cv2", "onnxruntime", "h5py"} <= modules
    assert not modules & {"tensorflow", "keras", "PIL", "filelock", "matplotlib", "fastapi", *SERVER}


def test_watch_imports_no_tensorflow(facerec: Run, tmp_path: Path, samples: Path) -> None:
    facerec("enroll", "--name", "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    film = write_video(tmp_path / "film.mp4", pan(samples / "jacinda_ardern_2022.jpg", 0.5))
    modules = imported_by("watch", film, cwd=tmp_path)
    assert {"cv2", "onnxruntime"} <= modules
    assert not modules & {"tensorflow", "keras", "httpx", "paho", "PIL.ImageDraw", "matplotlib", "fastapi", *SERVER}


def test_json_is_what_the_schema_says(facerec: Run, samples: Path, tmp_path: Path) -> None:
    schema = json.loads((ROOT / "docs" / "output.schema.json").read_text())
    people = tmp_path / "people"
    people.mkdir()
    for photo in ["jacinda_ardern_2018.jpg", "jacinda_ardern_2022.jpg", "barack_obama.jpg"]:
        (people / photo).write_bytes((samples / photo).read_bytes())
    (people / "text.png").write_text("no picture")
    for person, photos in {"Jacinda Ardern": "jacinda*.jpg", "Emmanuel Macron": "emmanuel*.jpg"}.items():
        (tmp_path / "repeated" / person).mkdir(parents=True)
        for path in samples.glob(photos):
            (tmp_path / "repeated" / person / path.name).write_bytes(path.read_bytes())
    both = [samples / "barack_obama.jpg", samples / "rishi_sunak.jpg"]
    runs: dict[str, list[str | Path]] = {
        "enroll": ["enroll", people],
        "identify": ["identify", "-r", samples, "--top", "3"],
        "find": ["find", "jacinda_ardern_2018", samples],
        "cluster": ["cluster", samples],
        "verify": ["verify", *both],
        "evaluate": ["evaluate", "--data", "repeated"],
        "tag": ["tag", "--dry-run", people],
        "blur": ["blur", people, "--out", "blurred"],
        "watch": ["watch", write_video(tmp_path / "film.mp4", pan(samples / "barack_obama.jpg"))],
        "people list": ["people", "list"],
        "people show": ["people", "show", "barack_obama"],
        "people lookalikes": ["people", "lookalikes"],
        "people check": ["people", "check"],
        "people export": ["people", "export"],
        "models list": ["models", "list"],
        "models show": ["models", "show"],
        "doctor": ["doctor"],
    }
    writers = {name for name, command in commands() if "json" in formats(command)}
    assert set(runs) == writers == {option["$ref"].removeprefix("#/$defs/") for option in schema["anyOf"]}
    for name, arguments in runs.items():
        lines = facerec(*arguments, "--format", "json").stdout.splitlines()
        assert lines, name
        for line in lines:
            jsonschema.validate(json.loads(line), {"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})
    lookalikes = [
        json.loads(line)["lookalike"] for line in facerec("enroll", people, "--format", "json").stdout.splitlines()
    ]
    assert lookalikes == [None] * 4  # all but the damaged one are enrolled already


def on_terminal(path: str, *arguments: str | Path, cwd: Path) -> str:
    """What a command writes to a terminal of 100 columns."""
    primary, secondary = pty.openpty()
    environment = {**os.environ, "COLUMNS": "100", "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [path, *map(str, arguments)], cwd=cwd, stdin=secondary, stdout=secondary, stderr=secondary, env=environment
    )
    os.close(secondary)
    output = b""
    while True:
        try:
            part = os.read(primary, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not part:
            break
        output += part
    process.wait()
    os.close(primary)
    return output.decode()


def test_a_terminal_gets_colour_and_progress_and_a_pipe_neither(
    facerec: Run, facerec_path: str, samples: Path, tmp_path: Path
) -> None:
    facerec("enroll", "--name", "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    shown = on_terminal(facerec_path, "identify", "-r", samples, cwd=tmp_path)
    assert "\x1b[" in shown
    assert "Identifying" in shown
    assert "…/jacinda_ardern" in shown
    assert "so that about 1 % of strangers" in " ".join(shown.split())
    piped = facerec("identify", "-r", samples)
    assert "\x1b" not in piped.stdout + piped.stderr
    assert "Identifying" not in piped.stdout + piped.stderr


def test_the_libraries_underneath_are_not_heard(facerec: Run, samples: Path, tmp_path: Path) -> None:
    data = (samples / "eileen_collins_1999.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    facerec("enroll", "--name", "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    done = facerec("identify", "cut.png")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: cut.png is damaged")


@pytest.mark.parametrize("device", ["cpu", "openvino"])
def test_the_libraries_underneath_neither_number_the_user_nor_keep_what_is_done(
    device: str, facerec: Run, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if device != "cpu":
        pytest.importorskip(device)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME")
    photos = (samples / "jacinda_ardern_2018.jpg", samples / "jacinda_ardern_2022.jpg")
    done = facerec("verify", "--device", device, *photos)
    assert done.returncode == 0, done.stderr
    assert list(home.rglob("*")) == []


def test_debug_shows_the_traceback(facerec: Run, samples: Path) -> None:
    done = facerec("--debug", "identify", samples / "barack_obama.jpg")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_missing_system_library_gets_one_sentence(tmp_path: Path, samples: Path) -> None:
    (tmp_path / "cv2.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')"
    )
    script = "import sys; from facerec_cli.cli import main; sys.argv = ['facerec', 'verify', 'a.jpg', 'b.jpg']; main()"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 1
    assert "libgl1" in done.stderr
    assert "opencv-python-headless" in done.stderr
    assert "Traceback" not in done.stderr


paths = st.text(min_size=1).filter(lambda text: not text.startswith("-"))
IMAGE, MODEL = ("-i", "--image"), ("-m", "--model")


@given(st.lists(paths, min_size=1), st.lists(paths))
def test_i_takes_all_that_follows_up_to_the_next_option(first: list[str], second: list[str]) -> None:
    typed = ["-i", *first, "-m", "model", *(["--image", *second] if second else [])]
    meant = [word for path in first for word in ("-i", path)] + ["-m", "model"]
    if second:
        meant += ["--image", second[0]] + [word for path in second[1:] for word in ("-i", path)]
    assert spread(typed, IMAGE) == meant


def test_only_the_option_asked_for_takes_more_than_one() -> None:
    assert spread(["-m", "a", "b", "-i", "c", "d"], MODEL) == ["-m", "a", "-m", "b", "-i", "c", "d"]
    assert spread(["-m", "a", "b", "-i", "c", "d"], IMAGE) == ["-m", "a", "b", "-i", "c", "-i", "d"]
    assert spread(["--model", "a", "b", "--report", "c"], MODEL) == ["--model", "a", "-m", "b", "--report", "c"]


def test_after_two_dashes_nothing_is_an_option() -> None:
    assert spread(["-i", "a", "--", "-i", "b", "c"], IMAGE) == ["-i", "a", "--", "-i", "b", "c"]


def test_standard_input_is_a_photo_of_i() -> None:
    assert spread(["-i", "a", "-"], IMAGE) == ["-i", "a", "-i", "-"]
