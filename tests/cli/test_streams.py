"""What reaches the standard streams: any name in any locale, nothing that a terminal obeys, whatever is closed."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_cli.cli.render import Results
from facerec_cli.cli.streams import shown, shown_json
from facerec_cli.json_text import json_text

LATIN_1 = os.fsdecode(b"G\xfcnther.jpg")
HOSTILE = "a\x1b]0;title\x07\nfake  row \u202e[red].jpg"
NOT_SHOWN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
Answer = subprocess.CompletedProcess[bytes]
Ask = Callable[..., Answer]


@pytest.fixture(scope="module")
def folder(facerec_path: str, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of two people with odd names, and photos with odder ones."""
    place = tmp_path_factory.mktemp("odd")
    for name, photo in (("Łukasz", "rishi_sunak.jpg"), ("=1+2", "barack_obama.jpg")):
        enrolled = subprocess.run(
            [facerec_path, "enroll", "--name", name, samples / photo], cwd=place, capture_output=True, check=False
        )
        assert enrolled.returncode == 0, enrolled.stderr
    shutil.copy(samples / "rishi_sunak.jpg", place / "sunak.jpg")
    for name in (LATIN_1, HOSTILE):
        shutil.copy(samples / "barack_obama.jpg", place / name)
    (place / os.fsdecode(b"bad\xfc.jpg")).write_text("no picture")
    return place


@pytest.fixture
def ask(facerec_path: str, folder: Path) -> Ask:
    """Run the installed command among them; keywords are environment variables, of which ``None`` is none at all."""

    def run(*arguments: str, **variables: str | None) -> Answer:
        environment = os.environ | {"COLUMNS": "200"} | variables
        return subprocess.run(
            [os.fsencode(argument) for argument in (facerec_path, *arguments)],
            cwd=folder,
            env={name: value for name, value in environment.items() if value is not None},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )

    return run


# ------------------------------------------------------------------ what is shown


@given(st.text())
def test_what_is_shown_is_one_line_that_nothing_obeys(text: str) -> None:
    line = shown(text)
    assert not NOT_SHOWN.search(line) and "\n" not in line
    line.encode()
    assert shown(line) == line


@given(st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"])))
def test_what_people_can_read_is_shown_as_it_is(text: str) -> None:
    assert shown(text) == text


def test_what_is_escaped_says_what_it_was() -> None:
    assert shown("\x1b[2J\n\t\x9b\u202e" + LATIN_1) == r"\x1b[2J\n\t\x9b\u202eG\xfcnther.jpg"


@given(st.text(), st.booleans())
def test_json_holds_the_very_name_and_shows_nothing_odd(name: str, ensure_ascii: bool) -> None:
    line = shown_json(json_text({"name": name}, ensure_ascii=ensure_ascii))
    assert not NOT_SHOWN.search(line)
    # Python joins the halves of a pair that it reads, as all who read JSON do.
    assert json.loads(line)["name"] == name.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


# ------------------------------------------------------------------ names on their way


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "utf-8:strict"},  # as in en_US.UTF-8
        {"PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C.UTF-8"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=lambda variables: " ".join(variables.values()),
)
def test_any_name_is_carried_in_any_locale(variables: dict[str, str], ask: Ask) -> None:
    names = {}
    for output_format in ("table", "csv", "json"):
        done = ask(
            "identify", LATIN_1, os.fsdecode(b"bad\xfc.jpg"), "sunak.jpg", "--format", output_format, **variables
        )
        assert done.returncode == 1  # the second photo is none, and the others are done all the same
        assert rb"Error: bad\xfc.jpg is damaged" in done.stderr and b"Traceback" not in done.stderr
        names[output_format] = done.stdout.decode()
        encoding = (
            "ascii" if variables.get("LC_ALL") == "C" else variables.get("PYTHONIOENCODING", "utf-8").split(":")[0]
        )
        assert "Łukasz".encode(encoding, "backslashreplace") in done.stdout
    assert r"G\xfcnther.jpg" in names["table"]
    assert r"G\udcfcnther.jpg" in names["csv"]
    assert json.loads(names["json"].splitlines()[0])["photo"] == LATIN_1
    assert ask("people", "list", **variables).returncode == 0


def test_json_is_ascii_where_the_encoding_lacks_letters(ask: Ask) -> None:
    listed = ask("people", "list", "--format", "json", PYTHONIOENCODING="cp1252")
    assert [json.loads(line)["name"] for line in listed.stdout.decode("ascii").splitlines()] == ["Łukasz", "=1+2"]
    whole = ask("people", "list", "--format", "json", PYTHONIOENCODING="utf-8")
    assert "Łukasz" in whole.stdout.decode()


