"""Determiners: what stands before a noun, how it inflects, and which endings it leaves to the adjectives."""

from dataclasses import dataclass

from intelligen.data.embedded.german import (
    DEFINITE,
    DIESER,
    EIN,
    MIXED,
    NO_ENDING,
    SECOND,
    SECOND_PLURAL,
    STRONG,
    THIRD_PLURAL,
    WEAK,
    Table,
    inflected,
)


@dataclass(frozen=True, slots=True, eq=False)
class Determiner:
    """An article or its like. `declension` is the set of endings that it leaves to the adjectives."""

    english: str
    english_plural: str
    forms: Table
    declension: Table
    definite: bool = False
    negative: bool = False


def _possessive(english_word: str, stem: str) -> Determiner:
    return Determiner(english_word, english_word, inflected(stem, EIN), MIXED, definite=True)


def _like_dieser(singular: str, plural: str, stem: str, declension: Table, *, definite: bool) -> Determiner:
    return Determiner(singular, plural, inflected(stem, DIESER), declension, definite)


def invariable(english_word: str, german_word: str) -> Determiner:
    """A genitive in front, such as `Annas` or the relative `dessen`: the adjective after it has strong endings."""
    return Determiner(english_word, english_word, inflected(german_word, NO_ENDING), STRONG, definite=True)


THE = Determiner("the", "the", DEFINITE, WEAK, definite=True)
A = Determiner("a", "", inflected("ein", EIN), MIXED)
BARE = Determiner("", "", inflected("", NO_ENDING), STRONG)
NO = Determiner("no", "no", inflected("kein", EIN), MIXED, negative=True)
NOT_A = Determiner("a", "any", inflected("kein", EIN), MIXED, negative=True)
"""The object of a negated English verb: `does not buy a book` is `kauft kein Buch`."""
NOT_ANY = Determiner("any", "any", inflected("kein", EIN), MIXED, negative=True)
NOT_BARE = Determiner("", "", inflected("kein", EIN), MIXED, negative=True)
"""`does not play chess` is `spielt kein Schach`."""
THIS = _like_dieser("this", "these", "dies", WEAK, definite=True)
EVERY = _like_dieser("every", "every", "jed", WEAK, definite=True)
ALL = _like_dieser("all", "all", "all", WEAK, definite=True)
MANY = _like_dieser("many", "many", "viel", STRONG, definite=False)
SOME = _like_dieser("some", "some", "einig", STRONG, definite=False)
WHICH = _like_dieser("which", "which", "welch", WEAK, definite=True)
HOW_MANY = Determiner("how many", "how many", inflected("wie viele", NO_ENDING), STRONG)
POSSESSIVES = {
    word: _possessive(word, stem)
    for word, stem in (("my", "mein"), ("his", "sein"), ("her", "ihr"), ("our", "unser"), ("their", "ihr"))
}
YOUR = {
    SECOND: _possessive("your", "dein"),
    SECOND_PLURAL: _possessive("your", "euer"),
    THIRD_PLURAL: _possessive("your", "Ihr"),
}
"""`your`, by whom it addresses."""
