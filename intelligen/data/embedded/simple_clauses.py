"""Drawing clauses without clauses in them: about something new, or about something mentioned before."""

from intelligen.data.embedded import copulas
from intelligen.data.embedded.adverbials import WHY, Frame
from intelligen.data.embedded.clauses import Clause, Field, Part
from intelligen.data.embedded.describing import Scene
from intelligen.data.embedded.phrases import Nominal
from intelligen.data.embedded.predicates import lasts, verb_clause
from intelligen.data.embedded.pronouns import Fixed, pronoun_for
from intelligen.data.embedded.sampling import Random, Weighted
from intelligen.data.embedded.selection import (
    SOMEBODY,
    WEIGHTED_VERBS,
    as_object,
    as_subject,
    noun_of,
)
from intelligen.data.embedded.verbs import BE, IMPERSONAL, Verb

_TOLD = {
    "why": frozenset({Field.AFTER}),
    "when": frozenset({Field.TIME, Field.LATE_TIME}),
    "where": frozenset({Field.PLACE, Field.COMPLEMENT}),
    "how": frozenset({Field.MANNER, Field.COMPLEMENT}),
}
"""Question word → what would answer it."""


def simple(random: Random, scene: Scene, *, subject: Nominal | None = None, main: bool = False) -> Clause:
    """A clause without clauses in it; at times about something that was mentioned before."""
    if subject is None and random() < 0.6:
        subject = _taken_up(random, scene)
    if subject is None:
        return _about_something_new(random, scene, main=main)
    verbs = as_subject(noun_of(subject))
    verb = _fitting(random, scene, verbs) if verbs else None
    told: Clause | None = None
    if verb is None or random() < 0.25:
        told = copulas.description(random, scene, subject)
    if told is None and (verb is None or random() < 0.04):
        told = copulas.passive(random, scene, main=main, subject=subject)
    if told is None and verb:
        told = verb_clause(random, scene, verb, subject=subject, main=main)
    if told is None:
        told = copulas.description(random, scene, subject, insist=True)
    assert told, "a noun of which nothing can be said"
    return told


def _fitting(random: Random, scene: Scene, verbs: Weighted[Verb]) -> Verb | None:
    """A verb for the scene, in which states do not come to pass; None where there seems to be none."""
    for _ in range(6):
        verb = verbs.draw(random)
        if not (scene.passing and lasts(verb)):
            return verb
    return None


def _about_something_new(random: Random, scene: Scene, *, main: bool) -> Clause:
    chance = random()
    special: Clause | None = None
    if chance < 0.13:
        special = copulas.described_subject(random, scene)
    elif chance < 0.16 and not scene.passing:
        special = copulas.occupation(random, scene)
    elif chance < 0.20 and scene.frame in (Frame.PRESENT, Frame.PAST) and not scene.passing:
        special = copulas.existence(random, scene)
    elif chance < 0.27:
        special = copulas.passive(random, scene, main=main)
    elif chance < 0.285 and not main:
        special = copulas.weather(random, scene)
    elif chance < 0.38:
        special = with_pronoun_object(random, scene)
    verb = _fitting(random, scene, WEIGHTED_VERBS) or WEIGHTED_VERBS.items[0]
    return special or verb_clause(random, scene, verb, main=main)


def _taken_up(random: Random, scene: Scene) -> Fixed | None:
    """A pronoun for something mentioned: `it` only where all that it could mean have the same German gender."""
    if not scene.heard:
        return None
    phrase = scene.heard[int(random() * len(scene.heard))]
    rivals = [other.noun for other in scene.heard if other.pronoun == phrase.pronoun]
    if not phrase.pronoun or (phrase.pronoun == "it" and len({rival.gender for rival in rivals}) > 1):
        return None
    return pronoun_for(phrase)


def with_pronoun_object(
    random: Random, scene: Scene, *, subject: Nominal | None = None, other_than: Verb | None = None
) -> Clause | None:
    """`The man likes it`, of something mentioned; None where nothing can be said so."""
    pronoun = _taken_up(random, scene)
    uses = as_object(noun_of(pronoun)) if pronoun else None
    if pronoun is None or uses is None or (subject and pronoun.referent is subject.referent):
        return None
    verb, index = uses.draw(random)
    # German says `darauf`, not `auf es`.
    unsaid = verb.slots[index].german_preposition and pronoun.english_object == ["it"]
    doer = noun_of(subject) if subject else SOMEBODY
    if unsaid or verb is other_than or doer not in verb.subject_selection:
        return None
    return verb_clause(random, scene, verb, subject=subject, given={index: pronoun})


def asked_about_circumstances(random: Random, scene: Scene) -> Clause:
    """Why, when, where or how somebody does something; what is asked is not told."""
    clause = simple(random, scene)
    english, german = WHY.draw(random)
    told = {part.field for part in clause.parts}
    inert = (
        clause.verb is BE
        or clause.verb in IMPERSONAL
        or lasts(clause.verb)
        or (english == "how" and not clause.verb.marks & {"c", "t"})
    )
    if inert or told & _TOLD[english]:
        english, german = WHY.items[0]
    clause.front = Part(Field.TIME, ([english], [german]))
    return clause
