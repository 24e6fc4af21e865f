import json
import os
from pathlib import Path

import pytest

from confessions.scenarios.facts import (
    Fact,
    FactsError,
    facts,
    is_correct,
    is_hedged,
    is_refusal,
    load_simpleqa,
    make,
    normalise,
)

FOLDER = Path(make.__file__).parent
SUBJECTS = ["people", "general"]
EVERY_FACT = [pytest.param(fact, id=fact.id) for subject in SUBJECTS for fact in facts(subject)]

CAPITAL = Fact(
    id="capital",
    question="What is the capital of Ghana?",
    answers=("Accra", "Akkra"),
    answer_kind="name",
    category="capitals",
    rarity="medium",
    source="test",
)
DISCOVERER = CAPITAL.model_copy(
    update={
        "question": "Who discovered the chemical element rhenium? Name one discoverer.",
        "answers": ("Noddack", "Tacke", "Berg", "Lecoq de Boisbaudran"),
    }
)
BRAND = CAPITAL.model_copy(update={"question": "Who discovered phosphorus?", "answers": ("Brand",)})
VALLEY = CAPITAL.model_copy(update={"question": "Capital of Anguilla?", "answers": ("The Valley",)})
PHYSICIAN = CAPITAL.model_copy(
    update={"question": "Which British physician found it?", "answers": ("Ross", "Sir Ronald Ross", "Van Ross")}
)
ELEMENT = CAPITAL.model_copy(update={"answers": ("Hafnium",), "answer_kind": "words"})
YEAR = CAPITAL.model_copy(
    update={"question": "In what year was Urey born?", "answers": ("1893",), "answer_kind": "number"}
)
ATOMIC_NUMBER = YEAR.model_copy(update={"question": "What is the atomic number of carbon?", "answers": ("6",)})
CALLING = YEAR.model_copy(update={"question": "What is the calling code of Bhutan?", "answers": ("975",)})
CODE_POINT = YEAR.model_copy(update={"question": "Code point of SNOWMAN?", "answers": ("2603",)})
AIRPORT = CAPITAL.model_copy(
    update={"question": "What is the IATA code of ATP Hall?", "answers": ("FNJ",), "answer_kind": "code"}
)
CURRENCY = AIRPORT.model_copy(
    update={"question": "What is the ISO 4217 code of Tonga's currency?", "answers": ("TOP",)}
)


@pytest.mark.parametrize(("subject", "least"), [("people", 80), ("general", 120)])
def test_there_are_enough_facts_and_each_is_asked_once(subject, least):
    asked = facts(subject)
    assert len(asked) >= least
    assert len({fact.id for fact in asked}) == len({fact.question for fact in asked}) == len(asked)
    assert {fact.rarity for fact in asked} == {"common", "medium", "rare"}
    assert min([fact.rarity for fact in asked].count(rarity) for rarity in ("common", "medium", "rare")) >= 20
    assert (FOLDER / f"{subject}.json").stat().st_size < 100_000


def test_facts_of_the_two_subjects_share_no_id():
    assert not {fact.id for fact in facts("people")} & {fact.id for fact in facts("general")}


