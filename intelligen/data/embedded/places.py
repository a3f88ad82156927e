"""Places and times: German's preposition and case depend on the noun, and on rest (dative) or motion (accusative)."""

from dataclasses import dataclass

from intelligen.data.embedded.german import Case
from intelligen.data.embedded.nouns import NOUNS, Noun
from intelligen.data.embedded.sampling import Weighted, zipf

# noun | English and German preposition at rest | the same of motion. `-`: not used so.
_PLACES = """
house | in in | into in
garden | in in | into in
kitchen | in in | into in
school | at in | to in
city | in in | to in
park | in in | to in
station | at an | to zu
office | in in | to in
market | at auf | to auf
village | in in | to in
shop | in in | into in
street | in auf | into auf
beach | on an | to an
forest | in in | into in
library | in in | to in
hospital | in in | to in
church | in in | into in
hotel | in in | to in
museum | in in | to in
cinema | in in | to in
river | by an | to an
restaurant | in in | to in
bank | at in | to zu
field | in auf | onto auf
lake | by an | to an
theatre | in in | to in
room | in in | into in
airport | at an | to zu
castle | in in | to zu
university | at an | to zu
island | on auf | to auf
square | in auf | to zu
cellar | in in | into in
factory | in in | to in
mountain | on auf | -
valley | in in | into in
bathroom | in in | into in
bridge | on auf | onto auf
tower | on auf | onto auf
"""
_HOMES = ("village", "city", "house", "hotel", "castle")
_FAR = frozenset(
    {"city", "village", "station", "beach", "market", "hospital", "hotel", "airport", "castle", "university"}
)
_TO = Case.ACCUSATIVE
_FOR_FLAT_THINGS = {
    "on auf": "table bed desk sofa chair bench carpet",
    "in in": "cupboard drawer box basket suitcase",
    "on in": "shelf",
    "under unter": "bed sofa table book",
    "next_to neben": "lamp vase radio computer",
}
_FOR_UPRIGHT_THINGS = {
    "on auf": "table desk chair bench",
    "in in": "cupboard",
    "on in": "shelf",
    "under unter": "table bench desk",
    "next_to neben": "lamp vase bed sofa door",
    "behind hinter": "door sofa armchair",
}
_SEATS = {
    "on auf": "chair sofa bench",
    "in in": "armchair",
    "at an": "table desk",
    "in_front_of vor": "house",
}
_NEAR = {
    "in_front_of vor": "house school station church shop theatre hotel bank",
    "behind hinter": "house church castle school",
    "next_to neben": "bridge tower church hotel tree",
    "under unter": "bridge tree apple_tree",
}
_CITIES = (
    "Berlin Berlin; Munich München; Vienna Wien; Hamburg Hamburg; Cologne Köln; Germany Deutschland; "
    "Austria Österreich; Rome Rom; France Frankreich; Italy Italien; Spain Spanien; Zurich Zürich; "
    "Nuremberg Nürnberg; Greece Griechenland; Prague Prag; Lucerne Luzern"
)
_COUNTRIES_WITH_ARTICLE = (("Switzerland", "Schweiz"), ("Turkey", "Türkei"))


@dataclass(frozen=True, slots=True)
class Place:
    """A preposition in both languages before a noun, or before a name (`noun` is None)."""

    english: str
    german: str
    case: Case
    noun: Noun | None = None
    english_name: str = ""
    german_name: str = ""

    @property
    def words(self) -> tuple[list[str], list[str]]:
        """English and German, of a place with a name."""
        return [*self.english.split(), *self.english_name.split()], [self.german, *self.german_name.split()]


def _at_rest_and_in_motion() -> tuple[list[Place], list[Place]]:
    rest, motion = [], []
    for row in _PLACES.strip().splitlines():
        name, here, there = (cell.strip() for cell in row.split("|"))
        english, german = here.split()
        rest.append(Place(english, german, Case.DATIVE, NOUNS[name]))
        if there != "-":
            english, german = there.split()
            case = Case.DATIVE if german == "zu" else Case.ACCUSATIVE
            motion.append(Place(english, german, case, NOUNS[name]))
    return rest, motion


def _beside(table: dict[str, str], case: Case) -> list[Place]:
    """Two-way prepositions: the case tells rest from motion."""
    found = []
    for prepositions, nouns in table.items():
        english, german = prepositions.replace("_", " ").rsplit(" ", 1)
        found += [Place(english, german, case, NOUNS[name.replace("_", " ")]) for name in nouns.split()]
    return found


def _cities(english: str, german: str, german_with_article: str, case: Case) -> list[Place]:
    names = [entry.split() for entry in _CITIES.split(";")]
    article = "der" if case is Case.DATIVE else "die"
    return [
        *(Place(english, german, case, None, name, german_name) for name, german_name in names),
        *(
            Place(english, german_with_article, case, None, name, f"{article} {german_name}")
            for name, german_name in _COUNTRIES_WITH_ARTICLE
        ),
    ]


_REST, _MOTION = _at_rest_and_in_motion()

# The bank of a river is no bank for money: `on` tells them apart.
_RIVERSIDE = [
    Place("on", "am", Case.DATIVE, None, "the bank", "Ufer"),
    Place("on", "am", Case.DATIVE, None, "the bank of the river", "Ufer des Flusses"),
    Place("on", "am", Case.DATIVE, None, "the left bank", "linken Ufer"),
]
REST = zipf([*_REST[:9], *_RIVERSIDE, *_REST[9:]], shift=4.0)
PLACES: dict[str, Weighted[Place]] = {
    "dir": zipf(_MOTION, shift=4.0),
    "home": zipf(
        [place for place in _REST if place.noun and place.noun.english in _HOMES]
        + _cities("in", "in", "in", Case.DATIVE)
    ),
    "dir_far": zipf(
        [*(place for place in _MOTION if place.noun and place.noun.english in _FAR), *_cities("to", "nach", "in", _TO)],
        shift=4.0,
    ),
    "dir_city": zipf(_cities("to", "nach", "in", _TO)),
    "lie": zipf(_beside(_FOR_FLAT_THINGS, Case.DATIVE), shift=4.0),
    "lay": zipf(_beside(_FOR_FLAT_THINGS, Case.ACCUSATIVE), shift=4.0),
    "stand": zipf(_beside(_FOR_UPRIGHT_THINGS, Case.DATIVE), shift=4.0),
    "set": zipf(_beside(_FOR_UPRIGHT_THINGS, Case.ACCUSATIVE), shift=4.0),
    "seat": zipf([*_beside(_SEATS, Case.DATIVE), *_RIVERSIDE]),
    "near": zipf(_beside(_NEAR, Case.DATIVE)),
    "wall": zipf([Place("on", "an", Case.ACCUSATIVE, None, "the wall", "die Wand")]),
    "water": zipf(_beside({"in in": "lake river"}, Case.DATIVE)),
}
"""Kind of place that a verb needs → its places."""
