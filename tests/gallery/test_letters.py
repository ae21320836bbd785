"""Which names people can have: real ones of every script, and none that deceives the eye."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from facerec_cli.errors import UnusableNameError
from facerec_cli.gallery.base import clean_name


@pytest.mark.parametrize(
    "name",
    [
        "José",
        "O'Brien",
        "Anne-Marie St. John, Jr.",
        "Łukasz Żółć",
        "김철수",
        "葛\U000e0100城",  # the writing of a family name, by an ideographic variation sequence
        "山田 太郎",
        "אדה לאבלייס",
        "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627",  # Persian parts letters within a word
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3",  # Sinhala's Sri
        "\u09b0\u200d\u09cd\u09af\u09be\u09ac",  # Bengali, the joiner before the virama
        "\u0d30\u0d3e\u0d1c\u0d28\u0d4d\u200d",  # Malayalam, a joiner at the end
        "\u1820\u1828\u180e\u1820",  # Mongolian's vowel separator
        "नेहा",
        "ณัฐวุฒิ",
        "Mum \u2764\ufe0f",
        "\U0001f469\U0001f3fd\u200d\U0001f4bb",
        "\U0001f3f3\ufe0f\u200d\U0001f308",
        "1\ufe0f\u20e3",
        "Unknown Soldier",
        "Ünknown",
    ],
)
def test_real_names_stay_as_they_are(name: str) -> None:
    assert clean_name(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("unknown\u200b", r"U\+200B \(zero width space\), which is not seen"),
        ("\u202eadA", r"U\+202E \(right-to-left override\), which is not seen"),
        ("Ada\u2066", r"U\+2066"),
        ("Ada\u200f Lovelace", r"U\+200F"),
        ("Ada\u00adLovelace", r"U\+00AD \(soft hyphen\)"),
        ("Ada\u200cLovelace", r"U\+200C"),
        ("Ada\u200d", r"U\+200D"),
        ("\u0639\u200c", r"U\+200C"),
        ("\u0639\u200c\u200c\u0639", r"U\+200C"),
        ("Ada\ufeff", r"U\+FEFF"),
        ("Ada\ufe0f", r"U\+FE0F"),
        ("Ada\U000e0100", r"U\+E0100"),
        ("Ada\u034f", r"U\+034F"),
        ("\U0001f3f4\U000e0067\U000e007f", r"U\+E0067"),
        ("\u3164", r"U\+3164 \(hangul filler\), which is not seen"),
        ("\u2800", r"U\+2800"),
        ("\u115f\u1160", r"U\+115F"),
        ("Ada\x1b[2J", r"control characters: U\+001B"),
        ("Ada\x9b2J", r"control characters: U\+009B"),
        ("Ada\u2028Byron", r"control characters: U\+2028"),
        ("Ada\ue000", r"U\+E000, which means something to some programs alone"),
        ("Ada\U0010fffe", r"U\+10FFFE, which is no character yet"),
        ("Ada\udcfc", r"U\+DCFC, which is a byte that is no text"),
        ("Ada\ud800", r"U\+D800"),
        ("\u0301", "has no letter that is seen"),
        ("\u00a0\u2009\u3000", "cannot be empty"),
        ("UNKNOWN", "strangers"),
        ("U\u039dKNOW\u039d", "strangers"),  # Greek capitals
        ("U\u039d\u039a\u039d\u039fW\u039d", "strangers"),
        ("un\u0138nown", "strangers"),
        ("\u1d1c\u0274\u1d0b\u0274\u1d0f\u1d21\u0274", "strangers"),  # small capitals
        ("ｕｎｋｎｏｗｎ", "strangers"),
        ("unkn\u043ewn", "strangers"),
        ("\U0001d42e\U0001d427\U0001d424\U0001d427\U0001d428\U0001d430\U0001d427", "strangers"),
    ],
)
def test_names_that_deceive_the_eye_are_refused(name: str, sentence: str) -> None:
    with pytest.raises(UnusableNameError, match=sentence):
        clean_name(name)


def test_words_are_parted_by_one_plain_space() -> None:
    assert clean_name("\u2003Ada\u00a0\u2009 Lovelace\u3000") == "Ada Lovelace"


def test_what_a_locale_without_utf8_hands_over_is_read() -> None:
    assert clean_name("José".encode().decode("ascii", "surrogateescape")) == "José"


_ODD = st.sampled_from(
    "\u200b\u200c\u200d\u202e\u3164\u00a0\ufe0f\u180b\u034f\ue000\udcfc\u0301\u0639\u0915\u094d\u2764"
)


@given(st.text(alphabet=st.one_of(st.characters(), _ODD, st.sampled_from("unkow Ünkn")), max_size=12))
@example("\u00a0\u0301")
def test_whatever_becomes_a_name_is_one(text: str) -> None:
    try:
        name = clean_name(text)
    except UnusableNameError as error:
        assert str(error)
        return
    assert clean_name(name) == name == unicodedata.normalize("NFC", name)
    assert not {unicodedata.category(letter) for letter in name} & {"Cc", "Cn", "Co", "Cs", "Zl", "Zp"}
    assert all(letter == " " for letter in name if letter.isspace())
    hidden = [letter for letter in name if unicodedata.category(letter) == "Cf"]
    assert set(hidden) <= set("\u200c\u200d\u180e") and not (hidden and name.isascii())
    assert any(unicodedata.category(letter)[0] in "LNPS" for letter in name)
    visible = "".join(letter for letter in name if unicodedata.category(letter) not in ("Cf", "Mn"))
    assert name.casefold() != "unknown" and (visible.casefold() != "unknown" or "Mn" in map(unicodedata.category, name))
