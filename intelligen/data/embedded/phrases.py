"""Noun phrases: one specification, realised in English and, case by case, in German."""

from dataclasses import dataclass, replace
from typing import Protocol

from intelligen.data.embedded import english
from intelligen.data.embedded.adjectives import Adjective
from intelligen.data.embedded.german import (
    DEFINITE,
    DIESER,
    EIN,
    MIXED,
    NO_ENDING,
    PLURAL,
    RELATIVE,
    STRONG,
    WEAK,
    Case,
    Table,
    inflected,
)
from intelligen.data.embedded.nouns import Noun
from intelligen.data.embedded.numerals import english_cardinal, german_cardinal

Words = list[str]
"""Words in order; a comma is a word of its own until the sentence is written out."""
Pair = tuple[Words, Words]
"""The same thing in English and in German."""

FIRST, SECOND, THIRD, WE, SECOND_PLURAL, THIRD_PLURAL = range(6)
"""Columns of the German verb tables. Formal `Sie` is THIRD_PLURAL."""

_CONTRACTIONS = {
    ("in", "dem"): "im",
    ("in", "das"): "ins",
    ("an", "dem"): "am",
    ("an", "das"): "ans",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
    ("von", "dem"): "vom",
    ("bei", "dem"): "beim",
}


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


class Nominal(Protocol):
    """Whatever can be a subject or an object."""

    @property
    def agreement(self) -> int:
        """The verb's person and number, FIRST to THIRD_PLURAL."""

    @property
    def is_pronoun(self) -> bool:
        """Pronouns come before everything else in German's middle field."""

    @property
    def definite(self) -> bool:
        """Indefinite objects come late in the middle field."""

    @property
    def negative(self) -> bool:
        """`kein` negates the clause, so that `nicht` is not needed."""

    @property
    def conversational(self) -> bool:
        """`I`, `we` and `you` tell the past in the Perfekt."""

    @property
    def tail(self) -> Words:
        """German relative clause, commas included, which may move behind the verb."""

    @property
    def referent(self) -> "NounPhrase | None":
        """What it speaks of; None for people who are only named or pointed at."""

    def english(self, *, subject: bool) -> Words:
        """The English words, as subject or as object."""

    def german(self, case: Case) -> Words:
        """The German words without the tail."""


@dataclass(slots=True)
class NounPhrase:
    """Determiner, number, adjectives, noun and what follows it. `owner` is a genitive, `modifier` a fixed phrase."""

    noun: Noun
    determiner: Determiner
    is_plural: bool = False
    number: int = 0
    adjectives: tuple[Adjective, ...] = ()
    owner: "NounPhrase | None" = None
    modifier: Pair | None = None
    relative: Pair | None = None
    is_pronoun: bool = False
    conversational: bool = False

    @property
    def agreement(self) -> int:
        """Third person."""
        return THIRD_PLURAL if self.is_plural else THIRD

    @property
    def definite(self) -> bool:
        """By its determiner."""
        return self.determiner.definite

    @property
    def negative(self) -> bool:
        """By its determiner."""
        return self.determiner.negative

    @property
    def row(self) -> int:
        """Row of the German tables: the gender, or PLURAL."""
        return PLURAL if self.is_plural else self.noun.gender

    @property
    def pronoun(self) -> str:
        """The English pronoun that stands for the phrase; empty for `child`."""
        return "they" if self.is_plural else self.noun.pronoun

    @property
    def tail(self) -> Words:
        """The relative clause."""
        return self.relative[1] if self.relative else []

    @property
    def referent(self) -> "NounPhrase":
        """Itself."""
        return self

    def english(self, *, subject: bool = False) -> Words:
        """`the two old men in the garden who sleep`; a person that owns stands in front: `the teacher's book`."""
        words = []
        owner_in_front = self.owner is not None and self.owner.noun.kind == "person"
        if owner_in_front and self.owner:
            *before, last = self.owner.english()
            words += [*before, english.possessive(last, is_plural=self.owner.is_plural)]
        else:
            article = self.determiner.english_plural if self.is_plural else self.determiner.english
            if article:
                words.append(article)
        if self.number:
            words.append(english_cardinal(self.number))
        words += [adjective.english for adjective in self.adjectives]
        words.append(self.noun.english_plural if self.is_plural else self.noun.english)
        if words[0] == "a":
            words[0] = english.indefinite_article(words[1])
        if self.owner and not owner_in_front:
            words += ["of", *self.owner.english()]
        if self.modifier:
            words += self.modifier[0]
        if self.relative:
            words += self.relative[0]
        return words

    def german(self, case: Case) -> Words:
        """`den zwei alten Männern im Garten`."""
        row = self.row
        words = []
        article = self.determiner.forms[row][case]
        if article:
            words.append(article)
        if self.number:
            words.append(german_cardinal(self.number))
        if self.adjectives:
            ending = self.determiner.declension[row][case]
            words += [adjective.stem + ending for adjective in self.adjectives]
        words.append(self.noun.plural[case] if self.is_plural else self.noun.singular[case])
        if self.owner:
            words += self.owner.german(Case.GENITIVE)
        if self.modifier:
            words += self.modifier[1]
        return words


