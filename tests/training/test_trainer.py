import json

import pytest
import tiny_policy as tiny
import torch
from datasets import Dataset
from peft import LoraConfig
from trl import GRPOConfig, GRPOTrainer

from confessions.models.chat import ChatTemplateError, request_suffix_ids
from confessions.protocol import Message
from confessions.training.judging import ConfessionJudgeError
from confessions.training.trainer import ConfessionTrainer, TrainingError

BATCH = dict(per_device_train_batch_size=16, gradient_accumulation_steps=1, max_steps=1)


def train_plain(folder, **settings):
    """Train with TRL's own trainer and configuration."""
    ours = tiny.make_config(folder, confession_probability=0.0, **settings)
    known = set(GRPOConfig.__dataclass_fields__)
    kept = {
        key: value for key, value in vars(ours).items() if key in known and GRPOConfig.__dataclass_fields__[key].init
    }
    # Derived by GRPOConfig itself; given both, it refuses.
    kept.pop("generation_batch_size")
    trainer = GRPOTrainer(
        tiny.make_model(),
        tiny.answer_reward,
        GRPOConfig(**kept),
        tiny.make_dataset(),
        processing_class=tiny.make_tokenizer(),
    )
    trainer.train()
    return tiny.weights(trainer)


# The five lines that move a TRL script


def test_without_confessions_training_is_trls_to_the_bit(tmp_path):
    settings = dict(num_iterations=2, max_steps=4, optim="adamw_torch", max_grad_norm=1.0)
    ours = tiny.make_trainer(tmp_path, judge=None, confession_probability=0.0, **settings)
    start = tiny.weights(ours)
    ours.train()
    plain = train_plain(tmp_path, **settings)
    mine = tiny.weights(ours)
    assert all(torch.equal(mine[name], plain[name]) for name in plain)
    assert any(not torch.equal(mine[name], start[name]) for name in start)


def test_with_confessions_the_weights_are_others(tmp_path):
    ours = tiny.make_trainer(tmp_path)
    ours.train()
    plain = train_plain(tmp_path)
    assert any(not torch.equal(value, plain[name]) for name, value in tiny.weights(ours).items())


def test_plain_arguments_keep_their_places(tmp_path):
    config = tiny.make_config(tmp_path, confession_probability=0.0, max_steps=1)
    data = tiny.make_dataset(8)
    trainer = ConfessionTrainer(tiny.make_model(), [tiny.answer_reward], config, data, None, tiny.make_tokenizer())
    trainer.train()
    assert trainer.reward_func_names == ["answer_reward"]


# What is sampled


def collect(folder, **settings):
    """Train one generation batch; gives the trainer, the calls of both kinds of reward function, and the rollouts."""
    calls = {"answers": [], "confessions": []}

    def reward(**columns):
        calls["answers"].append(columns)
        return tiny.answer_reward(**columns)

    def judge(**columns):
        calls["confessions"].append(columns)
        return tiny.confession_reward(**columns)

    rollouts = []
    trainer = tiny.make_trainer(
        folder, reward=reward, judge=judge, rollout_observer=rollouts.extend, **{**BATCH, **settings}
    )
    trainer.train()
    return trainer, calls, rollouts


def test_each_kind_of_reward_function_sees_its_own_rows_and_the_columns(tmp_path):
    _, calls, rollouts = collect(tmp_path)
    (answers,), (confessions,) = calls["answers"], calls["confessions"]
    n_answers, n_confessions = len(answers["prompts"]), len(confessions["prompts"])
    assert n_answers and n_confessions and n_answers + n_confessions == 16
    plain = {"prompts", "completions", "completion_ids", "number", "trainer_state", "log_extra", "log_metric"}
    assert set(answers) == plain, "exactly what plain TRL gives"
    assert set(confessions) == plain | {"answers"}
    for call, count in ((answers, n_answers), (confessions, n_confessions)):
        assert all(len(value) == count for value in call.values() if isinstance(value, list))
    assert {rollout.kind for rollout in rollouts} == {"answer", "confession"}
    assert confessions["prompts"][0] == [{"role": "user", "content": f"{confessions['number'][0] % 7} words"}]


