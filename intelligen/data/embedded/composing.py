"""Composing clauses: exactly as many levels of clauses within clauses as asked."""

from dataclasses import replace

from intelligen.data.embedded import copulas
from intelligen.data.embedded.adverbials import CONJUNCTIONS, WHY, Frame
from intelligen.data.embedded.clauses import Clause, Field, Order, Part, relative_clause, subordinate
from intelligen.data.embedded.describing import Scene, name, noun_phrase, somebody, unlike
from intelligen.data.embedded.governors import ASKING, INFINITIVES, REPORTING
from intelligen.data.embedded.nouns import Noun
from intelligen.data.embedded.phrases import (
    BARE,
    THE,
    WHO,
    A,
    Fixed,
    Nominal,
    NounPhrase,
    elided,
    gap,
    governed,
    pronoun_for,
    whose,
)
from intelligen.data.embedded.places import REST
from intelligen.data.embedded.predicates import subject_of, tense_and_modal, verb_clause
from intelligen.data.embedded.sampling import Random, Weighted
from intelligen.data.embedded.selection import (
    MOTION,
    SOMEBODY,
    VERBS_OF_PERSONS,
    VERBS_WITH_OBJECTS,
    WEIGHTED_VERBS,
    as_object,
    as_subject,
)
from intelligen.data.embedded.verbs import BE, Verb

_ADVERBIAL, _RELATIVE, _CONTENT, _INFINITIVE, _PURPOSE = range(5)
_FOR_PERSONS = Weighted([(_ADVERBIAL, 34.0), (_RELATIVE, 30.0), (_CONTENT, 21.0), (_INFINITIVE, 10.0), (_PURPOSE, 5.0)])
_FOR_THINGS = Weighted([(_ADVERBIAL, 50.0), (_RELATIVE, 50.0)])
_IN_A_RELATIVE = Weighted([(_ADVERBIAL, 30.0), (_RELATIVE, 70.0)])
_HEADS = Weighted([(THE, 70.0), (A, 30.0)])
_PLURAL_HEADS = Weighted([(THE, 75.0), (BARE, 25.0)])
_REPORTED = {
    Frame.PRESENT: Weighted(
        [(Frame.PRESENT, 5.0), (Frame.PAST, 2.0), (Frame.RECENT, 1.5), (Frame.FUTURE, 1.5)],
    ),
    Frame.PAST: Weighted([(Frame.PAST, 1.0)]),
    Frame.RECENT: Weighted([(Frame.PAST, 1.0), (Frame.PRESENT, 1.0)]),
    Frame.FUTURE: Weighted([(Frame.PRESENT, 1.0), (Frame.RECENT, 1.0)]),
}
_BACKGROUND = {
    Frame.PRESENT: Weighted([(Frame.PRESENT, 7.0), (Frame.PAST, 2.0), (Frame.RECENT, 1.0)]),
    Frame.PAST: Weighted([(Frame.PAST, 1.0)]),
    Frame.RECENT: Weighted([(Frame.PRESENT, 1.0), (Frame.PAST, 1.0)]),
    Frame.FUTURE: Weighted([(Frame.PRESENT, 1.0)]),
}
_TOLD = {
    "when": frozenset({Field.TIME, Field.LATE_TIME}),
    "where": frozenset({Field.PLACE, Field.COMPLEMENT}),
    "how": frozenset({Field.MANNER, Field.COMPLEMENT}),
}
"""Question word → what would answer it."""
_RELATIVE_PLACES = {place.noun: place for place in REST.items}


def _is_person(noun: Noun | None) -> bool:
    return noun is None or noun.kind == "person"


