"""A tiny random model of Qwen3's architecture, with Qwen3's chat template as TRL ships it and a byte tokenizer."""

from pathlib import Path

import torch
import trl
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
SPECIAL = ["<|pad|>", "<|im_start|>", "<|im_end|>", "<|endoftext|>"]
THINK = ["<think>", "</think>"]


def chat_template(name="qwen3"):
    return (TEMPLATES / f"{name}.jinja").read_text()


def make_tokenizer(template=None):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*SPECIAL, *THINK, *alphabet]
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in THINK])  # text, as with Qwen3
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<|pad|>", eos_token="<|im_end|>")
    fast.chat_template = template or chat_template()
    return fast


def make_model(seed=0, positions=8192):
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=262,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=positions,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
        tie_word_embeddings=False,
    )
    model = Qwen3ForCausalLM(config)
    model.generation_config.eos_token_id = [2, 3]
    return model


def save(folder):
    """Write the model as one that a recipe may name."""
    make_model().save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder
