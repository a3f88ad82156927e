"""English inflection: regular by rule, irregular as the lexicon spells it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_DOUBLES_LAST = re.compile(r"[^aeiou][aeiou][^aeiouwxy]$")
_LONGER_DOUBLERS = frozenset({"begin", "cancel", "forget", "travel"})
_VOWEL_SOUND_EXCEPTIONS = ("uni", "euro", "use", "one")
_VOWEL_SOUND_ADDITIONS = ("hour", "honest")


def plural(noun: str) -> str:
    """The regular plural of a noun."""
    if re.search(r"(s|x|z|ch|sh)$", noun):
        return noun + "es"
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + "s"


def indefinite_article(following: str) -> str:
    """`a` or `an`, by the sound that follows."""
    lower = following.lower()
    vowel = lower[0] in "aeiou" and not lower.startswith(_VOWEL_SOUND_EXCEPTIONS)
    return "an" if vowel or lower.startswith(_VOWEL_SOUND_ADDITIONS) else "a"


def possessive(owner: str, *, is_plural: bool) -> str:
    """`teacher's`, and `teachers'` after a plural's s."""
    return owner + ("'" if is_plural and owner.endswith("s") else "'s")


def _stressed_double(base: str) -> str:
    one_syllable = len(re.findall(r"[aeiouy]+", base)) == 1
    doubles = (one_syllable and _DOUBLES_LAST.search(base)) or base in _LONGER_DOUBLERS
    return base + base[-1] if doubles else base


@dataclass(frozen=True, slots=True)
class EnglishVerb:
    """The forms of one verb; `particle` is the `up` of `get up`."""

    base: str
    third: str
    past: str
    participle: str
    progressive: str
    particle: str = ""


def english_verb(forms: Sequence[str], *, particle: str = "") -> EnglishVerb:
    """From the principal parts: base alone where regular, otherwise base, past and participle."""
    base = forms[0]
    regular = base + "d" if base.endswith("e") else _stressed_double(base) + "ed"
    if re.search(r"[^aeiou]y$", base):
        regular = base[:-1] + "ied"
    past, participle = (forms[1], forms[2]) if len(forms) == 3 else (regular, regular)
    third = "has" if base == "have" else base + "es" if base in ("go", "do") else plural(base)
    if base.endswith("ie"):
        progressive = base[:-2] + "ying"
    elif base.endswith("e") and not base.endswith("ee"):
        progressive = base[:-1] + "ing"
    else:
        progressive = _stressed_double(base) + "ing"
    return EnglishVerb(base, third, past, participle, progressive, particle)
