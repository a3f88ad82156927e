"""Proper names, and how each is addressed: first names with du, Mr and Mrs with Sie, several people with ihr."""

from dataclasses import dataclass

from intelligen.data.embedded.determiners import Determiner, invariable
from intelligen.data.embedded.german import SECOND, SECOND_PLURAL, THIRD_PLURAL
from intelligen.data.embedded.phrases import Words
from intelligen.data.embedded.pronouns import Fixed
from intelligen.data.embedded.sampling import Weighted, zipf

_FIRST_NAMES = (
    "Anna she; Peter he; Maria she; Paul he; Lena she; Max he; Julia she; Thomas he; Sophie she; Felix he; "
    "Emma she; Jonas he; Clara she; David he; Hannah she; Martin he; Laura she; Simon he"
)
_SURNAMES = (
    "Müller; Schmidt; Weber; Fischer; Wagner; Becker; Hoffmann; Koch; Richter; Klein; Wolf; Schröder; Neumann; Krüger"
)


@dataclass(frozen=True, slots=True)
class Name:
    """A person's name; `owner` is the genitive in front of what the person owns."""

    phrase: Fixed
    owner: Determiner
    pronoun: str


@dataclass(frozen=True, slots=True)
class Address:
    """Somebody spoken to, and the person of the verb: SECOND, SECOND_PLURAL or THIRD_PLURAL for `Sie`."""

    english: Words
    german: Words
    person: int


def _german_genitive(name: str) -> str:
    return name + ("'" if name[-1] in "sxzß" else "s")


def _first_name(entry: str) -> Name:
    name, pronoun = entry.split()
    return Name(
        Fixed([name], [name], ([name], [name], [name])),
        invariable(f"{name}'s", _german_genitive(name)),
        pronoun,
    )


def _titled(surname: str, title: str, pronoun: str) -> Name:
    nominative, oblique = ("Herr", "Herrn") if pronoun == "he" else ("Frau", "Frau")
    english = [title, surname]
    phrase = Fixed(english, english, ([nominative, surname], [oblique, surname], [oblique, surname]))
    owner = invariable(f"{title} {surname}'s", f"{oblique} {_german_genitive(surname)}")
    return Name(phrase, owner, pronoun)


FIRST_NAMES = zipf([_first_name(entry.strip()) for entry in _FIRST_NAMES.split(";")])
TITLED_NAMES = zipf(
    [
        _titled(surname, title, pronoun)
        for surname in _SURNAMES.split("; ")
        for title, pronoun in (("Mr", "he"), ("Mrs", "she"))
    ]
)


def _addresses() -> Weighted[Address]:
    weighted: list[tuple[Address, float]] = []
    firsts = FIRST_NAMES.items
    for name, weight in zip(firsts, FIRST_NAMES.weights, strict=True):
        weighted.append((Address(name.phrase.english_subject, name.phrase.forms[0], SECOND), weight))
    for name, weight in zip(TITLED_NAMES.items, TITLED_NAMES.weights, strict=True):
        weighted.append((Address(name.phrase.english_subject, name.phrase.forms[0], THIRD_PLURAL), weight))
    for one, other in zip(firsts[::2], firsts[1::2], strict=True):
        words = [one.phrase.english_subject[0], "and", other.phrase.english_subject[0]]
        german = [words[0], "und", words[2]]
        weighted.append((Address(words, german, SECOND_PLURAL), 0.1))
    weighted.append((Address(["children"], ["Kinder"], SECOND_PLURAL), 0.3))
    return Weighted(weighted)


ADDRESSES = _addresses()
