"""The adjectives: which nouns each may describe, and what it becomes beside them."""

from dataclasses import dataclass

from intelligen.data.embedded.german import attributive_stem, comparative
from intelligen.data.embedded.nouns import NOUNS, Noun, choose_from
from intelligen.data.embedded.sampling import Weighted, zipf

# English[/comparative] German : kinds of nouns, or single nouns. An entry without a comparative never compares.
# One English word in several rows is translated by what it describes: a tall man, a tall tower.
_ADJECTIVES = """
old/older alt : person animal building city village street park tree furniture vehicle book letter clothes device
small/smaller klein : animal building area furniture vehicle upright flat device opening plant instrument
good/better gut : person food text event question idea answer plan song
new/newer neu : clothes device vehicle furniture text flat upright building idea rule plan instrument opening
big/bigger groß : animal building area furniture vehicle upright plant opening device cake
young/younger jung : person dog cat horse bear bird lion elephant
beautiful/more_beautiful schön : area building clothes vase lamp picture event plant instrument song
long/longer lang : text event street river dream
tired müde : person animal
friendly/friendlier freundlich : person dog
happy/happier glücklich : person
expensive/more_expensive teuer : clothes device vehicle furniture upright cheese wine meat instrument optics ring camera
hungry hungrig : person animal
important/more_important wichtig : text meeting exam question problem answer rule plan decision word secret
red rot : clothes car bicycle bus lamp vase cup apple tomato blanket sofa armchair door rose flower
interesting/more_interesting interessant : text event question problem idea city museum
quiet/quieter ruhig : street park village garden beach forest island library room
quiet/quieter leise : device
hot heiß : drink soup potato
cold kalt : drink soup kitchen cellar room
sad/sadder traurig : person story song film
sick krank : person animal
tall/taller groß : person
tall/taller hoch : tower church tree house
heavy/heavier schwer : upright furniture device
black schwarz : clothes car bicycle dog cat horse bird pen blanket sofa desk
cheap/cheaper billig : clothes device vehicle furniture pen camera wine cheese
strong/stronger stark : coffee tea
strong/stronger stark : person horse bear lion elephant
fresh frisch : food milk water
difficult/more_difficult schwierig : question problem decision riddle exam text
clever/cleverer klug : person dog cat fox monkey answer
angry wütend : person
dirty/dirtier schmutzig : clothes cup plate glass car window towel kitchen river
broken kaputt : device vehicle chair lamp cup glass door window camera oven
dark/darker dunkel : forest street cellar room kitchen church
short/shorter klein : person
short/shorter kurz : text event song answer word
green grün : coat shirt jacket dress hat tree bush leaf bottle car door apple
white weiß : shirt dress house church horse cat sheep rabbit vase plate door rose
famous/more_famous berühmt : writer actress painter musician journalist doctor novel poem song picture museum castle
light/lighter hell : room kitchen office
light/lighter leicht : suitcase basket chair box jacket
boring/more_boring langweilig : text event
lazy/lazier faul : person cat
clean/cleaner sauber : clothes cup plate glass beach kitchen bathroom towel
empty leer : upright
wet nass : clothes dog cat towel
nervous/more_nervous nervös : person
brave/braver mutig : person
blue blau : clothes car bicycle pen vase cup blanket door sofa armchair
poor/poorer arm : person
rich/richer reich : person
sweet/sweeter süß : apple cake pear plum biscuit fruit pancake cocoa
hard/harder schwer : question riddle exam decision
hard/harder hart : bread biscuit bed chair cheese
polite/more_polite höflich : person answer question
yellow gelb : clothes flower car leaf towel vase
wild wild : horse pig duck rabbit donkey rose
dangerous/more_dangerous gefährlich : bear lion wolf fox street mountain journey bridge
modern/more_modern modern : building device office kitchen furniture
honest/more_honest ehrlich : person answer
healthy/healthier gesund : person animal
curious/more_curious neugierig : person cat dog monkey
strict/stricter streng : person rule
strange/stranger seltsam : dream question idea text decision
patient/more_patient geduldig : person donkey
thirsty durstig : person animal
simple/simpler einfach : question rule plan problem
wooden hölzern : spoon chair box table bench gate bridge
noble edel : king queen prince princess horse wine
brown braun : dog horse bear cow shoe coat desk armchair
round rund : table mirror carpet plate box
sour sauer : apple lemon plum
foolish/more_foolish dumm : idea question mistake plan
proud/prouder stolz : person
jealous/more_jealous eifersüchtig : person
shy/shyer schüchtern : person
"""


@dataclass(frozen=True, slots=True, eq=False)
class Adjective:
    """An adjective in both languages; the comparatives are empty where none is used."""

    english: str
    german: str
    stem: str
    english_comparative: str = ""
    german_comparative: str = ""


def _adjective(words: str) -> Adjective:
    english, german_word = words.split()
    base, _, compared = english.replace("_", " ").partition("/")
    return Adjective(
        english=base,
        german=german_word,
        stem=attributive_stem(german_word),
        english_comparative=compared,
        german_comparative=comparative(german_word) if compared else "",
    )


def _parse() -> tuple[dict[Noun, Weighted[Adjective]], dict[Noun, Weighted[Adjective]]]:
    by_noun: dict[Noun, list[Adjective]] = {noun: [] for noun in NOUNS.values()}
    for row in _ADJECTIVES.strip().splitlines():
        words, selection = row.split(" : ")
        adjective = _adjective(words)
        for noun in choose_from(",".join(selection.split())).items:
            if not (noun.english in _CHILDREN and adjective.english == "old"):
                by_noun[noun].append(adjective)
    compared = {noun: [one for one in found if one.english_comparative] for noun, found in by_noun.items()}
    return (
        {noun: zipf(found) for noun, found in by_noun.items() if found},
        {noun: zipf(found) for noun, found in compared.items() if found},
    )


_CHILDREN = frozenset({"child", "boy", "girl"})
ADJECTIVES, COMPARABLE = _parse()
"""Noun → the adjectives that may describe it, and those of them that compare."""
