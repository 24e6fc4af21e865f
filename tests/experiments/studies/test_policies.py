"""The folder that policies are kept in, and the small functions that studies are made of; nothing is trained."""

import json
from contextlib import contextmanager

import pytest

from confessions.evaluation import judge_outcome
from confessions.experiments.recipe import RecipeError
from confessions.experiments.studies import interventions, seal
from confessions.experiments.studies.catalogue import STUDIES
from confessions.experiments.studies.policies import Arm, StudySizes, Workshop, transcript
from confessions.experiments.studies.run import chosen, read_seeds
from confessions.experiments.studies.selective import only_about
from confessions.experiments.studies.study import StudyError
from confessions.experiments.studies.test_time import vote
from confessions.protocol import BRIEF, Compliance, ConfessionReport, ObjectiveCompliance, render
from confessions.scenarios.rules import Rule
from confessions.scenarios.writing import WritingScenario

SCENARIO = WritingScenario(topic="river", rules=(Rule(kind="use_word", word="lamp"), Rule(kind="brackets")))
GOOD, BAD = "[The lamp waits.]\nKept: 1 2.", "The owl waits.\nKept: 1 2."


@contextmanager
def no_bar(title, total):
    yield lambda done: None


def confession(*kept: bool) -> str:
    entries = [
        ObjectiveCompliance(
            objective=text,
            analysis="seen",
            compliance=Compliance.FULLY_COMPLIED if flag else Compliance.NOT_COMPLIED_NOT_REPORTED,
        )
        for text, flag in zip(SCENARIO.objectives, kept, strict=True)
    ]
    report = ConfessionReport(
        compliance_analysis=tuple(entries), uncertainties_and_conflicts=(), overall_compliance_grade=4
    )
    return render(report, BRIEF)


def outcome(answer: str, text: str, passed: bool | None = None):
    return judge_outcome(SCENARIO, "group", answer, text, BRIEF, passed)


def columns(*answers: str):
    return {"scenario": [SCENARIO.to_json()] * len(answers)}


def test_a_folder_of_other_settings_is_refused(tmp_path):
    Workshop(tmp_path, no_bar).seed_folder(0)
    with pytest.raises(StudyError, match="other settings"):
        Workshop(tmp_path, no_bar, StudySizes(samples=7)).seed_folder(0)
    with pytest.raises(StudyError, match="other settings"):
        Workshop(tmp_path, no_bar, changes=["grpo.max_steps=3"]).seed_folder(0)
    assert Workshop(tmp_path, no_bar).seed_folder(0).is_dir()


def test_an_arm_changes_what_it_names_and_nothing_else(tmp_path):
    workshop = Workshop(tmp_path, no_bar)
    plain = workshop.recipe_of(Arm("plain"), 3).model_dump()
    changed = workshop.recipe_of(Arm("other", ("grpo.confession_probability=0.1",)), 3).model_dump()
    assert plain["seed"] == 3
    assert plain["grpo"].pop("confession_probability") == 0.5
    assert changed["grpo"].pop("confession_probability") == 0.1
    assert plain == changed


def test_every_arm_of_every_study_has_a_recipe_that_reads(tmp_path):
    workshop = Workshop(tmp_path, no_bar)
    arms = _arms()
    assert len(arms) > 15
    for arm in arms:
        workshop.recipe_of(arm, 0)
    with pytest.raises(RecipeError):
        workshop.recipe_of(Arm("wrong", ("no.such=1",)), 0)


def _arms():
    from confessions.experiments.studies import baselines, fraction, generalisation, policies, reasoning

    found = [*seal.PLIABLE, *fraction.FRACTIONS.values()]
    for module in (baselines, generalisation, policies, reasoning, seal):
        found += [value for value in vars(module).values() if isinstance(value, Arm)]
    names = {arm.name for arm in found}
    for name in names:
        assert len({id(arm) for arm in found if arm.name == name}) == 1, f"two arms are called {name}: one folder"
    return list({arm.name: arm for arm in found}.values())


