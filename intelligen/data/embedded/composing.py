"""Composing clauses: exactly as many levels of clauses within clauses as asked."""

from dataclasses import replace

from intelligen.data.embedded.adverbials import CONJUNCTIONS, LASTING, Frame
from intelligen.data.embedded.clauses import Clause, Order, relative_clause, subordinate
from intelligen.data.embedded.describing import Scene, noun_phrase, unlike
from intelligen.data.embedded.determiners import BARE, THE, A
from intelligen.data.embedded.governors import ASKING, INFINITIVES, REPORTING
from intelligen.data.embedded.nouns import Noun
from intelligen.data.embedded.phrases import Nominal, NounPhrase
from intelligen.data.embedded.predicates import subject_of, tense_and_modal, verb_clause
from intelligen.data.embedded.pronouns import WHO, elided
from intelligen.data.embedded.relatives import relative
from intelligen.data.embedded.sampling import Random, Weighted
from intelligen.data.embedded.selection import (
    MOTION,
    VERBS_OF_PERSONS,
    VERBS_WITH_OBJECTS,
    WEIGHTED_VERBS,
    as_subject,
    noun_of,
)
from intelligen.data.embedded.simple_clauses import asked_about_circumstances, simple
from intelligen.data.embedded.verbphrases import Tense
from intelligen.data.embedded.verbs import BE, Verb

_ADVERBIAL, _RELATIVE, _CONTENT, _INFINITIVE, _PURPOSE = range(5)
_FOR_PERSONS = Weighted([(_ADVERBIAL, 34.0), (_RELATIVE, 30.0), (_CONTENT, 21.0), (_INFINITIVE, 10.0), (_PURPOSE, 5.0)])
_FOR_THINGS = Weighted([(_ADVERBIAL, 40.0), (_RELATIVE, 60.0)])
_HEADS = Weighted([(THE, 70.0), (A, 30.0)])
_PLURAL_HEADS = Weighted([(THE, 75.0), (BARE, 25.0)])
_REPORTED = {
    Frame.PRESENT: Weighted([(Frame.PRESENT, 5.0), (Frame.PAST, 2.0), (Frame.RECENT, 1.5), (Frame.FUTURE, 1.5)]),
    Frame.PAST: Weighted([(Frame.PAST, 1.0)]),
    Frame.RECENT: Weighted([(Frame.PAST, 1.0), (Frame.PRESENT, 1.0)]),
    Frame.FUTURE: Weighted([(Frame.PRESENT, 1.0), (Frame.RECENT, 1.0)]),
}
"""Time of the main clause → time of what is reported."""
_BACKGROUND = {
    Frame.PRESENT: Weighted([(Frame.PRESENT, 7.0), (Frame.PAST, 2.0), (Frame.RECENT, 1.0)]),
    Frame.PAST: Weighted([(Frame.PAST, 1.0)]),
    Frame.RECENT: Weighted([(Frame.PRESENT, 1.0), (Frame.PAST, 1.0)]),
    Frame.FUTURE: Weighted([(Frame.PRESENT, 1.0)]),
}
"""Time of a clause → time of a relative clause in it."""
_TAKE_IF = frozenset({"ask", "know", "see", "hear", "explain", "understand"})
"""Verbs after which `if` would be read as `whether`."""


def _can_carry(verb: Verb) -> bool:
    """Whether nothing follows a relative clause at the verb's last complement, in either language."""
    return not verb.slots or (
        not verb.place and not (verb.slots[0].is_direct_object and verb.slots[-1].follows_in_english)
    )


