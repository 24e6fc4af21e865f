"""Confessions after the fact: of any finished log, which is only read."""

import hashlib
import shutil

import pytest
from inspect_ai import Task
from inspect_ai.dataset import Sample
from inspect_ai.log import read_eval_log, write_eval_log
from inspect_ai.model import ModelOutput, get_model, modelapi
from inspect_ai.scorer import includes, match
from inspect_ai.solver import basic_agent, solver
from inspect_ai.tool import tool

from confessions.evaluation.finished import finished_samples
from confessions.evaluation.registry import FAMILY_TASKS
from confessions.evaluation.rows import LogError, read_rows
from confessions.evaluation.scripted import Scripted
from confessions.evaluation.tasks import posthoc
from confessions.protocol import REQUEST_FULL

LONG = "An answer about Rome. " * 400


def log_path(log):
    from pathlib import Path

    return Path(log.location.removeprefix("file://"))


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def foreign_task(n=3, **options):
    samples = [Sample(id=f"q{i}", input=f"Capital of France? ({i})", target="Paris") for i in range(n)]
    return Task(dataset=samples, name="capitals", **{"scorer": [includes(), match()], **options})


def test_a_foreign_log_confesses_and_stays_as_it_is(run_task, tmp_path):
    source = run_task(foreign_task(), model=get_model("scripted/honest", answer=LONG, memoize=False))
    path = log_path(source)
    before = sha256(path)
    log = run_task(posthoc(str(path)), model="scripted/confesses", log_dir=str(tmp_path / "later"))
    assert log.status == "success", log.error
    assert sha256(path) == before
    assert [s.id for s in log.samples] == ["q0", "q1", "q2"]
    for old, new in zip(source.samples, log.samples, strict=True):
        assert [m.text for m in new.messages] == [m.text for m in old.messages]
        assert new.output.completion == old.output.completion == LONG
        score = new.scores["confession"]
        assert score.value["outcome"] == "tp"
        assert score.metadata["truth"] == "score>=0.5"
        assert score.metadata["model"] == "scripted/confesses"
        assert score.metadata["source_log"] == path.name
    rows = read_rows([tmp_path / "later"])
    assert {(row.family, row.model) for row in rows} == {("capitals", "scripted/confesses")}


def test_the_models_own_confession_is_the_default_and_the_named_score_decides(run_task, tmp_path):
    source = run_task(foreign_task(1), model=get_model("scripted/denies", answer="Paris, of course", memoize=False))
    for truth, complied in (("score:includes", "yes"), ("score:match", "no")):
        log = run_task(posthoc(str(log_path(source)), truth=truth), model="scripted/denies")
        assert log.samples[0].scores["confession"].value["complied"] == complied


@pytest.mark.parametrize("family", ["word_count", "broken_browser"])
def test_a_familys_log_keeps_its_truth_under_another_confessor(family, run_task, tmp_path):
    source = run_task(FAMILY_TASKS[family](samples=8), model="scripted/denies")
    log = run_task(posthoc(str(log_path(source))), model="scripted/honest", log_dir=str(tmp_path / "later"))
    for old, new in zip(source.samples, log.samples, strict=True):
        first, second = old.scores["confession"], new.scores["confession"]
        for key in ("complied", "admitted"):
            assert first.value[key] == second.value[key]
        assert second.metadata["family"] == family
        assert second.metadata["cluster"] == first.metadata["cluster"]
        assert second.value["confessed"] == ("yes" if first.value["complied"] == "no" else "no")


def test_epochs_become_samples_that_share_their_prompt(run_task):
    source = run_task(foreign_task(2), model="scripted/honest", epochs=3)
    found = finished_samples(log_path(source))
    clusters = {s.id: s.metadata["cluster"] for s in found.samples}
    assert clusters == {f"{q}#{epoch}": q for q in ("q0", "q1") for epoch in (1, 2, 3)}


@tool
def look():
    async def execute(place: str):
        """Look at a place.

        Args:
            place: The place.
        """
        return f"nothing at {place}"

    return execute


def test_an_agents_cut_off_log_confesses(run_task):
    model = get_model(
        "mockllm/model",
        custom_outputs=lambda *_: _with_usage(ModelOutput.for_tool_call("mockllm", "look", {"place": "the desk"})),
        memoize=False,
    )
    source = run_task(foreign_task(1, solver=basic_agent(tools=[look()]), message_limit=4), model=model)
    assert source.samples[0].limit.type == "message"
    found = finished_samples(log_path(source)).samples[0]
    assert [tool["name"] for tool in found.metadata["confessions_tools"]] == ["look", "submit"]
    log = run_task(posthoc(str(log_path(source))), model="scripted/confesses")
    score = log.samples[0].scores["confession"]
    assert score.value["outcome"] == "tp"
    assert score.metadata["limit"] == "message"
    assert score.metadata["transcript_repairs"] or log.samples[0].messages[-1].role == "tool"


def _with_usage(output):
    from inspect_ai.model import ModelUsage

    output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return output


@solver
def fails_afterwards():
    async def solve(state, generate):
        if "(0)" not in state.input_text:
            state = await generate(state)
        raise RuntimeError("the sandbox fell over")

    return solve


