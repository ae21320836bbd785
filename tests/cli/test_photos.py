"""Lists of photos, and where copies of them lie."""

from __future__ import annotations

import codecs
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_cli.cli.photos import Photos, names_in


def listed(data: bytes, at_once: int = 1 << 16) -> list[bytes]:
    """The names in a list that comes in pieces of so many bytes."""
    stream = io.BytesIO(data)
    return list(names_in(lambda size: stream.read(min(size, at_once))))


names = st.lists(st.binary(min_size=1, max_size=12).filter(lambda name: b"\0" not in name), min_size=1)
lines = names.map(lambda many: [name for name in many if name.strip() == name and not {*b"\r\n"} & {*name}])


@given(names, st.integers(1, 40))
def test_a_list_with_a_nul_after_each_name_may_hold_names_of_any_bytes(given_names: list[bytes], at_once: int) -> None:
    data = b"".join(name + b"\0" for name in given_names)
    starts = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    # A newline that comes before there is any NUL ends a line: what writes NULs writes a name and its NUL at once.
    if data.startswith(starts) or b"\n" in data.partition(b"\0")[0]:
        return
    assert listed(data, at_once) == given_names


@given(lines, st.integers(1, 40), st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r\n \r\n"]), st.booleans())
def test_a_list_of_lines_may_have_a_mark_and_blank_lines(
    given_names: list[bytes], at_once: int, end: bytes, is_marked: bool
) -> None:
    data = end.join(given_names)
    if not is_marked and data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return
    assert listed(is_marked * codecs.BOM_UTF8 + data, at_once) == given_names
    assert listed(is_marked * codecs.BOM_UTF8 + data + end, at_once) == given_names


def test_a_name_with_a_newline_comes_through_what_find_prints() -> None:
    assert listed(b"a\nb.jpg\0./\xe9 \r\0") == [b"a\nb.jpg", b"./\xe9 \r"]


@pytest.mark.parametrize("kind", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("at_once", [1, 2, 3, 1000])
def test_lists_as_windows_writes_them(kind: str, at_once: int) -> None:
    mark = "" if kind in ("utf-16", "utf-8-sig") else "\ufeff"
    text = f"{mark}C:\\Zoë\\1.jpg\r\n\r\n山田.jpg\r\n"
    assert listed(text.encode(kind), at_once) == ["C:\\Zoë\\1.jpg".encode(), "山田.jpg".encode()]


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n\r\n", b"\0", codecs.BOM_UTF8, codecs.BOM_UTF16_LE])
def test_a_list_may_be_empty(data: bytes) -> None:
    assert listed(data) == []


def test_names_are_given_as_they_come() -> None:
    pieces = iter([b"a.jpg\nb", b".jpg\nc.jpg"])
    names = names_in(lambda _size: next(pieces))
    assert [next(names), next(names)] == [b"a.jpg", b"b.jpg"]


def placed(*photos: str, named: list[str] | None = None, recursive: bool = False) -> list[str]:
    asked = Photos([Path(name) for name in named or photos], recursive=recursive)
    return [asked.place(Path(photo)).as_posix() for photo in photos]


def test_a_copy_lies_where_its_photo_does_below_what_all_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("a", "b", "all/2019", "all/2020"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert placed("a/1.jpg") == ["1.jpg"]
    assert placed("a/1.jpg", "a/2.jpg", "a/../a/3.jpg") == ["1.jpg", "2.jpg", "3.jpg"]
    assert placed("a/1.jpg", "b/1.jpg", "1.jpg") == ["a/1.jpg", "b/1.jpg", "1.jpg"]
    assert placed("all/2019/1.jpg", "all/2020/1.jpg", named=["all"], recursive=True) == ["2019/1.jpg", "2020/1.jpg"]
    assert placed("all/2019/1.jpg", "a/1.jpg", named=["all", "a"], recursive=True) == ["all/2019/1.jpg", "a/1.jpg"]
    assert placed("a/1.jpg", str(tmp_path / "b" / "1.jpg"), named=["-"]) == ["a/1.jpg", "b/1.jpg"]


def test_a_copy_never_lies_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for photo in ("../1.jpg", "../../../../1.jpg", "/1.jpg", os.path.join("..", "x", "..", "1.jpg")):  # noqa: PTH118
        (place,) = placed(photo, named=["-"])
        assert not Path(place).is_absolute()
        assert ".." not in Path(place).parts
