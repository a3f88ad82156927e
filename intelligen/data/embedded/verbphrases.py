"""Verb groups: which words a tense, a modal and the passive need, and which of them is finite."""

from dataclasses import dataclass
from enum import Enum

from intelligen.data.embedded.english import EnglishVerb, english_verb
from intelligen.data.embedded.german import AUXILIARIES, MODALS, SEIN, WERDEN, GermanVerb

_FIRST, _THIRD = 0, 2


class Tense(Enum):
    """English tenses. German has fewer: both presents are one, and so are past and present perfect when we talk."""

    PRESENT = "reads"
    PROGRESSIVE = "is reading"
    PAST = "read"
    PAST_PROGRESSIVE = "was reading"
    PERFECT = "has read"
    PLUPERFECT = "had read"
    FUTURE = "will read"
    SINCE = "has read, and still does"
    """With `for two years`: German uses the present and `seit`."""
    SINCE_PROGRESSIVE = "has been reading, and still is"


_BE = EnglishVerb("be", "is", "was", "been", "being")
_HAVE = english_verb(("have", "had", "had"))
_PAST = (Tense.PAST, Tense.PAST_PROGRESSIVE)
_PROGRESSIVE = (Tense.PROGRESSIVE, Tense.PAST_PROGRESSIVE)


@dataclass(frozen=True, slots=True, eq=False)
class Modal:
    """A modal verb: an English auxiliary (present and past, or empty), or a verb with `to`.

    `adverb` replaces the German modal: `likes to read` is `liest gern`.
    """

    german: str
    auxiliary: tuple[str, str] = ("", "")
    verb: EnglishVerb | None = None
    link: str = "to"
    adverb: str = ""


_WANT, _LIKE = english_verb(("want",)), english_verb(("like",))
CAN = Modal("können", ("can", "could"))
MUST = Modal("müssen", ("must", ""))
HAVE_TO = Modal("müssen", verb=_HAVE)
WANT_TO = Modal("wollen", verb=_WANT)
MAY = Modal("dürfen", ("may", ""))
MUST_NOT = Modal("dürfen", ("must", ""))
"""Only negated: `must not` is `nicht dürfen`, while `does not have to` is `nicht müssen`."""
BE_ALLOWED_TO = Modal("dürfen", verb=_BE, link="allowed to")
SHOULD = Modal("sollte", ("should", ""))
LIKE_TO = Modal("", verb=_LIKE, adverb="gern")


def _be(agreement: int, *, past: bool) -> str:
    if past:
        return "was" if agreement in (_FIRST, _THIRD) else "were"
    return {_FIRST: "am", _THIRD: "is"}.get(agreement, "are")


def _finite(verb: EnglishVerb, agreement: int, *, past: bool) -> str:
    if past:
        return verb.past
    return verb.third if agreement == _THIRD else verb.base


def english_group(
    verb: EnglishVerb,
    agreement: int,
    tense: Tense,
    *,
    modal: Modal | None = None,
    passive: bool = False,
    support: bool = False,
    infinitive: bool = False,
) -> tuple[str, list[str]]:
    """The auxiliary, which takes `not` and stands before the subject in questions (or is empty), and the other words.

    Args:
        verb: The main verb.
        agreement: Column of the person tables.
        tense: English tense.
        modal: A modal verb, in present or past.
        passive: With be and the participle.
        support: Whether a `do` must help where no auxiliary is there.
        infinitive: `to` and the base instead of a finite verb.

    """
    base = ["be", verb.participle] if passive else [verb.base]
    if infinitive:
        return "", ["to", *base]
    past = tense in _PAST
    if modal and not modal.verb:
        return modal.auxiliary[past], base
    if modal and modal.verb:
        head, rest = modal.verb, [*modal.link.split(), *base]
    elif tense in _PROGRESSIVE:
        head, rest = _BE, ["being", verb.participle] if passive else [verb.progressive]
    elif tense is Tense.FUTURE:
        return "will", base
    elif tense in (Tense.PERFECT, Tense.PLUPERFECT, Tense.SINCE):
        participles = ["been", verb.participle] if passive else [verb.participle]
        return _finite(_HAVE, agreement, past=tense is Tense.PLUPERFECT), participles
    elif tense is Tense.SINCE_PROGRESSIVE:
        return _finite(_HAVE, agreement, past=False), ["been", verb.progressive]
    elif passive:
        head, rest = _BE, [verb.participle]
    else:
        head, rest = verb, []
    if head.base == "be":
        return _be(agreement, past=past), rest
    if support:
        help_word = "did" if past else "does" if agreement == _THIRD else "do"
        return help_word, [head.base, *rest]
    return "", [_finite(head, agreement, past=past), *rest]


@dataclass(frozen=True, slots=True)
class GermanGroup:
    """A German verb group: the finite verb, its separable prefix, and what stands in the right bracket."""

    finite: str
    prefix: str
    nonfinite: list[str]
    zu_infinitive: str

    @property
    def right(self) -> list[str]:
        """The right bracket of a main clause."""
        return [*self.nonfinite, self.prefix] if self.prefix else self.nonfinite

    @property
    def joined(self) -> str:
        """The finite verb at the end of a subordinate clause: `aufmacht`."""
        return self.prefix + self.finite


def german_group(
    verb: GermanVerb,
    agreement: int,
    tense: Tense,
    *,
    modal: Modal | None = None,
    passive: bool = False,
    preterite: bool = True,
) -> GermanGroup:
    """The German group for an English tense. `preterite`: the past is told in the Präteritum, not in the Perfekt."""
    past = tense in _PAST
    base = [verb.participle, "werden"] if passive else [verb.infinitive]
    zu_infinitive = f"{verb.participle} zu werden" if passive else verb.zu_infinitive
    prefix = ""
    if modal and modal.german:
        forms = MODALS[modal.german]
        finite, nonfinite = (forms.past if past else forms.present)[agreement], base
    elif tense is Tense.FUTURE:
        finite, nonfinite = WERDEN.present[agreement], base
    elif tense in (Tense.PERFECT, Tense.PLUPERFECT) or (past and not preterite):
        auxiliary = SEIN if passive else AUXILIARIES[verb.auxiliary]
        finite = (auxiliary.past if tense is Tense.PLUPERFECT else auxiliary.present)[agreement]
        nonfinite = [verb.participle, "worden"] if passive else [verb.participle]
    elif passive:
        finite, nonfinite = (WERDEN.past if past else WERDEN.present)[agreement], [verb.participle]
    else:
        finite, nonfinite, prefix = (verb.past if past else verb.present)[agreement], [], verb.prefix
    return GermanGroup(finite, prefix, nonfinite, zu_infinitive)