def test_errored_samples_confess_where_there_is_an_answer(run_task):
    source = run_task(foreign_task(3, solver=fails_afterwards()), model="scripted/honest", fail_on_error=False)
    path = log_path(source)
    found = finished_samples(path)
    assert [s.id for s in found.samples] == ["q1", "q2"]
    assert found.left_out == {"it ended in an error before an answer": 1}
    log = run_task(posthoc(str(path), max_unscored=1.0), model="scripted/confesses")
    assert log.status == "success", log.error
    for sample in log.samples:
        assert sample.scores["confession"].value["outcome"] == "unscored"
        assert "lacks the task's own score, includes" in sample.scores["confession"].metadata["missing"]
    with pytest.raises(LogError, match="no sample of .* can confess: .* 2 because it ended in an error"):
        finished_samples(path, errored=False)


def test_a_cut_off_log_says_what_to_do(run_task, tmp_path):
    path = log_path(run_task(foreign_task(), model="scripted/honest"))
    cut = tmp_path / "cut.eval"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(LogError, match="cut.eval cannot be read as a log by inspect-ai .* It was cut off"):
        finished_samples(cut)


@pytest.mark.parametrize("text", ["", "{}", '{"version": 99, "eval": {}}', "not json"])
def test_a_file_that_is_no_log_says_so(text, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(LogError, match="other.json cannot be read as a log"):
        finished_samples(path)


def test_a_missing_log_is_named(tmp_path):
    with pytest.raises(LogError, match="there is no log .*nowhere.eval"):
        finished_samples(tmp_path / "nowhere.eval")


def test_duplicate_sample_ids_are_refused(run_task, tmp_path):
    source = run_task(foreign_task(2), model="scripted/honest", log_format="json")
    log = read_eval_log(source.location)
    log.samples[1].id = log.samples[0].id
    path = tmp_path / "twice.json"
    write_eval_log(log, str(path))
    with pytest.raises(LogError, match="holds the sample 'q0' of epoch 1 twice"):
        finished_samples(path)


def test_a_log_without_confessions_has_no_rows(run_task):
    source = run_task(foreign_task(), model="scripted/honest")
    with pytest.raises(LogError, match="none of 1 logs was scored by `confession`: run `confessions evaluate --log"):
        read_rows([log_path(source)])


def test_rows_of_a_retried_sample_count_once(run_task, tmp_path):
    source = run_task(FAMILY_TASKS["word_count"](samples=3))
    copy = tmp_path / "copy.eval"
    shutil.copy(log_path(source), copy)
    assert len(read_rows([log_path(source), copy])) == 3


class Listening(Scripted):
    """A scripted model that keeps what it was shown."""

    heard = []

    async def generate(self, input, tools, tool_choice, config):
        self.heard.append([message.text for message in input])
        return await super().generate(input, tools, tool_choice, config)


@modelapi(name="listening")
def listening():
    return Listening


def test_two_runs_over_the_same_samples_are_not_counted_together(run_task, tmp_path):
    for _ in range(2):
        run_task(FAMILY_TASKS["word_count"](samples=3), log_dir=str(tmp_path / "twice"))
    with pytest.raises(LogError, match="are two runs over the same samples .*word_count.* Name one of them"):
        read_rows([tmp_path / "twice"])
    run_task(FAMILY_TASKS["word_count"](samples=3), log_dir=str(tmp_path / "varied"))
    run_task(FAMILY_TASKS["word_count"](samples=3, k=3), log_dir=str(tmp_path / "varied"))
    assert len(read_rows([tmp_path / "varied"])) == 6


def test_the_request_is_put_once_behind_the_conversation_as_it_was(run_task):
    source = run_task(foreign_task(1), model="scripted/honest")
    Listening.heard.clear()
    run_task(posthoc(str(log_path(source))), model="listening/honest")
    assert Listening.heard == [[*(m.text for m in source.samples[0].messages), REQUEST_FULL]]


def test_a_log_that_was_confessed_after_the_fact_can_be_again(run_task):
    source = run_task(foreign_task(2), model="scripted/denies")
    first = run_task(posthoc(str(log_path(source))), model="scripted/denies")
    second = run_task(posthoc(str(log_path(first))), model="scripted/confesses")
    third = run_task(posthoc(str(log_path(first)), truth="score:includes"), model="scripted/confesses")
    for log in (second, third):
        for sample in log.samples:
            score = sample.scores["confession"]
            assert score.value["outcome"] == "tp"
            assert score.metadata["source_task"] == "capitals"


def test_the_same_model_confesses_under_the_settings_of_its_answers(run_task):
    seen = []

    class Settled(Scripted):
        async def generate(self, input, tools, tool_choice, config):
            seen.append((config.temperature, config.reasoning_effort, [message.role for message in input][0]))
            return await super().generate(input, tools, tool_choice, config)

    modelapi(name="settled")(lambda: Settled)
    settings = {"temperature": 0.1, "reasoning_effort": "high", "system_message": "Be terse."}
    source = run_task(foreign_task(1), model="settled/honest", **settings)
    run_task(posthoc(str(log_path(source))), model="settled/honest")
    assert seen == [(0.1, "high", "system")] * 2


def test_what_an_earlier_run_could_not_judge_is_judged_anew(run_task):
    broken = get_model(
        "mockllm/model", custom_outputs=lambda *_: _with_usage(ModelOutput.from_content("m", "?")), memoize=False
    )
    source = run_task(
        FAMILY_TASKS["word_count"](samples=4, truth="grader"), model="scripted/honest", model_roles={"grader": broken}
    )
    assert {s.scores["confession"].value["outcome"] for s in source.samples} == {"unscored"}
    log = run_task(posthoc(str(log_path(source))), model="scripted/honest")
    assert {s.scores["confession"].value["outcome"] for s in log.samples} <= {"tp", "tn"}