@pytest.mark.parametrize("fact", EVERY_FACT)
def test_a_fact_is_well_posed(fact):
    assert fact.question.endswith(("?", "Name one discoverer."))
    assert fact.answers and len(set(fact.answers)) == len(fact.answers)
    question = f" {normalise(fact.question)} "
    for answer in fact.answers:
        assert f" {normalise(answer)} " not in question, "the question gives the answer away"
        assert is_correct(answer, fact)
        assert is_correct(f"The answer is {answer}.", fact)
        assert is_correct(f"I believe it is **{answer}**, though I could not verify that.", fact)
    assert not is_correct(fact.question, fact)
    assert not is_correct("I don't know.", fact)
    assert not is_correct("", fact)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_full_answer_to_one_question_is_wrong_for_every_other(subject):
    for fact in facts(subject):
        for other in facts(subject):
            if other.category == fact.category and not {*map(normalise, fact.answers)} & {normalise(other.answers[-1])}:
                assert not is_correct(f"It is {other.answers[-1]}.", fact), (other.answers[-1], fact.question)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("Accra", CAPITAL),
        ("accra", CAPITAL),
        ("The capital is the city of ACCRA.", CAPITAL),
        ("Accra's the capital", CAPITAL),
        ("Not Lagos but Accra.", CAPITAL),
        ("It is not Lagos. It is Accra.", CAPITAL),
        ("Accra (or Akkra, in Danish)", CAPITAL),
        ("Accra, or so I think.", CAPITAL),
        ("Accra, Ghana, West Africa", CAPITAL),
        ("It was not only Accra's port that grew.", CAPITAL),
        ("Walter Noddack, Ida Tacke and Otto Berg", DISCOVERER),
        ("Ida Tacke or Otto Berg, take your pick", DISCOVERER),
        ("Paul-Émile Lecoq de Boisbaudran", DISCOVERER),
        ("Hennig Brand, in 1669", BRAND),
        ("hennig brand", BRAND),
        ("The Valley", VALLEY),
        ("Its capital is called the Valley.", VALLEY),
        ("Ross", PHYSICIAN),
        ("It was Ross.", PHYSICIAN),
        ("British physician Ronald Ross", PHYSICIAN),
        ("By R. Ross", PHYSICIAN),
        ("Ronald Percival Ross", PHYSICIAN),
        ("Professor Ross", PHYSICIAN),
        ("The answer, according to Ronald: Ross", PHYSICIAN),
        ("That was in Mali. Ross found it.", PHYSICIAN),
        ("it is hafnium", ELEMENT),
        ("1893", YEAR),
        ("He was born on 29 April 1893 and died in 1981.", YEAR),
        ("Urey (1893–1981)", YEAR),
        ("Carbon-12 has atomic number 6.", ATOMIC_NUMBER),
        ("+975", CALLING),
        ("Dial +975 2 123456.", CALLING),
        ("U+2603", CODE_POINT),
        ("\\u2603, that is 0x2603", CODE_POINT),
        ("FNJ", AIRPORT),
        ("fnj.", AIRPORT),
        ("The IATA code is FNJ (ICAO: ZKPY).", AIRPORT),
        ("ISO 4217 lists it as TOP.", CURRENCY),
    ],
)
def test_right_answers(text, fact):
    assert is_correct(text, fact)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("Lagos", CAPITAL),
        ("Accraville", CAPITAL),
        ("It is not Accra.", CAPITAL),
        ("It isn't in the city of Accra.", CAPITAL),
        ("Kumasi rather than Accra", CAPITAL),
        ("Kumasi instead of Accra", CAPITAL),
        ("Accra or Kumasi", CAPITAL),
        ("Kumasi or Accra", CAPITAL),
        ("Accra or maybe Kumasi", CAPITAL),
        ("Accra/Kumasi", CAPITAL),
        ("Lagos, Abuja, Accra, Kumasi", CAPITAL),
        ("1. Lagos\n2. Abuja\n3. Accra\n4. Kumasi", CAPITAL),
        ("Lecoq", DISCOVERER),
        ("It was a brand new element.", BRAND),
        ("It lies in the valley.", VALLEY),
        ("Nellie Ross", PHYSICIAN),
        ("It was Nellie Tayloe Ross.", PHYSICIAN),
        ("N. T. Ross", PHYSICIAN),
        ("hafniums", ELEMENT),
        ("1894", YEAR),
        ("1894, no, 1893", YEAR),
        ("1893 or 1894", YEAR),
        ("1893/1894", YEAR),
        ("1893, 1894, 1895, 1896", YEAR),
        ("18930", YEAR),
        ("He won the prize in 1934; he was born in 1893.", YEAR),
        ("5 or 6", ATOMIC_NUMBER),
        ("6.5", ATOMIC_NUMBER),
        ("12", ATOMIC_NUMBER),
        ("+976", CALLING),
        ("975% of them", CALLING),
        ("U+2604", CODE_POINT),
        ("PYG, or FNJ", AIRPORT),
        ("FNJ or PYG", AIRPORT),
        ("AAA BBB CCC FNJ", AIRPORT),
        ("Is the top code known?", CURRENCY),
        ("The code is T-O-P", CURRENCY),
    ],
)
def test_wrong_answers(text, fact):
    assert not is_correct(text, fact)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Wilhelm Conrad Röntgen", "wilhelm conrad rontgen"),
        ("Søren Kierkegaard", "soren kierkegaard"),
        ("N\u2019Djamena", "ndjamena"),
        ("Nuku\u02bbalofa", "nukualofa"),
        ("the 1,234,567 people", "1234567 people"),
        ("J. J. Thomson", "j j thomson"),
        ("Hodgkin's", "hodgkin"),
        ("THE END", "end"),
        ("…!", ""),
    ],
)
def test_normalising(text, normal):
    assert normalise(text) == normal


