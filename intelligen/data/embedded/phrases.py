"""Noun phrases: one specification, realised in English and, case by case, in German."""

from dataclasses import dataclass
from typing import Protocol

from intelligen.data.embedded import english
from intelligen.data.embedded.adjectives import Adjective
from intelligen.data.embedded.determiners import THE, Determiner
from intelligen.data.embedded.german import PLURAL, THIRD, THIRD_PLURAL, Case
from intelligen.data.embedded.nouns import Noun
from intelligen.data.embedded.numerals import english_cardinal, german_cardinal

Words = list[str]
"""Words in order; a comma is a word of its own until the sentence is written out."""
Pair = tuple[Words, Words]
"""The same thing in English and in German."""

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