def test_a_confession_group_confesses_one_answer_and_reads_it_as_token_ids(tmp_path):
    trainer = tiny.make_trainer(tmp_path, **BATCH)
    seen = []
    generate = trainer._generate_single_turn

    def spy(prompt_ids, *rest):
        limit = trainer.generation_config.max_new_tokens
        completions, logprobs = generate(prompt_ids, *rest)
        seen.append((limit, prompt_ids, completions))
        return completions, logprobs

    trainer._generate_single_turn = spy
    trainer.train()
    (answer_limit, prompts, answers), (confession_limit, contexts, confessions) = seen
    assert (answer_limit, confession_limit) == (6, 9), "each has its own limit"
    assert trainer.generation_config.max_new_tokens == 6, "and it is put back"
    n_groups = len(contexts) // 4
    assert len(prompts) == 16 - len(contexts) + n_groups, "one answer for each confession group, in the same call"
    for group in range(n_groups):
        same = contexts[4 * group : 4 * group + 4]
        assert all(context == same[0] for context in same)
    suffix = trainer._request_ids
    eos = set(trainer.eos_token_ids)
    closed = [
        [*prompt, *(answer[:-1] if answer[-1] in eos else answer), *suffix]
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
    assert all(context in closed for context in contexts)
    assert max(map(len, answers)) <= 6 < max(map(len, confessions)) <= 9


def test_an_answer_that_was_cut_off_is_closed_and_counted(tmp_path):
    trainer, _, rollouts = collect(tmp_path, max_completion_length=1)
    suffix = trainer._request_ids
    assert suffix[0] == trainer._tokenizer.convert_tokens_to_ids("<|im_end|>")
    (log,) = [log for log in trainer.state.log_history if "confessions/answer_clipped_ratio" in log]
    assert 0 < log["confessions/answer_clipped_ratio"] <= 1


def first_completions(folder, **settings):
    """Give the answers that the first generation call draws."""
    torch.manual_seed(0)
    trainer = tiny.make_trainer(folder, **{**BATCH, **settings})
    drawn = []
    generate = trainer._generate_single_turn
    trainer._generate_single_turn = lambda *given: drawn.append(generate(*given)) or drawn[-1]
    trainer.train()
    return [completions for completions, _ in drawn]


def test_answers_come_from_the_same_random_stream_in_both_arms(tmp_path):
    # Confessions earn nothing, so both arms have equal weights; only the random stream could part them.
    settings = dict(judge=lambda completions, **columns: [0.0] * len(completions), max_steps=4, learning_rate=0.0)
    ours, control = (first_completions(tmp_path, train_confessions=trains, **settings) for trains in (True, False))
    answers = [call for call in ours if call in control]
    assert len(control) == 4
    assert answers == control
    assert len(ours) > len(control)


def test_batches_within_one_step_choose_their_groups_apart(tmp_path):
    trainer = tiny.make_trainer(tmp_path)
    trainer.state.global_step = 5
    first, second, third = (trainer._plan(400).is_confession for _ in range(3))
    assert first != second != third != first
    again = tiny.make_trainer(tmp_path)
    again.state.global_step = 5
    assert again._plan(400).is_confession == first, "a resumed run repeats the split"


@pytest.mark.parametrize("probability", [1.0, 0.01])
def test_a_batch_of_one_kind_trains(tmp_path, probability):
    trainer, calls, _ = collect(tmp_path, confession_probability=probability, max_steps=2)
    kind, other = ("confessions", "answers") if probability == 1 else ("answers", "confessions")
    assert len(calls[kind]) == 2 and not calls[other]
    assert all(log["grad_norm"] > 0 for log in trainer.state.log_history if "grad_norm" in log)


@pytest.mark.parametrize("loss_type", ["dapo", "grpo"])
def test_a_control_batch_without_answers_moves_nothing(tmp_path, loss_type):
    trainer = tiny.make_trainer(
        tmp_path, confession_probability=1.0, train_confessions=False, loss_type=loss_type, **BATCH
    )
    start = tiny.weights(trainer)
    trainer.train()
    assert all(torch.equal(value, start[name]) for name, value in tiny.weights(trainer).items())


def test_evaluation_is_trls_own(tmp_path):
    data = tiny.make_dataset(4)
    trainer, calls, _ = collect(
        tmp_path, confession_probability=1.0, eval_dataset=data, per_device_eval_batch_size=4, max_steps=1
    )
    metrics = trainer.evaluate()
    assert calls["answers"], "in evaluation every row is an answer"
    assert metrics["eval_rewards/reward/mean"] is not None
    assert not any("confessions" in name for name in metrics)


# Judges


def log_with(trainer, name):
    return next(log for log in trainer.state.log_history if name in log)


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_missing_verdict_is_counted_and_leaves_the_baseline(tmp_path, missing):
    given = []

    def judge(completions, **columns):
        given.extend([missing if index % 4 == 1 else float(index) for index in range(len(completions))])
        return list(given)

    rollouts = []
    trainer = tiny.make_trainer(tmp_path, judge=judge, rollout_observer=rollouts.extend, scale_rewards="none", **BATCH)
    trainer.train()
    assert log_with(trainer, "confessions/unjudged_fraction")["confessions/unjudged_fraction"] == 0.25
    confessions = [rollout for rollout in rollouts if rollout.kind == "confession"]
    advantages = [rollout.advantage for rollout in confessions[:4]]
    assert advantages[1] == 0
    assert confessions[1].rewards == {"judge": None}
    judged = torch.tensor([advantages[0], advantages[2], advantages[3]])
    assert torch.allclose(judged / judged[2], torch.tensor([-5.0, 1.0, 4.0]) / 4, atol=1e-5)


def test_too_many_missing_verdicts_stop_the_run(tmp_path):
    def shy(completions, **columns):
        return [1.0 if index == 0 else None for index in range(len(completions))]

    trainer = tiny.make_trainer(tmp_path, judge=shy, max_unjudged_fraction=0.5, **BATCH)
    with pytest.raises(ConfessionJudgeError, match="confessions got no verdict from shy; max_unjudged_fraction is 50%"):
        trainer.train()


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        (lambda completions, **columns: [1.0], r"returned 1 verdicts for \d+ confessions"),
        (lambda completions, **columns: [float("inf")] * len(completions), "returned inf for confession 0"),
        (lambda completions, scenario, **columns: [], "raised TypeError"),
    ],
)
def test_a_faulty_judge_stops_the_run_with_its_name(tmp_path, judge, message):
    judge.__name__ = "faulty"
    with pytest.raises(ConfessionJudgeError, match=f'the confession judge "faulty" {message}'):
        tiny.make_trainer(tmp_path, judge=judge, **BATCH).train()


