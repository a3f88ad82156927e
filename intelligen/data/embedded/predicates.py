"""Drawing simple clauses: a verb, its complements, tense and modal, negation and adverbials."""

from collections.abc import Mapping
from typing import TypeGuard

from intelligen.data.embedded.adverbials import FREQUENCIES, MANNERS, TIMES, Frame, counted_time, duration
from intelligen.data.embedded.clauses import Clause, Field, Part, adverb
from intelligen.data.embedded.complements import complements, moved_to_front, needed_place, object_of, with_instrument
from intelligen.data.embedded.describing import Scene, name, noun_phrase, place_part, somebody
from intelligen.data.embedded.determiners import ALL, EVERY
from intelligen.data.embedded.phrases import Both, Nominal, NounPhrase
from intelligen.data.embedded.places import REST
from intelligen.data.embedded.pronouns import Fixed
from intelligen.data.embedded.sampling import Random, zipf
from intelligen.data.embedded.selection import SOMEBODY, noun_of
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
from intelligen.data.embedded.verbs import Verb

_MODALS = {
    Frame.PRESENT: zipf([CAN, WANT_TO, MUST, HAVE_TO, SHOULD, LIKE_TO, MAY, BE_ALLOWED_TO], shift=3.0),
    Frame.PAST: zipf([CAN, WANT_TO, HAVE_TO, BE_ALLOWED_TO, LIKE_TO], shift=3.0),
}
_NEGATED = {MUST: MUST_NOT, LIKE_TO: WANT_TO}
_WITH_SOMETHING_HEAVY = {LIKE_TO: WANT_TO}


def subject_of(random: Random, verb: Verb, scene: Scene) -> Nominal:
    """A subject that the verb allows."""
    if SOMEBODY in verb.subject_selection:
        chance = random()
        if chance < 0.22:
            return somebody(random)
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


def lasts(verb: Verb) -> bool:
    """A lasting state, such as love: it is not dated, and nothing happens while it holds."""
    return "n" in verb.marks or ("s" in verb.marks and "d" in verb.marks)


def tense_and_modal(random: Random, scene: Scene, *, verb: Verb, agent: bool) -> tuple[Tense, Modal | None]:
    """A tense of the scene's time. Modals need an agent and an action."""
    stative = "s" in verb.marks
    chance = random()
    if scene.frame is Frame.FUTURE:
        return (Tense.PRESENT if scene.is_circumstance else Tense.FUTURE), None
    if scene.frame is Frame.RECENT:
        return (Tense.PRESENT if lasts(verb) else Tense.PERFECT), None
    if agent and not stative and "u" not in verb.marks and chance < 0.24:
        past = scene.frame is Frame.PAST
        return (Tense.PAST if past else Tense.PRESENT), _MODALS[scene.frame].draw(random)
    if scene.frame is Frame.PAST:
        return (Tense.PAST_PROGRESSIVE if not stative and chance > 0.9 else Tense.PAST), None
    return (Tense.PROGRESSIVE if not stative and chance > 0.78 else Tense.PRESENT), None


def adverbials(random: Random, verb: Verb, scene: Scene) -> list[Part]:
    """At most two free adverbials, in English order: manner or place, then time."""
    parts = []
    chance = random()
    manners = [mark for mark in MANNERS if mark in verb.marks]
    if manners and chance < 0.14:
        parts.append(adverb(Field.MANNER, *MANNERS[manners[0]].draw(random)))
    elif "h" in verb.marks and chance > 0.8:
        parts.append(place_part(random, REST.draw(random), scene, needed=False))
    if lasts(verb) or scene.is_circumstance:
        return parts
    if "o" in verb.marks and random() < 0.08:
        return [*parts, with_instrument(random)]
    chance = random()
    if chance < 0.26:
        parts.append(adverb(Field.TIME, *TIMES[scene.frame].draw(random)))
    elif chance < 0.32 and scene.frame in (Frame.PAST, Frame.FUTURE):
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
    given: Mapping[int, Nominal] | None = None,
    fronted: tuple[int, Nominal] | None = None,
    light: bool = False,
    main: bool = False,
    bare: bool = False,
) -> Clause:
    """A clause around a verb.

    Args:
        random: Source of randomness.
        scene: What it shares with the rest of the sentence.
        verb: Its verb.
        subject: Its subject, drawn where None.
        given: Slots of the verb that are filled already.
        fronted: A slot whose filler stands first: a relative pronoun or a question word.
        light: Without negation and adverbials, because something heavy is in it.
        main: A main clause, in which something else than the subject may come first.
        bare: Without a modal, as infinitives are.

    """
    if subject is None:
        subject = subject_of(random, verb, scene)
    filled = dict(given or {})
    deniable = not light and "n" not in verb.marks and not (scene.passing and scene.is_circumstance)
    negated = deniable and random() < 0.13 and can_negate(subject)
    agent = noun_of(subject).kind == "person"
    tense, modal = tense_and_modal(random, scene, verb=verb, agent=agent)
    if bare:
        modal = None
    elif modal and (negated or light):
        modal = _NEGATED.get(modal, modal) if negated else _WITH_SOMETHING_HEAVY.get(modal, modal)
    used = [filler.referent.noun for filler in (subject, *filled.values()) if filler.referent]
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


def _is_every(part: Part) -> bool:
    """`every day`, which beside a negation means something else in each language."""
    return part.english[0] == "every"


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
        unfit = (
            negative or clause.modal is LIKE_TO if part.field is Field.MANNER else clause.negated and _is_every(part)
        )
        if not unfit:
            parts.append(part)
    if clause.front is None:
        clause.front = front_of(random, parts, main=main)
