"""Whole sentences: statements and questions, who is spoken to, and what is joined by `and` or `but`."""

from intelligen.data.embedded.adverbials import Frame
from intelligen.data.embedded.clauses import Clause, Coordination, Field, Order, Part, Sentence, written
from intelligen.data.embedded.composing import Composer
from intelligen.data.embedded.describing import Scene
from intelligen.data.embedded.names import ADDRESSES
from intelligen.data.embedded.phrases import HOW_MANY, WHAT, WHICH, WHO, YOU, Nominal, NounPhrase, elided
from intelligen.data.embedded.predicates import verb_clause
from intelligen.data.embedded.sampling import Random, Weighted
from intelligen.data.embedded.selection import MOTION, SOMEBODY, VERBS_OF_PERSONS, VERBS_WITH_OBJECTS
from intelligen.data.embedded.verbs import IMPERSONAL

_FRAMES = Weighted([(Frame.PRESENT, 46.0), (Frame.PAST, 33.0), (Frame.FUTURE, 11.0), (Frame.RECENT, 10.0)])
_AND, _BUT = ("and", "und"), ("but", "aber")


class Author:
    """Writes sentence after sentence from one source of randomness."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.composer = Composer(random)

    def sentence(self, depth: int) -> tuple[str, str]:
        """One sentence in English and in German whose clauses nest `depth` levels deep."""
        random = self.random
        scene = Scene(_FRAMES.draw(random))
        chance = random()
        if chance < 0.12:
            return self._addressed(scene, depth)
        if chance < 0.20:
            clause = self.composer.clause(scene, depth)
            return _pair(clause, Order.FIRST, "?")
        if chance < 0.27 and depth == 0:
            clause, order = self._content_question(scene)
            return _pair(clause, order, "?")
        return _pair(self._statement(scene, depth), Order.SECOND, ".")

    def _statement(self, scene: Scene, depth: int) -> Sentence:
        joined = self.random() < 0.09
        clause = self.composer.clause(scene, depth, main=not joined or depth > 0)
        if not joined:
            return clause
        return Coordination(clause, *self._second(scene, clause))

    def _second(self, scene: Scene, first: Clause) -> tuple[Clause, tuple[str, str]]:
        """What `and` or `but` adds: of the same subject, left unsaid, or of another."""
        conjunction = _AND if self.random() < 0.7 else _BUT
        shared = first.front is None and not first.passive and first.verb not in IMPERSONAL
        if shared and self.random() < 0.5:
            noun = first.subject.noun if isinstance(first.subject, NounPhrase) else SOMEBODY
            same = elided(first.subject)
            about = self.composer.with_pronoun_object(scene, subject=same) if noun.kind == "person" else None
            return about or self.composer.simple(scene, subject=same, noun=noun), conjunction
        return self.composer.simple(scene), conjunction

    def _addressed(self, scene: Scene, depth: int) -> tuple[str, str]:
        """A sentence to somebody who is named, which tells what `you` is: du, ihr or Sie."""
        random = self.random
        address = scene.address = ADDRESSES.draw(random)
        order, mark = (Order.FIRST, "?") if random() < 0.55 else (Order.SECOND, ".")
        clause = self.composer.clause(scene, depth, subject=YOU[address.person], noun=SOMEBODY)
        english, german = clause.english(order), clause.german(order)
        if random() < 0.7:
            english, german = [*address.english, ",", *english], [*address.german, ",", *german]
        else:
            english, german = [*english, ",", *address.english], [*german, ",", *address.german]
        return written(english, mark), written(german, mark)

    def _content_question(self, scene: Scene) -> tuple[Clause, Order]:
        random = self.random
        chance = random()
        if chance < 0.25:
            verb = VERBS_OF_PERSONS.draw(random)
            return verb_clause(random, scene, verb, subject=WHO, noun=SOMEBODY, light=True), Order.SECOND
        if chance < 0.65:
            return self._object_question(scene), Order.CONTENT_QUESTION
        if chance < 0.75:
            clause = verb_clause(random, scene, MOTION.draw(random), light=True)
            clause.parts = [part for part in clause.parts if part.field is not Field.COMPLEMENT]
            clause.front = Part(Field.COMPLEMENT, (["where"], ["wohin"]))
            return clause, Order.CONTENT_QUESTION
        return self.composer.asked_about_circumstances(scene), Order.CONTENT_QUESTION

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


def _pair(sentence: Sentence, order: Order, mark: str) -> tuple[str, str]:
    return written(sentence.english(order), mark), written(sentence.german(order), mark)
