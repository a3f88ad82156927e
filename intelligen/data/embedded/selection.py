"""Selectional restrictions: which verbs can take a noun as their subject or as an object."""

from functools import cache

from intelligen.data.embedded.nouns import NOUNS, Noun
from intelligen.data.embedded.phrases import Nominal
from intelligen.data.embedded.sampling import Weighted, zipf
from intelligen.data.embedded.verbs import VERBS, Verb

WEIGHTED_VERBS = zipf(VERBS, shift=12.0)
SOMEBODY = NOUNS["man"]
"""Stands for whoever a name or a personal pronoun means: all that persons do suits it."""


def noun_of(nominal: Nominal) -> Noun:
    """The noun that decides what can be said of it."""
    return nominal.referent.noun if nominal.referent else SOMEBODY


@cache
def as_subject(noun: Noun) -> Weighted[Verb] | None:
    """Verbs that the noun can be the subject of."""
    found = [
        (verb, weight)
        for verb, weight in zip(VERBS, WEIGHTED_VERBS.weights, strict=True)
        if noun in verb.subject_selection
    ]
    return Weighted(found) if found else None


@cache
def as_object(noun: Noun) -> Weighted[tuple[Verb, int]] | None:
    """Verbs that take the noun as a complement, each with the number of the slot."""
    found = [
        ((verb, index), weight)
        for verb, weight in zip(VERBS, WEIGHTED_VERBS.weights, strict=True)
        for index, slot in enumerate(verb.slots)
        if noun in slot.selection and not slot.bare
    ]
    return Weighted(found) if found else None


def _marked(mark: str) -> Weighted[Verb]:
    return Weighted(
        (verb, weight) for verb, weight in zip(VERBS, WEIGHTED_VERBS.weights, strict=True) if mark in verb.marks
    )


PASSIVE_VERBS = _marked("p")


@cache
def as_patient(noun: Noun) -> Weighted[Verb] | None:
    """Verbs in whose passive the noun can be the subject."""
    found = [
        (verb, weight)
        for verb, weight in zip(PASSIVE_VERBS.items, PASSIVE_VERBS.weights, strict=True)
        if any(slot.is_direct_object and noun in slot.selection for slot in verb.slots)
    ]
    return Weighted(found) if found else None


VERBS_OF_PERSONS = Weighted(
    (verb, weight)
    for verb, weight in zip(VERBS, WEIGHTED_VERBS.weights, strict=True)
    if SOMEBODY in verb.subject_selection
)
VERBS_WITH_OBJECTS = Weighted(
    (verb, weight)
    for verb, weight in zip(VERBS, WEIGHTED_VERBS.weights, strict=True)
    if SOMEBODY in verb.subject_selection and any(not slot.bare for slot in verb.slots)
)
MOTION = Weighted(
    (verb, weight) for verb, weight in zip(VERBS, WEIGHTED_VERBS.weights, strict=True) if verb.place.startswith("dir")
)
