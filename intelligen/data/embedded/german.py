"""German inflection: articles, adjectives, nouns and verbs, from their principal parts to every form."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum


class Case(IntEnum):
    """The four cases, in the order of every table here."""

    NOMINATIVE = 0
    ACCUSATIVE = 1
    DATIVE = 2
    GENITIVE = 3


PLURAL = 3
GENDERS = "mfn"
"""Rows of every table: masculine, feminine, neuter, then PLURAL."""

FIRST, SECOND, THIRD, WE, SECOND_PLURAL, THIRD_PLURAL = range(6)
"""Columns of the verb tables. Formal `Sie` is THIRD_PLURAL."""

Table = tuple[tuple[str, str, str, str], ...]


def _table(*rows: str) -> Table:
    """Rows masculine to plural; columns nominative to genitive; `-` stands for no ending."""
    cells = [["" if cell == "-" else cell for cell in row.split()] for row in rows]
    return tuple((row[0], row[1], row[2], row[3]) for row in cells)


DEFINITE = _table("der den dem des", "die die der der", "das das dem des", "die die den der")
DIESER = _table("er en em es", "e e er er", "es es em es", "e e en er")
EIN = _table("- en em es", "e e er er", "- - em es", "e e en er")
NO_ENDING = _table("- - - -", "- - - -", "- - - -", "- - - -")
WEAK = _table("e en en en", "e e en en", "e e en en", "en en en en")
MIXED = _table("er en en en", "e e en en", "es es en en", "en en en en")
STRONG = _table("er en em en", "e e er er", "es es em en", "e e en er")
RELATIVE = _table("der den dem dessen", "die die der deren", "das das dem dessen", "die die denen deren")


def inflected(stem: str, endings: Table) -> Table:
    """Every form of a determiner: `kein` + EIN → keinen, keiner …"""
    short = "eur" if stem in ("euer", "Euer") else stem
    return tuple(
        (_join(stem, short, row[0]), _join(stem, short, row[1]), _join(stem, short, row[2]), _join(stem, short, row[3]))
        for row in endings
    )


def _join(stem: str, short: str, ending: str) -> str:
    return short + ending if ending else stem


# --- nouns -----------------------------------------------------------------------------------------------------------


def _genitive(singular: str) -> str:
    if re.search(r"(s|ß|x|z|sch)$", singular):
        return singular + ("ses" if singular.endswith("nis") else "es")
    syllables = len(re.findall(r"[aeiouyäöü]+", singular.lower()))
    closed = singular[-1] not in "aeiouhäöü" or singular.endswith("ch")
    return singular + ("es" if syllables == 1 and closed else "s")


def noun_forms(singular: str, gender: str, plural: str, *, genitive: str = "") -> tuple[tuple[str, ...], ...]:
    """Singular and plural forms by case. Gender `w` is a weak masculine: its oblique singular looks like its plural."""
    if gender == "w":
        oblique = genitive or plural
        cases = (singular, oblique, oblique, oblique)
    elif gender == "f":
        cases = (singular,) * 4
    else:
        cases = (singular, singular, singular, genitive or _genitive(singular))
    dative_plural = plural if plural.endswith(("n", "s")) else plural + "n"
    return cases, (plural, plural, dative_plural, plural)


# --- adjectives ------------------------------------------------------------------------------------------------------

_COMPARATIVES = {"gut": "besser", "hoch": "höher"}
_UMLAUTED = {
    "alt": "ält",
    "arm": "ärm",
    "dumm": "dümm",
    "gesund": "gesünd",
    "groß": "größ",
    "hart": "härt",
    "jung": "jüng",
    "kalt": "kält",
    "klug": "klüg",
    "kurz": "kürz",
    "lang": "läng",
    "scharf": "schärf",
    "schwarz": "schwärz",
    "stark": "stärk",
    "warm": "wärm",
}


def attributive_stem(adjective: str) -> str:
    """What the endings attach to: dunkel → dunkl-, teuer → teur-, müde → müd-, hoch → hoh-."""
    if adjective == "hoch":
        return "hoh"
    if adjective.endswith("el"):
        return adjective[:-2] + "l"
    if adjective.endswith(("euer", "auer")):
        return adjective[:-2] + "r"
    return adjective.removesuffix("e")


def comparative(adjective: str) -> str:
    """The predicative comparative: älter, teurer, besser."""
    if adjective in _COMPARATIVES:
        return _COMPARATIVES[adjective]
    return _UMLAUTED.get(adjective, attributive_stem(adjective)) + "er"


# --- verbs -----------------------------------------------------------------------------------------------------------

Persons = tuple[str, str, str, str, str, str]
"""ich, du, er/sie/es, wir, ihr, sie/Sie."""

_INSEPARABLE = ("be", "ver", "er", "ent", "zer", "ge", "über", "unter")
_NEEDS_E = re.compile(r"(d|t|chn|[^aeiouäöülrhmn][mn])$")
_IRREGULAR_PRESENT: dict[str, Persons] = {
    "sein": ("bin", "bist", "ist", "sind", "seid", "sind"),
    "haben": ("habe", "hast", "hat", "haben", "habt", "haben"),
    "werden": ("werde", "wirst", "wird", "werden", "werdet", "werden"),
    "wissen": ("weiß", "weißt", "weiß", "wissen", "wisst", "wissen"),
    "mögen": ("mag", "magst", "mag", "mögen", "mögt", "mögen"),
    "können": ("kann", "kannst", "kann", "können", "könnt", "können"),
    "müssen": ("muss", "musst", "muss", "müssen", "müsst", "müssen"),
    "wollen": ("will", "willst", "will", "wollen", "wollt", "wollen"),
    "dürfen": ("darf", "darfst", "darf", "dürfen", "dürft", "dürfen"),
    "sollen": ("soll", "sollst", "soll", "sollen", "sollt", "sollen"),
}


@dataclass(frozen=True, slots=True)
class GermanVerb:
    """Every form that a clause can ask for; the finite forms come without the separable prefix."""

    infinitive: str
    zu_infinitive: str
    present: Persons
    past: Persons
    participle: str
    prefix: str
    auxiliary: str


def _present(infinitive: str, stem: str, third: str) -> Persons:
    if infinitive in _IRREGULAR_PRESENT:
        return _IRREGULAR_PRESENT[infinitive]
    first = stem[:-2] + "le" if infinitive.endswith("eln") else stem + "e"
    vowel_change = stem[-1] in "dt" and not third.endswith("et")
    body = third if vowel_change and stem.endswith("t") else third.removesuffix("t")
    second = body + ("t" if re.search(r"(s|ß|x|z)$", body) else "st")
    plural_second = stem + ("et" if _NEEDS_E.search(stem) else "t")
    return (first, second, third, infinitive, plural_second, infinitive)


def _past(past: str) -> Persons:
    if past.endswith("e"):
        return (past, past + "st", past, past + "n", past + "t", past + "n")
    link = "e" if re.search(r"(d|t|s|ß|z)$", past) else ""
    return (past, past + link + "st", past, past + "en", past + ("et" if past[-1] in "dt" else "t"), past + "en")


def german_verb(parts: Sequence[str], *, sein: bool = False) -> GermanVerb:
    """From the principal parts: infinitive alone where weak, else infinitive, er-present, er-past and participle.

    A hyphen in the infinitive marks a separable prefix: `auf-machen`.
    """
    prefix, _, infinitive = parts[0].rpartition("-")
    stem = infinitive[:-2] if infinitive.endswith("en") else infinitive[:-1]
    link = "e" if _NEEDS_E.search(stem) else ""
    third, past, participle = parts[1:] if len(parts) == 4 else (f"{stem}{link}t", f"{stem}{link}te", "")
    if not participle:
        without_ge = infinitive.startswith(_INSEPARABLE) or infinitive.endswith("ieren")
        participle = ("" if without_ge else "ge") + f"{stem}{link}t"
    return GermanVerb(
        infinitive=prefix + infinitive,
        zu_infinitive=f"{prefix}zu{infinitive}" if prefix else f"zu {infinitive}",
        present=_present(infinitive, stem, third),
        past=_past(past),
        participle=prefix + participle,
        prefix=prefix,
        auxiliary="sein" if sein else "haben",
    )


SEIN = german_verb(("sein", "ist", "war", "gewesen"), sein=True)
HABEN = german_verb(("haben", "hat", "hatte", "gehabt"))
WERDEN = german_verb(("werden", "wird", "wurde", "geworden"), sein=True)
AUXILIARIES = {"sein": SEIN, "haben": HABEN}
MODALS = {
    infinitive: german_verb((infinitive, _IRREGULAR_PRESENT[infinitive][2], past, ""))
    for infinitive, past in (
        ("können", "konnte"),
        ("müssen", "musste"),
        ("wollen", "wollte"),
        ("dürfen", "durfte"),
        ("sollen", "sollte"),
    )
}
MODALS["sollte"] = replace(MODALS["sollen"], present=MODALS["sollen"].past)
"""`should` is the subjunctive of `sollen`, which looks like its past."""
