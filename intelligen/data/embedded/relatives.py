"""Drawing relative clauses: the pronoun is a subject, an object, a genitive or a place."""

from typing import Protocol

from intelligen.data.embedded.clauses import Clause, Field, Part
from intelligen.data.embedded.describing import Scene, name, somebody
from intelligen.data.embedded.nouns import choose_from
from intelligen.data.embedded.phrases import Nominal, NounPhrase, governed
from intelligen.data.embedded.places import REST
from intelligen.data.embedded.predicates import verb_clause
from intelligen.data.embedded.pronouns import gap, whose
from intelligen.data.embedded.sampling import Random
from intelligen.data.embedded.selection import SOMEBODY, as_object

_OWNED_BY_PEOPLE = choose_from("dog,cat,horse,house,car,bicycle,coat,mother,father,brother,sister,daughter,son,friend")
_PLACES = {place.noun: place for place in REST.items if place.noun}


class DrawsClauses(Protocol):
    """How a clause with `depth` levels of clauses in it is drawn."""

    def __call__(self, scene: Scene, depth: int, *, subject: Nominal | None = None) -> Clause:
        """Around the given subject, or a new one."""


def relative(random: Random, scene: Scene, phrase: NounPhrase, depth: int, *, clause: DrawsClauses) -> Clause:
    """What a relative clause says of the phrase, with `depth` levels of clauses in it.

    Args:
        random: Source of randomness.
        scene: A scene of its own: nothing outside the relative clause is taken up in it.
        phrase: The head.
        depth: Levels of clauses inside the relative clause.
        clause: Draws clauses.

    """
    noun = phrase.noun
    chance = random()
    if noun in _PLACES and chance < 0.4:
        return _of_place(random, scene, phrase, depth, clause=clause)
    if noun.kind == "person" and chance < 0.08:
        owned = _OWNED_BY_PEOPLE.draw(random)
        subject = NounPhrase(owned, whose(phrase), random() < 0.2)
        return clause(scene, depth, subject=subject)
    if depth == 0 and chance < 0.55 and as_object(noun):
        return _of_object(random, scene, phrase)
    word = "who" if noun.kind == "person" else "that" if random() < 0.7 else "which"
    return clause(scene, depth, subject=gap(phrase, word))


def _of_object(random: Random, scene: Scene, phrase: NounPhrase) -> Clause:
    """`the book she reads`, `the bus that he waits for`: English strands the preposition, often without a pronoun."""
    uses = as_object(phrase.noun)
    assert uses
    verb, index = uses.draw(random)
    shown = "" if random() < 0.5 else "that"
    subject: Nominal | None = None
    if SOMEBODY in verb.subject_selection and random() < 0.5:
        subject = somebody(random) if random() < 0.6 else name(random).phrase
    return verb_clause(random, scene, verb, subject=subject, fronted=(index, gap(phrase, shown)), light=True)


def _of_place(random: Random, scene: Scene, phrase: NounPhrase, depth: int, *, clause: DrawsClauses) -> Clause:
    """`the village in which she works`."""
    place = _PLACES[phrase.noun]
    inside = clause(scene, depth)
    while inside.front or any(part.field is Field.PLACE for part in inside.parts):
        inside = clause(scene, depth)
    german = governed(place.german, place.case, gap(phrase, "which"))
    inside.front = Part(Field.PLACE, ([*place.english.split(), "which"], german))
    return inside
