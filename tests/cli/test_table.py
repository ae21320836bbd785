"""Tables come a page at a time, whatever is shown fits, and names are no markup."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_cli.cli.render import Results
from facerec_cli.cli.table import PAGE, Table

COLUMNS = ("name", "photos", "enrolled")


def person(number: int, name: str = "Person") -> dict[str, Any]:
    return {"name": f"{name} {number}", "photos": number, "enrolled": "2026-01-31T12:00:00Z"}


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal, if there is one, has colours and 60 columns."""
    for name, value in {"COLUMNS": "60", "TERM": "xterm", "NO_COLOR": ""}.items():
        monkeypatch.setenv(name, value)


def plain(text: str) -> list[str]:
    return re.sub(r"\x1b\[\d*m", "", text).splitlines()


def test_the_first_page_is_there_while_the_rest_is_to_come(capsys: pytest.CaptureFixture[str]) -> None:
    with Results("table", COLUMNS) as results:
        for number in range(PAGE):
            assert capsys.readouterr().out == ""
            results.add(person(number))
        first = capsys.readouterr().out.splitlines()
        assert len(first) == PAGE + 1
        assert first[0] == "name       photos  enrolled"
        for number in range(3 * PAGE):
            results.add(person(number, "Somebody with a longer name"))
        assert len(capsys.readouterr().out.splitlines()) == 3 * PAGE
        results.add(person(7))
        results.caption("below")
    assert capsys.readouterr().out == "Person 7   7       2026-01-31T12:00:00Z\nbelow\n"


def test_rows_that_are_waited_for_come_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    with Results("table", COLUMNS, least={"name": 12}) as results:
        results.add(person(1, "Ada"))
        assert capsys.readouterr().out.splitlines() == [
            "name          photos  enrolled",
            "Ada 1         1       2026-01-31T12:00:00Z",
        ]
        results.add(person(2, "Charles"))
        assert capsys.readouterr().out == "Charles 2     2       2026-01-31T12:00:00Z\n"


@pytest.mark.parametrize("output_format", ["json", "csv"])
def test_json_and_csv_come_row_by_row(output_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Results(output_format, COLUMNS) as results:
        capsys.readouterr()
        for number in range(3):
            results.add(person(number))
            assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_caption_stands_below_a_last_page_that_is_full_and_not_below_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for rows in (0, PAGE):
        with Results("table", COLUMNS) as results:
            results.caption("below")
            for number in range(rows):
                results.add(person(number))
    assert capsys.readouterr().out.splitlines()[-1] == "below"
    with Results("table", COLUMNS) as results:
        results.caption("below")
    assert capsys.readouterr().out == ""


def test_a_table_keeps_what_it_has_when_the_work_stops(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), Results("table", COLUMNS) as results:
        results.add(person(1))
        raise KeyboardInterrupt
    assert "Person 1" in capsys.readouterr().out


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("place", [0, PAGE], ids=["first page", "later"])
def test_a_terminal_s_lines_fit_it_and_fold(place: int) -> None:
    words = "Juan Carlos Alfonso Víctor María de Borbón y Borbón-Dos Sicilias"
    with redirect_stdout(Screen()) as screen, Results("table", COLUMNS) as results:
        for number in range(place):
            results.add(person(number))
        results.add(person(1, words))
    lines = plain(screen.getvalue())
    assert max(map(len, lines)) <= 60
    folded = lines[place + 1 :]
    assert len(folded) > 1
    assert " ".join(line.split("  ")[0] for line in folded) == f"{words} 1"
    assert sum("2026-01-31T12:00:00Z" in line for line in folded) == 1


@pytest.mark.usefixtures("narrow")
def test_names_are_no_markup_and_strangers_are_yellow() -> None:
    with redirect_stdout(Screen()) as screen, Results("table", COLUMNS) as results:
        results.add({"name": "[red]Ada[/red]", "photos": 1, "enrolled": ""})
        results.add({"name": "unknown", "photos": 10, "enrolled": ""})
    heading, ada, unknown = screen.getvalue().splitlines()
    assert heading.startswith("\x1b[1m")
    assert ada == "[red]Ada[/red]       1"
    assert unknown == "\x1b[33munknown             10\x1b[0m"


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_a_terminal_without_colours_gets_none(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with redirect_stdout(Screen()) as screen, Results("table", COLUMNS) as results:
        results.add({"name": "unknown", "photos": 10, "enrolled": ""})
    assert "\x1b" not in screen.getvalue()


def test_a_distance_has_the_digits_that_decide(capsys: pytest.CaptureFixture[str]) -> None:
    with Results("table", ("distance", "threshold", "score")) as results:
        results.add({"distance": 0.6906, "threshold": 0.69051, "score": 0.69061})
        results.add({"distance": 0.39, "threshold": 0.5, "score": None})
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["0.6906", "0.69051", "0.691"],
        ["0.390", "0.500"],
    ]


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=2 * PAGE))
def test_each_row_is_one_line_in_a_pipe_whatever_it_holds(rows: list[tuple[str, str]]) -> None:
    written = io.StringIO()
    with redirect_stdout(written):
        table = Table(("one", "other"), lambda _column, value: str(value))
        for one, other in rows:
            table.add({"one": one, "other": other})
        table.end(None)
    assert written.getvalue().count("\n") == len(rows) + 1