def test_rows_that_one_of_two_judges_missed_are_dropped_and_counted_apart(tmp_path):
    def partly(completions, **columns):
        return [None if index % 4 else 100.0 for index in range(len(completions))]

    trainer = tiny.make_trainer(
        tmp_path, judge=[tiny.confession_reward, partly], max_unjudged_fraction=0.0, judge_patience=60.0, **BATCH
    )
    trainer.train()  # neither waits nor stops
    log = log_with(trainer, "confessions/dropped_fraction")
    assert (log["confessions/dropped_fraction"], log["confessions/unjudged_fraction"]) == (0.75, 0.0)
    assert log["confessions/reward"] >= 100, "rows that are left out do not enter the mean"


def test_several_judges_are_weighted_and_logged_by_name(tmp_path):
    async def sevens(completions, **columns):
        return [7.0 * (index % 2) for index in range(len(completions))]

    rollouts = []
    trainer = tiny.make_trainer(
        tmp_path,
        judge=[tiny.confession_reward, sevens],
        confession_reward_weights=[0.0, 1.0],
        rollout_observer=rollouts.extend,
        **BATCH,
    )
    trainer.train()
    log = log_with(trainer, "confessions/reward")
    assert log["confessions/reward"] == log["confessions/rewards/sevens/mean"] == 3.5
    assert "confessions/rewards/confession_reward/mean" in log
    signs = [rollout.advantage > 0 for rollout in rollouts if rollout.kind == "confession"]
    assert signs == [False, True] * (len(signs) // 2)


def test_judges_log_metrics_and_columns_of_their_own(tmp_path):
    def judge(completions, log_metric, log_extra, **columns):
        log_metric("share_of_admissions", 0.25)
        log_extra("verdict", ["seen"] * len(completions))
        return [float(index) for index in range(len(completions))]

    trainer = tiny.make_trainer(tmp_path, judge=judge, log_completions=True, num_completions_to_print=0, **BATCH)
    trainer.train()
    assert log_with(trainer, "share_of_admissions")["share_of_admissions"] == 0.25
    import pandas as pd

    (table,) = (tmp_path / "completions").glob("*.parquet")
    verdicts = pd.read_parquet(table)["verdict"]
    assert len(verdicts) == 16 and 0 < (verdicts == "seen").sum() < 16


def test_the_judge_never_sees_reasoning(tmp_path):
    seen = []

    def judge(prompts, answers, completions, **columns):
        seen.extend(
            json.dumps([prompt, answer, own]) for prompt, answer, own in zip(prompts, answers, completions, strict=True)
        )
        return [0.0] * len(completions)

    prompt = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "<think>SECRET</think>Hi", "reasoning_content": "SECRET"},
        {"role": "user", "content": "Again"},
    ]
    trainer = tiny.make_trainer(tmp_path, judge=judge, dataset=Dataset.from_list([{"prompt": prompt}] * 8), **BATCH)
    spoken = trainer._tokenizer("<think>SECRET</think>shown")["input_ids"]
    trainer._generate_single_turn = lambda ids, *rest: ([[*spoken, 2] for _ in ids], None)
    trainer.train()
    assert seen
    assert not any("SECRET" in one for one in seen)
    assert all(one.count("shown") == 2 for one in seen)


