"""A tiny policy and a byte tokenizer made in code, and short ways to train them."""

from pathlib import Path

import torch
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from confessions.training.config import ConfessionConfig
from confessions.training.trainer import ConfessionTrainer

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|pad|>", "<|im_start|>", "<|im_end|>"]


def make_tokenizer(chat_template=CHATML):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<|pad|>", eos_token="<|im_end|>")
    fast.chat_template = chat_template
    return fast


def make_model(seed=0):
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=259,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    # Many ids end a turn, so that completions of an untrained policy differ in length and some are cut off.
    model.generation_config.eos_token_id = [2, *range(220, 259)]
    return model


def make_dataset(n=64):
    return Dataset.from_list(
        [{"prompt": [{"role": "user", "content": f"{index % 7} words"}], "number": index} for index in range(n)]
    )


def make_config(folder: Path, **settings):
    defaults = dict(
        output_dir=str(folder),
        per_device_train_batch_size=4,
        gradient_accumulation_steps=2,
        num_generations=4,
        max_completion_length=6,
        max_confession_length=9,
        max_steps=3,
        learning_rate=1e-2,
        max_grad_norm=1e9,
        optim="sgd",
        lr_scheduler_type="constant",
        save_strategy="no",
        logging_steps=1,
        report_to=[],
        use_cpu=True,
        bf16=False,
        disable_tqdm=True,
        gradient_checkpointing=False,
        confession_probability=0.5,
        confession_request_role="system",
        seed=3,
    )
    return ConfessionConfig(**{**defaults, **settings})


def answer_reward(completions, **columns):
    """A lively reward that depends on the text alone."""
    return [float(sum(map(ord, completion[0]["content"])) % 11) for completion in completions]


def confession_reward(completions, answers, **columns):
    return [float(sum(map(ord, completion[0]["content"])) % 7) for completion in completions]


def make_trainer(folder: Path, *, reward=answer_reward, judge=confession_reward, model=None, dataset=None, **settings):
    extra = {key: settings.pop(key) for key in ("peft_config", "rollout_observer", "eval_dataset") if key in settings}
    return ConfessionTrainer(
        model or make_model(),
        reward,
        make_config(folder, **settings),
        dataset or make_dataset(),
        processing_class=make_tokenizer(),
        confession_reward_funcs=judge,
        confession_request="Confess.",
        **extra,
    )


def weights(trainer):
    model = trainer.accelerator.unwrap_model(trainer.model)
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def relative_difference(first, second, start):
    """How far two sets of weights are apart, relative to how far the first has moved from where both started."""
    apart = sum(((first[name] - second[name]) ** 2).sum() for name in first).sqrt()
    moved = sum(((first[name] - start[name]) ** 2).sum() for name in first).sqrt()
    assert moved > 0
    return (apart / moved).item()


def first_batch(trainer):
    """The rows of the trainer's first generation batch, as its own data loader gives them."""
    trainer.model.train()
    return next(iter(trainer.get_train_dataloader()))
