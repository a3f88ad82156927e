"""Drawing noun phrases: which determiner, number, adjectives and attributes a noun gets."""

from dataclasses import dataclass, field

from intelligen.data.embedded.adjectives import ADJECTIVES, Adjective
from intelligen.data.embedded.adverbials import Frame, draw_number
from intelligen.data.embedded.clauses import Field, Part, prepositional
from intelligen.data.embedded.determiners import (
    ALL,
    BARE,
    EVERY,
    MANY,
    NO,
    POSSESSIVES,
    SOME,
    THE,
    THIS,
    YOUR,
    A,
    Determiner,
)
from intelligen.data.embedded.german import Case
from intelligen.data.embedded.names import FIRST_NAMES, TITLED_NAMES, Address, Name
from intelligen.data.embedded.nouns import Noun, choose_from
from intelligen.data.embedded.numerals import english_ordinal, german_ordinal_stem
from intelligen.data.embedded.phrases import NounPhrase, Pair, governed
from intelligen.data.embedded.places import REST, Place
from intelligen.data.embedded.pronouns import HE, I_, SHE, THEY, WE_, Fixed
from intelligen.data.embedded.sampling import Random, Weighted, zipf


@dataclass(slots=True)
class Scene:
    """What the parts of one sentence share: its time, who is spoken to, and what was mentioned already."""

    frame: Frame
    address: Address | None = None
    heard: list[NounPhrase] = field(default_factory=list)
    conjunction: str = ""
    passing: bool = False
    """Of something that passes, as after `when` and `while`: no lasting qualities."""

    @property
    def is_circumstance(self) -> bool:
        """Within an adverbial clause, which has no time of its own and does not say `will`."""
        return self.conjunction not in ("", "that")


_POSSESSIVE, _NAMED, _NUMBER, _THE_NUMBER = (Determiner("", "", (), ()) for _ in range(4))
"""Stand-ins in the tables below: drawn further."""

_SINGULAR = Weighted([(THE, 45.0), (A, 22.0), (_POSSESSIVE, 17.0), (THIS, 6.0), (_NAMED, 5.0), (EVERY, 3.0), (NO, 2.0)])
_PLURAL = Weighted(
    [
        *((THE, 35.0), (_NUMBER, 16.0), (BARE, 14.0), (_POSSESSIVE, 10.0), (MANY, 6.0), (THIS, 5.0), (SOME, 5.0)),
        *((_THE_NUMBER, 4.0), (ALL, 4.0), (_NAMED, 3.0), (NO, 1.0)),
    ]
)
_OBJECT_SINGULAR = Weighted([(THE, 42.0), (A, 30.0), (_POSSESSIVE, 17.0), (THIS, 6.0), (_NAMED, 5.0)])
_OBJECT_PLURAL = Weighted(
    [
        *((THE, 32.0), (_NUMBER, 18.0), (BARE, 20.0), (_POSSESSIVE, 10.0), (MANY, 8.0), (THIS, 5.0), (SOME, 6.0)),
        *((_THE_NUMBER, 4.0), (_NAMED, 3.0)),
    ]
)
_DEFINITE = Weighted([(THE, 65.0), (_POSSESSIVE, 22.0), (THIS, 7.0), (_NAMED, 6.0)])
_MASS = Weighted([(BARE, 50.0), (THE, 38.0), (_POSSESSIVE, 12.0)])
_POSSESSORS = Weighted([("my", 4.0), ("his", 3.0), ("her", 3.0), ("our", 1.5), ("their", 1.5)])

_OWNED = frozenset(
    choose_from(
        "text,flat,upright,clothes,device,vehicle,furniture,instrument,house,garden,room,kitchen,office,dog,cat,horse,"
        "cow,sheep,rabbit,duck,pig,goat,donkey,answer,question,idea,plan,mistake,dream,secret,decision,coffee,tea,"
        "soup,cake,bread,friend,mother,father,neighbour,sister,brother,colleague,grandmother,grandfather,aunt,uncle,"
        "daughter,son,boss,nephew,guest"
    ).items
)
_PARTS = {
    "opening": choose_from("house,church,school,castle,hotel,hospital"),
    "plant": choose_from("tree,apple_tree,bush"),
    "building": choose_from("city,village,island"),
}
_PART_NOUNS = frozenset(choose_from("door,window,gate,leaf,branch,school,church,bank").items)
_OWNERS = choose_from("person")
_WORN = choose_from("hat,coat,dress,jacket,shirt,scarf,skirt,tie")
_ORDINALS = zipf(range(1, 32), shift=0.5)
_GENERAL = frozenset(
    {"old", "young", "new", "big", "small", "tall", "short", "long", "beautiful", "good", "poor", "rich"}
)
_PEOPLE = zipf([I_, HE, SHE, THEY, WE_], shift=3.0)
_EXCLUSIVE = (frozenset({"I", "we"}), frozenset({"you"}))


