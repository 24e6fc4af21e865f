"""The report page: in a real browser, against hostile texts, empty cells and both kinds of results files."""

import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from confessions.errors import ConfessionsError
from confessions.experiments.page import PAGE_NAME, findings, headline, render_page, write_report
from confessions.experiments.results import results_of

HOSTILE = '</script></pre><script>window.broken = 1</script><img src=x onerror="window.broken = 1">&amp; {{ 7 * 7 }}'
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

Make = Callable[..., dict[str, Any]]


class Browser:
    """Headless Chromium, driven by its DevTools protocol over two pipes: nothing but the browser is needed."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()

        def at_three_and_four() -> None:
            # Copies above 4 first: one of the pipe's ends may itself be 3 or 4.
            high = (os.dup2(to_browser, 63), os.dup2(from_browser, 62))
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self._process = subprocess.Popen(
            [
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
                "--remote-debugging-pipe",
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            close_fds=False,
            preexec_fn=at_three_and_four,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._numbers = itertools.count(1)
        self._pending = b""
        self.session = ""
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        try:
            self.call("Browser.close")
            self._process.wait(10)
        except (OSError, EOFError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session and not method.startswith(("Browser.", "Target.")):
            message["sessionId"] = self.session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            reply = self._receive()
            if reply.get("id") == number:
                if "error" in reply:
                    raise RuntimeError(f"{method}: {reply['error']}")
                result: dict[str, Any] = reply["result"]
                return result
            self.events.append(reply)

    def _receive(self, seconds: float = 240.0) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while b"\0" not in self._pending:
            ready, _, _ = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError("Chromium does not reply")
            chunk = os.read(self._read, 1 << 16)
            if not chunk:
                raise EOFError("Chromium has closed its pipe")
            self._pending += chunk
        text, _, self._pending = self._pending.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def open(self, page: Path, width: int = 1280, dark: bool = False, script: bool = True) -> None:
        """Load the page and wait until it is complete."""
        if not self.session:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())

    def ask(self, expression: str) -> Any:
        """Evaluate an expression on the page."""
        reply = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in reply, reply["exceptionDetails"]
        return reply["result"].get("value")

    def complaints(self) -> list[str]:
        """List what the console says: errors, warnings and uncaught exceptions."""
        found = []
        for event in self.events:
            params = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]))
            elif event.get("method") == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning"}:
                found.append(str(params["args"]))
            elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
                found.append(params["entry"]["text"])
        return found

    def requests(self) -> list[str]:
        """List every address that was asked for."""
        sent = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    browser = Browser(tmp_path_factory.mktemp("profile"))
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture(scope="module")
def pages(make_result: Make, make_summary: Make, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Render the page of one seed and that of five, once for all tests."""
    trees = {"one": make_result(), "five": make_summary()}
    return {name: written(tree, tmp_path_factory.mktemp(name)) for name, tree in trees.items()}


def written(tree: dict[str, Any], folder: Path) -> Path:
    path = folder / "page.html"
    path.write_text(render_page(results_of(tree)), encoding="utf-8")
    return path


def said(tree: dict[str, Any]) -> str:
    return "".join(piece.text for piece in headline(results_of(tree))).replace("\u00a0", " ")


def empty_group(tree: dict[str, Any]) -> None:
    """Leave the second group without a single answer, and the first without a good one in its last arm."""
    for table in tree["tables"]:
        wipe = table["group"] == tree["groups"][1]
        if wipe:
            table.update({name: 0 for name in table if name not in {"arm", "group"}})
        elif table["arm"] == "confessions":
            good = ("fp", "tn", "unscored_good", "good")
            table["n"] -= table["good"]
            table.update(dict.fromkeys(good, 0), judge_passed=0)
    for point in tree["curves"]["control"]:
        point.update(judge_accuracy_given_bad=None, confession_accuracy_given_bad=None, n_bad=0)


