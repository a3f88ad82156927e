"""The verbs: forms in both languages, who can be their subject, and which complements they govern."""

from dataclasses import dataclass

from intelligen.data.embedded.english import EnglishVerb, english_verb
from intelligen.data.embedded.german import SEIN, Case, GermanVerb, german_verb
from intelligen.data.embedded.nouns import KINDS, Noun, choose_from
from intelligen.data.embedded.sampling import Weighted

# English principal parts [+particle] | German principal parts [*: Perfekt with sein] | subjects | complements | marks
# A complement is [German preposition+]CASE[=English preposition]:NOUNS, or one word: a kind of place, or `price`.
# Marks: s stative, without progressive · d lasting, so `for two years` fits · p passive · h happens at some place
#        f fast · c cautious · t thorough · a attentive · l loud: manners · n static, never negated · u never intended
#        o through a telescope
# Frequent verbs come first, because the rank decides how often a verb is drawn.
_VERBS = """
see/saw/seen | sehen/sieht/sah/gesehen | person | acc:person,animal,building,vehicle | so
read/read/read | lesen/liest/las/gelesen | person | acc:text | pha
buy/bought/bought | kaufen | person | acc:food,text,flat,clothes,vehicle,furniture | ph
help | helfen/hilft/half/geholfen | person | dat:person |
know/knew/known | kennen/kennt/kannte/gekannt | person | acc:person,building,city,village,song | sd
have/had/had | haben/hat/hatte/gehabt | person | acc:dog,cat,horse,car,bicycle,boat,coat,hat,question,idea,plan | sd
like | mögen/mag/mochte/gemocht | person | acc:person,animal,food,city,song,film,book | sd
give/gave/given | geben/gibt/gab/gegeben | person | dat:person acc:text,flat,upright,food,flower |
wait | warten | person | auf+acc=for:person,vehicle,answer | dh
eat/ate/eaten | essen/isst/aß/gegessen | person | acc:food | pfh
work | arbeiten | person | | dh
sleep/slept/slept | schlafen/schläft/schlief/geschlafen | person,animal | | h
open | auf-machen | person | acc:opening,bottle,suitcase,box | pcf
look | suchen | person,animal | acc=for:person,animal,flat,food,book | h
live | wohnen | person | home | sd
go/went/gone | gehen/geht/ging/gegangen* | person | dir | f
call | an-rufen/ruft/rief/gerufen | person | acc:person | p
put/put/put | stellen | person | acc:upright set | c
put/put/put | legen | person | acc:flat,clothes,text lay | c
find/found/found | finden/findet/fand/gefunden | person,animal | acc:person,animal,flat,food,key | ph
love | lieben | person | acc:person,animal,city,garden | sd
write/wrote/written | schreiben/schreibt/schrieb/geschrieben | person | acc:letter,book,report,novel,poem | pht
drink/drank/drunk | trinken/trinkt/trank/getrunken | person | acc:drink | pfh
visit | besuchen | person | acc:person,building,city,village,island | p
close | zu-machen | person | acc:opening,bottle,suitcase,book,box | pc
show/showed/shown | zeigen | person | dat:person acc:text,flat,animal,building,clothes,flower |
arrive | an-kommen/kommt/kam/gekommen* | person,vehicle | |
need | brauchen | person | acc:device,flat,clothes,vehicle,furniture | sd
understand/understood/understood | verstehen/versteht/verstand/verstanden | person | acc:text,question,problem | s
lie/lay/lain | liegen/liegt/lag/gelegen | flat,text,clothes | lie | n
stand/stood/stood | stehen/steht/stand/gestanden | upright | stand | n
stand/stood/stood | stehen/steht/stand/gestanden | person,vehicle,horse | near |
sit/sat/sat | sitzen/sitzt/saß/gesessen | person,cat | seat | n
carry | tragen/trägt/trug/getragen | person | acc:upright,furniture,animal | pcf
wear/wore/worn | tragen/trägt/trug/getragen | person | acc:clothes |
talk | sprechen/spricht/sprach/gesprochen | person | mit+dat=to:person | hl
talk | sprechen/spricht/sprach/gesprochen | person | über+acc=about:event,problem,question,plan,idea,text | hl
think/thought/thought | denken/denkt/dachte/gedacht | person | an+acc=of:person,event,problem |
drive/drove/driven | fahren/fährt/fuhr/gefahren* | person | dir_far | f
hear/heard/heard | hören | person,animal | acc:person,animal,song,train | s
play | spielen | person | mit+dat=with:person,animal | h
play | spielen | person | acc_bare:game | h
play | spielen | person | acc:instrument | hl
run/ran/run | laufen/läuft/lief/gelaufen* | person,animal | dir | f
get/got/got+up | auf-stehen/steht/stand/gestanden* | person | | f
wake/woke/woken+up | auf-wachen* | person,animal | |
wake/woke/woken | wecken | person | acc:person |
leave/left/left | ab-fahren/fährt/fuhr/gefahren* | vehicle | |
leave/left/left | verlassen/verlässt/verließ/verlassen | person | acc:building,city,village,island,person,room | f
bring/brought/brought | bringen/bringt/brachte/gebracht | person | dat:person acc:food,text,flat,upright |
send/sent/sent | schicken | person | dat:person acc:letter,report,picture,contract,article |
tell/told/told | erzählen | person | dat:person acc:story,secret,fairy_tale,dream |
explain | erklären | person | acc:rule,problem,plan,decision,answer dat=to:person | a
answer | antworten | person | dat:person |
answer | beantworten | person | acc:question,letter | pf
ask | fragen | person | acc:person |
thank | danken | person | dat:person |
belong | gehören | vehicle,flat,upright,text,clothes,animal,house | dat=to:person | sd
sell/sold/sold | verkaufen | person | acc:food,vehicle,furniture,house,clothes,flat | ph
repair | reparieren | person | acc:vehicle,device,opening,bridge | pht
build/built/built | bauen | person | acc:house,bridge,tower,school,church,ship | p
cook | kochen | person | acc:soup,egg,potato,rice,meat | ph
pick+up | ab-holen | person | acc:person | p
invite | ein-laden/lädt/lud/geladen | person | acc:person | p
turn+on | ein-schalten/schaltet/schaltete/geschaltet | person | acc:device,lamp | p
turn+off | aus-schalten/schaltet/schaltete/geschaltet | person | acc:device,lamp | p
forget/forgot/forgotten | vergessen/vergisst/vergaß/vergessen | person | acc:key,word,question,clothes,song | s
lose/lost/lost | verlieren/verliert/verlor/verloren | person | acc:flat,clothes,key | phu
miss | verpassen | person | acc:train,bus,plane,ship,tram,film | s
miss | vermissen | person | acc:person,animal | sd
follow | folgen* | person,animal | dat:person,animal,street | fl
laugh | lachen | person | über+acc=about:story,mistake,film,idea | hl
dance | tanzen | person | mit+dat=with:person | h
swim/swam/swum | schwimmen/schwimmt/schwamm/geschwommen* | person,duck,dog | water | f
cry | weinen | person | | hl
bark | bellen/bellt/bellte/gebellt | dog,fox | | l
sing/sang/sung | singen/singt/sang/gesungen | person | acc:song | phl
wash | waschen/wäscht/wusch/gewaschen | person | acc:vehicle,clothes,dog,upright | pht
eat/ate/eaten | fressen/frisst/fraß/gefressen | animal | acc:apple,carrot,bread,meat,fruit | f
catch/caught/caught | fangen/fängt/fing/gefangen | person,cat,dog,bear,lion | acc:mouse,bird,rabbit,duck | p
catch/caught/caught | erreichen | person | acc:train,bus,plane,tram,ship | s
clean | putzen | person | acc:window,shoe,lamp,mirror,kitchen | pt
tidy+up | auf-räumen | person | acc:room,kitchen,cellar,cupboard,desk,office | pt
travel | reisen* | person | dir_city |
fly/flew/flown | fliegen/fliegt/flog/geflogen* | person | dir_city |
fall/fell/fallen+asleep | ein-schlafen/schläft/schlief/geschlafen* | person,animal | | h
throw/threw/thrown+away | weg-werfen/wirft/warf/geworfen | person | acc:letter,clothes,newspaper,bottle,vase | p
put/put/put+on | an-ziehen/zieht/zog/gezogen | person | acc:clothes | f
take/took/taken+off | aus-ziehen/zieht/zog/gezogen | person | acc:coat,shoe,jacket,shirt,sock | f
lend/lent/lent | leihen/leiht/lieh/geliehen | person | dat:person acc:book,vehicle,camera,hammer,coat |
listen | zu-hören | person | dat=to:person | a
believe | glauben | person | dat:person | s
save | retten | person | acc:person,animal | p
paint | malen | person | acc:picture,flower,horse,mountain | pht
paint | streichen/streicht/strich/gestrichen | person | acc:opening,house,room,kitchen,bench | pt
push | schieben/schiebt/schob/geschoben | person | acc:vehicle,furniture | pf
cut/cut/cut | schneiden/schneidet/schnitt/geschnitten | person | acc:bread,cheese,meat,tomato,cake,bush | pcf
bake | backen/backt/backte/gebacken | person | acc:cake,bread,biscuit,pancake | p
steal/stole/stolen | stehlen/stiehlt/stahl/gestohlen | thief,person,fox | acc:ring,bicycle,picture,car,key,horse | p
break/broke/broken | zerbrechen/zerbricht/zerbrach/zerbrochen | person,cat | acc:glass,cup,vase,plate,mirror | pu
feed/fed/fed | füttern | person | acc:animal | p
greet | begrüßen | person | acc:person | p
solve | lösen | person | acc:problem,riddle | pf
learn | lernen | person | acc:song,poem,rule,word | pf
translate | übersetzen | person | acc:text,word | pt
sign | unterschreiben/unterschreibt/unterschrieb/unterschrieben | person | acc:contract,letter,report | p
cancel | ab-sagen | person | acc:meeting,concert,wedding,party,trip,lecture | p
prepare | vor-bereiten/bereitet/bereitete/bereitet | person | acc:party,meeting,lecture,soup,wedding | pt
offer | an-bieten/bietet/bot/geboten | person | dat:person acc:food,drink |
look | auf-passen | person | auf+acc=after:child,dog,animal,suitcase |
take/took/taken | teil-nehmen/nimmt/nahm/genommen | person | an+dat=part_in:meeting,trip,lecture,exam,wedding |
dream | träumen | person | von+dat=of:person,journey,island,house |
ask | bitten/bittet/bat/gebeten | person | acc:person um+acc=for:answer,key,coffee,water,map |
look | schauen | person | auf+acc=at:picture,clock,map |
write/wrote/written | schreiben/schreibt/schrieb/geschrieben | person | an+acc=to:person |
congratulate | gratulieren | person | dat:person |
trust | vertrauen | person | dat:person | s
obey | gehorchen | child,soldier,dog | dat:person |
meet/met/met | treffen/trifft/traf/getroffen | person | acc:person | h
read/read/read | vor-lesen/liest/las/gelesen | person | acc:story,poem,fairy_tale dat=to:person |
recommend | empfehlen/empfiehlt/empfahl/empfohlen | person | acc:text,hotel,restaurant,film dat=to:person |
bring/brought/brought+back | zurück-bringen/bringt/brachte/gebracht | person | acc:book,camera,key,bicycle | p
return | zurück-kommen/kommt/kam/gekommen* | person | |
return | zurück-bringen/bringt/brachte/gebracht | person | acc:book,camera,hammer,key | p
watch | beobachten | person,animal | acc:person,animal | phao
hang/hung/hung | hängen | person | acc:picture,mirror,clock,map wall |
smile | lächeln | person | |
stay | bleiben/bleibt/blieb/geblieben* | person | home |
cost/cost/cost | kosten | vehicle,furniture,clothes,text,device | price | sn
grow/grew/grown | wachsen/wächst/wuchs/gewachsen* | plant | | f
grow/grew/grown | an-bauen | farmer,gardener | acc:potato,tomato,carrot,rice | p
warn | warnen | person | acc:person vor+dat=about:wolf,bear,thief,mistake |
draw/drew/drawn | zeichnen | person | acc:animal,house,tree,map | pht
interrupt | unterbrechen/unterbricht/unterbrach/unterbrochen | person | acc:meeting,lecture,person | p
"""


