"""Drawing simple clauses: a verb, its complements, tense and modal, negation and adverbials."""

from collections.abc import Mapping
from typing import TypeGuard

from intelligen.data.embedded.adverbials import FREQUENCIES, MANNERS, TIMES, Frame, counted_time, duration
from intelligen.data.embedded.clauses import Clause, Field, Part, adverb, bare_object, prepositional
from intelligen.data.embedded.describing import Scene, name, noun_phrase, place_part, somebody, unlike
from intelligen.data.embedded.german import Case
from intelligen.data.embedded.nouns import Noun
from intelligen.data.embedded.numerals import english_cardinal, german_cardinal
from intelligen.data.embedded.phrases import (
    ALL,
    BARE,
    EVERY,
    NOT_A,
    NOT_ANY,
    NOT_BARE,
    WHAT,
    Both,
    Fixed,
    Nominal,
    NounPhrase,
)
from intelligen.data.embedded.places import PLACES, REST
from intelligen.data.embedded.sampling import Random, zipf
from intelligen.data.embedded.selection import SOMEBODY
from intelligen.data.embedded.verbphrases import (
    BE_ALLOWED_TO,
    CAN,
    HAVE_TO,
    LIKE_TO,
    MAY,
    MUST,
    MUST_NOT,
    SHOULD,
    WANT_TO,
    Modal,
    Tense,
)
from intelligen.data.embedded.verbs import Slot, Verb

_MODALS = {
    Frame.PRESENT: zipf([CAN, WANT_TO, MUST, HAVE_TO, SHOULD, LIKE_TO, MAY, BE_ALLOWED_TO], shift=3.0),
    Frame.PAST: zipf([CAN, WANT_TO, HAVE_TO, BE_ALLOWED_TO, LIKE_TO], shift=3.0),
}
_NEGATED = {MUST: MUST_NOT, LIKE_TO: WANT_TO}
_PRICES = zipf([*range(2, 100), *range(100, 1000, 50)], shift=20.0)


def subject_of(random: Random, verb: Verb, scene: Scene) -> Nominal:
    """A subject that the verb allows."""
    if SOMEBODY in verb.subject_selection:
        chance = random()
        if chance < 0.22:
            return somebody(random, scene)
        if chance < 0.33:
            return name(random).phrase
        if chance < 0.36:
            other = noun_phrase(random, verb.subjects.draw(random), scene, definite=True, slim=True)
            return Both(name(random).phrase, other)
    return noun_phrase(random, verb.subjects.draw(random), scene, subject=True)


def can_negate(subject: Nominal) -> bool:
    """`every`, `all` and indefinite subjects leave the scope of a negation open."""
    if isinstance(subject, NounPhrase):
        return subject.definite and subject.determiner is not EVERY and subject.determiner is not ALL
    return not subject.negative


def tense_and_modal(random: Random, scene: Scene, *, verb: Verb, agent: bool, main: bool) -> tuple[Tense, Modal | None]:
    """A tense of the scene's time. Modals need an agent and an action; a subordinate clause says `will` less."""
    stative = "s" in verb.marks
    chance = random()
    if scene.frame is Frame.FUTURE:
        return (Tense.FUTURE if main else Tense.PRESENT), None
    if scene.frame is Frame.RECENT:
        return Tense.PERFECT, None
    if agent and not stative and chance < 0.24:
        past = scene.frame is Frame.PAST
        return (Tense.PAST if past else Tense.PRESENT), _MODALS[scene.frame].draw(random)
    if scene.frame is Frame.PAST:
        return (Tense.PAST_PROGRESSIVE if not stative and chance > 0.9 else Tense.PAST), None
    return (Tense.PROGRESSIVE if not stative and chance > 0.78 else Tense.PRESENT), None


def object_of(random: Random, slot: Slot, scene: Scene, *, negated: bool, used: list[Noun], subject: str) -> Nominal:
    """A complement. Under negation an indefinite direct object takes `kein`; everything else is definite."""
    people = SOMEBODY in slot.selection
    if people and random() < 0.24:
        return somebody(random, scene, other_than=subject) if random() < 0.6 else name(random).phrase
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


