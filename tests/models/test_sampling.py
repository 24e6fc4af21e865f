import copy
from collections.abc import Callable

import pytest
import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, LogitsProcessor, LogitsProcessorList

from confessions.models import sampling
from confessions.models.sampling import SamplingError, sample


class PlainTokenizer:
    pad_token_id = 0
    eos_token_id = 2


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config)


PROMPTS = [[5, 6, 7], [8, 9], [10] * 12, [11, 12, 13, 14, 15], [3]]
MANY_ENDS = list(range(2, 64, 6))


def one_by_one(model: LlamaForCausalLM, prompts: list[list[int]], length: int, ends: list[int]) -> list[list[int]]:
    """Decode greedily without a batch, padding, or a cache."""
    completions = []
    for prompt in prompts:
        tokens = list(prompt)
        while len(tokens) < len(prompt) + length:
            with torch.no_grad():
                tokens.append(int(model(torch.tensor([tokens]), use_cache=False).logits[0, -1].argmax()))
            if tokens[-1] in ends:
                break
        completions.append(tokens[len(prompt) :])
    return completions


@pytest.mark.parametrize("ends", [[2], MANY_ENDS])
@pytest.mark.parametrize("batch_size", [2, 128])
def test_batches_padding_and_leaving_rows_change_nothing(
    model: LlamaForCausalLM, ends: list[int], batch_size: int
) -> None:
    model.eval()
    expected = one_by_one(model, PROMPTS, 40, ends)
    sampled = sample(
        model, PlainTokenizer(), PROMPTS, max_new_tokens=40, temperature=0, batch_size=batch_size, eos_ids=ends
    )
    assert sampled == expected
    if ends is MANY_ENDS:
        assert len({len(completion) for completion in expected}) > 1


def test_the_seed_decides_and_outer_random_state_stays(model: LlamaForCausalLM) -> None:
    before = torch.random.get_rng_state()
    first = sample(model, PlainTokenizer(), PROMPTS, max_new_tokens=20, seed=1)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.rand(3)
    assert sample(model, PlainTokenizer(), PROMPTS, max_new_tokens=20, seed=1) == first
    assert sample(model, PlainTokenizer(), PROMPTS, max_new_tokens=20, seed=2) != first


def test_sampled_frequencies_are_the_models_own(model: LlamaForCausalLM) -> None:
    """False alarm about 1 in 10^4 over 64 tokens (4.8 sigma each); the seed is fixed."""
    model.eval()
    n = 4000
    tokens = [s[0] for s in sample(model, PlainTokenizer(), [[5, 6, 7]] * n, max_new_tokens=1, batch_size=n)]
    with torch.no_grad():
        p = model(torch.tensor([[5, 6, 7]])).logits[0, -1].softmax(-1)
    counts = torch.bincount(torch.tensor(tokens), minlength=64)
    assert (((counts - n * p).abs() - 0.5) <= 4.8 * (n * p * (1 - p)).sqrt() + 1).all()


def test_a_models_own_generation_defaults_do_not_bend_the_distribution(model: LlamaForCausalLM) -> None:
    plain = sample(model, PlainTokenizer(), PROMPTS, max_new_tokens=20)
    defaults = model.generation_config
    try:
        defaults.top_k, defaults.top_p, defaults.repetition_penalty = 2, 0.5, 2.0
        assert sample(model, PlainTokenizer(), PROMPTS, max_new_tokens=20) == plain
    finally:
        defaults.top_k, defaults.top_p, defaults.repetition_penalty = None, None, None


def test_the_end_token_is_kept_and_nothing_follows_it(model: LlamaForCausalLM) -> None:
    for completion in sample(model, PlainTokenizer(), PROMPTS * 5, max_new_tokens=40, eos_ids=MANY_ENDS):
        assert not set(completion[:-1]) & set(MANY_ENDS)
        assert completion[-1] in MANY_ENDS or len(completion) == 40


def test_progress_counts_every_prompt_once(model: LlamaForCausalLM) -> None:
    finished: list[int] = []
    sample(model, PlainTokenizer(), PROMPTS, max_new_tokens=40, eos_ids=MANY_ENDS, progress=finished.append)
    assert sum(finished) == len(PROMPTS)


def test_training_mode_comes_back(model: LlamaForCausalLM) -> None:
    model.train()
    sample(model, PlainTokenizer(), PROMPTS, max_new_tokens=2)
    assert model.training


def test_logits_processors_apply_across_stretches(model: LlamaForCausalLM) -> None:
    class OnlySeven(LogitsProcessor):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            only = torch.full_like(scores, -torch.inf)
            only[:, 7] = 0.0
            return only

    length = 2 * sampling.STRETCH_TOKENS + 3
    sampled = sample(
        model,
        PlainTokenizer(),
        PROMPTS[:2],
        max_new_tokens=length,
        logits_processor=LogitsProcessorList([OnlySeven()]),
    )
    assert sampled == [[7] * length] * 2


def test_no_prompts_gives_no_completions(model: LlamaForCausalLM) -> None:
    assert sample(model, PlainTokenizer(), [], max_new_tokens=5) == []