class Composer:
    """Draws clauses from one source of randomness."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def clause(
        self, scene: Scene, depth: int, *, subject: Nominal | None = None, noun: Noun | None = None, main: bool = False
    ) -> Clause:
        """A clause with `depth` levels of clauses inside it.

        Args:
            scene: What it shares with the rest of the sentence.
            depth: 0 is a simple clause.
            subject: Its subject, drawn where None.
            noun: The noun that a given subject stands for.
            main: A main clause, in which something else than the subject may come first.

        """
        if depth == 0:
            return self.simple(scene, subject=subject, noun=noun, main=main)
        constructions = _FOR_PERSONS if _is_person(noun) else _FOR_THINGS
        construction = constructions.draw(self.random)
        if construction == _RELATIVE:
            return self._with_relative_clause(scene, depth, subject=subject, noun=noun, main=main)
        if construction == _CONTENT:
            return self._with_content_clause(scene, depth, subject=subject, main=main)
        if construction == _INFINITIVE:
            return self._with_infinitive(scene, depth, subject=subject, main=main)
        if construction == _PURPOSE and depth == 1:
            return self._with_purpose(scene, subject=subject, main=main)
        return self._with_adverbial_clause(scene, depth, subject=subject, noun=noun, main=main)

    def simple(
        self, scene: Scene, *, subject: Nominal | None = None, noun: Noun | None = None, main: bool = False
    ) -> Clause:
        """A clause without clauses in it; at times about something that was mentioned before."""
        if subject is None and scene.heard and self.random() < 0.6:
            subject, noun = self._taken_up(scene)
        if subject is None:
            return self._about_something_new(scene, main=main)
        assert noun
        verbs = as_subject(noun)
        if verbs is None or self.random() < 0.25:
            described = copulas.description(self.random, scene, subject, noun, main=main)
            if described:
                return described
        verb = (verbs or VERBS_OF_PERSONS).draw(self.random)
        return verb_clause(self.random, scene, verb, subject=subject, noun=noun, main=main)

    def _about_something_new(self, scene: Scene, *, main: bool) -> Clause:
        chance = self.random()
        if chance < 0.13:
            return copulas.described_subject(self.random, scene, main=main)
        if chance < 0.16:
            return copulas.occupation(self.random, scene)
        if chance < 0.20 and scene.frame in (Frame.PRESENT, Frame.PAST):
            return copulas.existence(self.random, scene)
        if chance < 0.27:
            return copulas.passive(self.random, scene, main=main)
        if chance < 0.285 and not main:
            return copulas.weather(self.random, scene)
        if chance < 0.38 and scene.heard:
            about = self.with_pronoun_object(scene)
            if about:
                return about
        return verb_clause(self.random, scene, WEIGHTED_VERBS.draw(self.random), main=main)

    def _taken_up(self, scene: Scene) -> tuple[Fixed, Noun] | tuple[None, None]:
        """A pronoun for something mentioned: `it` only where all that it could mean have the same German gender."""
        phrase = scene.heard[int(self.random() * len(scene.heard))]
        if not phrase.pronoun or (as_subject(phrase.noun) is None and phrase.pronoun != "it"):
            return None, None
        rivals = [other for other in scene.heard if other.pronoun == phrase.pronoun]
        if phrase.pronoun == "it" and any(other.noun.gender != phrase.noun.gender for other in rivals):
            return None, None
        return pronoun_for(phrase), phrase.noun

    def with_pronoun_object(self, scene: Scene, *, subject: Nominal | None = None) -> Clause | None:
        """`The man likes it`, of something mentioned."""
        if not scene.heard:
            return None
        pronoun, noun = self._taken_up(scene)
        uses = as_object(noun) if noun else None
        if pronoun is None or uses is None:
            return None
        verb, index = uses.draw(self.random)
        if verb.slots[index].german_preposition and pronoun.english_object == ["it"]:
            return None
        if SOMEBODY not in verb.subject_selection:
            return None
        filled = {index: pronoun}
        person = SOMEBODY if subject else None
        return verb_clause(self.random, scene, verb, subject=subject, noun=person, given=filled)

    # --- clauses with clauses in them --------------------------------------------------------------------------------

    def _with_adverbial_clause(
        self, scene: Scene, depth: int, *, subject: Nominal | None, noun: Noun | None, main: bool
    ) -> Clause:
        clause = self.simple(scene, subject=subject, noun=noun, main=main and self.random() < 0.3)
        conjunctions = CONJUNCTIONS[scene.frame]
        english, german = conjunctions.draw(self.random)
        while english == scene.conjunction:
            english, german = conjunctions.draw(self.random)
        inner = replace(scene, conjunction=english)
        part = subordinate(english, german, self.clause(inner, depth - 1))
        if main and clause.front is None and self.random() < 0.4:
            clause.front = part
        else:
            clause.parts.append(part)
        return clause

    def _with_content_clause(self, scene: Scene, depth: int, *, subject: Nominal | None, main: bool) -> Clause:
        random = self.random
        asking = random() < 0.35
        verb = (ASKING if asking else REPORTING).draw(random)
        subject = subject or subject_of(random, verb, scene)
        inner = replace(scene, frame=_REPORTED[scene.frame].draw(random), heard=[], conjunction="that")
        if isinstance(subject, NounPhrase) and subject.pronoun in ("he", "she", "they") and not subject.negative:
            inner.heard.append(subject)
        if not asking:
            english = "that" if random() < 0.75 else ""
            part = subordinate(english, "dass", self.clause(inner, depth - 1))
        elif depth == 1 and random() < 0.6:
            part = subordinate("", "", self.question_word_clause(inner))
        else:
            english = "if" if random() < 0.5 else "whether"
            part = subordinate(english, "ob", self.clause(inner, depth - 1))
        tense, _ = tense_and_modal(random, scene, verb=verb, agent=True, main=main)
        return Clause(subject, verb, tense, parts=[part])

    def _with_infinitive(self, scene: Scene, depth: int, *, subject: Nominal | None, main: bool) -> Clause:
        random = self.random
        verb = INFINITIVES.draw(random)
        subject = subject or subject_of(random, verb, scene)
        part = subordinate("", "", self._subjectless(scene, subject, depth - 1), Order.INFINITIVE)
        tense, _ = tense_and_modal(random, scene, verb=verb, agent=True, main=main)
        return Clause(subject, verb, tense, parts=[part])

    def _with_purpose(self, scene: Scene, *, subject: Nominal | None, main: bool) -> Clause:
        noun = SOMEBODY if subject else None
        clause = verb_clause(
            self.random, scene, MOTION.draw(self.random), subject=subject, noun=noun, light=True, main=main
        )
        aim = self._subjectless(scene, clause.subject, 0)
        clause.parts.append(subordinate("in order", "um", aim, Order.INFINITIVE))
        return clause

    def _subjectless(self, scene: Scene, subject: Nominal, depth: int) -> Clause:
        """What somebody tries or wants to do: an action, without modals and denials."""
        inner = replace(scene, frame=Frame.PRESENT, heard=[])
        nobody = elided(subject)
        verb = VERBS_WITH_OBJECTS.draw(self.random)
        while "s" in verb.marks:
            verb = VERBS_WITH_OBJECTS.draw(self.random)
        if depth:
            clause = self._carrying(inner, depth, verb, subject=nobody, noun=SOMEBODY)
        else:
            clause = verb_clause(self.random, inner, verb, subject=nobody, noun=SOMEBODY, light=True)
        if clause.modal:
            clause.parts = [part for part in clause.parts if part.german != ["gern"]]
        return replace(clause, modal=None, negated=False)

    def _with_relative_clause(
        self, scene: Scene, depth: int, *, subject: Nominal | None, noun: Noun | None, main: bool
    ) -> Clause:
        verbs = WEIGHTED_VERBS if noun is None else as_subject(noun)
        if verbs is None:
            return self._with_adverbial_clause(scene, depth, subject=subject, noun=noun, main=main)
        verb = verbs.draw(self.random)
        if subject and all(slot.bare for slot in verb.slots):
            if not _is_person(noun):
                return self._with_adverbial_clause(scene, depth, subject=subject, noun=noun, main=main)
            verb = VERBS_WITH_OBJECTS.draw(self.random)
        return self._carrying(scene, depth, verb, subject=subject, noun=noun, main=main)

    def _carrying(
        self,
        scene: Scene,
        depth: int,
        verb: Verb,
        *,
        subject: Nominal | None = None,
        noun: Noun | None = None,
        main: bool = False,
    ) -> Clause:
        """A clause around the verb in which the subject or a complement carries a relative clause."""
        random = self.random
        slots = [index for index, slot in enumerate(verb.slots) if not slot.bare]
        if subject is None and (not slots or random() < 0.45):
            head = self._head(scene, verb.subjects.draw(random), depth)
            return verb_clause(random, scene, verb, subject=head, noun=head.noun, light=True, main=main)
        index = slots[-1]
        subject = subject or subject_of(random, verb, scene)
        used = [subject.noun] if isinstance(subject, NounPhrase) else []
        head = self._head(scene, unlike(random, verb.slots[index].nouns, used), depth)
        return verb_clause(random, scene, verb, subject=subject, noun=noun, given={index: head}, light=True, main=main)

    def _head(self, scene: Scene, noun: Noun, depth: int) -> NounPhrase:
        phrase = noun_phrase(self.random, noun, scene, definite=True, slim=True)
        table = _PLURAL_HEADS if phrase.is_plural else _HEADS
        phrase.determiner = THE if noun.is_mass or phrase.number else table.draw(self.random)
        inner = Scene(_BACKGROUND[scene.frame].draw(self.random), scene.address)
        phrase.relative = relative_clause(self.relative(inner, phrase, depth - 1))
        return phrase

    # --- relative clauses and question words -------------------------------------------------------------------------

    def relative(self, scene: Scene, phrase: NounPhrase, depth: int) -> Clause:
        """The clause of a relative clause: its pronoun is the subject, an object, a genitive or a place."""
        random = self.random
        noun = phrase.noun
        word = "who" if noun.kind == "person" else "that" if random() < 0.7 else "which"
        chance = random()
        if noun in _RELATIVE_PLACES and chance < 0.35:
            return self._relative_of_place(scene, phrase, depth)
        if noun.kind == "person" and chance < 0.08:
            return self._relative_of_owner(scene, phrase, depth)
        uses = as_object(noun)
        if uses and chance < 0.55:
            verb, index = uses.draw(random)
            shown = "" if random() < 0.5 else "that" if noun.kind == "person" else word
            fronted = (index, gap(phrase, shown))
            subject: Nominal | None = None
            if depth:
                subject = self._head(scene, verb.subjects.draw(random), depth)
            elif SOMEBODY in verb.subject_selection and random() < 0.5:
                subject = somebody(random, scene) if random() < 0.6 else name(random).phrase
            who = subject.noun if isinstance(subject, NounPhrase) else SOMEBODY if subject else None
            return verb_clause(random, scene, verb, subject=subject, noun=who, fronted=fronted, light=True)
        return self.clause(scene, depth, subject=gap(phrase, word), noun=noun)

    def _relative_of_place(self, scene: Scene, phrase: NounPhrase, depth: int) -> Clause:
        """`the village in which she works`."""
        place = _RELATIVE_PLACES[phrase.noun]
        pronoun = gap(phrase, "which")
        german = governed(place.german, place.case, pronoun)
        clause = self.clause(scene, depth)
        while clause.front or any(part.field is Field.PLACE for part in clause.parts):
            clause = self.clause(scene, depth)
        clause.front = Part(Field.PLACE, ([*place.english.split(), "which"], german))
        return clause

    def _relative_of_owner(self, scene: Scene, phrase: NounPhrase, depth: int) -> Clause:
        """`the man whose dog barks`."""
        owned = copulas.OWNED_BY_PEOPLE.draw(self.random)
        subject = NounPhrase(owned, whose(phrase), not owned.is_mass and self.random() < 0.2)
        return self.clause(scene, depth, subject=subject, noun=owned)

    def question_word_clause(self, scene: Scene) -> Clause:
        """A clause that begins with a question word about its subject or circumstances."""
        if self.random() < 0.3:
            verb = VERBS_OF_PERSONS.draw(self.random)
            return verb_clause(self.random, scene, verb, subject=WHO, noun=SOMEBODY, light=True)
        return self.asked_about_circumstances(scene)

    def asked_about_circumstances(self, scene: Scene) -> Clause:
        """Why, when, where or how somebody does something; what is asked is not told."""
        clause = self.simple(scene)
        english, german = WHY.draw(self.random)
        told = {part.field for part in clause.parts}
        if clause.verb is BE or told & _TOLD.get(english, frozenset()):
            english, german = WHY.items[0]
        clause.front = Part(Field.TIME, ([english], [german]))
        return clause
