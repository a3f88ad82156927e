"""Whole sentences: statements and questions, who is spoken to, and what is joined by `and` or `but`."""

from dataclasses import dataclass, replace

from intelligen.data.embedded.adverbials import Frame
from intelligen.data.embedded.clauses import Clause, Coordination, Field, Order, Part, Sentence, written
from intelligen.data.embedded.composing import Composer
from intelligen.data.embedded.describing import Scene
from intelligen.data.embedded.determiners import HOW_MANY, WHICH
from intelligen.data.embedded.names import ADDRESSES, Address
from intelligen.data.embedded.phrases import Nominal, NounPhrase, Words
from intelligen.data.embedded.predicates import verb_clause
from intelligen.data.embedded.pronouns import WHAT, WHO, YOU, elided
from intelligen.data.embedded.sampling import Random, Weighted
from intelligen.data.embedded.selection import MOTION, SOMEBODY, VERBS_OF_PERSONS, VERBS_WITH_OBJECTS
from intelligen.data.embedded.simple_clauses import asked_about_circumstances, simple, with_pronoun_object
from intelligen.data.embedded.verbs import IMPERSONAL

_FRAMES = Weighted([(Frame.PRESENT, 46.0), (Frame.PAST, 33.0), (Frame.FUTURE, 11.0), (Frame.RECENT, 10.0)])
_AND, _BUT = ("and", "und"), ("but", "aber")


@dataclass(frozen=True, slots=True)
class Utterance:
    """A sentence as it is said: statement or question, and to whom. German is written only when it is asked for."""

    sentence: Sentence
    order: Order = Order.SECOND
    mark: str = "."
    address: Address | None = None
    address_first: bool = True

    def english(self) -> str:
        """The English text."""
        return self._written(self.sentence.english(self.order), self.address.english if self.address else [])

    def german(self) -> str:
        """The German text."""
        return self._written(self.sentence.german(self.order), self.address.german if self.address else [])

    def _written(self, words: Words, vocative: Words) -> str:
        spoken = [*vocative, ",", *words] if self.address_first else [*words, ",", *vocative]
        return written(spoken, self.mark)


class Author:
    """Writes sentence after sentence from one source of randomness."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.composer = Composer(random)

    def utterance(self, depth: int) -> Utterance:
        """A sentence whose clauses nest `depth` levels deep."""
        random = self.random
        scene = Scene(_FRAMES.draw(random))
        chance = random()
        if chance < 0.12:
            return self._addressed(scene, depth)
        if chance < 0.20:
            return Utterance(self.composer.clause(scene, depth), Order.FIRST, "?")
        if chance < 0.27 and depth == 0:
            return Utterance(*self._content_question(scene), "?")
        return Utterance(self._statement(scene, depth))

    def _statement(self, scene: Scene, depth: int) -> Sentence:
        joined = self.random() < 0.09
        clause = self.composer.clause(scene, depth, main=not joined or depth > 0)
        if not joined:
            return clause
        passing = replace(scene, passing=True)
        second, conjunction = self._second(passing, clause, alone=depth > 0)
        while second.verb is clause.verb:
            second, conjunction = self._second(passing, clause, alone=depth > 0)
        return Coordination(clause, second, conjunction, heavy=depth > 0)

    def _second(self, scene: Scene, first: Clause, *, alone: bool) -> tuple[Clause, tuple[str, str]]:
        """What `and` or `but` adds: of the same subject, left unsaid, or of another."""
        shared = not alone and first.front is None and not first.passive and first.verb not in IMPERSONAL
        if shared and self.random() < 0.5:
            same = elided(first.subject)
            about = with_pronoun_object(self.random, scene, subject=same, other_than=first.verb)
            return about or simple(self.random, scene, subject=same), _AND
        return simple(self.random, scene), _AND if self.random() < 0.6 else _BUT

    def _addressed(self, scene: Scene, depth: int) -> Utterance:
        """A sentence to somebody who is named, which tells what `you` is: du, ihr or Sie."""
        random = self.random
        address = scene.address = ADDRESSES.draw(random)
        order, mark = (Order.FIRST, "?") if random() < 0.55 else (Order.SECOND, ".")
        clause = self.composer.clause(scene, depth, subject=YOU[address.person])
        return Utterance(clause, order, mark, address, address_first=random() < 0.7)

    def _content_question(self, scene: Scene) -> tuple[Clause, Order]:
        random = self.random
        chance = random()
        if chance < 0.25:
            verb = VERBS_OF_PERSONS.draw(random)
            return verb_clause(random, scene, verb, subject=WHO, light=True), Order.SECOND
        if chance < 0.65:
            return self._object_question(scene), Order.CONTENT_QUESTION
        if chance < 0.75:
            clause = verb_clause(random, scene, MOTION.draw(random), light=True)
            clause.parts = [part for part in clause.parts if part.field is not Field.COMPLEMENT]
            clause.front = Part(Field.COMPLEMENT, (["where"], ["wohin"]))
            return clause, Order.CONTENT_QUESTION
        return asked_about_circumstances(self.random, scene), Order.CONTENT_QUESTION

    def _object_question(self, scene: Scene) -> Clause:
        random = self.random
        verb = VERBS_WITH_OBJECTS.draw(random)
        index = next(index for index, slot in enumerate(verb.slots) if not slot.bare)
        slot = verb.slots[index]
        noun = slot.nouns.draw(random)
        chance = random()
        asked: Nominal
        if chance < 0.5:
            asked = WHO if SOMEBODY in slot.selection and noun.kind == "person" else WHAT
            if asked is WHAT and noun.kind in ("person", "animal"):
                asked = NounPhrase(noun, WHICH)
        else:
            countable = not noun.is_mass
            asked = NounPhrase(noun, HOW_MANY if chance < 0.7 and countable else WHICH, countable and chance < 0.8)
        return verb_clause(random, scene, verb, fronted=(index, asked), light=True)