def unlike(random: Random, nouns: Weighted[Noun], used: list[Noun]) -> Noun:
    """A noun that the clause does not hold yet, where one can be had."""
    noun = nouns.draw(random)
    for _ in range(4):
        if noun not in used:
            break
        noun = nouns.draw(random)
    return noun


def name(random: Random) -> Name:
    """Somebody's name."""
    return (TITLED_NAMES if random() < 0.25 else FIRST_NAMES).draw(random)


def somebody(random: Random, *, other_than: str = "") -> Fixed:
    """A personal pronoun; not one that would need `myself` beside the subject."""
    for _ in range(8):
        chosen = _PEOPLE.draw(random)
        word = chosen.english_subject[0]
        if word != other_than and not any({word, other_than} <= group for group in _EXCLUSIVE):
            return chosen
    return THEY


def _adjectives(random: Random, noun: Noun, scarcity: float) -> tuple[Adjective, ...]:
    """None, one, or a general one before a more special one: `big red`."""
    chance = random()
    if chance < scarcity or noun not in ADJECTIVES:
        return ()
    first = ADJECTIVES[noun].draw(random)
    if chance < 0.9 or first.english not in _GENERAL:
        return (first,)
    second = ADJECTIVES[noun].draw(random)
    return (first,) if second.english in _GENERAL else (first, second)


def _determiner(random: Random, table: Weighted[Determiner], noun: Noun, scene: Scene) -> tuple[Determiner, int]:
    chosen = table.draw(random)
    if chosen is _NUMBER:
        return BARE, draw_number(random)
    if chosen is _THE_NUMBER:
        return THE, draw_number(random) % 10 + 2
    if chosen is _POSSESSIVE or chosen is _NAMED:
        if noun not in _OWNED:
            return THE, 0
        if chosen is _NAMED:
            return name(random).owner, 0
        if scene.address and random() < 0.5:
            return YOUR[scene.address.person], 0
        return POSSESSIVES[_POSSESSORS.draw(random)], 0
    return chosen, 0


def noun_phrase(
    random: Random,
    noun: Noun,
    scene: Scene,
    *,
    definite: bool = False,
    subject: bool = False,
    slim: bool = False,
) -> NounPhrase:
    """A noun phrase around a noun. `slim` ones have no attributes beyond an adjective."""
    is_plural = not noun.is_mass and random() < 0.24
    if definite:
        table = _DEFINITE
    elif noun.is_mass:
        table = _MASS
    elif subject:
        table = _PLURAL if is_plural else _SINGULAR
    else:
        table = _OBJECT_PLURAL if is_plural else _OBJECT_SINGULAR
    determiner, number = _determiner(random, table, noun, scene)
    phrase = NounPhrase(noun, determiner, is_plural, number, _adjectives(random, noun, 0.62))
    if determiner is THE and not slim and not number:
        _attribute(random, phrase)
    return phrase


def _attribute(random: Random, phrase: NounPhrase) -> None:
    """At times, after the noun: a genitive or a phrase of place; or an ordinal before it."""
    chance = random()
    noun = phrase.noun
    if chance < 0.10 and noun in _OWNED:
        phrase.owner = NounPhrase(_OWNERS.draw(random), THE, random() < 0.15)
    elif chance < 0.35 and noun in _PART_NOUNS and noun.kind in _PARTS:
        phrase.owner = NounPhrase(_PARTS[noun.kind].draw(random), THE)
    elif 0.10 <= chance < 0.16 and noun.kind == "person":
        phrase.modifier = _with(random) if random() < 0.4 else _at(random)
    elif 0.16 <= chance < 0.20 and not phrase.is_plural and not noun.is_mass:
        ordinal = _ORDINALS.draw(random)
        phrase.adjectives = (Adjective(english_ordinal(ordinal), "", german_ordinal_stem(ordinal)),)


def _with(random: Random) -> Pair:
    worn = NounPhrase(_WORN.draw(random), A)
    worn.adjectives = _adjectives(random, worn.noun, 0.2)
    return ["with", *worn.english()], governed("mit", Case.DATIVE, worn)


def _at(random: Random) -> Pair:
    place = REST.draw(random)
    if place.noun is None:
        return place.words
    phrase = NounPhrase(place.noun, THE)
    return [*place.english.split(), *phrase.english()], governed(place.german, place.case, phrase)


def place_part(random: Random, place: Place, scene: Scene, *, needed: bool) -> Part:
    """A place as a part of a clause: a complement where the verb needs it, otherwise free."""
    position = Field.COMPLEMENT if needed else Field.PLACE
    if place.noun is None:
        return Part(position, place.words)
    owned = place.noun in _OWNED and random() < 0.25
    phrase = (
        noun_phrase(random, place.noun, scene, definite=True, slim=True)
        if owned
        else NounPhrase(place.noun, A if random() < 0.12 else THE, adjectives=_adjectives(random, place.noun, 0.75))
    )
    return prepositional(place.english, place.german, place.case, phrase, place=position)