@dataclass(frozen=True, slots=True)
class Slot:
    """A complement that a noun phrase fills; a preposition is empty where the language uses none."""

    case: Case
    english_preposition: str
    german_preposition: str
    nouns: Weighted[Noun]
    selection: frozenset[Noun]
    bare: bool = False

    @property
    def is_direct_object(self) -> bool:
        """Accusative without a preposition on either side."""
        return self.case is Case.ACCUSATIVE and not self.german_preposition

    @property
    def follows_in_english(self) -> bool:
        """`explains the rule to the child`, which in German is `erklärt dem Kind die Regel`."""
        return self.case is Case.DATIVE and bool(self.english_preposition) and not self.german_preposition


@dataclass(frozen=True, slots=True, eq=False)
class Verb:
    """One sense of a verb. `place` names the kind of place, or `price`, that it needs beside its slots."""

    english: EnglishVerb
    german: GermanVerb
    subjects: Weighted[Noun]
    subject_selection: frozenset[Noun]
    slots: tuple[Slot, ...] = ()
    place: str = ""
    marks: frozenset[str] = frozenset()
    keeps_preterite: bool = False
    """Spoken German says `ich war`, `ich hatte`, not `ich bin gewesen`."""


_CASES = {"acc": Case.ACCUSATIVE, "dat": Case.DATIVE}


