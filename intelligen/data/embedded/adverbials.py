"""Adverbs, times and conjunctions, with the time that each may speak of."""

from enum import Enum

from intelligen.data.embedded.numerals import english_cardinal, english_ordinal, german_cardinal, german_ordinal_stem
from intelligen.data.embedded.sampling import Random, zipf


class Frame(Enum):
    """What time a sentence speaks of."""

    PRESENT = "now"
    PAST = "then"
    RECENT = "just now"
    FUTURE = "soon"


Phrase = tuple[str, str]


def _phrases(table: str) -> list[Phrase]:
    rows = [entry.split("=") for entry in table.split(";")]
    return [(english.strip(), german.strip()) for english, german in rows]


TIMES = {
    Frame.PRESENT: zipf(
        _phrases(
            "today = heute; now = jetzt; every day = jeden Tag; in the evening = am Abend; in summer = im Sommer; "
            "in the morning = am Morgen; on Sundays = sonntags; at night = nachts; every week = jede Woche; "
            "in winter = im Winter; at the weekend = am Wochenende; at the moment = im Moment; every year = jedes Jahr"
        )
    ),
    Frame.PAST: zipf(
        _phrases(
            "yesterday = gestern; last week = letzte Woche; last year = letztes Jahr; in the morning = am Morgen; "
            "on Monday = am Montag; in the evening = am Abend; last month = letzten Monat; on Friday = am Freitag; "
            "last night = letzte Nacht; in summer = im Sommer; the day before yesterday = vorgestern; "
            "a week ago = vor einer Woche; last winter = letzten Winter; a month ago = vor einem Monat; "
            "an hour ago = vor einer Stunde; a year ago = vor einem Jahr"
        )
    ),
    Frame.RECENT: zipf(
        _phrases("today = heute; this week = diese Woche; this year = dieses Jahr; this month = diesen Monat")
    ),
    Frame.FUTURE: zipf(
        _phrases(
            "tomorrow = morgen; next week = nächste Woche; today = heute; on Saturday = am Samstag; "
            "next year = nächstes Jahr; in the evening = am Abend; soon = bald; next month = nächsten Monat; "
            "the day after tomorrow = übermorgen; on Wednesday = am Mittwoch; in an hour = in einer Stunde; "
            "in a week = in einer Woche; next summer = nächsten Sommer; tomorrow morning = morgen früh"
        )
    ),
}
FREQUENCIES = zipf(
    _phrases(
        "often = oft; always = immer; sometimes = manchmal; never = nie; usually = meistens; rarely = selten; "
        "still = noch"
    )
)
MANNERS = {
    "f": zipf(_phrases("quickly = schnell; slowly = langsam; immediately = sofort; hastily = hastig")),
    "c": zipf(_phrases("carefully = vorsichtig; slowly = langsam; calmly = ruhig")),
    "t": zipf(_phrases("carefully = sorgfältig; thoroughly = gründlich; quickly = schnell")),
    "a": zipf(_phrases("attentively = aufmerksam; patiently = geduldig")),
    "l": zipf(_phrases("loudly = laut; quietly = leise; happily = fröhlich")),
}
"""Mark of a verb → its manners."""

CONJUNCTIONS = {
    Frame.PRESENT: zipf(
        _phrases(
            "because = weil; when = wenn; although = obwohl; if = wenn; before = bevor; while = während; until = bis"
        )
    ),
    Frame.PAST: zipf(
        _phrases(
            "because = weil; when = als; although = obwohl; after = nachdem; before = bevor; while = während; "
            "until = bis"
        )
    ),
    Frame.RECENT: zipf(_phrases("because = weil; although = obwohl")),
    Frame.FUTURE: zipf(_phrases("when = wenn; if = wenn; because = weil; before = bevor; as soon as = sobald")),
}
"""`when` is `als` for what happened once and is past, `wenn` otherwise."""
LASTING = frozenset({"because", "although", "if"})
"""Conjunctions of reasons; the others are of time."""

_UNITS = zipf(
    _phrases("days = Tagen; years = Jahren; weeks = Wochen; hours = Stunden; months = Monaten; minutes = Minuten")
)
"""In the dative, which vor, in and seit take."""
_MONTHS = zipf(
    _phrases(
        "May = Mai; June = Juni; July = Juli; March = März; August = August; December = Dezember; "
        "September = September; April = April; October = Oktober; January = Januar; February = Februar"
    )
)
_SMALL_NUMBERS = zipf(range(2, 100), shift=3.0)
_DAYS_OF_A_MONTH = zipf(range(1, 31), shift=20.0)
_HOURS = zipf(range(2, 13), shift=20.0)


def draw_number(random: Random) -> int:
    """A number from 2 to 99, small ones far more often."""
    return _SMALL_NUMBERS.draw(random)


def counted_time(random: Random, frame: Frame) -> Phrase:
    """A time with a number in it: `twenty-one days ago`, `at nine o'clock`, `on the third of May`."""
    kind = random()
    if kind < 0.25:
        number = _HOURS.draw(random)
        return f"at {english_cardinal(number)} o'clock", f"um {german_cardinal(number)} Uhr"
    if kind < 0.5:
        number = _DAYS_OF_A_MONTH.draw(random)
        english_month, german_month = _MONTHS.draw(random)
        ordinal = f"{german_ordinal_stem(number)}en"
        return f"on the {english_ordinal(number)} of {english_month}", f"am {ordinal} {german_month}"
    number = draw_number(random)
    unit, dative = _UNITS.draw(random)
    if frame is Frame.PAST:
        return f"{english_cardinal(number)} {unit} ago", f"vor {german_cardinal(number)} {dative}"
    return f"in {english_cardinal(number)} {unit}", f"in {german_cardinal(number)} {dative}"


def duration(random: Random) -> Phrase:
    """`for three years`, which has not ended: seit."""
    number = draw_number(random)
    unit, dative = _UNITS.draw(random)
    return f"for {english_cardinal(number)} {unit}", f"seit {german_cardinal(number)} {dative}"


WHY = zipf(_phrases("why = warum; when = wann; where = wo; how = wie"))
"""Questions about the circumstances."""