class Composer:
    """Draws clauses from one source of randomness."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def clause(self, scene: Scene, depth: int, *, subject: Nominal | None = None, main: bool = False) -> Clause:
        """A clause with `depth` levels of clauses inside it; 0 is a simple clause.

        Args:
            scene: What it shares with the rest of the sentence.
            depth: Levels of clauses inside it.
            subject: Its subject, drawn where None.
            main: A main clause, in which something else than the subject may come first.

        """
        if depth == 0:
            return simple(self.random, scene, subject=subject, main=main)
        person = subject is None or noun_of(subject).kind == "person"
        construction = (_FOR_PERSONS if person else _FOR_THINGS).draw(self.random)
        if construction == _RELATIVE:
            return self._with_relative_clause(scene, depth, subject=subject, main=main)
        if construction == _CONTENT:
            return self._with_content_clause(scene, depth, subject=subject, main=main)
        if construction == _INFINITIVE:
            return self._with_infinitive(scene, depth, subject=subject, main=main)
        if construction == _PURPOSE:
            return self._with_purpose(scene, depth, subject=subject, main=main)
        return self._with_adverbial_clause(scene, depth, subject=subject, main=main)

    # --- clauses with clauses in them --------------------------------------------------------------------------------

    def _with_adverbial_clause(self, scene: Scene, depth: int, *, subject: Nominal | None, main: bool) -> Clause:
        conjunctions = CONJUNCTIONS[scene.frame]
        english, german = conjunctions.draw(self.random)
        while english == scene.conjunction:
            english, german = conjunctions.draw(self.random)
        passing = english not in LASTING
        own = replace(scene, passing=scene.passing or passing)
        clause = simple(self.random, own, subject=subject, main=main and self.random() < 0.3)
        if english == "if" and clause.verb.english.base in _TAKE_IF:
            english, german = "because", "weil"
        inner = replace(own, passing=passing, conjunction=english)
        told = self.clause(inner, depth - 1)
        if english == "after" and told.modal is None and told.verb is not BE:
            told.tense = Tense.PLUPERFECT
        part = subordinate(english, german, told)
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
        heard = [subject] if isinstance(subject, NounPhrase) and not subject.negative else []
        inner = Scene(_REPORTED[scene.frame].draw(random), scene.address, heard, conjunction="that")
        if not asking:
            part = subordinate("that" if random() < 0.75 else "", "dass", self.clause(inner, depth - 1))
        elif depth == 1 and random() < 0.6:
            part = subordinate("", "", self._question_word_clause(inner))
        else:
            part = subordinate("if" if random() < 0.5 else "whether", "ob", self.clause(inner, depth - 1))
        tense, _ = tense_and_modal(random, scene, verb=verb, agent=True)
        return Clause(subject, verb, tense, parts=[part])

    def _with_infinitive(self, scene: Scene, depth: int, *, subject: Nominal | None, main: bool) -> Clause:
        verb = INFINITIVES.draw(self.random)
        subject = subject or subject_of(self.random, verb, scene)
        part = subordinate("", "", self._subjectless(scene, subject, depth - 1), Order.INFINITIVE)
        tense, _ = tense_and_modal(self.random, scene, verb=verb, agent=True)
        return Clause(subject, verb, tense, parts=[part])

    def _with_purpose(self, scene: Scene, depth: int, *, subject: Nominal | None, main: bool) -> Clause:
        goer = subject or subject_of(self.random, BE, scene)
        clause = verb_clause(self.random, scene, MOTION.draw(self.random), subject=goer, light=True, main=main)
        aim = self._subjectless(scene, clause.subject, depth - 1)
        clause.parts.append(subordinate("in order", "um", aim, Order.INFINITIVE))
        return clause

    def _subjectless(self, scene: Scene, subject: Nominal, depth: int) -> Clause:
        """What somebody tries or wants to do: an intended action."""
        aims = Scene(Frame.PRESENT, scene.address)
        verb = VERBS_WITH_OBJECTS.draw(self.random)
        while verb.marks & {"s", "u"} or (depth and not _can_carry(verb)):
            verb = VERBS_WITH_OBJECTS.draw(self.random)
        if depth:
            return self._carrying(aims, depth, verb, subject=elided(subject), bare=True)
        return verb_clause(self.random, aims, verb, subject=elided(subject), light=True, bare=True)

    def _with_relative_clause(self, scene: Scene, depth: int, *, subject: Nominal | None, main: bool) -> Clause:
        verbs = as_subject(noun_of(subject)) if subject else WEIGHTED_VERBS
        verb = verbs.draw(self.random) if verbs else None
        while verb and not _can_carry(verb):
            verb = VERBS_WITH_OBJECTS.draw(self.random)
        if subject and verb and all(slot.bare for slot in verb.slots):
            verb = VERBS_WITH_OBJECTS.draw(self.random) if noun_of(subject).kind == "person" else None
        if verb is None:
            return self._with_adverbial_clause(scene, depth, subject=subject, main=main)
        return self._carrying(scene, depth, verb, subject=subject, main=main)

    def _carrying(
        self,
        scene: Scene,
        depth: int,
        verb: Verb,
        *,
        subject: Nominal | None = None,
        main: bool = False,
        bare: bool = False,
    ) -> Clause:
        """A clause around the verb in which the subject or a complement carries a relative clause."""
        random = self.random
        slots = [index for index, slot in enumerate(verb.slots) if not slot.bare]
        if subject is None and (not slots or random() < 0.45):
            head = self._head(scene, verb.subjects.draw(random), depth)
            return verb_clause(random, scene, verb, subject=head, light=True, main=main)
        subject = subject or subject_of(random, verb, scene)
        used = [subject.referent.noun] if subject.referent else []
        head = self._head(scene, unlike(random, verb.slots[slots[-1]].nouns, used), depth)
        given = {slots[-1]: head}
        return verb_clause(random, scene, verb, subject=subject, given=given, light=True, main=main, bare=bare)

    def _head(self, scene: Scene, noun: Noun, depth: int) -> NounPhrase:
        phrase = noun_phrase(self.random, noun, scene, definite=True, slim=True)
        table = _PLURAL_HEADS if phrase.is_plural else _HEADS
        phrase.determiner = THE if noun.is_mass or phrase.number else table.draw(self.random)
        inner = Scene(_BACKGROUND[scene.frame].draw(self.random), scene.address)
        told = relative(self.random, inner, phrase, depth - 1, clause=self.clause)
        phrase.relative = relative_clause(told)
        return phrase

    # --- questions ---------------------------------------------------------------------------------------------------

    def _question_word_clause(self, scene: Scene) -> Clause:
        if self.random() < 0.3:
            return verb_clause(self.random, scene, VERBS_OF_PERSONS.draw(self.random), subject=WHO, light=True)
        return asked_about_circumstances(self.random, scene)
