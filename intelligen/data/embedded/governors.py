"""Verbs that govern clauses: what people say, know, ask, try and forget to do."""

from intelligen.data.embedded.sampling import zipf
from intelligen.data.embedded.verbs import Verb, clause_verb

_OPINIONS = """
know/knew/known | wissen/weiß/wusste/gewusst
think/thought/thought | glauben
believe | glauben
hope | hoffen
fear | fürchten
"""
_REPORTS = """
say/said/said | sagen
hear/heard/heard | hören
see/saw/seen | sehen/sieht/sah/gesehen
forget/forgot/forgotten | vergessen/vergisst/vergaß/vergessen
dream | träumen
claim | behaupten
explain | erklären
write/wrote/written | schreiben/schreibt/schrieb/geschrieben
"""
_ASKING = """
ask | fragen
know/knew/known | wissen/weiß/wusste/gewusst
see/saw/seen | sehen/sieht/sah/gesehen
"""
_INFINITIVES = """
try | versuchen
forget/forgot/forgotten | vergessen/vergisst/vergaß/vergessen
begin/began/begun | beginnen/beginnt/begann/begonnen
hope | hoffen
start | an-fangen/fängt/fing/gefangen
promise | versprechen/verspricht/versprach/versprochen
decide | beschließen/beschließt/beschloss/beschlossen
plan | planen
offer | an-bieten/bietet/bot/geboten
"""


def _verbs(table: str, marks: str) -> list[Verb]:
    rows = [row.split("|") for row in table.strip().splitlines()]
    return [clause_verb(english.strip(), german.strip(), marks=marks) for english, german in rows]


REPORTING = zipf([*_verbs(_OPINIONS, "sd"), *_verbs(_REPORTS, "s")], shift=5.0)
"""With `dass`; `know` is wissen here, and kennen before a noun."""
ASKING = zipf(_verbs(_ASKING, "s"), shift=3.0)
"""With `ob` or a question word."""
INFINITIVES = zipf(_verbs(_INFINITIVES, "s"), shift=3.0)
"""With zu and the infinitive."""
