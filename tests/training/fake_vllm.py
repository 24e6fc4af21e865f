"""A vLLM engine and a vLLM server client that sample from the weights they are sent, at TRL's own seam.

TRL's `VLLMGeneration` stays as it is: its gathering, slicing, length limits and weight synchronisation are what the
trainer must get along with. Only the engine behind it is made up. A row's tokens depend on the weights that were loaded
last, the prompt and its place among equal prompts, so that two runs can be compared.
"""

import hashlib
from collections import Counter
from types import SimpleNamespace

import torch
import trl.generation.vllm_generation as vllm_generation
import trl.trainer.grpo_trainer as grpo_trainer
from trl.generation.vllm_generation import VLLMGeneration


class FakeEngine:
    """Samples one token after another, and notes what it was asked for."""

    def __init__(self, model, eos_ids):
        # A copy would still be the trainer's: TRL replaces the forward of the very object.
        self.model = type(model)(model.config).eval()
        self.eos_ids = set(eos_ids)
        self.calls = []
        self.weight_updates = 0

    def load(self, named_weights):
        own = dict(self.model.named_parameters())
        for name, weight in named_weights:
            own[name].data.copy_(weight)

    def sample(self, prompts, max_tokens):
        self.calls.append(([tuple(prompt) for prompt in prompts], max_tokens))
        seen = Counter()
        rows = []
        for prompt in prompts:
            key = f"{tuple(prompt)}|{seen[tuple(prompt)]}"
            seen[tuple(prompt)] += 1
            seed = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=6).digest())
            rows.append(self._row(list(prompt), max_tokens, torch.Generator().manual_seed(seed)))
        return rows

    @torch.no_grad()
    def _row(self, prompt, max_tokens, generator):
        ids, logprobs = [], []
        while len(ids) < max_tokens and not (ids and ids[-1] in self.eos_ids):
            logits = self.model(input_ids=torch.tensor([prompt + ids])).logits[0, -1].float()
            chances = logits.log_softmax(-1)
            ids.append(torch.multinomial(chances.exp(), 1, generator=generator).item())
            logprobs.append(chances[ids[-1]].item())
        return ids, logprobs


class Colocated:
    """What TRL calls of `vllm.LLM`."""

    def __init__(self, engine):
        self.engine = engine
        self.sleeps = 0
        runner = SimpleNamespace(model=SimpleNamespace(load_weights=engine.load))
        worker = SimpleNamespace(model_runner=runner)
        self.llm_engine = SimpleNamespace(model_executor=SimpleNamespace(driver_worker=worker))

    def generate(self, prompts, sampling_params, use_tqdm):
        asked = [prompt["prompt_token_ids"] for prompt in prompts]
        return [
            SimpleNamespace(
                prompt_token_ids=prompt,
                outputs=[
                    SimpleNamespace(
                        token_ids=tuple(ids),
                        logprobs=[
                            {token: SimpleNamespace(logprob=logprob, rank=1)}
                            for token, logprob in zip(ids, logprobs, strict=True)
                        ],
                    )
                ],
            )
            for prompt, (ids, logprobs) in zip(
                asked, self.engine.sample(asked, sampling_params.max_tokens), strict=True
            )
        ]

    def reset_prefix_cache(self):
        self.engine.weight_updates += 1

    def wake_up(self, tags):
        pass

    def sleep(self, level):
        self.sleeps += 1


class Client:
    """What TRL calls of `VLLMClient`."""

    def __init__(self, engine):
        self.engine = engine

    def get_server_info(self):
        return {"model_config": {"logprobs_mode": "processed_logprobs"}}

    def update_named_params(self, metadata, named_weights):
        named_weights = list(named_weights)
        assert [name for name, *_ in metadata] == [name for name, _ in named_weights]
        self.engine.load(named_weights)

    def reset_prefix_cache(self):
        self.engine.weight_updates += 1

    def generate(self, prompts, features, n, max_tokens, logprobs, **settings):
        assert n == 1 and features is None and logprobs == 0
        rows = self.engine.sample(prompts, max_tokens)
        return {
            "prompt_ids": prompts,
            "completion_ids": [ids for ids, _ in rows],
            "logprobs": [[[value] for value in values] for _, values in rows],
        }


class FakeVLLMGeneration(VLLMGeneration):
    """TRL's class without vLLM behind it."""

    def _init_vllm(self):
        eos = self.model.generation_config.eos_token_id
        base = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        self.engine = FakeEngine(base, eos if isinstance(eos, list) else [eos])
        if self.mode == "server":
            self.vllm_client = Client(self.engine)
        else:
            self.llm = Colocated(self.engine)
            self._llm_weights_sleeping = self.enable_sleep_mode


def install():
    """Put the fake in the place where TRL's trainer finds `VLLMGeneration`."""
    grpo_trainer.VLLMGeneration = FakeVLLMGeneration
    vllm_generation.SamplingParams = SimpleNamespace
    vllm_generation.empty_cache = lambda: None
