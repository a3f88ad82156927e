"""Clauses: English keeps subject–verb–object; German moves the finite verb to second, first or last place.

German is written by its topological fields (Drach 1937): front field · left bracket (finite verb) · middle field ·
right bracket (participle, infinitive, separable prefix) · after-field (subordinate clauses).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from operator import attrgetter

from intelligen.data.embedded.german import Case
from intelligen.data.embedded.phrases import Nominal, NounPhrase, Pair, Words, governed
from intelligen.data.embedded.verbphrases import Modal, Tense, english_group, german_group
from intelligen.data.embedded.verbs import Verb

_LIKE_A_SUBJECT = frozenset({"sie", "Sie", "es"})


class Order(Enum):
    """Where the finite verb stands: what a sentence, a question, a subordinate clause and a zu-infinitive differ in."""

    SECOND = "main clause"
    FIRST = "yes-or-no question"
    CONTENT_QUESTION = "question with a question word"
    LAST = "subordinate clause"
    INFINITIVE = "zu-infinitive"


class Field(IntEnum):
    """The places of German's middle field in order, then the after-field."""

    PRONOUN_ACCUSATIVE = 1
    PRONOUN_DATIVE = 2
    TIME = 3
    DATIVE = 4
    ACCUSATIVE = 5
    LATE_TIME = 6
    NICHT = 7
    MANNER = 8
    PLACE = 9
    INDEFINITE_DATIVE = 10
    INDEFINITE = 11
    COMPLEMENT = 12
    AFTER = 13


class Part:
    """A constituent beside subject and verb, realised in both languages. A clause lists its parts in English order."""

    __slots__ = ("before_verb", "english", "field", "german", "negative", "tail")

    def __init__(
        self,
        field: Field,
        words: Pair,
        *,
        tail: Words | None = None,
        negative: bool = False,
        before_verb: bool = False,
    ) -> None:
        self.field = field
        self.english, self.german = words
        self.tail = tail or []
        self.negative = negative
        self.before_verb = before_verb


def bare_object(nominal: Nominal, case: Case, *, english_preposition: str = "") -> Part:
    """An accusative or dative object."""
    if nominal.is_pronoun:
        place = Field.PRONOUN_DATIVE if case is Case.DATIVE else Field.PRONOUN_ACCUSATIVE
    elif case is Case.DATIVE:
        place = Field.DATIVE if nominal.definite else Field.INDEFINITE_DATIVE
    else:
        place = Field.ACCUSATIVE if nominal.definite else Field.INDEFINITE
    preposition = english_preposition.split()
    words = ([*preposition, *nominal.english(subject=False)], nominal.german(case))
    return Part(place, words, tail=nominal.tail, negative=nominal.negative)


def prepositional(
    english_preposition: str, german_preposition: str, case: Case, nominal: Nominal, *, place: Field = Field.COMPLEMENT
) -> Part:
    """A prepositional object, or a phrase of place."""
    english = [*english_preposition.split(), *nominal.english(subject=False)]
    german = governed(german_preposition, case, nominal)
    return Part(place, (english, german), tail=nominal.tail, negative=nominal.negative)


def adverb(place: Field, english: str, german: str, *, before_verb: bool = False) -> Part:
    """A fixed adverbial. `before_verb`: English puts it before the main verb (`often reads`)."""
    return Part(place, (english.split(), german.split()), before_verb=before_verb)