# Metrics


def test_trls_own_metrics_describe_answers_as_in_plain_trl(tmp_path):
    trainer, calls, _ = collect(tmp_path)
    log = log_with(trainer, "confessions/row_fraction")
    lengths = [len(ids) for call in calls["answers"] for ids in call["completion_ids"]]
    own = [len(ids) for call in calls["confessions"] for ids in call["completion_ids"]]
    assert log["completions/mean_length"] == log["answers/mean_length"] == pytest.approx(sum(lengths) / len(lengths))
    assert log["completions/max_length"] == max(lengths)
    assert log["confessions/mean_length"] == pytest.approx(sum(own) / len(own))
    assert log["confessions/row_fraction"] == len(own) / 16
    assert log["reward"] == pytest.approx(log["answers/reward"])
    assert log["reward_std"] == pytest.approx(log["answers/reward_std"], rel=1e-5)
    assert log["frac_reward_zero_std"] == log["answers/frac_reward_zero_std"] == 0
    assert 0 < log["confessions/distinct_fraction"] <= 1
    assert {"confessions/clipped_ratio", "confessions/unjudged_fraction", "confessions/frac_reward_zero_std"} <= set(
        log
    )


def test_collapsed_confessions_show_in_the_metrics(tmp_path):
    trainer = tiny.make_trainer(tmp_path, **BATCH)
    generate = trainer._generate_single_turn
    calls = []

    def same(ids, *rest):
        calls.append(ids)
        return generate(ids, *rest) if len(calls) == 1 else ([[50, 51, 2] for _ in ids], None)

    trainer._generate_single_turn = same
    trainer.train()
    log = log_with(trainer, "confessions/distinct_fraction")
    assert log["confessions/distinct_fraction"] == 0.25
    assert log["confessions/frac_reward_zero_std"] == 1.0
    assert log["answers/distinct_fraction"] > 0.25


# Bad input


