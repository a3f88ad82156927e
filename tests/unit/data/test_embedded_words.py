"""Golden inflections of the embedded corpus: nouns, adjectives, verbs, numbers and contractions."""

import pytest

from intelligen.data.embedded.adjectives import ADJECTIVES, Adjective
from intelligen.data.embedded.determiners import (
    ALL,
    BARE,
    EVERY,
    MANY,
    NO,
    POSSESSIVES,
    THE,
    THIS,
    YOUR,
    A,
    Determiner,
)
from intelligen.data.embedded.german import SECOND_PLURAL, Case, comparative, german_verb
from intelligen.data.embedded.nouns import NOUNS
from intelligen.data.embedded.numerals import (
    english_cardinal,
    english_ordinal,
    german_cardinal,
    german_ordinal_stem,
)
from intelligen.data.embedded.phrases import NounPhrase, governed

NOMINATIVE, ACCUSATIVE, DATIVE, GENITIVE = Case


def adjective(german: str) -> Adjective:
    return next(one for known in ADJECTIVES.values() for one in known.items if one.german == german)


def phrase(noun: str, determiner: Determiner = THE, *adjectives: str, plural: bool = False) -> NounPhrase:
    return NounPhrase(NOUNS[noun], determiner, plural, adjectives=tuple(adjective(one) for one in adjectives))


@pytest.mark.parametrize(
    ("determiner", "case", "expected"),
    [
        (THE, NOMINATIVE, "der gute Hund, die gute Katze, das gute Pferd, die guten Pferde"),
        (THE, ACCUSATIVE, "den guten Hund, die gute Katze, das gute Pferd, die guten Pferde"),
        (THE, DATIVE, "dem guten Hund, der guten Katze, dem guten Pferd, den guten Pferden"),
        (THE, GENITIVE, "des guten Hundes, der guten Katze, des guten Pferdes, der guten Pferde"),
        (NO, NOMINATIVE, "kein guter Hund, keine gute Katze, kein gutes Pferd, keine guten Pferde"),
        (NO, ACCUSATIVE, "keinen guten Hund, keine gute Katze, kein gutes Pferd, keine guten Pferde"),
        (NO, DATIVE, "keinem guten Hund, keiner guten Katze, keinem guten Pferd, keinen guten Pferden"),
        (NO, GENITIVE, "keines guten Hundes, keiner guten Katze, keines guten Pferdes, keiner guten Pferde"),
        (BARE, NOMINATIVE, "guter Hund, gute Katze, gutes Pferd, gute Pferde"),
        (BARE, ACCUSATIVE, "guten Hund, gute Katze, gutes Pferd, gute Pferde"),
        (BARE, DATIVE, "gutem Hund, guter Katze, gutem Pferd, guten Pferden"),
        (BARE, GENITIVE, "guten Hundes, guter Katze, guten Pferdes, guter Pferde"),
    ],
)
def test_adjectives_agree(determiner: Determiner, case: Case, expected: str) -> None:
    nouns = [phrase(noun, determiner, "gut") for noun in ("dog", "cat", "horse")]
    nouns.append(phrase("horse", determiner, "gut", plural=True))
    assert ", ".join(" ".join(noun.german(case)) for noun in nouns) == expected


@pytest.mark.parametrize(
    ("given", "case", "expected"),
    [
        (phrase("boy"), ACCUSATIVE, "den Jungen"),
        (phrase("student", A), DATIVE, "einem Studenten"),
        (phrase("bear"), GENITIVE, "des Bären"),
        (phrase("boy"), NOMINATIVE, "der Junge"),
        (phrase("child", plural=True), DATIVE, "den Kindern"),
        (phrase("car", plural=True), DATIVE, "den Autos"),
        (phrase("teacher"), GENITIVE, "des Lehrers"),
        (phrase("house"), GENITIVE, "des Hauses"),
        (phrase("secret"), GENITIVE, "des Geheimnisses"),
        (phrase("bus"), GENITIVE, "des Busses"),
        (phrase("tower", THE, "hoch"), DATIVE, "dem hohen Turm"),
        (phrase("wine", BARE, "teuer"), ACCUSATIVE, "teuren Wein"),
        (phrase("room", A, "dunkel"), NOMINATIVE, "ein dunkles Zimmer"),
        (phrase("house", MANY, "alt", plural=True), NOMINATIVE, "viele alte Häuser"),
        (phrase("house", ALL, "alt", plural=True), NOMINATIVE, "alle alten Häuser"),
        (phrase("woman", EVERY, "klug"), DATIVE, "jeder klugen Frau"),
        (phrase("film", THIS), ACCUSATIVE, "diesen Film"),
        (phrase("dog", POSSESSIVES["our"], "klein"), ACCUSATIVE, "unseren kleinen Hund"),
        (phrase("dog", YOUR[SECOND_PLURAL]), DATIVE, "eurem Hund"),
        (phrase("girl", A, "klein"), DATIVE, "einem kleinen Mädchen"),
    ],
)
def test_noun_phrases_decline(given: NounPhrase, case: Case, expected: str) -> None:
    assert " ".join(given.german(case)) == expected


