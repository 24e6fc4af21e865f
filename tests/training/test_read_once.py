"""The confessions of one answer share one reading of their context, and nothing else changes by it."""

import pytest
import tiny_policy as tiny
import torch
from datasets import Dataset
from peft import LoraConfig

import confessions.training.trainer as trainer_module
from confessions.training.trainer import ConfessionTrainer

BATCH = dict(per_device_train_batch_size=16, gradient_accumulation_steps=1, max_steps=2)
GREEDY = dict(top_k=1)


LORA = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)


def prompts_of_many_lengths():
    return Dataset.from_list([{"prompt": [{"role": "user", "content": "x" * length}]} for length in range(1, 33)])


def attentive_model():
    """A policy whose likeliest tokens depend on all that it reads, which those of small random weights hardly do."""
    model = tiny.make_model()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(10)
    return model


def generated(folder, monkeypatch, *, reads_once, **settings):
    """Train two steps; give what each generation call was given and drew, and how often contexts were read once."""
    if not reads_once:
        monkeypatch.setattr(ConfessionTrainer, "_reads_contexts_once", False)
    calls, shared = [], []
    sample_copies = trainer_module.sample_copies
    monkeypatch.setattr(
        trainer_module, "sample_copies", lambda *given: shared.append(len(given[1])) or sample_copies(*given)
    )
    torch.manual_seed(4)
    trainer = tiny.make_trainer(
        folder, model=attentive_model(), dataset=prompts_of_many_lengths(), **{**BATCH, **settings}
    )
    generate = trainer._generate_single_turn

    def spy(prompt_ids, *rest):
        completions, logprobs = generate(prompt_ids, *rest)
        calls.append((prompt_ids, completions))
        return completions, logprobs

    trainer._generate_single_turn = spy
    trainer.train()
    monkeypatch.undo()
    return calls, shared


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*deprecated:FutureWarning")
@pytest.mark.parametrize(
    "settings",
    [
        dict(),
        dict(repetition_penalty=1.5),
        dict(temperature=0.3, min_p=0.01, top_p=0.9),
        dict(gradient_checkpointing=True),
        dict(peft_config=LORA),
    ],
    ids=["plain", "repetition penalty", "temperature and cut-offs", "gradient checkpointing", "lora"],
)
def test_greedy_confessions_are_those_of_separate_readings(tmp_path, monkeypatch, settings):
    calls, shared = generated(tmp_path, monkeypatch, reads_once=True, **GREEDY, **settings)
    plain, unshared = generated(tmp_path, monkeypatch, reads_once=False, **GREEDY, **settings)
    assert shared and not unshared
    assert calls == plain
    contexts = [tuple(context) for context in calls[1][0]]
    assert len(set(contexts)) <= len(contexts) // 4, "each context is confessed four times"
    assert len({len(context) for context in contexts}) > 1, "some are padded"


def test_sampled_answers_are_the_same_to_the_last_id(tmp_path, monkeypatch):
    """In the first step, whose weights are the same; the second step's depend on the confessions."""
    calls, _ = generated(tmp_path, monkeypatch, reads_once=True)
    plain, _ = generated(tmp_path, monkeypatch, reads_once=False)
    assert calls[0] == plain[0]
    assert calls[1][0] == plain[1][0]
    assert calls[1][1] != plain[1][1], "confessions are drawn, so they differ"


def test_the_random_state_that_answers_are_drawn_from_is_not_moved(tmp_path, monkeypatch):
    settings = dict(learning_rate=1e-12)
    calls, _ = generated(tmp_path, monkeypatch, reads_once=True, **settings)
    plain, _ = generated(tmp_path, monkeypatch, reads_once=False, **settings)
    answers, plain_answers = [calls[at] for at in (0, 2)], [plain[at] for at in (0, 2)]
    assert answers == plain_answers


def test_each_distinct_context_is_read_once(tmp_path):
    trainer = tiny.make_trainer(tmp_path, **{**BATCH, "max_steps": 1, "max_confession_length": 1})
    read, contexts = [], []
    trainer.model.get_input_embeddings().register_forward_hook(lambda _, given, __: read.append(given[0].shape))
    generate = trainer._generate_single_turn

    def spy(prompt_ids, *rest):
        read.clear()
        contexts.append(prompt_ids)
        generated = generate(prompt_ids, *rest)
        contexts.append(list(read))
        return generated

    trainer._generate_single_turn = spy
    trainer.train()
    _, _, asked, shapes = contexts
    width = max(map(len, asked))
    assert [tuple(shape) for shape in shapes] == [(len(set(map(tuple, asked))), width - 1), (len(asked), 1)]


@pytest.mark.parametrize(
    "settings", [dict(generation_kwargs={"min_new_tokens": 2}), dict(cache_implementation="dynamic")], ids=str
)
def test_settings_that_do_not_hold_token_by_token_are_left_to_trl(tmp_path, monkeypatch, settings):
    calls, shared = generated(tmp_path, monkeypatch, reads_once=True, **settings)
    assert len(calls) > 1 and not shared
