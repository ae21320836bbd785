from __future__ import annotations

from pathlib import Path

import pytest

from facerec_cli.datasets.naming import Names, read_names
from facerec_cli.errors import NamesError


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_what_pages_and_spreadsheets_write_is_read(delimiter: str, encoding: str, tmp_path: Path) -> None:
    rows = [("group", "face", "name"), ("3", "", "Ada Łovelace "), ("4", "", ""), ("3", "17", ""), ("", "18", "Bo")]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    (tmp_path / "names.csv").write_text(text, encoding=encoding)
    assert read_names(tmp_path / "names.csv") == Names({3: "Ada Łovelace"}, {17: None, 18: "Bo"})


def test_the_list_of_faces_filled_in_leaves_those_without_a_name(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text("group,name,face,photo\n3,Ada,17,a.jpg\n3,,18,b.jpg\n,,19,c.jpg\n")
    assert read_names(tmp_path / "groups.csv") == Names({}, {17: "Ada"})


@pytest.mark.parametrize(
    "text", ["", "name\nAda\n", "group,face,name\nx,,Ada\n", "group,face,name\n1,-2,Ada\n", "\0\n"]
)
def test_what_is_no_list_of_names_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text(text)
    with pytest.raises(NamesError, match=r"names\.csv"):
        read_names(tmp_path / "names.csv")
    with pytest.raises(NamesError, match="cannot be read"):
        read_names(tmp_path / "none.csv")