def test_genitives_follow_in_german() -> None:
    book = phrase("book", THE, "alt")
    book.owner = phrase("teacher")
    assert " ".join(book.english()) == "the teacher's old book"
    assert " ".join(book.german(NOMINATIVE)) == "das alte Buch des Lehrers"
    door = phrase("door")
    door.owner = phrase("house")
    assert " ".join(door.english()) == "the door of the house"
    assert " ".join(door.german(DATIVE)) == "der Tür des Hauses"


@pytest.mark.parametrize(
    ("preposition", "case", "noun", "expected"),
    [
        ("in", DATIVE, "garden", "im Garten"),
        ("in", ACCUSATIVE, "garden", "in den Garten"),
        ("in", ACCUSATIVE, "house", "ins Haus"),
        ("in", DATIVE, "kitchen", "in der Küche"),
        ("an", DATIVE, "river", "am Fluss"),
        ("zu", DATIVE, "station", "zum Bahnhof"),
        ("zu", DATIVE, "bank", "zur Bank"),
        ("von", DATIVE, "teacher", "vom Lehrer"),
        ("auf", DATIVE, "table", "auf dem Tisch"),
    ],
)
def test_prepositions_contract_with_the_article(preposition: str, case: Case, noun: str, expected: str) -> None:
    assert " ".join(governed(preposition, case, phrase(noun))) == expected


def test_a_relative_clause_keeps_the_full_article() -> None:
    house = phrase("house")
    house.relative = (["that", "is", "old"], [",", "das", "alt", "ist", ","])
    assert governed("in", DATIVE, house) == ["in", "dem", "Haus"]
    assert governed("in", DATIVE, phrase("house", THIS)) == ["in", "diesem", "Haus"]


@pytest.mark.parametrize(
    ("number", "english", "german"),
    [
        (1, "one", "eins"),
        (12, "twelve", "zwölf"),
        (16, "sixteen", "sechzehn"),
        (17, "seventeen", "siebzehn"),
        (20, "twenty", "zwanzig"),
        (21, "twenty-one", "einundzwanzig"),
        (30, "thirty", "dreißig"),
        (67, "sixty-seven", "siebenundsechzig"),
        (76, "seventy-six", "sechsundsiebzig"),
        (99, "ninety-nine", "neunundneunzig"),
        (100, "one hundred", "hundert"),
        (121, "one hundred and twenty-one", "hunderteinundzwanzig"),
        (250, "two hundred and fifty", "zweihundertfünfzig"),
    ],
)
def test_number_words(number: int, english: str, german: str) -> None:
    assert (english_cardinal(number), german_cardinal(number)) == (english, german)


def test_number_words_are_unique_and_units_come_first() -> None:
    assert len({german_cardinal(number) for number in range(1, 1000)}) == 999
    for tens in range(20, 100, 10):
        for units in range(2, 10):
            assert german_cardinal(tens + units) == german_cardinal(units) + "und" + german_cardinal(tens)


def test_ordinals() -> None:
    numbers = (1, 2, 3, 5, 8, 9, 12, 20, 21, 33)
    english = "first second third fifth eighth ninth twelfth twentieth twenty-first thirty-third"
    assert " ".join(english_ordinal(number) for number in numbers) == english
    german = [german_ordinal_stem(number) for number in (1, 2, 3, 7, 8, 19, 20, 21)]
    assert german == ["erst", "zweit", "dritt", "siebt", "acht", "neunzehnt", "zwanzigst", "einundzwanzigst"]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("arbeiten",), "arbeite arbeitest arbeitet arbeiten arbeitet arbeiten arbeitete gearbeitet"),
        (("lesen", "liest", "las", "gelesen"), "lese liest liest lesen lest lesen las gelesen"),
        (("halten", "hält", "hielt", "gehalten"), "halte hältst hält halten haltet halten hielt gehalten"),
        (("lächeln",), "lächle lächelst lächelt lächeln lächelt lächeln lächelte gelächelt"),
        (("spielen",), "spiele spielst spielt spielen spielt spielen spielte gespielt"),
        (("reparieren",), "repariere reparierst repariert reparieren repariert reparieren reparierte repariert"),
        (("besuchen",), "besuche besuchst besucht besuchen besucht besuchen besuchte besucht"),
        (("auf-machen",), "mache machst macht machen macht machen machte aufgemacht"),
    ],
)
def test_verbs_conjugate(parts: tuple[str, ...], expected: str) -> None:
    forms = german_verb(parts)
    assert " ".join([*forms.present, forms.past[2], forms.participle]) == expected


@pytest.mark.parametrize(
    ("positive", "expected"),
    [("alt", "älter"), ("gut", "besser"), ("hoch", "höher"), ("teuer", "teurer"), ("müde", "müder"), ("neu", "neuer")],
)
def test_comparatives(positive: str, expected: str) -> None:
    assert comparative(positive) == expected