def test_the_browser_would_see_a_console_error(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "broken.html"
    page.write_text("<script>console.error('one'); throw new Error('two')</script><img src='http://localhost:1/x'>")
    browser.open(page)
    complaints = "\n".join(browser.complaints())
    assert "one" in complaints
    assert "two" in complaints
    assert len(browser.requests()) == 2


@pytest.mark.parametrize("seeds", ["one", "five"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_page_opens_in_a_browser(browser: Browser, pages: dict[str, Path], seeds: str, dark: bool, width: int) -> None:
    page = pages[seeds]
    browser.open(page, width=width, dark=dark)

    assert browser.complaints() == []
    assert browser.requests() == [page.as_uri()]
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask("document.querySelectorAll('figure.panel svg').length") == 6 + 4 + 2
    assert browser.ask("[...document.querySelectorAll('figure svg')].every(s => s.getBoundingClientRect().height > 99)")
    assert browser.ask("[...document.querySelectorAll('[role=img]')].every(e => e.ariaLabel.length > 40)")
    assert browser.ask("document.querySelectorAll('table.rates').length") == 2
    assert browser.ask("document.querySelectorAll('table.rates tbody tr').length") == 2 * 8
    assert browser.ask("document.querySelectorAll('.card').length") == 7
    ids = browser.ask("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    paper = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in paper[4:-1].split(",")) < 200) is dark


def test_figures_take_the_colours_of_the_page(browser: Browser, pages: dict[str, Path]) -> None:
    fills = []
    for dark in (False, True):
        browser.open(pages["one"], dark=dark)
        fills.append(
            browser.ask("[...document.querySelectorAll('figure svg path')].map(p => getComputedStyle(p).fill)")
        )
    assert "rgb(15, 118, 110)" in fills[0]
    assert "rgb(15, 118, 110)" not in fills[1]
    assert "rgb(53, 196, 178)" in fills[1]


def test_gallery_filters(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["one"])
    shown = "[...document.querySelectorAll('.card')].filter(c => c.offsetParent).map(c => c.dataset.cell)"
    press = "document.querySelector('.filters button[data-value={}]').click()"
    assert len(browser.ask(shown)) == 7
    browser.ask(press.format("fn"))
    assert browser.ask(shown) == ["fn", "fn"]
    browser.ask(press.format("arm2"))
    assert browser.ask(shown) == ["fn"]
    assert browser.ask("document.querySelector('.filters output').textContent") == "1 of 7 shown"
    browser.ask(press.format("fn"))
    assert browser.ask(shown) == ["tp", "unscored_bad", "fp", "fn", "tn"]


def test_a_long_gallery_shows_each_cell_first_and_the_rest_when_asked(
    browser: Browser, make_result: Make, tmp_path: Path
) -> None:
    tree = make_result()
    tree["gallery"] = [item for item in reversed(tree["gallery"]) for _ in range(4)]
    browser.open(written(tree, tmp_path))
    shown = "[...document.querySelectorAll('.card')].filter(c => c.offsetParent).map(c => c.dataset.cell)"
    first = browser.ask(shown)
    assert len(first) == 12
    assert set(first[:5]) == {"tp", "fn", "fp", "tn", "unscored_bad"}
    assert browser.ask("document.querySelector('.more button').innerText") == "Show all 28"
    browser.ask("document.querySelector('.more button').click()")
    assert len(browser.ask(shown)) == 28
    assert browser.ask("document.querySelector('.more button').offsetParent === null")


def test_curves_are_read_out_at_the_pointer(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["one"])
    browser.ask("document.querySelector('#figure-hack-control').scrollIntoView({behavior: 'instant'})")
    box = browser.ask("document.querySelector('#figure-hack-control .plot').getBoundingClientRect().toJSON()")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=box["x"] + 0.96 * box["width"], y=box["y"] + 100)
    text = browser.ask("document.querySelector('#figure-hack-control .readout').innerText")
    assert "step 120" in text
    assert "weak judge passes: " in text
    assert browser.complaints() == []


def test_page_makes_sense_without_its_script(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["one"], script=False)
    # Evaluation by the protocol still works where the page's own scripts do not.
    assert browser.ask("document.querySelector('.filters').offsetParent === null")
    assert browser.ask("[...document.querySelectorAll('.card')].every(c => c.offsetParent)")


def test_hostile_texts_stay_text(browser: Browser, make_result: Make, tmp_path: Path) -> None:
    tree = make_result()
    tree["title"] = tree["command"] = HOSTILE
    tree["config"][HOSTILE] = HOSTILE
    for item in tree["gallery"]:
        item.update(answer=HOSTILE, confession=HOSTILE, prompt=HOSTILE, scenario_id=HOSTILE)
        for rule in item["rules"]:
            rule["text"] = HOSTILE
    page = written(tree, tmp_path)
    assert "<script>window" not in page.read_text()
    browser.open(page)
    assert browser.ask("window.broken === undefined")
    assert browser.ask("document.querySelectorAll('img').length") == 0
    assert browser.ask("document.querySelector('.card pre').textContent") == HOSTILE
    assert browser.complaints() == []


def test_hostile_names_stay_out_of_the_figures(browser: Browser, make_result: Make, tmp_path: Path) -> None:
    text = json.dumps(make_result())
    for name in ("held-out kinds", "control"):
        text = text.replace(f'"{name}"', f'"<b>$x^{{2$ & {name}</b>"')
    browser.open(written(json.loads(text), tmp_path))
    assert browser.ask("document.querySelectorAll('b b, figcaption b').length") == 0
    assert browser.ask("document.querySelectorAll('figure svg').length") == 12
    assert browser.complaints() == []


def test_empty_cells_say_no_cases(browser: Browser, make_result: Make, tmp_path: Path) -> None:
    tree = make_result()
    empty_group(tree)
    browser.open(written(tree, tmp_path), width=390)
    assert "no cases" in browser.ask("document.querySelector('#figure-outcomes-held-out-kinds svg').textContent")
    assert "no cases" in browser.ask("document.querySelector('#figure-rates-training-kinds svg').textContent")
    assert browser.ask("[...document.querySelectorAll('table.rates')].at(-1).innerText.split('no cases').length") == 25
    assert browser.complaints() == []
    assert browser.ask("document.documentElement.scrollWidth") <= 390


def test_results_without_curves_or_gallery_still_make_a_page(make_result: Make) -> None:
    tree = make_result() | {"curves": {}, "rewards": {}, "gallery": [], "versions": {}, "config": {}, "seconds": {}}
    page = render_page(results_of(tree))
    assert 'id="hack"' not in page
    assert "counts only" in page


@pytest.mark.parametrize("seeds", ["one", "five"])
def test_page_refers_to_nothing_outside_itself(pages: dict[str, Path], seeds: str) -> None:
    page = pages[seeds].read_text(encoding="utf-8")
    for reference in ("http:", "https:", "//cdn", "@import", "url(h", "<iframe", '<link rel="stylesheet'):
        assert reference not in page, reference


def test_headline_is_computed(make_result: Make) -> None:
    tree = make_result()
    (table,) = (t for t in tree["tables"] if t["arm"] == "confessions" and t["group"] == "training kinds")
    table.update(tp=30, fn=9, unscored_bad=1, bad=40, fp=4, tn=36, unscored_good=0, good=40, n=80)
    table.update(admitted_bad=0, judge_scored_bad=0, judge_right_bad=0, judge_passed=0)
    assert "said so in its confession in 75 % of cases" in said(tree)
    assert "confessed all the same in 10 %" in said(tree)
    table.update(tp=0, fn=0, unscored_bad=0, bad=0, n=40)
    assert said(tree) == "None of 40 answers broke a rule, so there was nothing to confess."


def test_findings_say_only_what_the_intervals_allow(make_result: Make) -> None:
    tree = make_result()
    (table,) = (t for t in tree["tables"] if t["arm"] == "confessions" and t["group"] == "training kinds")
    cells = {"tp": 20, "fn": 20, "unscored_bad": 0, "bad": 40, "fp": 20, "tn": 20, "unscored_good": 0, "good": 40}
    table.update(cells, n=80, admitted_bad=0, judge_scored_bad=0, judge_right_bad=0, judge_passed=0)
    assert "confessions do not tell bad answers from good ones" in findings(results_of(tree))[0]
    table.update(tp=38, fn=2, fp=2, tn=38)
    assert "confessions tell bad answers from good ones" in findings(results_of(tree))[0]
    table.update(tp=2, fn=38, fp=38, tn=2)
    assert "the wrong way round" in findings(results_of(tree))[0]


def test_every_cell_has_a_card(pages: dict[str, Path]) -> None:
    page = pages["one"].read_text(encoding="utf-8")
    for cell in ("tp", "fn", "fp", "tn", "unscored_bad"):
        assert f'data-cell="{cell}"' in page


def test_a_confession_of_the_wrong_rule_says_so(make_result: Make, pages: dict[str, Path]) -> None:
    assert "of the wrong rule" not in pages["one"].read_text(encoding="utf-8")
    tree = make_result()
    rules = tree["gallery"][0]["rules"]
    rules[0]["verdict"], rules[1]["verdict"] = True, False
    assert render_page(results_of(tree)).count("of the wrong rule") == 1


def test_report_is_written_beside_its_figures(make_result: Make, tmp_path: Path) -> None:
    sources = []
    for seed in (1, 0):
        sources.append(tmp_path / f"seed-{seed}.json")
        sources[-1].write_text(json.dumps(make_result(seed)))
    path = write_report(sources, tmp_path / "report")
    assert path == tmp_path / "report" / PAGE_NAME
    assert "2 seeds, counts pooled" in path.read_text(encoding="utf-8")
    assert sorted(p.name for p in path.parent.iterdir()) == ["figures", PAGE_NAME]
    assert {p.suffix for p in (path.parent / "figures").iterdir()} == {".svg", ".png", ".csv", ".json"}


def test_a_failed_write_leaves_the_old_report(
    make_result: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = results_of(make_result())
    (tmp_path / PAGE_NAME).write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(ConfessionsError, match="No space left"):
        write_report(results, tmp_path)
    assert (tmp_path / PAGE_NAME).read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figures", PAGE_NAME]
