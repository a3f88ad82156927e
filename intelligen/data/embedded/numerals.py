"""Number words: German says the units before the tens, in one word."""


def _words(text: str) -> list[str]:
    return text.split()


_ENGLISH_SMALL = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_ENGLISH_TENS = _words("zero ten twenty thirty forty fifty sixty seventy eighty ninety")
_GERMAN_SMALL = _words(
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
    "siebzehn achtzehn neunzehn"
)
_GERMAN_TENS = _words("null zehn zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig")
_ENGLISH_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_GERMAN_ORDINALS = {1: "erst", 3: "dritt", 7: "siebt", 8: "acht"}


def english_cardinal(number: int) -> str:
    """The English word for a number from 0 to 999: `twenty-one`, `one hundred and five`."""
    assert 0 <= number < 1000
    if number < 20:
        return _ENGLISH_SMALL[number]
    if number < 100:
        tens, units = divmod(number, 10)
        return _ENGLISH_TENS[tens] + (f"-{_ENGLISH_SMALL[units]}" if units else "")
    hundreds, rest = divmod(number, 100)
    return f"{_ENGLISH_SMALL[hundreds]} hundred" + (f" and {english_cardinal(rest)}" if rest else "")


def german_cardinal(number: int) -> str:
    """The German word for a number from 0 to 999: `einundzwanzig`, `hundertfünf`."""
    assert 0 <= number < 1000
    if number < 20:
        return _GERMAN_SMALL[number]
    if number < 100:
        tens, units = divmod(number, 10)
        before = {0: "", 1: "einund"}.get(units, f"{_GERMAN_SMALL[units]}und")
        return before + _GERMAN_TENS[tens]
    hundreds, rest = divmod(number, 100)
    return ("" if hundreds == 1 else _GERMAN_SMALL[hundreds]) + "hundert" + (german_cardinal(rest) if rest else "")


def english_ordinal(number: int) -> str:
    """`first`, `twenty-third`: below one hundred."""
    assert 0 < number < 100
    head, hyphen, last = english_cardinal(number).rpartition("-")
    if last in _ENGLISH_ORDINALS:
        return head + hyphen + _ENGLISH_ORDINALS[last]
    return head + hyphen + (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")


def german_ordinal_stem(number: int) -> str:
    """`erst-`, `dreiundzwanzigst-`, without the adjective ending: below one hundred."""
    assert 0 < number < 100
    if number in _GERMAN_ORDINALS:
        return _GERMAN_ORDINALS[number]
    return german_cardinal(number) + ("t" if number < 20 else "st")