@dataclass(frozen=True, slots=True)
class Fixed:
    """Pronouns, names and question words: forms by case, `english_object` where it differs."""

    english_subject: Words
    english_object: Words
    forms: tuple[Words, Words, Words]
    agreement: int = THIRD
    is_pronoun: bool = False
    conversational: bool = False
    definite: bool = True
    negative: bool = False
    referent: NounPhrase | None = None

    @property
    def tail(self) -> Words:
        """Nothing follows a pronoun or a name."""
        return []

    def english(self, *, subject: bool) -> Words:
        """By role: he, him."""
        return self.english_subject if subject else self.english_object

    def german(self, case: Case) -> Words:
        """By case: er, ihn, ihm."""
        return self.forms[case]


def _pronoun(english_words: str, german_words: str, agreement: int) -> Fixed:
    subject, other = english_words.split("/")
    nominative, accusative, dative = german_words.split("/")
    return Fixed(
        [subject],
        [other],
        ([nominative], [accusative], [dative]),
        agreement,
        is_pronoun=True,
        conversational=subject in ("I", "we", "you"),
    )


I_, WE_ = _pronoun("I/me", "ich/mich/mir", FIRST), _pronoun("we/us", "wir/uns/uns", WE)
HE, SHE = _pronoun("he/him", "er/ihn/ihm", THIRD), _pronoun("she/her", "sie/sie/ihr", THIRD)
THEY = _pronoun("they/them", "sie/sie/ihnen", THIRD_PLURAL)
YOU = {
    SECOND: _pronoun("you/you", "du/dich/dir", SECOND),
    SECOND_PLURAL: _pronoun("you/you", "ihr/euch/euch", SECOND_PLURAL),
    THIRD_PLURAL: _pronoun("you/you", "Sie/Sie/Ihnen", THIRD_PLURAL),
}
IT = tuple(_pronoun("it/it", forms, THIRD) for forms in ("er/ihn/ihm", "sie/sie/ihr", "es/es/ihm"))
"""`it`, by the gender of the German noun that it stands for."""
PERSONAL = {"he": HE, "she": SHE, "they": THEY}
WHO = Fixed(["who"], ["who"], (["wer"], ["wen"], ["wem"]), conversational=True)
WHAT = Fixed(["what"], ["what"], (["was"], ["was"], ["was"]))
THERE = Fixed(["there"], ["there"], (["es"], ["es"], ["es"]), is_pronoun=True)


def pronoun_for(phrase: NounPhrase) -> Fixed:
    """The pronoun that takes up a noun phrase."""
    pronoun = IT[phrase.noun.gender] if phrase.pronoun == "it" else PERSONAL[phrase.pronoun]
    return replace(pronoun, referent=phrase)


def elided(nominal: Nominal) -> Fixed:
    """A subject that is understood but not said: `he buys the car and [he] washes it`."""
    return Fixed(
        [], [], ([], [], []), nominal.agreement, conversational=nominal.conversational, referent=nominal.referent
    )


def gap(phrase: NounPhrase, english_word: str) -> Fixed:
    """The relative pronoun for a phrase: gender and number are its, the case belongs to the relative clause."""
    forms = RELATIVE[phrase.row]
    words = [english_word] if english_word else []
    return Fixed(words, words, ([forms[0]], [forms[1]], [forms[2]]), phrase.agreement, referent=phrase)


def whose(phrase: NounPhrase) -> Determiner:
    """`whose`: dessen after a masculine or neuter singular, deren otherwise."""
    return invariable("whose", RELATIVE[phrase.row][Case.GENITIVE])


@dataclass(slots=True)
class Both:
    """Two nominals joined by `and`: a plural."""

    first: Nominal
    second: Nominal
    agreement: int = THIRD_PLURAL
    is_pronoun: bool = False
    conversational: bool = False
    definite: bool = True
    negative: bool = False
    referent: NounPhrase | None = None

    @property
    def tail(self) -> Words:
        """The second one's."""
        return self.second.tail

    def english(self, *, subject: bool) -> Words:
        """`Anna and the teacher`."""
        return [*self.first.english(subject=subject), "and", *self.second.english(subject=subject)]

    def german(self, case: Case) -> Words:
        """Both in the same case."""
        return [*self.first.german(case), "und", *self.second.german(case)]


def governed(preposition: str, case: Case, nominal: Nominal) -> Words:
    """A German prepositional phrase without the tail.

    The article contracts with the preposition (`im`, `zur`) unless a relative clause singles the noun out: then German
    keeps the full article, `in dem Haus, das …` (Schwarz 2009, Two Types of Definites in Natural Language).
    """
    words = nominal.german(case)
    if isinstance(nominal, NounPhrase) and nominal.determiner is THE and not nominal.relative:
        contraction = _CONTRACTIONS.get((preposition, words[0]))
        if contraction:
            return [contraction, *words[1:]]
    return [preposition, *words]