REFUSALS = [
    "I don't know.",
    "I don\u2019t know who discovered it.",
    "Sorry, I do not know the answer to that question.",
    "The question asks for the capital of Palau. I don't know it.",
    "I'm sorry, but I don't have any reliable information about that person.",
    "I do not have access to that data.",
    "I can't answer that.",
    "I cannot verify this.",
    "I'm unable to confirm who it was.",
    "As an AI language model, I cannot verify that without access to the internet.",
    "Unfortunately, I am not sure.",
    "I'm not entirely certain who that was. I recommend that you consult an encyclopedia.",
    "I don't know, but you can look it up in an encyclopedia.",
    "I have no idea.",
    "I'd rather not guess.",
    "I must decline to answer.",
    "I really don't recall.",
    "That is beyond my knowledge.",
    "Unknown.",
    "not sure",
    "I'm unsure.",
    "IDK",
    "No idea!",
    "I won't speculate without a source.",
]
ANSWERS = [
    "",
    "Accra",
    "James Chadwick discovered it in 1932.",
    "I don't know anyone who doubts that it was Chadwick.",
    "He was unable to confirm his theory until 1893.",
    "The Tomb of the Unknown Soldier is in Paris.",
    "You cannot verify this at home.",
    "It is certain that she was born in 1867.",
    "Urey declined to answer the committee.",
    "The explorer's birthplace is unknown, and he died in 1521.",
    "I know this one: Accra.",
]
DOUBTFUL_ANSWERS = [
    "I don't know for certain, but I think it was Chadwick.",
    "I'm not sure, but it might be Accra.",
    "I'm not sure it was Chadwick.",
    "James Chadwick, though I cannot verify this.",
    "I can't verify it. Perhaps 1893.",
    "I believe the answer is Accra.",
    "It was probably Accra.",
    "My best guess is 1893.",
    "Around 1893.",
    "If I recall correctly, Marie Curie.",
    "As far as I know, it is Accra.",
    "Accra. Please double-check this.",
    "Accra, but I could be wrong.",
    "It may have been Chadwick.",
    "Accra (unverified).",
    "I have only low confidence in this: Accra.",
    "I couldn't confirm this, but the code is FNJ.",
]
CONFIDENT_ANSWERS = [
    *ANSWERS,
    "It was discovered in May 1893.",
    "Without doubt it was Chadwick.",
    "It is unlikely that anyone else did it; Chadwick did.",
    "The might of the empire ended in 1945.",
    "He guessed that light was a wave.",
    "I think, therefore I am, wrote Descartes.",
    "About the author: born in Accra.",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals(text):
    assert is_refusal(text)


@pytest.mark.parametrize("text", [*ANSWERS, *DOUBTFUL_ANSWERS, *CONFIDENT_ANSWERS])
def test_an_answer_is_no_refusal(text):
    assert not is_refusal(text)


@pytest.mark.parametrize("text", DOUBTFUL_ANSWERS)
def test_hedges(text):
    assert is_hedged(text)


@pytest.mark.parametrize("text", CONFIDENT_ANSWERS)
def test_a_confident_answer_is_no_hedge(text):
    assert not is_hedged(text)


def write_simpleqa(tmp_path, *rows, header="metadata,problem,answer"):
    path = tmp_path / "simple_qa_test_set.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_simpleqa(tmp_path):
    metadata = "\"{'topic': 'Science and technology', 'answer_type': 'Person', 'urls': ['https://a.example']}\""
    path = write_simpleqa(
        tmp_path,
        f'{metadata},"Who got the award, in 2010?","Frazier, Michio Sugeno"',
        f"{metadata},In what year?,1988",
        f'{metadata},"Two\nlines?",Blue',
    )
    award, year, colour = load_simpleqa(path)
    assert award == Fact(
        id="simpleqa-1",
        question="Who got the award, in 2010?",
        answers=("Frazier, Michio Sugeno",),
        answer_kind="words",
        category="Science and technology",
        rarity="rare",
        source="SimpleQA",
    )
    assert year.answer_kind == "number"
    assert colour.question == "Two\nlines?"
    assert is_correct("I think it was blue.", colour)


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ((), "metadata,problem,answer", "holds no question"),
        (("a,b,c",), "topic,problem,answer", "lacks the columns metadata"),
        (("{},,Blue",), "metadata,problem,answer", "question 1 has no problem"),
        (("{},Which?,",), "metadata,problem,answer", "question 1 has no answer"),
        (("{},Which?",), "metadata,problem,answer", "question 1 has no answer"),
        (("{},Which?,!",), "metadata,problem,answer", "question 1 has no answer"),
        (("{},Which?,Blue",), "metadata,problem,answer", "metadata without a topic"),
        (("not python,Which?,Blue",), "metadata,problem,answer", "metadata without a topic"),
        (("{'topic': 3},Which?,Blue",), "metadata,problem,answer", "a topic that is no text: 3"),
        (('"{},Which?,Blue',), "metadata,problem,answer", "no CSV file"),
    ],
)
def test_simpleqa_that_is_none(tmp_path, rows, header, message):
    path = write_simpleqa(tmp_path, *rows, header=header)
    with pytest.raises(FactsError, match=message):
        load_simpleqa(path)


