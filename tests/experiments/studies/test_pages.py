"""The studies' pages: every number is that of the measurements, every claim is in the table, and texts cannot act."""

import base64
import dataclasses
import hashlib
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from confessions.cli import main as cli
from confessions.experiments.page import ReportError
from confessions.experiments.readme import with_block
from confessions.experiments.studies import pages
from confessions.experiments.studies.catalogue import STUDIES
from confessions.experiments.studies.pages import (
    DOCS,
    INDEX,
    PICTURES,
    RESULTS,
    docs_pages,
    finding_words,
    main,
    read_studies,
    readme_block,
    render_studies,
    tally_words,
    write_docs,
    write_studies,
)
from confessions.experiments.studies.study import (
    UNKNOWN,
    Claim,
    Estimate,
    Finding,
    Measurement,
    Measurements,
    StudyError,
    untestable,
)

ROOT = Path(__file__).parents[3]
README = "# Name\n\n<!-- studies:begin -->\nstale\n<!-- studies:end -->\n\nAfter.\n"


@pytest.fixture
def known(made_up):
    return {"another": made_up, "made_up": made_up}


@pytest.fixture
def small(results):
    """Leave the results with hardly a picture, where pictures are not what is tested."""
    for folder in results.iterdir():
        rows = [
            Measurement(seed, arm, "training kinds", "bad_rate", 3 + seed, 9)
            for seed in range(5)
            for arm in ("control", "confessions")
        ]
        (folder / "measurements.csv").write_text(Measurements(rows).to_csv())
    return results


# What is committed


def committed():
    return read_studies([ROOT / RESULTS], STUDIES)


def test_the_docs_are_the_committed_results():
    written = docs_pages(committed(), STUDIES)
    for path, text in written.items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"`make docs` writes {path} anew"
    pictures = {path.with_suffix(".png") for path in written if path.suffix == ".csv"}
    assert all((ROOT / path).read_bytes().startswith(b"\x89PNG") for path in pictures)
    found = {path.relative_to(ROOT) for folder in (DOCS, PICTURES) for path in (ROOT / folder).glob("*")}
    assert found == {*written, *pictures} - {INDEX}


def test_the_readmes_block_is_the_committed_results():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text == with_block(text, "studies", readme_block(committed())), "`make docs` writes the README's block anew"


# Reading


def test_studies_come_in_their_order_and_other_models_last(results, known):
    (results / "another").mkdir()
    for name in ("measurements.csv", "study.json"):
        text = (results / "made_up" / name).read_text()
        (results / "another" / name).write_text(text.replace('"made_up"', '"another"'))
    found = read_studies([results], known)
    assert [page.facts.name if page.facts else page.name for page in found] == ["another", "made_up", "smollm2-135m"]
    assert [len(page.claims) for page in found] == [4, 4, 0]
    (one,) = read_studies([results / "made_up"], known)
    assert one.origin == ("`confessions study made_up --seeds 0,1,2,3,4`, model `embedded`, seeds 0, 1, 2, 3, 4")


def test_another_model_has_its_curves_its_dots_and_its_table(results, known):
    page = read_studies([results / "smollm2-135m"], known)[0]
    assert page.origin == "seed 0"
    assert [figure.title for figure in page.figures] == [
        "Over training: control, training kinds",
        "Over training: confessions, training kinds",
        "Given bad, and given good",
    ]
    assert [table.group for table in page.tables] == ["training kinds", "held-out kinds"]
    assert "tokens" in {label for label, _ in page.tables[0].rows}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"seeds": [0, 1]},
            r"study.json is of made_up, seeds \[0, 1\]; measurements.csv beside it .* \[0, 1, 2, 3, 4\]",
        ),
        ({"name": "other"}, "is of other"),
        ({"schema": 2}, "study.json does not fit: schema"),
        ({"extra": 1}, "does not fit: extra"),
    ],
)
def test_facts_that_do_not_fit_are_named(small, known, change, message):
    path = small / "made_up" / "study.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(StudyError, match=message):
        read_studies([small], known)


@pytest.mark.parametrize("name", ["measurements.csv", "study.json"])
def test_a_missing_file_is_named(small, known, name):
    (small / "made_up" / name).unlink()
    with pytest.raises(StudyError, match=f"cannot read .*made_up/{name}.*`confessions study` writes it"):
        read_studies([small], known)


def test_the_same_study_twice_is_refused(small, known, tmp_path):
    other = tmp_path / "other" / "made_up"
    other.mkdir(parents=True)
    for path in (small / "made_up").iterdir():
        (other / path.name).write_text(path.read_text())
    with pytest.raises(StudyError, match="made_up stands twice"):
        read_studies([small, other], known)
    assert len(read_studies([small, small / "made_up"], known)) == 2


# Tables