def _slot(field: str) -> Slot:
    government, _, selection = field.partition(":")
    german_side, _, english_preposition = government.partition("=")
    preposition, _, case = german_side.rpartition("+")
    nouns = choose_from(selection)
    return Slot(
        case=_CASES[case.removesuffix("_bare")],
        english_preposition=english_preposition.replace("_", " "),
        german_preposition=preposition,
        nouns=nouns,
        selection=frozenset(nouns.items),
        bare=case.endswith("_bare"),
    )


def _verb(row: str) -> Verb:
    english, german, subjects, complements, marks = (cell.strip() for cell in row.split("|"))
    forms, _, particle = english.partition("+")
    fields = complements.split()
    choice = choose_from(subjects)
    return Verb(
        english=english_verb(forms.split("/"), particle=particle),
        german=german_verb(german.removesuffix("*").split("/"), sein=german.endswith("*")),
        subjects=choice,
        subject_selection=frozenset(choice.items),
        slots=tuple(_slot(field) for field in fields if ":" in field),
        place=next((field for field in fields if ":" not in field), ""),
        marks=frozenset(marks),
        keeps_preterite=german.startswith(("haben/", "wissen/")),
    )


def clause_verb(english: str, german: str, *, marks: str) -> Verb:
    """A verb of persons that governs a clause instead of noun phrases."""
    return _verb(f"{english} | {german} | person | | {marks}")


VERBS = tuple(_verb(row) for row in _VERBS.strip().splitlines())
_PERSONS = (choose_from("person"), frozenset(KINDS["person"]))
BE = Verb(english_verb(("be", "was", "been")), SEIN, *_PERSONS, keeps_preterite=True)
THERE_IS = Verb(BE.english, german_verb(("geben", "gibt", "gab", "gegeben")), *_PERSONS, keeps_preterite=True)
RAIN = Verb(english_verb(("rain",)), german_verb(("regnen",)), *_PERSONS)
SNOW = Verb(english_verb(("snow",)), german_verb(("schneien",)), *_PERSONS)
IMPERSONAL = (THERE_IS, RAIN, SNOW)
"""Verbs whose subject means nothing."""
