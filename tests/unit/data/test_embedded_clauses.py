"""Golden translations of the embedded corpus: word order, negation, tenses, relative clauses, questions."""

import pytest

from intelligen.data.embedded.adjectives import ADJECTIVES, Adjective
from intelligen.data.embedded.clauses import (
    Clause,
    Coordination,
    Field,
    Order,
    Part,
    adverb,
    bare_object,
    prepositional,
    relative_clause,
    subordinate,
    written,
)
from intelligen.data.embedded.determiners import (
    BARE,
    NO,
    NOT_A,
    THE,
    A,
    Determiner,
)
from intelligen.data.embedded.german import SECOND, SECOND_PLURAL, THIRD_PLURAL, Case
from intelligen.data.embedded.nouns import NOUNS
from intelligen.data.embedded.phrases import NounPhrase, governed
from intelligen.data.embedded.pronouns import HE, I_, SHE, WHO, YOU, elided, gap, pronoun_for, whose
from intelligen.data.embedded.verbphrases import CAN, HAVE_TO, LIKE_TO, MUST_NOT, Modal, Tense
from intelligen.data.embedded.verbs import BE, VERBS, Verb

NOMINATIVE, ACCUSATIVE, DATIVE, _ = Case


def verb(german: str) -> Verb:
    return next(one for one in VERBS if one.german.infinitive == german)


def adjective(german: str) -> Adjective:
    return next(one for known in ADJECTIVES.values() for one in known.items if one.german == german)


def phrase(noun: str, determiner: Determiner = THE, *adjectives: str, plural: bool = False) -> NounPhrase:
    return NounPhrase(NOUNS[noun], determiner, plural, adjectives=tuple(adjective(one) for one in adjectives))


def accusative(noun: str, determiner: Determiner = THE, *adjectives: str, plural: bool = False) -> Part:
    return bare_object(phrase(noun, determiner, *adjectives, plural=plural), ACCUSATIVE)


def both(clause: Clause | Coordination, order: Order = Order.SECOND, mark: str = ".") -> tuple[str, str]:
    return written(clause.english(order), mark), written(clause.german(order), mark)


def inside(clause: Clause, order: Order = Order.LAST) -> tuple[str, str]:
    return " ".join(clause.english(order)), " ".join(clause.german(order))


def opening(**settings: object) -> Clause:
    clause = Clause(phrase("man"), verb("aufmachen"), parts=[accusative("door")])
    for name, value in settings.items():
        setattr(clause, name, value)
    return clause


def test_the_separable_prefix_leaves_the_verb_only_in_main_clauses() -> None:
    assert both(opening()) == ("The man opens the door.", "Der Mann macht die Tür auf.")
    assert inside(opening())[1] == "der Mann die Tür aufmacht"
    assert inside(opening(tense=Tense.PERFECT))[1] == "der Mann die Tür aufgemacht hat"
    assert both(opening(modal=CAN))[1] == "Der Mann kann die Tür aufmachen."
    assert inside(opening(subject=elided(phrase("man"))), Order.INFINITIVE) == (
        "to open the door",
        "die Tür aufzumachen",
    )


@pytest.mark.parametrize(
    ("tense", "english", "german"),
    [
        (Tense.PRESENT, "The man opens the door.", "Der Mann macht die Tür auf."),
        (Tense.PROGRESSIVE, "The man is opening the door.", "Der Mann macht die Tür auf."),
        (Tense.PAST, "The man opened the door.", "Der Mann machte die Tür auf."),
        (Tense.PAST_PROGRESSIVE, "The man was opening the door.", "Der Mann machte die Tür auf."),
        (Tense.PERFECT, "The man has opened the door.", "Der Mann hat die Tür aufgemacht."),
        (Tense.PLUPERFECT, "The man had opened the door.", "Der Mann hatte die Tür aufgemacht."),
        (Tense.FUTURE, "The man will open the door.", "Der Mann wird die Tür aufmachen."),
        (Tense.SINCE_PROGRESSIVE, "The man has been opening the door.", "Der Mann macht die Tür auf."),
    ],
)
def test_tenses(tense: Tense, english: str, german: str) -> None:
    assert both(opening(tense=tense)) == (english, german)