def test_a_name_typed_in_a_locale_of_ascii_is_found(ask: Ask) -> None:
    done = ask("people", "show", "Łukasz", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0, done.stderr


def test_a_name_in_a_table_forges_no_row_and_is_not_obeyed(ask: Ask) -> None:
    done = ask("identify", HOSTILE, f"{HOSTILE}.none")
    heading, row, caption = done.stdout.decode().splitlines()
    assert heading.startswith("photo") and caption.startswith("A match")
    assert row.startswith(r"a\x1b]0;title\x07\nfake  row \u202e[red].jpg")
    error, _summary = done.stderr.decode().splitlines()
    assert error.startswith(r"Error: a\x1b]0;title\x07\nfake  row \u202e[red].jpg.none does not exist")


def test_csv_and_json_have_the_very_name_and_no_formula(ask: Ask) -> None:
    (row,) = csv.DictReader(io.StringIO(ask("identify", HOSTILE, "--format", "csv").stdout.decode(), newline=""))
    assert row["photo"] == HOSTILE
    assert row["name"] == "'=1+2"
    assert float(row["distance"]) >= 0
    (line,) = ask("identify", HOSTILE, "--format", "json").stdout.decode().splitlines()
    assert "\u202e" not in line
    assert json.loads(line)["photo"] == HOSTILE
    assert json.loads(line)["faces"][0]["name"] == "=1+2"


def test_only_text_is_kept_from_being_a_formula(capsys: pytest.CaptureFixture[str]) -> None:
    with Results("csv", ("text", "number")) as results:
        for text in ("=A1", "+1", "-1", "@SUM", "\t=A1", "\r=A1", "＝A1", "A=1", "'=A1", ""):
            results.add({"text": text, "number": -0.5})
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out, newline="")))[1:]
    assert [row[0] for row in rows] == [
        *("'=A1", "'+1", "'-1", "'@SUM", "'\t=A1", "'\r=A1", "'＝A1"),
        *("A=1", "'=A1", ""),
    ]
    assert {row[1] for row in rows} == {"-0.5"}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_json_refuses_what_it_has_no_number_for(number: float, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"), Results("json", ("distance",)) as results:
        results.add({"distance": number})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "arguments", [["identify", "--\x1b[2J"], ["people", "list", "--format", "\x1b[2J\nx"], ["\x9b2J"]]
)
def test_wrong_usage_repeats_nothing_that_is_obeyed(arguments: list[str], ask: Ask) -> None:
    done = ask(*arguments)
    assert done.returncode == 2
    text = done.stderr.decode()
    assert text.startswith("Usage: ")
    assert not {unicodedata.category(letter) for letter in text.replace("\n", "")} & {"Cc"}
    assert text.splitlines()[-1].startswith("Error: ")


# ------------------------------------------------------------------ streams that are closed, full or not read


def shell(facerec_path: str, folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a shell's line with $F and two photos, $P."""
    environment = os.environ | {"F": facerec_path, "P": "G?nther.jpg sunak.jpg", "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


CLOSED = "Error: Standard output is closed"
FULL = "Error: Standard output cannot be written: the disk is full"


@pytest.mark.parametrize(
    ("command", "status", "rows", "sentence"),
    [
        ("$F identify $P >&-", 1, 0, CLOSED),
        ("$F identify $P --format json >&-", 1, 0, CLOSED),
        ("$F --help >&-", 1, 0, CLOSED),
        ("$F identify $P 2>&-", 0, 2, ""),
        ("$F identify $P nobody.jpg 2>&- <&-", 1, 2, ""),
        ("$F identify $P <&-", 0, 2, ""),
        ("$F identify - <&-", 1, 0, "Error: Standard input is closed"),
        ("$F identify $P >&- 2>&- <&-", 1, 0, ""),
        ("$F nonsense 2>&-", 2, 0, ""),
        ("$F identify $P >/dev/full", 1, 0, FULL),
        ("$F identify $P --format csv >/dev/full", 1, 0, FULL),
        ("$F people >/dev/full", 1, 0, FULL),
        ("$F identify $P nobody.jpg 2>/dev/full", 1, 2, ""),
        ("$F people remove Łukasz </dev/null", 1, 0, "Error: The question has no answer"),
        ("env -u HOME -u TERM COLUMNS=0 $F identify $P", 0, 2, ""),
    ],
)
def test_closed_and_full_streams(
    command: str, status: int, rows: int, sentence: str, facerec_path: str, folder: Path
) -> None:
    if "/dev/full" in command and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = shell(facerec_path, folder, command)
    assert done.returncode == status, done.stderr
    assert done.stdout.count(".jpg" if rows else "\n") == rows
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert bool(sentence) == ("Error: " in done.stderr)


def test_nothing_is_written_into_what_is_opened_in_a_closed_stream_s_place(facerec_path: str, folder: Path) -> None:
    done = shell(facerec_path, folder, "$F enroll -db other --name Ada $P >&- 2>&- <&-; $F people list -db other")
    assert "Ada   2 " in done.stdout, done.stderr


@pytest.mark.parametrize(
    "command",
    ["$F people list | true", "$F people list --format json | head -n 1", "$F people list --format csv | true"],
)
def test_whoever_stops_reading_hears_nothing(command: str, facerec_path: str, folder: Path) -> None:
    assert shell(facerec_path, folder, command).stderr == ""
