"""Drawing clauses about being: qualities, comparisons, occupations, existence, the passive and the weather."""

from intelligen.data.embedded.adjectives import ADJECTIVES, COMPARABLE
from intelligen.data.embedded.adverbials import TIMES, Frame
from intelligen.data.embedded.clauses import Clause, Field, Part, adverb, bare_object, prepositional
from intelligen.data.embedded.describing import Scene, name, noun_phrase
from intelligen.data.embedded.determiners import BARE, MANY, NO, THE, A
from intelligen.data.embedded.german import THIRD, THIRD_PLURAL, Case
from intelligen.data.embedded.nouns import KINDS, NOUNS, Noun, choose_from
from intelligen.data.embedded.numerals import english_cardinal, german_cardinal
from intelligen.data.embedded.phrases import Nominal, NounPhrase
from intelligen.data.embedded.places import REST
from intelligen.data.embedded.predicates import can_negate, front_of, subject_of
from intelligen.data.embedded.pronouns import HE, IT, SHE, THERE, Fixed
from intelligen.data.embedded.sampling import Random, Weighted, zipf
from intelligen.data.embedded.selection import PASSIVE_VERBS, as_patient, noun_of
from intelligen.data.embedded.verbphrases import CAN, HAVE_TO, MUST, Modal, Tense
from intelligen.data.embedded.verbs import BE, RAIN, SNOW, THERE_IS

_DESCRIBED = choose_from(",".join(kind for kind in KINDS if kind != "game"))
_AGENTS = choose_from("person")
_NEUTER = 2
_OCCUPATIONS_TABLE = """
teacher Lehrer Lehrerin; doctor Arzt Ärztin; student Student Studentin; cook Koch Köchin; engineer Ingenieur Ingenieurin
lawyer Anwalt Anwältin; farmer Bauer Bäuerin; painter Maler Malerin; nurse Krankenpfleger Krankenschwester
journalist Journalist Journalistin; writer Schriftsteller Schriftstellerin; musician Musiker Musikerin
gardener Gärtner Gärtnerin; baker Bäcker Bäckerin; singer Sänger Sängerin
"""
_OCCUPATIONS = zipf([entry.split() for entry in _OCCUPATIONS_TABLE.strip().replace("\n", ";").split(";")])
"""English, masculine and feminine German: the subject decides."""
_KIN = choose_from("woman,man,mother,father,sister,brother,aunt,uncle,daughter,son,neighbour,grandmother,grandfather")
_TENSES = {
    Frame.PRESENT: Tense.PRESENT,
    Frame.PAST: Tense.PAST,
    Frame.RECENT: Tense.PRESENT,
    Frame.FUTURE: Tense.FUTURE,
}
_STATES = frozenset({"tired", "hungry", "thirsty", "sick", "sad", "angry", "nervous", "happy", "wet", "healthy"})
_FOUND_AT = (
    (choose_from("table,bed,sofa,lamp,mirror,carpet,cupboard,clock"), ("room", "kitchen", "house", "office")),
    (choose_from("shop,museum,church,hotel,bank,library,restaurant,cinema"), ("city", "village", "street", "square")),
    (choose_from("dog,bird,tree,rabbit,duck,flower,horse,bench"), ("garden", "park", "field", "forest")),
    (choose_from("bread,egg,cheese,milk,coffee,apple,tea,glass"), ("kitchen", "shop", "restaurant")),
)
_PLACE_OF = {place.noun: place for place in REST.items}
_PASSIVE_TENSES = {
    Frame.PRESENT: Weighted([(Tense.PRESENT, 3.0), (Tense.PROGRESSIVE, 2.0)]),
    Frame.PAST: Weighted([(Tense.PAST, 1.0)]),
    Frame.RECENT: Weighted([(Tense.PERFECT, 1.0)]),
    Frame.FUTURE: Weighted([(Tense.FUTURE, 1.0)]),
}
_PASSIVE_MODALS: Weighted[Modal] = zipf([CAN, MUST, HAVE_TO])


def _tense(scene: Scene) -> Tense:
    return Tense.PRESENT if scene.is_circumstance and scene.frame is Frame.FUTURE else _TENSES[scene.frame]


def description(random: Random, scene: Scene, subject: Nominal, *, insist: bool = False) -> Clause | None:
    """`is very tired`, `is older than the church`, `is twelve years old`.

    None for what has no qualities, and where some are told already, and where the drawn one lasts too long for the
    scene, unless the caller insists, who has nothing else to say of the subject.
    """
    noun = noun_of(subject)
    if noun not in ADJECTIVES:
        return None
    adjective = ADJECTIVES[noun].draw(random)
    if subject.referent and adjective in subject.referent.adjectives:
        adjective = ADJECTIVES[noun].draw(random)
    if subject.referent and subject.referent.adjectives and not insist:
        return None
    if scene.passing and not insist and adjective.english not in _STATES:
        return None
    chance = random()
    if insist or scene.passing or chance > 0.25:
        degree = ("very", "sehr") if chance > 0.88 else ("too", "zu") if chance > 0.8 else ("", "")
        part = adverb(Field.COMPLEMENT, f"{degree[0]} {adjective.english}", f"{degree[1]} {adjective.german}")
    elif noun.kind == "person" and chance < 0.06:
        number = 2 + int(random() * 88)
        words = f"{english_cardinal(number)} years old", f"{german_cardinal(number)} Jahre alt"
        part = adverb(Field.COMPLEMENT, *words)
    else:
        compared = _comparison(random, scene, noun) if noun in COMPARABLE else None
        if compared is None:
            return None
        part = compared
    negated = random() < 0.12 and can_negate(subject)
    return Clause(subject, BE, _tense(scene), negated=negated, parts=[part])


