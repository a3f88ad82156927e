"""Drawing complements: what fills the slots of a verb, and the place or price that some verbs need."""

from collections.abc import Mapping

from intelligen.data.embedded.clauses import Field, Part, adverb, bare_object, prepositional
from intelligen.data.embedded.describing import Scene, name, noun_phrase, place_part, somebody, unlike
from intelligen.data.embedded.determiners import BARE, NOT_A, NOT_ANY, NOT_BARE, THE, A
from intelligen.data.embedded.german import Case
from intelligen.data.embedded.nouns import Noun, choose_from
from intelligen.data.embedded.numerals import english_cardinal, german_cardinal
from intelligen.data.embedded.phrases import Nominal, NounPhrase
from intelligen.data.embedded.places import PLACES
from intelligen.data.embedded.pronouns import WHAT
from intelligen.data.embedded.sampling import Random, zipf
from intelligen.data.embedded.selection import SOMEBODY
from intelligen.data.embedded.verbs import Slot, Verb

_PRICES = zipf([*range(2, 100), *range(100, 1000, 50)], shift=20.0)
_INSTRUMENTS = choose_from("optics")


def object_of(random: Random, slot: Slot, scene: Scene, *, negated: bool, used: list[Noun], subject: str) -> Nominal:
    """A complement. Under negation an indefinite direct object takes `kein`; everything else is definite."""
    people = SOMEBODY in slot.selection
    if people and random() < 0.24:
        return somebody(random, other_than=subject) if random() < 0.6 else name(random).phrase
    noun = unlike(random, slot.nouns, used)
    used.append(noun)
    if slot.bare:
        return NounPhrase(noun, NOT_BARE if negated else BARE)
    if not negated:
        return noun_phrase(random, noun, scene)
    if slot.is_direct_object and not slot.english_preposition and random() < 0.5:
        is_plural = not noun.is_mass and random() < 0.4
        return NounPhrase(noun, NOT_ANY if noun.is_mass else NOT_A, is_plural)
    return noun_phrase(random, noun, scene, definite=True)


def complement(slot: Slot, nominal: Nominal, *, english_preposition: str | None = None) -> Part:
    """A filled slot as a part of the clause."""
    preposition = slot.english_preposition if english_preposition is None else english_preposition
    if slot.german_preposition:
        return prepositional(preposition, slot.german_preposition, slot.case, nominal)
    return bare_object(nominal, slot.case, english_preposition=preposition)


def complements(verb: Verb, nominals: Mapping[int, Nominal]) -> list[Part]:
    """All complements in English order. A pronoun goes first: `gives the man the book`, `gives it to the man`."""
    slots = verb.slots
    if len(nominals) == 2 and slots[0].case is Case.DATIVE and slots[1].is_direct_object and nominals[1].is_pronoun:
        return [complement(slots[1], nominals[1]), complement(slots[0], nominals[0], english_preposition="to")]
    return [complement(slots[index], nominals[index]) for index in sorted(nominals)]


def moved_to_front(verb: Verb, index: int, nominal: Nominal) -> tuple[Part, list[Part]]:
    """A relative pronoun or question word as the front, and the preposition that English leaves behind."""
    slot = verb.slots[index]
    english_preposition = slot.english_preposition
    if slot.case is Case.DATIVE and len(verb.slots) == 2:
        english_preposition = english_preposition or "to"
    german = [*slot.german_preposition.split(), *nominal.german(slot.case)]
    if nominal is WHAT and slot.german_preposition:
        german = ["wo" + ("r" if slot.german_preposition[0] in "aeiouäöü" else "") + slot.german_preposition]
    front = Part(Field.COMPLEMENT, (nominal.english(subject=False), german))
    stranded = [Part(Field.COMPLEMENT, (english_preposition.split(), []))] if english_preposition else []
    return front, stranded


def needed_place(random: Random, verb: Verb, scene: Scene, used: list[Noun]) -> list[Part]:
    """The place, or the price, without which the verb says nothing."""
    if not verb.place:
        return []
    if verb.place == "price":
        number = _PRICES.draw(random)
        return [adverb(Field.COMPLEMENT, f"{english_cardinal(number)} euros", f"{german_cardinal(number)} Euro")]
    place = PLACES[verb.place].draw(random)
    while place.noun in used:
        place = PLACES[verb.place].draw(random)
    return [place_part(random, place, scene, needed=True)]


def with_instrument(random: Random) -> Part:
    """`sees the man with the telescope`: whose telescope it is, neither language says."""
    telescope = NounPhrase(_INSTRUMENTS.draw(random), THE if random() < 0.6 else A)
    return prepositional("with", "mit", Case.DATIVE, telescope)
