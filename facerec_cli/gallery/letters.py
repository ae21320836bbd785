"""Which characters a person's name can have: what people see, and what is not seen where it changes that.

After Unicode's default-ignorable code points (UAX #44) and the rules that domain names have for joiners (RFC 5892,
appendix A), widened to how names are written.
"""

from __future__ import annotations

import re
import unicodedata

_UNFIT = {
    "Cf": "is not seen",
    "Cn": "is no character yet",
    "Co": "means something to some programs alone",
    "Cs": "is a byte that is no text",
}
"""By general category."""
_CONTROLS = ("Cc", "Zl", "Zp")
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffc\U00013441\U00013442\U00016fe4\U0001d159")
"""Letters, marks and symbols that show nothing."""
_ZWNJ, _ZWJ, _EMOJI_STYLE, _KEYCAP = "\u200c\u200d\ufe0f\u20e3"
_JOINED = re.compile(
    "ADLAM|ARABIC|BALINESE|BENGALI|BRAHMI|CHAKMA|DEVANAGARI|GRANTHA|GUJARATI|GURMUKHI|HANIFI|JAVANESE|KANNADA|KHMER|"
    "MALAYALAM|MANDAIC|MEETEI|MONGOLIAN|MYANMAR|NEWA|NKO|ORIYA|SHARADA|SINHALA|SYLOTI|SYRIAC|TAMIL|TELUGU|TIBETAN"
)
"""The scripts in which joiners change how letters are written, by the first word of the letters' names."""
_VIRAMA = 9
"""The combining class of the signs that take a letter's vowel away."""
_SKIN = range(0x1F3FB, 0x1F400)
_TWINS = str.maketrans("оοօ0кκĸᴋᴏυսᴜոɴԝᴡ", "ooookkkkouuunnww")
"""Small letters, small capitals, and a digit, that look like Latin ones in the word for strangers."""
_CAPITAL_TWINS = str.maketrans("ΝΚКОΟՕ0ԜՍ", "NKKOOOOWU")
"""Capitals that do; their small letters need not."""


def flaw(name: str) -> str | None:
    """What is wrong with a name's first character that nobody sees or that is no text; None where there is none.

    Returns:
        A clause to follow the name, such as ``holds U+200B (zero width space), which is not seen``.
    """
    if name.isascii() and name.isprintable():
        return None
    for place, letter in enumerate(name):
        category = unicodedata.category(letter)
        if category in _CONTROLS:
            return f"has control characters: U+{ord(letter):04X}"
        is_hidden = category in _UNFIT or letter in _BLANKS or _is_variation(letter)
        if is_hidden and not _is_needed(name[:place], letter, name[place + 1 :]):
            title = unicodedata.name(letter, "").lower()
            which = f"U+{ord(letter):04X}" + (f" ({title})" if title else "")
            return f"holds {which}, which {_UNFIT.get(category, 'is not seen')}"
    if all(unicodedata.category(letter)[0] in "MZ" for letter in name):
        return "has no letter that is seen"
    return None


def looks_like(name: str, word: str) -> bool:
    """Whether people read a name as this word of small Latin letters."""
    plain = unicodedata.normalize("NFKC", name)
    return any(read.casefold().translate(_TWINS) == word for read in (plain, plain.translate(_CAPITAL_TWINS)))


def _is_needed(before: str, letter: str, after: str) -> bool:
    """Whether something that is not seen changes how its neighbours are."""
    if not before:
        return False
    last, following = before[-1], after[:1]
    if letter in (_ZWNJ, _ZWJ) and _JOINED.fullmatch(_script(last)):
        return bool(_JOINED.fullmatch(_script(following))) or unicodedata.combining(last) == _VIRAMA
    if letter == _ZWJ:
        return (last == _EMOJI_STYLE or _is_picture(last)) and _is_picture(following)
    if _script(letter) == "MONGOLIAN":
        return _script(last) == "MONGOLIAN" and not _is_variation(last)
    if letter == _EMOJI_STYLE and following == _KEYCAP:
        return True
    return _is_variation(letter) and (_is_picture(last) or _script(last) == "CJK")


def _script(letter: str) -> str:
    """The first word of a letter's name; empty of no letter."""
    return unicodedata.name(letter, "").partition(" ")[0] if letter else ""


def _is_variation(letter: str) -> bool:
    return "VARIATION SELECTOR" in unicodedata.name(letter, "")


def _is_picture(letter: str) -> bool:
    """Whether this may be an emoji or a part of one."""
    return letter > "\x7f" and (unicodedata.category(letter) in ("So", "Sm") or ord(letter) in _SKIN)