def test_bad_arguments_are_named(tmp_path):
    def make(**changes):
        return tiny.make_trainer(tmp_path, **{**BATCH, **changes})

    with pytest.raises(TrainingError, match="no confession_reward_funcs: pass at least one"):
        make(judge=None)
    with pytest.raises(TrainingError, match="2 confession_reward_weights for 1"):
        make(confession_reward_weights=[1.0, 2.0])
    with pytest.raises(TrainingError, match="confession judge str cannot be called"):
        make(judge=["model"])
    with pytest.raises(TrainingError, match='no column "prompt", only text'):
        make(dataset=Dataset.from_list([{"text": "hello"}]))
    with pytest.raises(TrainingError, match="prompts are str; a confession is asked for in a chat"):
        make(dataset=Dataset.from_list([{"prompt": "hello"}]))
    with pytest.raises(TrainingError, match='column "answers"'):
        make(dataset=tiny.make_dataset().add_column("answers", ["x"] * 64))
    with pytest.raises(TrainingError, match="args is GRPOConfig; ConfessionTrainer takes a ConfessionConfig"):
        ConfessionTrainer(tiny.make_model(), tiny.answer_reward, GRPOConfig(str(tmp_path), use_cpu=True, report_to=[]))


def with_template(folder, template, **settings):
    tokenizer = tiny.make_tokenizer(template)
    return ConfessionTrainer(
        tiny.make_model(),
        tiny.answer_reward,
        tiny.make_config(folder, **settings),
        tiny.make_dataset(),
        processing_class=tokenizer,
        confession_reward_funcs=tiny.confession_reward,
    )


NO_SYSTEM = "{% if messages[-1]['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}" + tiny.CHATML


def test_dropout_is_refused_unless_it_is_switched_off(tmp_path):
    adapter = LoraConfig(r=2, lora_dropout=0.1, target_modules=["q_proj"])
    with pytest.raises(
        TrainingError, match=r"q_proj\.lora_dropout\.default drops out with p=0\.1.*disable_dropout=True"
    ):
        tiny.make_trainer(tmp_path, peft_config=adapter)
    tiny.make_trainer(tmp_path, peft_config=adapter, disable_dropout=True)
    tiny.make_trainer(tmp_path, peft_config=adapter, judge=None, confession_probability=0.0)
    model = tiny.make_model()
    model.config.attention_dropout = 0.1
    with pytest.raises(TrainingError, match=r"attention_dropout is 0\.1.*load the model with attention_dropout=0"):
        tiny.make_trainer(tmp_path, model=model, disable_dropout=True)


def test_a_template_that_cannot_ask_is_refused_before_training(tmp_path):
    with pytest.raises(ChatTemplateError, match="has no chat template"):
        with_template(tmp_path, None)
    with pytest.raises(ChatTemplateError, match='refuses a system message after an answer.*use role="user"'):
        with_template(tmp_path, NO_SYSTEM)
    trainer = with_template(tmp_path, NO_SYSTEM, confession_request_role="auto")
    assert trainer.confession_request.role == "user"
    assert with_template(tmp_path, tiny.CHATML, confession_request_role="auto").confession_request.role == "system"


def test_a_request_may_be_a_message_or_a_text(tmp_path):
    own = Message(role="user", content="Now confess.")
    config, data = tiny.make_config(tmp_path), tiny.make_dataset()
    for request, role in ((own, "user"), ("Now confess.", "system")):
        trainer = ConfessionTrainer(
            tiny.make_model(),
            tiny.answer_reward,
            config,
            data,
            processing_class=tiny.make_tokenizer(),
            confession_reward_funcs=tiny.confession_reward,
            confession_request=request,
        )
        assert trainer.confession_request == Message(role=role, content="Now confess.")
        assert trainer._request_ids == request_suffix_ids(trainer._tokenizer, trainer.confession_request)


def test_tools_are_refused_with_confessions(tmp_path):
    with pytest.raises(TrainingError, match="tools cannot be used together with confessions"):
        ConfessionTrainer(
            tiny.make_model(),
            tiny.answer_reward,
            tiny.make_config(tmp_path),
            tiny.make_dataset(),
            processing_class=tiny.make_tokenizer(),
            confession_reward_funcs=tiny.confession_reward,
            tools=[print],
        )