def _comparison(random: Random, scene: Scene, noun: Noun) -> Part | None:
    """With something of the same kind that can have the quality, if there is anything."""
    adjective = COMPARABLE[noun].draw(random)
    others = [other for other in KINDS[noun.kind] if other is not noun and other in COMPARABLE]
    fitting = [other for other in others if adjective in COMPARABLE[other].items]
    if not fitting:
        return None
    standard = noun_phrase(random, zipf(fitting).draw(random), scene, definite=True, slim=True)
    if random() < 0.3:
        english, german = ["as", adjective.english, "as"], ["so", adjective.german, "wie"]
    else:
        english, german = [*adjective.english_comparative.split(), "than"], [adjective.german_comparative, "als"]
    words = ([*english, *standard.english()], [*german, *standard.german(Case.NOMINATIVE)])
    return Part(Field.COMPLEMENT, words)


def described_subject(random: Random, scene: Scene) -> Clause | None:
    """A description of somebody or something new."""
    noun = (_AGENTS if scene.passing or random() < 0.5 else _DESCRIBED).draw(random)
    subject: Nominal
    if noun.kind == "person" and random() < 0.4:
        subject = subject_of(random, BE, scene)
    else:
        subject = noun_phrase(random, noun, scene, subject=True)
    if isinstance(subject, NounPhrase):
        subject.adjectives = ()
        scene.heard.append(subject)
    return description(random, scene, subject)


def occupation(random: Random, scene: Scene) -> Clause:
    """`Anna is a doctor`: German has no article and a feminine form; it denies with `kein`."""
    english, masculine, feminine = _OCCUPATIONS.draw(random)
    subject: Nominal
    chance = random()
    if chance < 0.3:
        subject = HE if random() < 0.5 else SHE
        feminine_subject = subject is SHE
    elif chance < 0.6:
        named = name(random)
        subject, feminine_subject = named.phrase, named.pronoun == "she"
    else:
        phrase = noun_phrase(random, _KIN.draw(random), scene, definite=True, slim=True)
        phrase.is_plural = False
        subject, feminine_subject = phrase, phrase.noun.pronoun == "she"
    german = feminine if feminine_subject else masculine
    article = "an" if english[0] in "aeiou" else "a"
    negated = random() < 0.15
    denial = ["keine" if feminine_subject else "kein"] if negated else []
    part = Part(Field.COMPLEMENT, ([article, english], [*denial, german]), negative=negated)
    past = scene.frame in (Frame.PAST, Frame.RECENT)
    return Clause(subject, BE, Tense.PAST if past else Tense.PRESENT, negated=negated, parts=[part])


def existence(random: Random, scene: Scene) -> Clause:
    """`There are two birds in the garden`: es gibt, with the accusative."""
    things, places = _FOUND_AT[int(random() * len(_FOUND_AT))]
    noun = things.draw(random)
    is_plural = not noun.is_mass and random() < 0.5
    chance = random()
    number = 0
    if is_plural:
        determiner = MANY if chance < 0.25 else NO if chance < 0.35 else BARE
        number = 2 + int(chance * 12) if determiner is BARE else 0
    else:
        determiner = NO if chance < 0.2 else BARE if noun.is_mass else A
    phrase = NounPhrase(noun, determiner, is_plural, number)
    where = NounPhrase(NOUNS[places[int(random() * len(places))]], THE)
    place = _PLACE_OF[where.noun]
    parts = [
        bare_object(phrase, Case.ACCUSATIVE),
        prepositional(place.english, place.german, place.case, where, place=Field.PLACE),
    ]
    tense = Tense.PAST if scene.frame is Frame.PAST else Tense.PRESENT
    agreement = THIRD_PLURAL if is_plural else THIRD
    return Clause(THERE, THERE_IS, tense, parts=parts, english_agreement=agreement)


def passive(random: Random, scene: Scene, *, main: bool, subject: Nominal | None = None) -> Clause | None:
    """`The letter was written by the teacher`: werden with the participle, von with the dative.

    None where nothing that people do is done to the subject.
    """
    verbs = as_patient(noun_of(subject)) if subject else PASSIVE_VERBS
    if verbs is None:
        return None
    verb = verbs.draw(random)
    if subject is None:
        slot = next(slot for slot in verb.slots if slot.is_direct_object)
        drawn = noun_phrase(random, slot.nouns.draw(random), scene, subject=True)
        subject = drawn
        scene.heard.append(drawn)
    frame = Frame.PRESENT if scene.is_circumstance and scene.frame is Frame.FUTURE else scene.frame
    tense = _PASSIVE_TENSES[frame].draw(random)
    modal = _PASSIVE_MODALS.draw(random) if scene.frame is Frame.PRESENT and random() < 0.25 else None
    parts = []
    if random() < 0.3:
        agent: Nominal = (
            name(random).phrase
            if random() < 0.2
            else noun_phrase(random, _AGENTS.draw(random), scene, definite=True, slim=True)
        )
        parts.append(prepositional("by", "von", Case.DATIVE, agent))
    negated = not scene.passing and random() < 0.12 and can_negate(subject)
    if random() < 0.4 and modal is None and not negated and not scene.is_circumstance:
        parts.append(adverb(Field.TIME, *TIMES[scene.frame].draw(random)))
    clause = Clause(subject, verb, tense, modal, negated, passive=True, parts=parts)
    clause.front = front_of(random, parts, main=main)
    return clause


def weather(random: Random, scene: Scene) -> Clause:
    """`It is raining.`"""
    verb = RAIN if random() < 0.7 else SNOW
    it: Fixed = IT[_NEUTER]
    tense = Tense.PROGRESSIVE if scene.frame is Frame.PRESENT else _tense(scene)
    return Clause(it, verb, tense)
