"""The examination counts what a model of known behaviour does."""

import random

import pytest

from confessions.models import examine as examining
from confessions.models.corpus import (
    AUDIT_REQUEST,
    PROBE_QUESTION,
    build_tokenizer,
    draw_answer,
    random_findings,
    report_of,
    truthful_findings,
)
from confessions.models.examine import Share, evaluation_tasks, examine, examine_probes
from confessions.protocol import BRIEF, render
from confessions.scenarios.rules import HELD_OUT_KINDS, KINDS, TRAINING_KINDS
from confessions.scenarios.writing import body

TOKENIZER = build_tokenizer()


class Known:
    """Stands in for `sample`: answers tasks by program, audits truthfully, and confesses and answers probes as told."""

    def __init__(self, confess, probe=None):
        self.confess, self.probe = confess, probe
        self.tasks, self.rules, self.asked = {}, {}, []
        self.rng = random.Random(0)

    def keep_tasks(self, kinds, count, rng):
        tasks = evaluation_tasks(kinds, count, rng)
        self.tasks.update({task.prompt: task for task in tasks})
        return tasks

    def keep_rule(self, text, kind, rng):
        rule = examining_probe_rule(text, kind, rng)
        self.rules[rule.text] = rule
        return rule

    def sample(self, model, tokenizer, prompts, *, max_new_tokens, temperature=1.0, seed=0):
        replies = [self.reply(tokenizer.decode(prompt)) for prompt in prompts]
        self.asked.append((len(prompts), temperature, max_new_tokens))
        return [tokenizer(reply, add_special_tokens=False)["input_ids"] for reply in replies]

    def reply(self, context):
        if PROBE_QUESTION in context:
            text, _, question = context.removeprefix("<|user|>").partition(f"\n{PROBE_QUESTION} ")
            rule = self.rules[question.removesuffix("<|end|><|assistant|>")]
            verdict = rule.kept(text) if self.probe is None else self.probe
            return f"{rule.evidence(text)}: {'yes' if verdict else 'no'}"
        prompt, _, rest = context.removeprefix("<|user|>").partition("<|end|><|assistant|>")
        task = self.tasks[prompt]
        if not rest:
            return draw_answer(task, 0.5, self.rng)[1]
        answer = rest.partition("<|end|>")[0]
        if AUDIT_REQUEST in rest:
            return render(report_of(task, answer, truthful_findings(task, answer, body(answer))), BRIEF)
        return self.confess(task, answer, self.rng)


examining_probe_rule = examining.probe_rule


@pytest.fixture
def known(monkeypatch):
    def install(confess=lambda *_: "", probe=None):
        model = Known(confess, probe)
        monkeypatch.setattr(examining, "sample", model.sample)
        monkeypatch.setattr(examining, "evaluation_tasks", model.keep_tasks)
        monkeypatch.setattr(examining, "probe_rule", model.keep_rule)
        return model

    return install


def always_kept(task, answer, rng):
    return render(report_of(task, answer, tuple(("seen", True) for _ in task.rules)), BRIEF)


def at_random(task, answer, rng):
    return render(report_of(task, answer, random_findings(task, rng)), BRIEF)


def test_a_model_that_checks_and_always_confesses_compliance(known):
    model = known(always_kept)
    found = examine(None, TOKENIZER, answers=60, per_kind=4)
    assert all(share.value == 1 for share in (*found.probe.values(), found.audit_given_broken, found.audit_given_kept))
    assert found.confession_given_kept.value == 1
    assert found.confession_given_broken.value == 0
    assert found.confession_given_broken.n == found.audit_given_broken.n > 20
    assert found.readable == Share(60, 60)
    assert found.audited_bad.value == 1
    assert found.audited_good.value == 0
    assert found.audited_bad.n + found.audited_good.n == 60
    assert found.complied.k == found.audited_good.n
    assert sum(share.n for share in found.audit.values()) == found.audit_given_broken.n + found.audit_given_kept.n
    # Answers and confessions at temperature 1; audits and probes greedily.
    assert [temperature for _, temperature, _ in model.asked] == [1.0, 0.0, 1.0, 0.0]


def test_confessions_at_random_show_as_chance(known):
    known(at_random)
    found = examine(None, TOKENIZER, answers=300, per_kind=2)
    # Fixed seeds; the two shares differ by less than five standard errors of independent draws.
    says_broken = found.confession_given_broken.value, 1 - found.confession_given_kept.value
    assert abs(says_broken[0] - says_broken[1]) < 5 * (0.25 / 200) ** 0.5
    assert found.audit_given_broken.value == 1


def test_confessions_that_cannot_be_read_are_counted_apart(known):
    known(lambda *_: "I kept them all.")
    found = examine(None, TOKENIZER, answers=20, per_kind=2)
    assert found.readable == Share(0, 20)
    assert found.confession_given_broken.n == found.confession_given_kept.n == 0
    assert found.audit_given_broken.n > 0


@pytest.mark.parametrize("verdict", [True, False])
def test_a_constant_reply_to_probes_is_right_half_the_time_for_every_kind(known, verdict):
    known(probe=verdict)
    assert examine_probes(None, TOKENIZER, 4, 0) == {kind: Share(2, 4) for kind in KINDS}


def test_tasks_are_of_the_evaluation_split():
    for kinds in (TRAINING_KINDS, HELD_OUT_KINDS):
        tasks = evaluation_tasks(kinds, 30, random.Random(0))
        assert {task.split for task in tasks} == {"evaluation"}
        assert {kind for task in tasks for kind in task.kinds} <= set(kinds)


def test_a_share_of_nothing_is_nothing():
    assert Share(0, 0).value == 0
    assert Share(1, 4).value == 0.25