def test_the_shorter_side_of_a_table_runs_across():
    def page_of(arms, quantities):
        rows = [Measurement(0, arm, "g", quantity, 1, 2) for arm in arms for quantity in quantities]
        (table,) = pages.final_tables(Measurements(rows), {name: name.upper() for name in quantities})
        return table

    wide = page_of("ab", "xyz")
    assert (wide.head, [label for label, _ in wide.rows]) == (("a", "b"), ["X", "Y", "Z"])
    assert wide.rows[0][1][0] == ("50% [9, 91]", "1/2")
    tall = page_of("abc", "xy")
    assert (tall.head, [label for label, _ in tall.rows]) == (("X", "Y"), ["a", "b", "c"])


def test_what_was_not_measured_leaves_its_cell_empty():
    rows = [
        Measurement(0, "a", "g", "x", 1, 2),
        Measurement(0, "b", "g", "y", 0, 0),
        Measurement(0, "a", "g", "y", 1, 2, step=5),
    ]
    (table,) = pages.final_tables(Measurements(rows), {"x": "X", "y": "Y", "z": "Z"})
    assert table.head == ("a", "b")
    assert [cells for _, cells in table.rows] == [(("50% [9, 91]", "1/2"), None), (None, ("-", "no cases"))]


# Words


def test_findings_in_words():
    estimate = Estimate(-0.02, -0.051, 0.011, 5, unit="points")
    assert finding_words(Finding("undecided", estimate)) == "-2 points [-5, +1] (5 seeds)"
    assert finding_words(Finding("undecided", estimate, "why")) == "-2 points [-5, +1] (5 seeds); why"
    assert finding_words(Finding("cannot be tested", UNKNOWN, "too small")) == "too small"
    assert finding_words(Finding("undecided")) == "no cases"


def test_decisions_are_counted(small, made_up):
    def tally(*decisions):
        claims = [Claim("c", "s", "b", lambda m, decision=decision: Finding(decision)) for decision in decisions]
        study = dataclasses.replace(made_up, claims=tuple(claims), plots=())
        return tally_words(read_studies([small / "made_up"], {"made_up": study}))

    assert tally() == ""
    assert tally("holds") == "Of 1 claim 1 holds."
    assert tally("holds", "undecided", "holds") == "Of 3 claims 2 hold and 1 is undecided."
    assert tally("does not hold", "does not hold", "cannot be tested", "undecided", "holds", "undecided") == (
        "Of 6 claims 1 holds, 2 do not hold, 2 are undecided and 1 cannot be tested at this size."
    )


# Markdown


@pytest.fixture(scope="module")
def repository(tmp_path_factory, made_up, make_measurements):
    root = tmp_path_factory.mktemp("repository")
    for name in ("made_up", "smollm2-135m"):
        (root / RESULTS / name).mkdir(parents=True)
    (root / RESULTS / "made_up" / "measurements.csv").write_text(make_measurements().to_csv())
    facts = {"schema": 1, "name": "made_up", "command": "c", "model": {"name": "m"}, "seeds": [0, 1, 2, 3, 4]}
    (root / RESULTS / "made_up" / "study.json").write_text(json.dumps(facts))
    other = [row for row in make_measurements(1).rows if row.arm == "control" and row.quantity == "bad_rate"]
    (root / RESULTS / "smollm2-135m" / "measurements.csv").write_text(Measurements(other).to_csv())
    (root / "README.md").write_text(README)
    (root / DOCS).mkdir(parents=True)
    (root / DOCS / "gone.md").write_text("a study that is not there")
    write_docs(root, {"made_up": made_up, "not_run": made_up})
    return root


def test_a_study_has_its_page(repository):
    text = (repository / DOCS / "made_up.md").read_text()
    assert text.startswith("# A study that nobody ran\n\nDo `confessions` tell <b>the</b> truth?\n")
    assert "| P(confessed \\| bad) | 62% [59, 65] (621/1,000) | 63% [58, 68] (630/1,000) | 94% [91, 96]" in text
    assert "| So do false alarms | nobody | the same given good, above 0 | -46 points [-51, -42] (5 seeds) |" in text
    for heading in ("Method", "Results", "Claims", "Limits"):
        assert text.count(f"\n## {heading}\n") == 1
    assert text.count("<img src=") == 4
    assert 'alt="Points with 95 percent intervals. training kinds, before: P(confessed | bad) 62%' in text


def test_the_index_lists_every_claim_and_every_study(repository):
    text = (repository / INDEX).read_text()
    assert "- [A study that nobody ran](studies/made_up.md): Do `confessions` tell" in text
    assert "- [Measured on `smollm2-135m`](studies/smollm2-135m.md): " in text
    assert "No results are committed of `not_run`." in text
    claim = r"P(confessed \| bad) rises with training"
    row = (
        f"| {claim} | paper, section 4 | [made_up](studies/made_up.md) | +31 points [+26, +35] (5 seeds) | **holds** |"
    )
    assert row in text.splitlines()
    assert len(re.findall(r"\*\* \|$", text, re.MULTILINE)) == 4


