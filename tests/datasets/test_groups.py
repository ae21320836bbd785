from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from facerec_cli.datasets.groups import read_groups
from facerec_cli.datasets.lfw import everybody
from facerec_cli.errors import GroupsError


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "groups.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "person,group\nAda,women\nBob,men\n",
        "\ufeffperson,group\r\nAda,women\r\nBob,men\r\n\r\n,\r\n",
        "group;person\nwomen;Ada\nmen;Bob",
        "Person\tgroup\n Ada \twomen\nBob\tmen\nAda\twomen\n",
        'person,group\n"Ada","women"\n"Bob","men"\n',
    ],
)
def test_a_file_of_groups_is_read_however_it_is_written(tmp_path: Path, text: str) -> None:
    groups = read_groups(written(tmp_path, text))
    assert groups.persons == ["Ada", "Bob"]
    assert groups.columns == {"group": {"Ada": "women", "Bob": "men"}}


def test_every_other_column_groups_people_and_an_empty_cell_does_not(tmp_path: Path) -> None:
    groups = read_groups(written(tmp_path, "sex,person,born\nw,Ada,1815\nm,Bob,\n,Cyd,1990\n"))
    assert groups.columns == {"sex": {"Ada": "w", "Bob": "m"}, "born": {"Ada": "1815", "Cyd": "1990"}}


def test_persons_who_are_not_in_the_data_are_named(tmp_path: Path) -> None:
    groups = read_groups(written(tmp_path, "person,group\nAda,women\nZoë,women\nBob,men\n"))
    # A folder's name may have an e and a diaeresis.
    columns, unknown = groups.among(["Ada", "Zoe\u0308", "Cyd"])
    assert columns == {"group": {"Ada": "women", "Zoe\u0308": "women"}}
    assert unknown == ["Bob"]
    with pytest.raises(GroupsError, match="none of its persons with a group is in the data"):
        groups.among(["Dot"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it is empty"),
        ("\n,\n", "it is empty"),
        ("name,group\nAda,women\n", "its header has no column person, but name, group"),
        ("person\nAda\n", "its header has no column beside person"),
        ("person,group,group\nAda,a,b\n", "two columns of one name"),
        ("person,Person\nAda,a\n", "two columns of one name"),
        ("person,\nAda,a\n", "one without a name"),
        ("person,group\nAda,women\nBob\n", "line 3 has one cell where the header has 2 cells"),
        ("person,group\nAda,women,old\n", "line 2 has 3 cells where the header has 2 cells"),
        ("person,group\n,women\n", "line 2 names no person"),
        ("person,group\nAda,women\nAda,men\n", "line 3 has Ada in men, and a line before in women"),
        ('person,group\nAda,"women\n', "is no CSV"),
        ("person,group\nAda," + "x" * 200_000, "is no CSV"),
        ("person,group\nZoë,women\n".encode("latin-1"), "it is not in UTF-8"),
        ("person,id\n" + "".join(f"P{number},{number}\n" for number in range(60)), "its column id has 60 groups"),
    ],
)
def test_what_is_no_file_of_groups_is_told_in_one_clause(tmp_path: Path, text: str | bytes, problem: str) -> None:
    with pytest.raises(GroupsError) as caught:
        read_groups(written(tmp_path, text))
    told = str(caught.value)
    assert told.startswith(f"The groups cannot be read from {tmp_path / 'groups.csv'}, ")
    assert problem in told
    assert not told.endswith(".")
    assert "\n" not in told
    assert caught.value.remedy


def test_the_list_of_lfws_men_and_women_fits_lfw() -> None:
    groups = read_groups(Path(__file__).parents[2] / "benchmarks" / "lfw_sex.csv")
    columns, unknown = groups.among(person.name for person in everybody())
    assert unknown == []
    assert list(columns) == ["sex"]
    sizes = Counter(columns["sex"].values())
    assert sizes == {"men": 3584, "women": 1256}
    known = {"Angela_Merkel": "women", "Serena_Williams": "women", "Tony_Blair": "men", "Kofi_Annan": "men"}
    assert {person: columns["sex"][person] for person in known} == known
    # Names of either sex, of a family, and initials.
    assert not columns["sex"].keys() & {"Kim_Clijsters", "Chris_Evert", "Roh_Moo-hyun", "Jiang_Zemin", "AJ_Cook"}


def test_a_file_that_is_not_there_or_a_folder_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.csv", tmp_path):
        with pytest.raises(GroupsError, match=str(path)):
            read_groups(path)
