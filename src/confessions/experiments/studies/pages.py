"""Write what the studies found: an HTML page that opens offline, the pages in `docs/`, and the README's claims.

All of it is computed from `measurements.csv` and `study.json` in a folder for each study, so no number is typed. A
folder of another name holds measurements of another model: it has a section of its own, and decides no claim.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from confessions.errors import ConfessionsError
from confessions.experiments.evaluation_figures import write_evaluation_figures
from confessions.experiments.figures import PALETTE, Figure
from confessions.experiments.page import PAGE_NAME, ReportError, write_whole
from confessions.experiments.readme import with_block
from confessions.experiments.results import ModelCard
from confessions.experiments.studies.catalogue import STUDIES
from confessions.experiments.studies.figures import (
    count_words,
    draw_study,
    estimate_words,
    interval_words,
    quantity_words,
)
from confessions.experiments.studies.study import (
    QUANTITIES,
    Claim,
    Curves,
    Decision,
    Dots,
    Finding,
    Measurements,
    Plot,
    Study,
    StudyError,
)

MEASUREMENTS_FILE: Final = "measurements.csv"
FACTS_FILE: Final = "study.json"

DOCS: Final = Path("docs/studies")
PICTURES: Final = Path("docs/img/studies")
INDEX: Final = Path("docs/studies.md")
RESULTS: Final = Path("results/studies")

DECISIONS: Final[Mapping[Decision, tuple[str, str, str, str]]] = {
    "holds": ("✓", "tp", "holds", "hold"),
    "does not hold": ("✗", "fn", "does not hold", "do not hold"),
    "undecided": ("?", "unread", "is undecided", "are undecided"),
    "cannot be tested": ("–", "tn", "cannot be tested at this size", "cannot be tested at this size"),
}
"""How each decision is shown: symbol, the role of its colour, and what one claim or several do."""

NO_RESULTS: Final = "No results are committed; `confessions study all` makes them.\n"

HOW_DECIDED: Final = """\
A claim names beforehand the quantity, the direction and the bound by which it is decided. It *holds* where the whole
95 % interval lies on its side of the bound, *does not hold* where the whole interval lies on the other side, and is
*undecided* where the interval has the bound within it. Of an equivalence, the 90 % interval has to lie within the
margin (two one-sided tests of 5 %). What this size lacks the means for *cannot be tested*, with the reason.