@pytest.mark.parametrize(
    ("prompts", "settings", "message"),
    [
        ([[1], []], {}, "prompt 1 has no tokens"),
        ([[1]], {"max_new_tokens": 0}, "max_new_tokens is 0"),
        ([[1]], {"temperature": -1.0}, "temperature is -1.0"),
        ([[1]], {"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_senseless_settings_are_refused(
    model: LlamaForCausalLM, prompts: list[list[int]], settings: dict[str, float], message: str
) -> None:
    with pytest.raises(SamplingError, match=message):
        sample(model, PlainTokenizer(), prompts, **{"max_new_tokens": 4, **settings})  # type: ignore[arg-type]


COPIES = [PROMPTS[0]] * 3 + [PROMPTS[2]] * 2 + [PROMPTS[3]] + [PROMPTS[0]]


def tokens_read(model: LlamaForCausalLM, call: Callable[[], object]) -> int:
    """Count the tokens that go through the model's embeddings while `call` runs."""
    counted: list[int] = []
    hook = model.get_input_embeddings().register_forward_hook(lambda _, given, __: counted.append(given[0].numel()))
    try:
        call()
    finally:
        hook.remove()
    return sum(counted)


@pytest.mark.parametrize("ends", [[2], MANY_ENDS])
def test_equal_prompts_are_read_once_and_continue_as_if_read_apart(model: LlamaForCausalLM, ends: list[int]) -> None:
    model.eval()
    expected = one_by_one(model, COPIES, 40, ends)
    settings = GenerationConfig(do_sample=False, max_new_tokens=40, eos_token_id=ends, pad_token_id=0)
    assert sampling.sample_copies(model, COPIES, settings) == expected
    assert settings.max_new_tokens == 40
    apart = [[*prompt[:-1], 40 + number, prompt[-1]] for number, prompt in enumerate(COPIES)]
    short = GenerationConfig(do_sample=False, max_new_tokens=1, eos_token_id=ends, pad_token_id=0)
    assert tokens_read(model, lambda: sampling.sample_copies(model, COPIES, short)) == 3 * 11 + 7
    assert tokens_read(model, lambda: sampling.sample_copies(model, apart, short)) == 7 * 13


def test_copies_follow_generates_own_settings(model: LlamaForCausalLM) -> None:
    settings = GenerationConfig(do_sample=True, top_k=1, max_new_tokens=30, eos_token_id=[2], pad_token_id=0)
    model.eval()
    assert sampling.sample_copies(model, COPIES, settings) == one_by_one(model, COPIES, 30, [2])
    settings = GenerationConfig(
        do_sample=False, repetition_penalty=1.7, max_new_tokens=30, eos_token_id=[2], pad_token_id=0
    )
    penalised = sampling.sample_copies(model, COPIES, settings)
    alone = [sampling.sample_copies(model, [prompt], settings)[0] for prompt in COPIES]
    assert penalised == alone
    assert penalised != one_by_one(model, COPIES, 30, [2])


def test_copies_differ_as_separate_draws_do(model: LlamaForCausalLM) -> None:
    """False alarm about 1 in 10^4 over 64 tokens (4.8 sigma each); the seed is fixed."""
    model.eval()
    n = 4000
    settings = GenerationConfig(do_sample=True, top_k=0, max_new_tokens=1, eos_token_id=[2], pad_token_id=0)
    torch.manual_seed(0)
    tokens = [one[0] for one in sampling.sample_copies(model, [[5, 6, 7]] * n, settings)]
    with torch.no_grad():
        p = model(torch.tensor([[5, 6, 7]])).logits[0, -1].softmax(-1)
    counts = torch.bincount(torch.tensor(tokens), minlength=64)
    assert (((counts - n * p).abs() - 0.5) <= 4.8 * (n * p * (1 - p)).sqrt() + 1).all()


def test_a_prompt_of_one_token_has_nothing_to_be_read_first(model: LlamaForCausalLM) -> None:
    model.eval()
    prompts = [[3], [3], [5, 6, 7]]
    settings = GenerationConfig(do_sample=False, max_new_tokens=5, eos_token_id=[2], pad_token_id=0)
    assert sampling.sample_copies(model, prompts, settings) == one_by_one(model, prompts, 5, [2])


def test_a_padding_token_in_a_prompt_is_no_padding(model: LlamaForCausalLM) -> None:
    model.eval()
    prompts = [[0, 6, 7], [6, 7], [6, 7]]
    settings = GenerationConfig(do_sample=False, max_new_tokens=20, eos_token_id=[2], pad_token_id=0)
    assert sampling.sample_copies(model, prompts, settings) == one_by_one(model, prompts, 20, [2])


def test_a_model_with_recurrent_layers_cannot_share_what_it_has_read(model: LlamaForCausalLM) -> None:
    assert sampling.can_read_once(model)
    recurrent = LlamaForCausalLM(model.config)
    recurrent.config = copy.deepcopy(model.config)
    recurrent.config.layer_types = ["linear_attention", "full_attention"]
    assert not sampling.can_read_once(recurrent)