def test_the_past_is_told_in_the_perfekt_by_those_who_talk() -> None:
    assert both(opening(subject=I_, tense=Tense.PAST))[1] == "Ich habe die Tür aufgemacht."
    assert both(opening(tense=Tense.PAST), Order.FIRST, "?") == (
        "Did the man open the door?",
        "Hat der Mann die Tür aufgemacht?",
    )
    assert both(Clause(I_, BE, Tense.PAST, parts=[adverb(Field.COMPLEMENT, "tired", "müde")]))[1] == "Ich war müde."


def test_motion_takes_sein() -> None:
    station = prepositional("to", "zu", DATIVE, phrase("station"))
    gone = Clause(HE, verb("gehen"), Tense.PERFECT, parts=[station])
    assert both(gone) == ("He has gone to the station.", "Er ist zum Bahnhof gegangen.")


def test_whatever_is_fronted_the_finite_verb_stays_second() -> None:
    clause = opening(tense=Tense.PERFECT, front=adverb(Field.TIME, "today", "heute"))
    assert both(clause) == ("Today the man has opened the door.", "Heute hat der Mann die Tür aufgemacht.")
    reason = subordinate("because", "weil", Clause(HE, BE, parts=[adverb(Field.COMPLEMENT, "tired", "müde")]))
    assert both(opening(front=reason)) == (
        "Because he is tired, the man opens the door.",
        "Weil er müde ist, macht der Mann die Tür auf.",
    )
    assert both(opening(parts=[accusative("door"), reason]))[1] == "Der Mann macht die Tür auf, weil er müde ist."


def test_times_go_before_objects_in_german_and_last_in_english() -> None:
    time = adverb(Field.TIME, "today", "heute")
    clause = Clause(SHE, verb("geben"), parts=[])
    clause.parts = [bare_object(phrase("child"), DATIVE), accusative("book"), time]
    assert both(clause) == ("She gives the child the book today.", "Sie gibt heute dem Kind das Buch.")


def test_objects_are_ordered_by_pronoun_case_and_definiteness() -> None:
    child, book = phrase("child"), phrase("book")
    it = bare_object(pronoun_for(book), ACCUSATIVE)
    give = verb("geben")
    assert both(Clause(SHE, give, parts=[it, bare_object(child, DATIVE, english_preposition="to")])) == (
        "She gives it to the child.",
        "Sie gibt es dem Kind.",
    )
    place = prepositional("in", "in", DATIVE, phrase("garden"), place=Field.PLACE)
    assert both(Clause(SHE, verb("lesen"), parts=[accusative("book", A), place]))[1] == "Sie liest im Garten ein Buch."
    assert both(Clause(SHE, verb("lesen"), parts=[accusative("book"), place]))[1] == "Sie liest das Buch im Garten."


def test_an_indefinite_recipient_follows_a_definite_object() -> None:
    parts = [bare_object(phrase("child", A), DATIVE), accusative("book")]
    assert both(Clause(SHE, verb("geben"), parts=parts)) == (
        "She gives a child the book.",
        "Sie gibt das Buch einem Kind.",
    )


def test_pronoun_objects_go_before_a_full_subject_behind_the_verb() -> None:
    clause = Clause(phrase("child", plural=True), verb("helfen"), parts=[bare_object(HE, DATIVE)])
    assert both(clause, Order.FIRST, "?") == ("Do the children help him?", "Helfen ihm die Kinder?")


def test_it_takes_the_gender_of_the_german_noun() -> None:
    forms = {noun: pronoun_for(phrase(noun)).german(ACCUSATIVE)[0] for noun in ("table", "lamp", "book")}
    assert forms == {"table": "ihn", "lamp": "sie", "book": "es"}
    assert pronoun_for(phrase("girl")).german(NOMINATIVE) == ["sie"]


def negated(part: Part, german: str, **settings: object) -> tuple[str, str]:
    clause = Clause(phrase("man"), verb(german), negated=True, parts=[part])
    for name, value in settings.items():
        setattr(clause, name, value)
    return both(clause)