@dataclass(slots=True)
class Clause:
    """One clause. `front` stands first in both languages: an adverbial, a question word or a relative pronoun.

    `front` is no member of `parts`; where it is None, the subject comes first.
    """

    subject: Nominal
    verb: Verb
    tense: Tense = Tense.PRESENT
    modal: Modal | None = None
    negated: bool = False
    passive: bool = False
    parts: list[Part] = field(default_factory=list)
    front: Part | None = None
    english_agreement: int | None = None
    """Where English agrees with something else than German: `there are two` is `es gibt zwei`."""

    def english(self, order: Order) -> Words:
        """The English words."""
        asked = order in (Order.FIRST, Order.CONTENT_QUESTION)
        auxiliary, rest = english_group(
            self.verb.english,
            self.subject.agreement if self.english_agreement is None else self.english_agreement,
            self.tense,
            modal=self.modal,
            passive=self.passive,
            support=self.negated or asked,
            infinitive=order is Order.INFINITIVE,
        )
        subject = self.subject.english(subject=True)
        words = [*self.front.english] if self.front else []
        if self.front and self.front.field is Field.AFTER:
            words.append(",")
        words += [auxiliary, *subject] if asked else subject
        if self.negated and not asked and auxiliary == "can":
            words.append("cannot")
        else:
            words += [auxiliary] if auxiliary and not asked else []
            words += ["not"] if self.negated else []
        for part in self.parts:
            if part.before_verb:
                words += part.english
        words += rest
        return words + self._after_verb()

    def _after_verb(self) -> Words:
        particle = [self.verb.english.particle] if self.verb.english.particle else []
        shown = [part for part in self.parts if not part.before_verb]
        words: Words = []
        if particle and shown and shown[0].field is Field.PRONOUN_ACCUSATIVE:
            words += shown.pop(0).english
        words += particle
        for part in shown:
            words += part.english
        return words

    def german(self, order: Order) -> Words:
        """The German words, inner commas included."""
        preterite = order is not Order.FIRST and order is not Order.CONTENT_QUESTION
        group = german_group(
            self.verb.german,
            self.subject.agreement,
            self.tense,
            modal=self.modal,
            passive=self.passive,
            preterite=(preterite and not self.subject.conversational) or self.verb.keeps_preterite,
        )
        if order is Order.INFINITIVE:
            return self._fields([], [], [group.zu_infinitive])
        subject = self.subject.german(Case.NOMINATIVE)
        tail = self.subject.tail
        if order is Order.LAST:
            front = self.front.german if self.front else []
            return self._fields([*front, *subject, *tail], [], [*group.nonfinite, group.joined])
        right = group.right
        if order is Order.FIRST:
            return self._fields([group.finite], [*subject, *tail], right)
        if self.front:
            front = [*self.front.german, *self.front.tail]
            return self._fields([*front, group.finite], [*subject, *tail], right)
        return self._fields([*subject, *tail, group.finite], [], right)

    def _fields(self, left: Words, subject: Words, right: Words) -> Words:
        """Front field and left bracket, middle field (with the subject if it is there), right bracket, after-field."""
        parts = self._with_nicht() if self.negated else self.parts
        if len(parts) > 1:
            parts = sorted(parts, key=attrgetter("field"))
        words = list(left)
        if subject and isinstance(self.subject, NounPhrase):
            # Halfen ihm die Kinder? A pronoun that cannot be taken for the subject goes before a full noun phrase.
            while parts and parts[0].field <= Field.PRONOUN_DATIVE and parts[0].german[0] not in _LIKE_A_SUBJECT:
                words += parts[0].german
                parts = parts[1:]
        words += subject
        last = next((part for part in reversed(parts) if part.field is not Field.NICHT), None)
        # A heavy relative clause moves behind the verb; not over another clause, where its head would be lost.
        moved = last.tail if last else []
        for part in parts:
            if part.field is Field.AFTER:
                words += right
                right = []
            words += part.german
            if part.tail and part is not last:
                words += part.tail
        return [*words, *right, *moved]

    def _with_nicht(self) -> list[Part]:
        """`nicht` follows definite objects and times; no second negation stands beside `kein`."""
        front = [self.front] if self.front else []
        if self.subject.negative or any(part.negative for part in [*self.parts, *front]):
            return self.parts
        late = [
            Part(Field.LATE_TIME, (part.english, part.german)) if part.field is Field.TIME else part
            for part in self.parts
        ]
        return [*late, adverb(Field.NICHT, "", "nicht")]


@dataclass(slots=True)
class Coordination:
    """Two clauses in the same position; German sets a comma before `aber`, none before `und`."""

    first: Clause
    second: Clause
    conjunction: tuple[str, str] = ("and", "und")
    heavy: bool = False
    """The first has clauses in it: a comma shows that the second belongs to none of them."""

    def english(self, order: Order) -> Words:
        """`… and …`, `…, but …`."""
        comma = [","] if self.heavy or self.conjunction[0] == "but" else []
        return [*self.first.english(order), *comma, self.conjunction[0], *self.second.english(order)]

    def german(self, order: Order) -> Words:
        """Both clauses take the same order."""
        comma = [","] if self.heavy or self.conjunction[1] == "aber" else []
        return [*self.first.german(order), *comma, self.conjunction[1], *self.second.german(order)]


Sentence = Clause | Coordination


def subordinate(english_word: str, german_word: str, clause: Sentence, order: Order = Order.LAST) -> Part:
    """A subordinate clause as a part of another: verb-final, between commas."""
    english = [*english_word.split(), *clause.english(order)]
    german = [",", *german_word.split(), *clause.german(order), ","]
    return Part(Field.AFTER, (english, german))


def relative_clause(clause: Clause) -> Pair:
    """A relative clause; its front is the relative pronoun."""
    return clause.english(Order.LAST), [",", *clause.german(Order.LAST), ","]


_COMMAS = re.compile(r"(?: ,)+")


def written(words: Iterable[str], mark: str) -> str:
    """A sentence: capital letter, commas attached and none doubled or dangling, the final mark."""
    text = _COMMAS.sub(",", " ".join(words)).strip(", ")
    return text[0].upper() + text[1:] + mark