def adverbials(random: Random, verb: Verb, scene: Scene) -> list[Part]:
    """At most two free adverbials, in English order: manner or place, then time."""
    parts = []
    chance = random()
    manners = [mark for mark in MANNERS if mark in verb.marks]
    if manners and chance < 0.14:
        parts.append(adverb(Field.MANNER, *MANNERS[manners[0]].draw(random)))
    elif "h" in verb.marks and chance > 0.8:
        parts.append(place_part(random, REST.draw(random), scene, needed=False))
    chance = random()
    if chance < 0.26:
        parts.append(adverb(Field.TIME, *TIMES[scene.frame].draw(random)))
    elif chance < 0.32 and "s" not in verb.marks and scene.frame in (Frame.PAST, Frame.FUTURE):
        parts.append(adverb(Field.TIME, *counted_time(random, scene.frame)))
    return parts


def front_of(random: Random, parts: list[Part], *, main: bool) -> Part | None:
    """In a main clause a time or a place often stands first; it is taken out of the parts."""
    if main and parts and parts[-1].field in (Field.TIME, Field.PLACE) and random() < 0.4:
        return parts.pop()
    return None


def verb_clause(
    random: Random,
    scene: Scene,
    verb: Verb,
    *,
    subject: Nominal | None = None,
    noun: Noun | None = None,
    given: Mapping[int, Nominal] | None = None,
    fronted: tuple[int, Nominal] | None = None,
    light: bool = False,
    main: bool = False,
) -> Clause:
    """A clause around a verb.

    Args:
        random: Source of randomness.
        scene: What it shares with the rest of the sentence.
        verb: Its verb.
        subject: Its subject, drawn where None.
        noun: The noun that a given subject stands for.
        given: Slots of the verb that are filled already.
        fronted: A slot whose filler stands first: a relative pronoun or a question word.
        light: Without negation and adverbials, because something heavy is in it.
        main: A main clause, in which something else than the subject may come first.

    """
    if subject is None:
        subject = subject_of(random, verb, scene)
    if isinstance(subject, NounPhrase):
        noun = subject.noun
    filled = dict(given or {})
    negated = not light and "n" not in verb.marks and random() < 0.13 and can_negate(subject)
    agent = (noun or SOMEBODY).kind == "person"
    tense, modal = tense_and_modal(random, scene, verb=verb, agent=agent, main=main)
    if negated and modal:
        modal = _NEGATED.get(modal, modal)
    used = [filler.noun for filler in (subject, *filled.values()) if isinstance(filler, NounPhrase)]
    word = " ".join(subject.english(subject=True)) if isinstance(subject, Fixed) else ""
    for index, slot in enumerate(verb.slots):
        if index not in filled and not (fronted and fronted[0] == index):
            filled[index] = object_of(random, slot, scene, negated=negated, used=used, subject=word)
    front, stranded = moved_to_front(verb, *fronted) if fronted else (None, [])
    parts = complements(verb, filled) + stranded + needed_place(random, verb, scene, used)
    clause = Clause(subject, verb, tense, modal, negated, parts=parts, front=front)
    if modal is LIKE_TO:
        parts.append(adverb(Field.MANNER, "", "gern"))
    if not light:
        _add_adverbials(random, scene, clause, main=main)
    scene.heard += [filler for filler in (subject, *filled.values()) if _can_be_taken_up(filler)]
    return clause


def _can_be_taken_up(filler: Nominal) -> TypeGuard[NounPhrase]:
    if not isinstance(filler, NounPhrase) or filler.negative:
        return False
    return filler.determiner is not EVERY and not filler.noun.is_mass


def _add_adverbials(random: Random, scene: Scene, clause: Clause, *, main: bool) -> None:
    verb, parts = clause.verb, clause.parts
    habitual = clause.tense is Tense.PRESENT and not clause.negated and clause.modal is None and not verb.place
    if main and habitual and "d" in verb.marks and random() < 0.12:
        clause.tense = Tense.SINCE if "s" in verb.marks else Tense.SINCE_PROGRESSIVE
        parts.append(adverb(Field.TIME, *duration(random)))
        return
    if habitual and scene.frame is Frame.PRESENT and random() < 0.14:
        parts.append(adverb(Field.LATE_TIME, *FREQUENCIES.draw(random), before_verb=True))
        return
    negative = any(part.negative for part in parts)
    for part in adverbials(random, verb, scene):
        if part.field is Field.MANNER and (negative or clause.modal is LIKE_TO):
            continue
        parts.append(part)
    if clause.front is None:
        clause.front = front_of(random, parts, main=main)