def test_nicht_follows_objects_and_precedes_complements() -> None:
    bus = prepositional("for", "auf", ACCUSATIVE, phrase("bus"))
    assert negated(accusative("book"), "lesen") == ("The man does not read the book.", "Der Mann liest das Buch nicht.")
    assert negated(bus, "warten")[1] == "Der Mann wartet nicht auf den Bus."
    assert negated(adverb(Field.COMPLEMENT, "tired", "müde"), "wohnen", verb=BE) == (
        "The man is not tired.",
        "Der Mann ist nicht müde.",
    )
    assert negated(accusative("door"), "aufmachen")[1] == "Der Mann macht die Tür nicht auf."
    assert negated(accusative("door"), "aufmachen", tense=Tense.PERFECT)[1] == "Der Mann hat die Tür nicht aufgemacht."
    parts = [accusative("book"), adverb(Field.TIME, "today", "heute")]
    assert negated(parts[0], "lesen", parts=parts)[1] == "Der Mann liest das Buch heute nicht."
    place = prepositional("in", "in", DATIVE, phrase("garden"), place=Field.PLACE)
    assert negated(place, "arbeiten")[1] == "Der Mann arbeitet nicht im Garten."


def test_kein_negates_indefinite_objects() -> None:
    assert negated(accusative("book", NOT_A), "lesen") == (
        "The man does not read a book.",
        "Der Mann liest kein Buch.",
    )
    assert both(Clause(phrase("child", NO), verb("schlafen"))) == ("No child sleeps.", "Kein Kind schläft.")


@pytest.mark.parametrize(
    ("modal", "english", "german"),
    [
        (HAVE_TO, "The man does not have to open the door.", "Der Mann muss die Tür nicht aufmachen."),
        (MUST_NOT, "The man must not open the door.", "Der Mann darf die Tür nicht aufmachen."),
        (CAN, "The man cannot open the door.", "Der Mann kann die Tür nicht aufmachen."),
    ],
)
def test_negated_modals(modal: Modal, english: str, german: str) -> None:
    assert both(opening(negated=True, modal=modal)) == (english, german)


def test_like_to_becomes_gern() -> None:
    clause = Clause(SHE, verb("lesen"), modal=LIKE_TO, parts=[accusative("book", BARE, plural=True)])
    clause.parts.append(adverb(Field.MANNER, "", "gern"))
    assert both(clause) == ("She likes to read books.", "Sie liest gern Bücher.")


@pytest.mark.parametrize(
    ("tense", "german"),
    [
        (Tense.PRESENT, "Der Brief wird vom Lehrer geschrieben."),
        (Tense.PAST, "Der Brief wurde vom Lehrer geschrieben."),
        (Tense.PERFECT, "Der Brief ist vom Lehrer geschrieben worden."),
        (Tense.FUTURE, "Der Brief wird vom Lehrer geschrieben werden."),
    ],
)
def test_the_passive(tense: Tense, german: str) -> None:
    agent = prepositional("by", "von", DATIVE, phrase("teacher"))
    clause = Clause(phrase("letter"), verb("schreiben"), tense, passive=True, parts=[agent])
    assert both(clause)[1] == german


def test_two_way_prepositions_take_the_accusative_for_motion_and_the_dative_for_rest() -> None:
    onto = prepositional("on", "auf", ACCUSATIVE, phrase("table"))
    on = prepositional("on", "auf", DATIVE, phrase("table"))
    assert both(Clause(SHE, verb("legen"), parts=[accusative("key"), onto])) == (
        "She puts the key on the table.",
        "Sie legt den Schlüssel auf den Tisch.",
    )
    assert (
        both(Clause(SHE, verb("stellen"), parts=[accusative("vase"), onto]))[1] == "Sie stellt die Vase auf den Tisch."
    )
    assert both(Clause(phrase("key"), verb("liegen"), parts=[on]))[1] == "Der Schlüssel liegt auf dem Tisch."