def test_the_readme_has_the_claims_in_short(repository):
    text = (repository / "README.md").read_text()
    assert "stale" not in text and text.startswith("# Name") and text.endswith("\n\nAfter.\n")
    assert (
        "| So do false alarms | [made_up](docs/studies/made_up.md) | -46 points [-51, -42] (5 seeds) | **does not"
        in text
    )
    assert "Of 4 claims 1 holds, 1 does not hold, 1 is undecided and 1 cannot be tested at this size." in text


def test_links_and_pictures_of_the_pages_lead_somewhere(repository):
    pages_found = [repository / "README.md", *(repository / "docs").rglob("*.md")]
    assert len(pages_found) == 4
    for page in pages_found:
        text = page.read_text()
        targets = re.findall(r"\]\(([^)#\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
        local = [target for target in targets if not target.startswith("https://")]
        assert local
        for target in local:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_docs_are_whole_and_nothing_else(repository, made_up):
    studies = {"made_up": made_up, "not_run": made_up}
    written = docs_pages(read_studies([repository / RESULTS], studies), studies)
    for path, text in written.items():
        assert (repository / path).read_text() == text
    pictures = {path.with_suffix(".png") for path in written if path.suffix == ".csv"}
    assert len(pictures) == 4
    assert {p.relative_to(repository) for p in (repository / "docs").rglob("*.*")} == {*written, *pictures}


def test_without_results_the_pages_say_how_to_make_them(tmp_path, made_up, monkeypatch):
    (tmp_path / "README.md").write_text(README)
    monkeypatch.setattr(pages, "STUDIES", {"made_up": made_up})
    assert main([str(tmp_path / "README.md")]) == 0
    for path in (tmp_path / "README.md", tmp_path / INDEX):
        assert "No results are committed; `confessions study all` makes them." in path.read_text()


def test_a_readme_without_the_block_is_left_alone(small, known, capsys):
    root = small.parents[1]
    (root / "README.md").write_text("no block")
    assert main([str(root / "README.md")]) == 2
    assert "the README needs <!-- studies:begin --> exactly once" in capsys.readouterr().err
    assert not (root / INDEX).exists()
    assert main([]) == 2


# HTML


@pytest.fixture(scope="module")
def html(repository, made_up):
    hostile = Claim(
        "</td><script>alert(1)</script> [x](javascript:alert(2))", "<i>me</i>", "*b*", untestable("<u>w</u>")
    )
    study = dataclasses.replace(made_up, claims=(*made_up.claims, hostile))
    return render_studies(read_studies([repository / RESULTS], {"made_up": study}))


def test_the_page_has_every_study_and_every_claim(html):
    assert "Of 5 claims 1 holds, 1 does not hold, 1 is undecided and 2 cannot be tested at this size." in html
    for index in (1, 2):
        assert f'<a href="#study-{index}">' in html
        assert f'<section class="study" id="study-{index}"' in html
    everything = html[html.index('<section id="claims"') :]
    assert everything.count('<th scope="row">') == everything.count('class="badge"') == 5
    assert html.count('class="badge"') == 10
    assert "+31 points [+26, +35] (5 seeds)" in everything
    assert "94% [91, 96]<small>936/1,000</small>" in html
    assert "there is <em>one</em> size" in everything
    assert html.count("<figure") == 4


def test_texts_on_the_page_cannot_act(html):
    assert "Do <code>confessions</code> tell &lt;b&gt;the&lt;/b&gt; truth?" in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert html.count("<script>") == 1
    assert 'href="javascript' not in html
    assert "<u>" not in html and "<i>" not in html


def test_the_page_asks_for_nothing_and_runs_its_script_alone(html):
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:" in html
    assert set(re.findall(r'(?:src|href)="((?!#)[^"]+)"', html)) == {"data:,", "https://arxiv.org/abs/2512.08093"}
    assert "@import" not in html and "url(http" not in html
    assert re.findall(r'id="([^"]+)"', html) == list(dict.fromkeys(re.findall(r'id="([^"]+)"', html)))


def test_the_report_has_its_figures_beside_it(small, known, tmp_path):
    path = write_studies([small], tmp_path / "out", known)
    assert path == tmp_path / "out" / "report.html"
    assert path.read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(StudyError, match="no study's results are in .*empty"):
        write_studies([tmp_path / "empty"], tmp_path / "out", known)
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="cannot write the report to"):
        write_studies([small], tmp_path / "file" / "out", known)


def test_the_command_reports_studies(small, monkeypatch, made_up, tmp_path):
    monkeypatch.setattr("confessions.experiments.studies.catalogue.STUDIES", {"made_up": made_up})
    for place in (small, small / "made_up", small / "smollm2-135m"):
        result = CliRunner().invoke(cli, ["report", str(place), "--out", str(tmp_path / place.name)])
        assert result.output == f"Report: {tmp_path / place.name / 'report.html'}\n"
    log = tmp_path / "log.eval"
    log.write_text("")
    result = CliRunner().invoke(cli, ["report", str(small), str(log)])
    assert result.exit_code == 2
    assert "holds studies and not all of RESULTS do: report them apart" in result.output
