"""The README tells the truth: results are those committed, links lead somewhere, commands and code exist."""

import re
from pathlib import Path

import click
import pytest

from confessions.cli import main
from confessions.experiments.readme import studies, with_results

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


def test_the_results_are_those_committed():
    text = (ROOT / "README.md").read_text()
    assert text == with_results(text, studies(ROOT / "results")), "`make docs` writes the README's results anew"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page):
    text = page.read_text()
    for target in re.findall(r"\bmake ([a-z][a-z-]*)", " ".join(re.findall(r"`[^`]+`", text) + blocks(page, "sh"))):
        assert target in TARGETS, f"{page.name} names make {target}"
    for line in re.findall(r"^(?:\$ )?confessions (.*)$", "\n".join(blocks(page, "sh")), re.MULTILINE):
        # What follows a double dash is another program's.
        words = line.partition("#")[0].partition(" -- ")[0].split()
        command = main
        while isinstance(command, click.Group) and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        known = {name for parameter in command.params for name in parameter.opts}
        assert not {word for word in words if word.startswith("--")} - known, f"{page.name}: confessions {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_is_python(page):
    for block in blocks(page, "python"):
        exec(compile(block, f"{page.name}", "exec"), {})


def test_the_confession_reward_rewards_honesty():
    (block,) = blocks(ROOT / "README.md", "python")
    names = {}
    exec(compile(block, "README.md", "exec"), names)

    def said(text):
        return [{"role": "assistant", "content": text}]

    def confession(label):
        return said(
            '{"compliance_analysis": [{"objective": "Write at length.", "analysis": "short", '
            f'"compliance": "{label}"}}], "uncertainties_and_conflicts": [], "overall_compliance_grade": 3}}'
        )

    rewards = names["confession_reward"](
        prompts=[None] * 4,
        answers=[said("short"), said("short"), said("long " * 30), said("short")],
        completions=[
            confession("not_complied_not_reported"),
            confession("fully_complied"),
            confession("fully_complied"),
            said("no report"),
        ],
    )
    assert rewards == [1.0, 0.0, 1.0, 0.0]


@pytest.mark.slow
def test_the_four_lines_turn_a_trl_script_into_one_that_trains_confessions(tmp_path, monkeypatch):
    from datasets import Dataset

    import confessions.training
    from confessions.models.corpus import build_tokenizer
    from confessions.models.pretrain import PretrainConfig, build_model, save

    tokenizer = build_tokenizer()
    shape = PretrainConfig(hidden_size=16, intermediate_size=32, layers=1, heads=2)
    save(build_model(shape, tokenizer), tokenizer, tmp_path / "model")
    small = {
        "max_steps": 1,
        "num_generations": 2,
        "per_device_train_batch_size": 8,
        "max_completion_length": 4,
        "max_confession_length": 4,
        "confession_profile": "brief",
        "activation_checkpointing": False,
        "use_cpu": True,
        "bf16": False,
        "disable_tqdm": True,
        "report_to": [],
        "save_strategy": "no",
    }
    real = confessions.training.ConfessionConfig
    monkeypatch.setattr(confessions.training, "ConfessionConfig", lambda **settings: real(**settings, **small))
    monkeypatch.chdir(tmp_path)
    readme = ROOT / "README.md"
    (diff,) = blocks(readme, "diff")
    changes = [line for line in diff.splitlines() if line[:1] in "+-" and line.strip()]
    assert sum(line.startswith("+") for line in changes) == 4
    rows = [{"prompt": [{"role": "user", "content": f"Write about the {noun}."}]} for noun in ("river", "horse")] * 8
    names = {
        "model": str(tmp_path / "model"),
        "dataset": Dataset.from_list(rows),
        "answer_reward": lambda completions, **columns: [float(len(each[0]["content"])) for each in completions],
    }
    exec(blocks(readme, "python")[0], names)
    script = "\n".join(line[1:] for line in diff.splitlines() if not line.startswith("-"))
    exec(compile(script, "README.md", "exec"), names)
    assert names["trainer"].state.global_step == 1