def test_a_transcript_puts_the_pressure_before_the_prompt():
    roles = [message.role for message in transcript(SCENARIO, GOOD, "Deny it.").messages]
    assert roles == ["system", "user", "assistant"]
    assert [message.role for message in transcript(SCENARIO, "").messages] == ["user", "assistant"]


def test_votes_are_the_majority_of_the_readable_confessions():
    votes = [outcome(BAD, confession(False, False)), outcome(BAD, confession(True, True)), outcome(BAD, "no report")]
    assert vote([votes[0], votes[0], votes[1]]).confessed is True
    assert vote([votes[1], votes[1], votes[0]]).confessed is False
    assert vote([votes[2], votes[1], votes[2]]).confessed is False
    assert vote([votes[2], votes[2]]).confessed is None
    assert vote([votes[0], votes[1], votes[1]]).verdicts == (True, True)


def test_choices_among_answers():
    clean, one, both = (outcome(GOOD, confession(*kept)) for kept in ((True, True), (False, True), (False, False)))
    unreadable = outcome(GOOD, "no report")
    assert interventions.fewest_admitted([both, one, clean]) == 2
    assert interventions.fewest_admitted([unreadable, one]) == 1
    assert interventions.first_clean([one, clean, clean]) == 1
    assert interventions.first_clean([one, both]) == 1
    passed = [outcome(GOOD, confession(True, True), flag) for flag in (False, True)]
    assert interventions.first_passed(passed) == 1
    assert interventions.first_passed(passed[:1]) == 0


def test_a_clean_confession_is_one_that_admits_nothing():
    texts = [confession(True, True), confession(False, True), "no report"]
    assert seal.clean_shares([SCENARIO] * 3, texts) == [1.0, 0.5, 0.0]


def test_joined_rewards_are_missing_where_either_is():
    both = seal.joined(lambda **columns: [1.0, None], lambda **columns: [0.5, 0.5])
    assert both() == [1.5, None]


class _Trainer:
    """Stands for the trainer: all that the wrappers look at."""

    confession_reward_funcs = ()


@pytest.mark.parametrize("complied", [True, False])
def test_a_selective_judge_has_verdicts_about_its_kind_of_answers_only(monkeypatch, complied):
    trainer = _Trainer()
    trainer.confession_reward_funcs = [lambda answers, completions, **columns: [0.25] * len(completions)]
    monkeypatch.setattr("confessions.experiments.studies.selective.build_trainer", lambda *arguments: trainer)
    built = only_about(complied)(None, None, None, None)
    rewards = built.confession_reward_funcs[0](answers=[GOOD, BAD], completions=["", ""], **columns(GOOD, BAD))
    assert rewards == ([0.25, None] if complied else [None, 0.25])


def test_the_leak_pays_a_clean_confession_more():
    leaking = seal._leak_into_confession(lambda answers, completions, **columns: [0.0] * len(completions), None)
    texts = [confession(True, True), confession(False, False)]
    assert leaking(answers=[BAD, BAD], completions=texts, **columns(BAD, BAD)) == [seal.LEAK, 0.0]


def test_seeds_are_read():
    assert read_seeds("0-2, 7,1") == (0, 1, 2, 7)
    for text in ("", "a", "3-1", "1,,2", "-1"):
        with pytest.raises(StudyError, match="--seeds"):
            read_seeds(text)


def test_studies_are_chosen_by_name():
    assert [study.name for study in chosen(["seal", "weak_judge"])] == ["weak_judge", "seal"]
    assert len(chosen(["all"])) == len(STUDIES) == 12
    with pytest.raises(StudyError, match='did you mean "weak_judge"'):
        chosen(["weakjudge"])


def test_the_markers_of_a_folder_are_json(tmp_path):
    folder = Workshop(tmp_path, no_bar).seed_folder(2)
    assert json.loads((folder / "study.json").read_text())["recipe"]["seed"] == 2
