"""The nouns: English, German, gender and plural, in kinds that verbs and adjectives select."""

from dataclasses import dataclass

from intelligen.data.embedded import english, german
from intelligen.data.embedded.sampling import Weighted, zipf

# English[/plural] German[/genitive] gender plural. Gender w: weak masculine; plural -: a mass noun.
# Within a kind the frequent words come first, because the rank decides how often a word is drawn.
_KINDS = {
    "person": """
        teacher Lehrer m Lehrer; woman/women Frau f Frauen; man/men Mann m Männer; child/children Kind n Kinder
        friend Freund m Freunde; boy Junge w Jungen; girl Mädchen n Mädchen; mother Mutter f Mütter
        student Student w Studenten; father Vater m Väter; doctor Arzt m Ärzte; neighbour Nachbar w Nachbarn
        sister Schwester f Schwestern; brother Bruder m Brüder; colleague Kollege w Kollegen
        grandmother Großmutter f Großmütter; aunt Tante f Tanten; uncle Onkel m Onkel; farmer Bauer w Bauern
        daughter Tochter f Töchter; son Sohn m Söhne; boss Chef/Chefs m Chefs; customer Kunde w Kunden
        guest Gast m Gäste; cook Koch m Köche; nurse Krankenschwester f Krankenschwestern
        grandfather Großvater m Großväter; tourist Tourist w Touristen; policeman/policemen Polizist w Polizisten
        waiter Kellner m Kellner; writer Schriftsteller m Schriftsteller; queen Königin f Königinnen
        king König m Könige; engineer Ingenieur m Ingenieure; lawyer Anwalt m Anwälte; baker Bäcker m Bäcker
        painter Maler m Maler; musician Musiker m Musiker; soldier Soldat w Soldaten; prince Prinz w Prinzen
        princess Prinzessin f Prinzessinnen; hunter Jäger m Jäger; gardener Gärtner m Gärtner
        journalist Journalist w Journalisten; actress Schauspielerin f Schauspielerinnen; thief/thieves Dieb m Diebe
        witness Zeuge w Zeugen; president Präsident w Präsidenten; nephew Neffe w Neffen""",
    "animal": """
        dog Hund m Hunde; cat Katze f Katzen; horse Pferd n Pferde; bird Vogel m Vögel; cow Kuh f Kühe
        mouse/mice Maus f Mäuse; bear Bär w Bären; sheep/sheep Schaf n Schafe; lion Löwe w Löwen
        rabbit Kaninchen n Kaninchen; duck Ente f Enten; pig Schwein n Schweine; fox Fuchs m Füchse
        monkey Affe w Affen; goat Ziege f Ziegen; wolf/wolves Wolf m Wölfe; elephant Elefant w Elefanten
        donkey Esel m Esel; hedgehog Igel m Igel; squirrel Eichhörnchen n Eichhörnchen""",
    "food": """
        apple Apfel m Äpfel; cake Kuchen m Kuchen; egg Ei/Eis n Eier; bread Brot n -; soup Suppe f Suppen
        cheese Käse m -; potato/potatoes Kartoffel f Kartoffeln; meat Fleisch n -; pear Birne f Birnen
        rice Reis m -; tomato/tomatoes Tomate f Tomaten; sausage Wurst f Würste; fruit Obst n -
        biscuit Keks m Kekse; carrot Karotte f Karotten; honey Honig m -; plum Pflaume f Pflaumen
        pancake Pfannkuchen m Pfannkuchen; lemon Zitrone f Zitronen; salad Salat m Salate""",
    "drink": """
        coffee Kaffee m -; water Wasser n -; tea Tee m -; milk Milch f -; beer Bier/Biers n -; wine Wein m -
        juice Saft m -; cocoa Kakao m -""",
    "text": """
        book Buch n Bücher; letter Brief m Briefe; newspaper Zeitung f Zeitungen; story Geschichte f Geschichten
        report Bericht m Berichte; novel Roman m Romane; poem Gedicht n Gedichte; article Artikel m Artikel
        contract Vertrag m Verträge; magazine Zeitschrift f Zeitschriften; diary Tagebuch n Tagebücher
        fairy_tale Märchen n Märchen""",
    "flat": """
        key Schlüssel m Schlüssel; picture Bild n Bilder; knife/knives Messer n Messer; pen Stift m Stifte
        spoon Löffel m Löffel; map Karte f Karten; camera Kamera f Kameras; fork Gabel f Gabeln
        blanket Decke f Decken; towel Handtuch n Handtücher; hammer Hammer m Hämmer; ring Ring m Ringe
        pillow Kissen n Kissen; brush Pinsel m Pinsel; comb Kamm m Kämme""",
    "upright": """
        bottle Flasche f Flaschen; glass Glas n Gläser; cup Tasse f Tassen; lamp Lampe f Lampen
        vase Vase f Vasen; basket Korb m Körbe; suitcase Koffer m Koffer; plate Teller m Teller
        pot Topf m Töpfe; box Kiste f Kisten; bucket Eimer m Eimer; candle Kerze f Kerzen""",
    "clothes": """
        coat Mantel m Mäntel; shirt Hemd n Hemden; hat Hut m Hüte; dress Kleid n Kleider; jacket Jacke f Jacken
        shoe Schuh m Schuhe; scarf/scarves Schal/Schals m Schals; skirt Rock m Röcke; glove Handschuh m Handschuhe
        tie Krawatte f Krawatten; sock Socke f Socken""",
    "device": """
        computer Computer m Computer; radio Radio n Radios; clock Uhr f Uhren; television Fernseher m Fernseher
        telephone Telefon n Telefone; machine Maschine f Maschinen; washing_machine Waschmaschine f Waschmaschinen
        printer Drucker m Drucker; heater Heizung f Heizungen; oven Ofen m Öfen""",
    "opening": "door Tür f Türen; window Fenster n Fenster; gate Tor n Tore; drawer Schublade f Schubladen",
    "vehicle": """
        car Auto n Autos; train Zug m Züge; bus Bus/Busses m Busse; bicycle Fahrrad n Fahrräder
        ship Schiff n Schiffe; plane Flugzeug n Flugzeuge; tram Straßenbahn f Straßenbahnen; boat Boot n Boote
        taxi Taxi n Taxis; lorry Lastwagen m Lastwagen""",
    "furniture": """
        table Tisch m Tische; chair Stuhl m Stühle; bed Bett n Betten; sofa Sofa n Sofas; shelf/shelves Regal n Regale
        cupboard Schrank m Schränke; desk Schreibtisch m Schreibtische; mirror Spiegel m Spiegel
        bench Bank f Bänke; armchair Sessel m Sessel; carpet Teppich m Teppiche""",
    "building": """
        house Haus n Häuser; school Schule f Schulen; church Kirche f Kirchen; hotel Hotel n Hotels
        bank Bank f Banken; museum Museum n Museen; hospital Krankenhaus n Krankenhäuser; shop Laden m Läden
        bridge Brücke f Brücken; castle Schloss n Schlösser; tower Turm m Türme; factory Fabrik f Fabriken
        library Bibliothek f Bibliotheken; theatre Theater n Theater; farmhouse Bauernhaus n Bauernhäuser""",
    "area": """
        city Stadt f Städte; garden Garten m Gärten; village Dorf n Dörfer; street Straße f Straßen
        park Park/Parks m Parks; room Zimmer n Zimmer; kitchen Küche f Küchen; market Markt m Märkte
        river Fluss m Flüsse; forest Wald m Wälder; mountain Berg m Berge; lake See/Sees m Seen
        beach Strand m Strände; field Feld n Felder; island Insel f Inseln; valley Tal n Täler
        square Platz m Plätze; cellar Keller m Keller; office Büro n Büros; country Land n Länder
        station Bahnhof m Bahnhöfe; restaurant Restaurant n Restaurants; cinema Kino n Kinos
        airport Flughafen m Flughäfen; university Universität f Universitäten; bathroom Badezimmer n Badezimmer""",
    "plant": """
        tree Baum m Bäume; flower Blume f Blumen; rose Rose f Rosen; bush Busch m Büsche; leaf/leaves Blatt n Blätter
        apple_tree Apfelbaum m Apfelbäume; branch Ast m Äste""",
    "event": """
        film Film/Films m Filme; concert Konzert n Konzerte; party Feier f Feiern; journey Reise f Reisen
        exam Prüfung f Prüfungen; meeting Besprechung f Besprechungen; wedding Hochzeit f Hochzeiten
        trip Ausflug m Ausflüge; lecture Vortrag m Vorträge""",
    "topic": """
        question Frage f Fragen; problem Problem n Probleme; answer Antwort f Antworten; song Lied n Lieder
        idea Idee f Ideen; mistake Fehler m Fehler; plan Plan/Plans m Pläne; rule Regel f Regeln
        secret Geheimnis n Geheimnisse; decision Entscheidung f Entscheidungen; dream Traum m Träume
        word Wort n Wörter; riddle Rätsel n Rätsel""",
    "game": "chess Schach n -; football Fußball m -; tennis Tennis n -; cards Karten f -",
    "instrument": "piano/pianos Klavier n Klaviere; guitar Gitarre f Gitarren; violin Geige f Geigen",
    "optics": "telescope Fernrohr n Fernrohre; magnifying_glass Lupe f Lupen",
}
_SHE_THOUGH_NEUTER = "girl"
_NEITHER_HE_NOR_SHE = "child"


