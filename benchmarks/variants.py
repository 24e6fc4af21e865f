"""Other ways to train confessions, to be compared with the package's: they live here alone.

`SharedTrainer` puts an answer and its confession into one sequence, each token with the advantage of its own channel.
`NaiveTrainer` has one confession for each answer, and divides the loss by the tokens of the whole batch.
"""

from typing import Any

import torch
from trl import GRPOTrainer

from confessions.training import ConfessionTrainer
from confessions.training.channels import group_advantages, total_rewards
from confessions.training.trainer import _Batch


class CountingTrainer(ConfessionTrainer):
    """The package's trainer, which also counts the tokens that it samples and trains on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tokens = {"sampled": 0, "read_in_training": 0, "in_the_loss": 0}

    def _sample(self, contexts: list[list[int]], limit: int) -> list[Any]:
        completions = super()._sample(contexts, limit)
        self.tokens["sampled"] += sum(len(completion.ids) for completion in completions)
        return completions

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        output = super()._generate_and_score_completions(inputs)
        own = output["completion_mask"] * output.get("tool_mask", 1)
        self.tokens["read_in_training"] += int(output["prompt_mask"].sum() + output["completion_mask"].sum())
        self.tokens["in_the_loss"] += int(own.sum())
        for name, count in self.tokens.items():
            self._log(f"tokens/{name}", float(count))
        return output


class _OneAnswerEach(_Batch):
    """A batch whose confessing rows have an answer each, by which they are looked up."""

    def group(self, row: int) -> int:
        return self.first_row + row

    def is_head(self, row: int) -> bool:
        return True


class OneAnswerEachTrainer(CountingTrainer):
    """G confessions of G different answers to one prompt compete with each other."""

    def _plan(self, n_rows: int) -> _Batch:
        return _OneAnswerEach(**vars(super()._plan(n_rows)))


class NaiveTrainer(OneAnswerEachTrainer):
    """One confession for each answer, and a loss divided by all tokens of the batch."""

    def _join_channels(self, output: dict[str, Any], batch: _Batch) -> None:
        super()._join_channels(output, batch)
        confession, mask = output["is_confession"], output["completion_mask"]
        answers, confessions = mask[~confession].sum(), mask[confession].sum()
        if answers and confessions:
            output["advantages"][confession] *= confessions / answers
            output["num_items_in_batch"] = torch.full_like(output["num_items_in_batch"], int(answers + confessions))


class SharedTrainer(OneAnswerEachTrainer):
    """In a confession group, a row is an answer, the request and its confession, and trains both of them."""

    def _answer_rows(self) -> list[int] | None:
        return None

    def _roll_out(self, prompts: list[Any], trainer: GRPOTrainer) -> dict[str, Any]:
        output = super()._roll_out(prompts, trainer)
        batch = self._batch
        assert batch is not None
        self._confession_ids = list(output["completion_ids"])
        own_prompts, _, _ = self._tokenize_prompts(prompts)
        masks = [[1] * len(ids) for ids in output["completion_ids"]]
        for row in batch.rows(confessing=True):
            turn = output["prompt_ids"][row][len(own_prompts[row]) :]
            ended = batch.answers[batch.group(row)][-1] in self.eos_token_ids
            answer = len(turn) - len(self._request_ids)
            # The request begins with the end of the answer's turn, which the answer has said itself.
            masks[row] = [1] * (answer + ended) + [0] * (len(turn) - answer - ended) + masks[row]
            output["completion_ids"][row] = turn + output["completion_ids"][row]
            output["prompt_ids"][row] = own_prompts[row]
        return {**output, "env_mask": masks}

    def _calculate_rewards(
        self, inputs: list[dict[str, Any]], prompts: list[Any], completions: list[Any], completion_ids_list: list[Any]
    ) -> torch.Tensor:
        batch = self._batch
        assert batch is not None
        answers, confessions = list(completions), list(completions)
        for row in batch.rows(confessing=True):
            answers[row] = [batch.messages[row]]
            text = self._tokenizer.decode(self._confession_ids[row], skip_special_tokens=True)
            confessions[row] = [{"role": "assistant", "content": text}]
        rewards: torch.Tensor = GRPOTrainer._calculate_rewards(self, inputs, prompts, answers, completion_ids_list)
        batch.rewards, batch.completions = rewards, completions
        batch.verdicts = self._judge(batch, inputs, prompts, confessions, self._confession_ids)
        return rewards

    def _join_channels(self, output: dict[str, Any], batch: _Batch) -> None:
        own = output["completion_mask"] * output["tool_mask"]
        confessed = torch.tensor(batch.is_confession).unsqueeze(1)
        behind_request = ((output["tool_mask"] == 0) & (output["completion_mask"] == 1)).cumsum(1) > 0
        confession = confessed & behind_request & (own == 1)  # (B, T)
        n_confession = int(confession.sum())
        n_answer = int(own.sum()) - n_confession
        rewards = total_rewards(batch.verdicts, self.confession_reward_weights)
        earned = group_advantages(rewards, batch.group_size, self.args.scale_rewards)
        scaled = earned * n_answer / max(n_confession, 1)
        output["advantages"] = torch.where(confession, scaled.unsqueeze(1), output["advantages"].unsqueeze(1))
        output["num_items_in_batch"] = torch.full_like(output["num_items_in_batch"], n_answer)
        self._log_channels(batch)