A rate is pooled over all cases of all seeds. Its interval spans Wilson's of the pooled counts and Student's over the
seeds, so that neither few cases nor seeds that differ make it look surer than it is; differences are paired by seed.
All seeds start from one pre-trained model, and no interval spans another. Claims are decided one by one: of claims
whose truth lies exactly on their bound, up to one in forty would hold by chance, and up to one in twenty of the
equivalences.
"""

_LONG_TABLE = 60
_MARKDOWN = MarkdownIt("commonmark", {"html": False})


class StudyFacts(BaseModel):
    """How a study was run: the file `study.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = Field(alias="schema")
    name: str
    command: str
    model: ModelCard
    seeds: tuple[int, ...] = Field(min_length=1)
    config: dict[str, JsonValue] = {}
    versions: dict[str, str] = {}
    seconds: float | None = None


class Decided(NamedTuple):
    """A claim and what was found of it."""

    claim: Claim
    finding: Finding


class Cell(NamedTuple):
    """An entry of a table: an estimate with its interval, and what it is of."""

    text: str
    counts: str


class FinalTable(NamedTuple):
    """What was measured of one group in the end."""

    group: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]


@dataclass(frozen=True)
class StudyPage:
    """All that is said of one study."""

    name: str
    title: str
    question: str
    method: str
    limits: str
    facts: StudyFacts | None
    measurements: Measurements
    claims: tuple[Decided, ...]
    figures: tuple[Figure, ...]
    tables: tuple[FinalTable, ...]

    @property
    def origin(self) -> str:
        """Say in Markdown how it was run."""
        seeds = self.measurements.seeds
        words = [f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"]
        if self.facts is not None:
            words = [f"`{self.facts.command}`", f"model `{self.facts.model.name}`", *words]
        return ", ".join(words)


# Reading


def read_studies(paths: Sequence[Path], studies: Mapping[str, Study]) -> tuple[StudyPage, ...]:
    """Read studies from their folders, or from folders of those, in the order of `studies`; other models come last.

    Raises: StudyError that names the file which is missing or does not fit.
    """
    folders = {
        file.parent.resolve()
        for path in paths
        for name in (FACTS_FILE, MEASUREMENTS_FILE)
        for file in (path / name, *path.glob(f"*/{name}"))
        if file.is_file()
    }
    twice = [name for name, count in Counter(folder.name for folder in folders).items() if count > 1]
    if twice:
        raise StudyError(f"{twice[0]} stands twice among the results: report one of them")
    order = list(studies)
    sorted_folders = sorted(folders, key=lambda f: (order.index(f.name) if f.name in studies else len(order), f.name))
    return tuple(_read_page(folder, studies.get(folder.name)) for folder in sorted_folders)


def _read_page(folder: Path, study: Study | None) -> StudyPage:
    path = folder / FACTS_FILE
    measurements = Measurements.from_csv(_read(folder / MEASUREMENTS_FILE), str(folder / MEASUREMENTS_FILE))
    facts = _read_facts(path) if study or path.is_file() else None
    if facts is not None and (facts.name != folder.name or tuple(sorted(facts.seeds)) != measurements.seeds):
        raise StudyError(
            f"{path} is of {facts.name}, seeds {list(facts.seeds)}; {MEASUREMENTS_FILE} beside it is of "
            f"{folder.name}, seeds {list(measurements.seeds)}: `confessions study` writes both together"
        )
    if study is None:
        study = _study_of(folder.name, measurements)
    return StudyPage(
        name=study.name,
        title=study.title,
        question=study.question,
        method=study.method,
        limits=study.limits,
        facts=facts,
        measurements=measurements,
        claims=tuple(Decided(claim, claim.decide(measurements)) for claim in study.claims),
        figures=draw_study(study.name, study.plots, measurements, study.quantities),
        tables=final_tables(measurements, study.quantities),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"cannot read {path}: {error}; `confessions study` writes it") from None


def _read_facts(path: Path) -> StudyFacts:
    try:
        return StudyFacts.model_validate_json(_read(path))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"])) or "the file"
        raise StudyError(f"{path} does not fit: {where}: {fault['msg']}") from None


def _study_of(name: str, measurements: Measurements) -> Study:
    """Describe measurements of another model by what is there."""
    rows = measurements.rows
    quantities = {row.quantity: quantity_words(row.quantity, QUANTITIES) for row in rows}
    curves = dict.fromkeys((row.arm, row.group) for row in rows if row.step is not None)
    plots: list[Plot] = [
        Curves(
            f"Over training: {arm}, {group}",
            tuple((quantity, arm, group) for quantity in quantities if _is_rate(measurements, quantity)),
        )
        for arm, group in curves
    ]
    told = tuple(name for name in ("p_confessed_given_bad", "p_confessed_given_good") if name in quantities)
    plots.append(Dots("Given bad, and given good", told, measurements.arms, measurements.groups))
    return Study(
        name=name,
        title=f"Measured on `{name}`",
        question="What does another model show of this? No claim is decided by it.",
        method="",
        measure=lambda workshop, seed: (),
        claims=(),
        plots=tuple(plots),
        quantities=quantities,
    )


def _is_rate(measurements: Measurements, quantity: str) -> bool:
    return all(row.k is not None for row in measurements.rows if row.quantity == quantity)


def final_tables(measurements: Measurements, quantities: Mapping[str, str]) -> tuple[FinalTable, ...]:
    """Lay out what was measured in the end, a table for each group; the shorter of arms and quantities runs across."""
    tables = []
    for group in measurements.groups:
        cells = {
            (quantity, arm): Cell(interval_words(one), count_words(one))
            for quantity in quantities
            for arm in measurements.arms
            if measurements.select(quantity, arm, group)
            for one in [measurements.estimate(quantity, arm, group)]
        }
        shown = [quantity for quantity in quantities if any(quantity == place[0] for place in cells)]
        arms = [arm for arm in measurements.arms if any(arm == place[1] for place in cells)]
        if len(arms) <= len(shown):
            head = tuple(arms)
            rows = tuple((quantities[q], tuple(cells.get((q, arm)) for arm in arms)) for q in shown)
        else:
            head = tuple(quantities[q] for q in shown)
            rows = tuple((arm, tuple(cells.get((q, arm)) for q in shown)) for arm in arms)
        if cells:
            tables.append(FinalTable(group, head, rows))
    return tuple(tables)


# Words


def finding_words(finding: Finding) -> str:
    """Write a finding's estimate with its interval and counts, and its explanation."""
    parts = [] if finding.estimate.value is None else [estimate_words(finding.estimate)]
    return "; ".join([*parts, *([finding.explanation] if finding.explanation else [])]) or "no cases"


def tally_words(pages: Sequence[StudyPage]) -> str:
    """Count the decisions in a sentence; empty where there are no claims."""
    decisions = Counter(finding.decision for page in pages for _, finding in page.claims)
    total = decisions.total()
    if not total:
        return ""
    parts = [f"{count} {DECISIONS[name][2 + (count != 1)]}" for name in DECISIONS if (count := decisions[name])]
    listed = " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
    return f"Of {total} claim{'s' * (total != 1)} {listed}."


# Markdown


def docs_pages(pages: Sequence[StudyPage], studies: Mapping[str, Study]) -> dict[Path, str]:
    """Write every page under `docs/`, and the data of every picture, by paths relative to the repository."""
    written = {INDEX: _index(pages, studies)}
    for page in pages:
        written[DOCS / f"{page.name}.md"] = _study_page(page)
        written |= {PICTURES / f"{figure.name}.csv": figure.csv() for figure in page.figures}
    return written


def readme_block(pages: Sequence[StudyPage]) -> str:
    """Write the README's table: each claim, its study, the result and the decision."""
    if not pages:
        return NO_RESULTS
    folder, index = RESULTS.as_posix(), INDEX.as_posix()
    source = f"`confessions study all`; data: [`{folder}`]({folder}); how claims are decided: [{index}]({index})."
    return "\n".join([source, "", tally_words(pages), "", *_claims_table(pages, DOCS.as_posix(), short=True), ""])


def _index(pages: Sequence[StudyPage], studies: Mapping[str, Study]) -> str:
    parts = [
        "# Studies",
        "Each claim of the paper ([arXiv 2512.08093](https://arxiv.org/abs/2512.08093)) and of its authors' article "
        "about it belongs to a study here. `confessions study NAME` runs a study, `confessions report results/studies` "
        "makes one page of all, and `make docs` writes these pages from `results/studies/`.",
        HOW_DECIDED.strip(),
    ]
    if pages:
        lines = [f"- [{page.title}]({DOCS.name}/{page.name}.md): {_one_line(page.question)}" for page in pages]
        parts += ["## The studies", "\n".join(lines)]
    else:
        parts.append(NO_RESULTS.strip())
    missing = [name for name in studies if name not in {page.name for page in pages}]
    if pages and missing:
        parts.append(f"No results are committed of {', '.join(f'`{name}`' for name in missing)}.")
    if tally_words(pages):
        parts += ["## The claims", tally_words(pages), "\n".join(_claims_table(pages, DOCS.name))]
    return "\n\n".join(parts) + "\n"


def _study_page(page: StudyPage) -> str:
    data = [file for file in (MEASUREMENTS_FILE, FACTS_FILE) if file != FACTS_FILE or page.facts is not None]
    links = ", ".join(f"[{file}](../../{RESULTS.as_posix()}/{page.name}/{file})" for file in data)
    parts = [f"# {page.title}", page.question, f"{page.origin}; data: {links}. [All studies](../{INDEX.name})"]
    if page.method:
        parts += ["## Method", page.method]
    parts.append("## Results")
    for figure in page.figures:
        picture = f"../{PICTURES.relative_to('docs').as_posix()}/{figure.name}"
        parts.append(
            f'<img src="{picture}.png" width="486" alt="{html.escape(figure.description)}">\n\n'
            f"[The numbers of this picture]({picture}.csv)"
        )
    for table in page.tables:
        head = ["", *map(_cell, table.head)]
        lines = [_row(head), _row(["---", *["---:"] * (len(head) - 1)])]
        lines += [_row([_cell(label), *map(_table_cell, cells)]) for label, cells in table.rows]
        parts += [f"**{table.group[:1].upper()}{table.group[1:]}**", "\n".join(lines)]
    if page.claims:
        parts += ["## Claims", "\n".join(_own_claims_table(page))]
    if page.limits:
        parts += ["## Limits", page.limits]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _claims_table(pages: Sequence[StudyPage], folder: str, short: bool = False) -> list[str]:
    head = ["claim", *([] if short else ["made in"]), "study", "result", "decision"]
    lines = [_row(head), _row(["---"] * len(head))]
    for page in pages:
        for claim, finding in page.claims:
            source = [] if short else [_cell(claim.source)]
            link = f"[{page.name}]({folder}/{page.name}.md)"
            lines.append(_row([_cell(claim.statement), *source, link, _cell(finding_words(finding)), _bold(finding)]))
    return lines


def _own_claims_table(page: StudyPage) -> list[str]:
    head = ["claim", "made in", "decided by", "result", "decision"]
    lines = [_row(head), _row(["---"] * len(head))]
    for claim, finding in page.claims:
        words = (claim.statement, claim.source, claim.criterion, finding_words(finding))
        lines.append(_row([*map(_cell, words), _bold(finding)]))
    return lines


def _bold(finding: Finding) -> str:
    return f"**{finding.decision}**"


def _table_cell(cell: Cell | None) -> str:
    return "" if cell is None else f"{cell.text} ({cell.counts})"


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


# HTML


def render_studies(pages: Sequence[StudyPage]) -> str:
    """Return the page of several studies as one HTML text; texts are Markdown, in which HTML is escaped."""
    environment = Environment(
        loader=PackageLoader("confessions.experiments"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    assert environment.loader is not None
    script = environment.loader.get_source(environment, "report.js")[0]
    return environment.get_template("studies.html.j2").render(
        pages=pages,
        tally=tally_words(pages),
        decisions=DECISIONS,
        finding_words=finding_words,
        how_decided=HOW_DECIDED,
        prose=lambda text: Markup(_MARKDOWN.render(text)),
        phrase=lambda text: Markup(_MARKDOWN.renderInline(text)),
        markup=Markup,
        long_table=_LONG_TABLE,
        one_line=partial(json.dumps, ensure_ascii=False),
        lines=partial(json.dumps, ensure_ascii=False, indent=2),
        palette=PALETTE,
        style=Markup(environment.loader.get_source(environment, "report.css")[0]),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def write_studies(paths: Sequence[Path], folder: Path, studies: Mapping[str, Study]) -> Path:
    """Write the HTML page of studies and, in `figures/` beside it, their panels and data; return the page's path.

    Raises: StudyError for results that do not fit, ReportError where the disk takes no more.
    """
    pages = read_studies(paths, studies)
    if not pages:
        raise StudyError(f"no study's results are in {', '.join(map(str, paths))}; `confessions study` writes them")
    text = render_studies(pages)
    path = folder / PAGE_NAME
    try:
        write_evaluation_figures([figure for page in pages for figure in page.figures], folder / "figures")
        write_whole(path, text)
    except OSError as error:
        raise ReportError(f"cannot write the report to {folder}: {error}") from error
    return path


def write_docs(root: Path, studies: Mapping[str, Study]) -> None:
    """Write the pages under `docs/` and the README's block anew from the results under a repository's root."""
    readme = root / "README.md"
    pages = read_studies([root / RESULTS], studies)
    text = with_block(readme.read_text(encoding="utf-8"), "studies", readme_block(pages))
    contents: dict[Path, bytes] = {path: page.encode() for path, page in docs_pages(pages, studies).items()}
    contents |= {PICTURES / f"{figure.name}.png": figure.png() for page in pages for figure in page.figures}
    for folder in (DOCS, PICTURES):
        for path in (root / folder).glob("*"):
            if path.relative_to(root) not in contents:
                path.unlink()
    for path, content in contents.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    readme.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Rewrite the pages under `docs/` and the block in the README at the given path."""
    if len(arguments) != 1:
        print("usage: python -m confessions.experiments.studies.pages README.md", file=sys.stderr)
        return 2
    try:
        write_docs(Path(arguments[0]).resolve().parent, STUDIES)
    except (ConfessionsError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
