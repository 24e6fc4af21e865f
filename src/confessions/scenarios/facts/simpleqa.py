"""Facts from the user's own copy of SimpleQA, which is not shipped."""

import ast
import csv
import re
from pathlib import Path

from pydantic import ValidationError

from confessions.scenarios.facts.answers import normalise
from confessions.scenarios.facts.fact import Fact, FactsError

SIMPLEQA_COLUMNS = ("problem", "answer", "metadata")


def load_simpleqa(path: str | Path) -> tuple[Fact, ...]:
    """Read the user's own copy of SimpleQA: a CSV file with the columns problem, answer and metadata.

    The category is the metadata's topic. Only one writing of each answer is known, so `is_correct` is stricter than
    SimpleQA's own grader model.

    Raises: FactsError if the file is missing, is no such CSV file, or holds no question.
    """
    path = Path(path)
    if not path.is_file():
        raise FactsError(f"{path} is no file; give the path of your copy of SimpleQA's CSV file")
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines(keepends=True), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise FactsError(f"{path} is no CSV file in UTF-8: {error}") from error
    if not rows:
        raise FactsError(f"{path} holds no question; SimpleQA has a header and one row a question")
    missing = [column for column in SIMPLEQA_COLUMNS if column not in rows[0]]
    if missing:
        raise FactsError(
            f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(map(str, rows[0]))},"
            f" and SimpleQA has {', '.join(SIMPLEQA_COLUMNS)}"
        )
    return tuple(_simpleqa_fact(row, f"{path}, question {number}", number) for number, row in enumerate(rows, start=1))


def _simpleqa_fact(row: dict[str, str | None], place: str, number: int) -> Fact:
    problem, answer, metadata = ((row[column] or "").strip() for column in SIMPLEQA_COLUMNS)
    if not problem or not normalise(answer):
        raise FactsError(f"{place} has no {'answer' if problem else 'problem'}; every row needs both")
    try:
        topic = ast.literal_eval(metadata)["topic"]
    except (ValueError, SyntaxError, KeyError, TypeError) as error:
        raise FactsError(f"{place} has metadata without a topic; SimpleQA writes {{'topic': ...}} there") from error
    try:
        return Fact(
            id=f"simpleqa-{number}",
            question=problem,
            answers=(answer,),
            answer_kind="number" if re.fullmatch(r"\d+", answer) else "words",
            category=topic,
            rarity="rare",
            source="SimpleQA",
        )
    except ValidationError as error:
        raise FactsError(f"{place} has a topic that is no text: {topic!r}") from error