@dataclass(frozen=True, slots=True, eq=False)
class Noun:
    """A noun in both languages; `pronoun` is the English pronoun that stands for one of it."""

    kind: str
    english: str
    english_plural: str
    gender: int
    singular: tuple[str, ...]
    plural: tuple[str, ...]
    pronoun: str

    @property
    def is_mass(self) -> bool:
        """Without a plural: water, bread."""
        return not self.plural


def _noun(kind: str, entry: str) -> Noun:
    english_forms, german_forms, gender, plural = entry.split()
    name, _, irregular = english_forms.replace("_", " ").partition("/")
    base, _, genitive = german_forms.partition("/")
    singular_cases, plural_cases = german.noun_forms(base, gender, plural, genitive=genitive)
    pronoun = "it"
    if kind == "person":
        pronoun = "she" if gender == "f" or name == _SHE_THOUGH_NEUTER else "he"
    if name == _NEITHER_HE_NOR_SHE:
        pronoun = ""
    return Noun(
        kind=kind,
        english=name,
        english_plural=irregular or english.plural(name),
        gender=0 if gender == "w" else german.GENDERS.index(gender),
        singular=singular_cases,
        plural=() if plural == "-" else plural_cases,
        pronoun=pronoun,
    )


def _parse() -> dict[str, tuple[Noun, ...]]:
    kinds = {}
    for kind, table in _KINDS.items():
        entries = [entry for line in table.strip().splitlines() for entry in line.split(";")]
        kinds[kind] = tuple(_noun(kind, entry) for entry in entries)
    return kinds


KINDS = _parse()
NOUNS = {noun.english: noun for nouns in KINDS.values() for noun in nouns}


def choose_from(selection: str) -> Weighted[Noun]:
    """Nouns of a selection such as `person,animal,song`: kinds, and single nouns by their English word."""
    weighted: list[tuple[Noun, float]] = []
    for name in selection.split(","):
        if name in KINDS:
            group = zipf(KINDS[name])
            weighted += zip(group.items, group.weights, strict=True)
        else:
            weighted.append((NOUNS[name.replace("_", " ")], 0.2))
    return Weighted(weighted)
