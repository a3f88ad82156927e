"""Pronouns and names: words that take the place of a noun phrase."""

from dataclasses import dataclass, replace

from intelligen.data.embedded.determiners import Determiner, invariable
from intelligen.data.embedded.german import FIRST, RELATIVE, SECOND, SECOND_PLURAL, THIRD, THIRD_PLURAL, WE, Case
from intelligen.data.embedded.phrases import Nominal, NounPhrase, Words


@dataclass(slots=True, eq=False)
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