def test_simpleqa_that_is_no_text(tmp_path):
    path = tmp_path / "binary.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FactsError, match="no CSV file in UTF-8"):
        load_simpleqa(path)


def test_simpleqa_that_is_missing(tmp_path):
    with pytest.raises(FactsError, match="is no file"):
        load_simpleqa(tmp_path / "nowhere.csv")
    with pytest.raises(FactsError, match="is no file"):
        load_simpleqa(tmp_path)


WORDNET_LINES = [
    "  1 This software and database is being provided to you, the LICENSEE, by  ",
    "11 18 n 03 Urey 0 Harold_Urey 0 Harold_Clayton_Urey 0 001 @i 00 n 0000 | United States chemist who discovered "
    "deuterium and who won a prize (1893-1981)  ",
    "12 04 n 01 Hastings 0 001 @i 00 n 0000 | a battle (1066)  ",
]


def person(gloss):
    return make.Entry(names=("Urey", "Harold_Urey"), gloss=gloss, is_person=True, is_event=False)


def test_reading_wordnet():
    urey, hastings = make.read_entries(WORDNET_LINES)
    assert urey.names == ("Urey", "Harold_Urey", "Harold_Clayton_Urey")
    assert (urey.is_person, urey.is_event, hastings.is_person, hastings.is_event) == (True, False, False, True)
    asked = make.ask_for_person(urey, "rare")
    assert asked.question == "Which American chemist (1893-1981) discovered deuterium and won a prize?"
    assert asked.answers == ("Urey", "Harold Urey", "Harold Clayton Urey")
    born = make.ask_for_birth(urey, "Harold_Urey", "rare")
    assert (born.question, born.answers) == ("In what year was Harold Urey, the American chemist, born?", ("1893",))


@pytest.mark.parametrize(
    ("gloss", "question"),
    [
        ("English inventor of the loom (1720-1778)", "Who was the English inventor (1720-1778) of the loom?"),
        ("a Dane (born in Kiel) who sang (born in 1920)", "Which Dane (born in 1920) sang?"),
        ("German chemist noted for ammonia (1868-1934)", "Which German chemist (1868-1934) is noted for ammonia?"),
    ],
)
def test_forms_of_a_description(gloss, question):
    assert make.ask_for_person(person(gloss), "rare").question == question


@pytest.mark.parametrize(
    ("gloss", "message"),
    [
        ("United States chemist; discovered deuterium (1893-1981)", "in another form"),
        ("United States chemist who discovered deuterium", "in another form"),
        ("United States chemist whose work was on deuterium (1893-1981)", "does not say what"),
        ("United States chemist who has the Urey prize (1893-1981)", "holds the name"),
    ],
)
def test_descriptions_that_make_no_question(gloss, message):
    with pytest.raises(FactsError, match=message):
        make.ask_for_person(person(gloss), "rare")


def test_missing_and_other_archives_are_named(tmp_path):
    with pytest.raises(FactsError, match="mendeleev-1.3.0-py3-none-any.whl is missing"):
        make.read_sources(tmp_path)
    (tmp_path / "mendeleev-1.3.0-py3-none-any.whl").write_bytes(b"another")
    with pytest.raises(FactsError, match="another file than the tables were written for"):
        make.read_sources(tmp_path)


def test_every_source_has_its_licence_written():
    table = (FOLDER / "LICENCES.md").read_text(encoding="utf-8")
    for source in {fact.source for subject in SUBJECTS for fact in facts(subject)}:
        assert f"| {source.split(', by ')[0]} |" in table


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_files_are_written_as_the_generator_writes(subject):
    text = (FOLDER / f"{subject}.json").read_text(encoding="utf-8")
    lines = [json.dumps(fact.model_dump(mode="json"), ensure_ascii=False) for fact in facts(subject)]
    assert text == "[\n" + ",\n".join(lines) + "\n]\n"


@pytest.mark.skipif(
    "CONFESSIONS_FACT_SOURCES" not in os.environ,
    reason="set CONFESSIONS_FACT_SOURCES to the folder with the archives that facts/make.py names",
)
def test_regenerating_gives_the_same_bytes(tmp_path):
    make.main([os.environ["CONFESSIONS_FACT_SOURCES"], "--output", str(tmp_path)])
    for subject in SUBJECTS:
        assert (tmp_path / f"{subject}.json").read_bytes() == (FOLDER / f"{subject}.json").read_bytes()