@pytest.mark.parametrize(
    ("head", "case", "preposition", "german"),
    [
        (phrase("man"), ACCUSATIVE, "", "den"),
        (phrase("man"), DATIVE, "", "dem"),
        (phrase("woman"), NOMINATIVE, "", "die"),
        (phrase("woman"), DATIVE, "", "der"),
        (phrase("girl"), NOMINATIVE, "", "das"),
        (phrase("child", plural=True), DATIVE, "", "denen"),
        (phrase("bus"), ACCUSATIVE, "auf", "auf den"),
        (phrase("bed"), DATIVE, "in", "in dem"),
    ],
)
def test_relative_pronouns_agree_with_the_head_and_take_their_own_case(
    head: NounPhrase, case: Case, preposition: str, german: str
) -> None:
    pronoun = gap(head, "that")
    words = governed(preposition, case, pronoun) if preposition else pronoun.german(case)
    assert " ".join(words) == german


def test_whose_is_dessen_or_deren() -> None:
    for head, expected in ((phrase("man"), "dessen alter Hund"), (phrase("woman"), "deren alter Hund")):
        owned = NounPhrase(NOUNS["dog"], whose(head), adjectives=(adjective("alt"),))
        assert " ".join(owned.german(NOMINATIVE)) == expected


def test_a_relative_clause_is_verb_final_and_moves_behind_the_verb() -> None:
    man = phrase("man")
    pronoun = gap(man, "who")
    man.relative = relative_clause(Clause(pronoun, verb("anrufen"), parts=[bare_object(phrase("boy"), ACCUSATIVE)]))
    assert both(Clause(man, verb("schlafen"))) == (
        "The man who calls the boy sleeps.",
        "Der Mann, der den Jungen anruft, schläft.",
    )
    called = Clause(SHE, verb("abholen"), Tense.PERFECT, parts=[bare_object(man, ACCUSATIVE)])
    assert both(called) == (
        "She has picked up the man who calls the boy.",
        "Sie hat den Mann abgeholt, der den Jungen anruft.",
    )


def test_an_infinitive_with_zu_comes_last_after_a_comma() -> None:
    aim = subordinate("", "", opening(subject=elided(HE)), Order.INFINITIVE)
    assert both(Clause(HE, verb("schlafen"), parts=[aim]))[1] == "Er schläft, die Tür aufzumachen."
    purpose = subordinate("in order", "um", opening(subject=elided(HE)), Order.INFINITIVE)
    assert both(Clause(HE, verb("schlafen"), parts=[purpose])) == (
        "He sleeps in order to open the door.",
        "Er schläft, um die Tür aufzumachen.",
    )


def test_questions() -> None:
    assert both(Clause(WHO, verb("schlafen")), mark="?") == ("Who sleeps?", "Wer schläft?")
    why = Part(Field.TIME, (["why"], ["warum"]))
    assert both(opening(front=why), Order.CONTENT_QUESTION, "?") == (
        "Why does the man open the door?",
        "Warum macht der Mann die Tür auf?",
    )
    assert inside(opening(front=why)) == ("why the man opens the door", "warum der Mann die Tür aufmacht")


@pytest.mark.parametrize(
    ("person", "german"),
    [(SECOND, "Schläfst du?"), (SECOND_PLURAL, "Schlaft ihr?"), (THIRD_PLURAL, "Schlafen Sie?")],
)
def test_you_depends_on_who_is_spoken_to(person: int, german: str) -> None:
    assert both(Clause(YOU[person], verb("schlafen")), Order.FIRST, "?") == ("Do you sleep?", german)


def test_coordinated_clauses() -> None:
    first = Clause(phrase("man"), verb("kaufen"), parts=[accusative("table")])
    second = Clause(
        elided(first.subject), verb("streichen"), parts=[bare_object(pronoun_for(phrase("table")), ACCUSATIVE)]
    )
    assert both(Coordination(first, second)) == (
        "The man buys the table and paints it.",
        "Der Mann kauft den Tisch und streicht ihn.",
    )
    other = Clause(SHE, verb("schlafen"))
    assert both(Coordination(first, other, ("but", "aber")))[1] == "Der Mann kauft den Tisch, aber sie schläft."
