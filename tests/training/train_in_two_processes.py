"""Run by `test_processes.py` in each of two processes: trains both arms and writes what process 0 found."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import tiny_policy as tiny
import torch
from accelerate.utils import gather_object


def silent(completions, **columns):
    return [1.0] * len(completions)


def trained(folder, **settings):
    trainer = tiny.make_trainer(folder, learning_rate=0.5, max_steps=4, **settings)
    assert trainer.accelerator.num_processes == 2, "torchrun must really have started two processes"
    start = tiny.weights(trainer)
    contexts = []
    generate = trainer._generate_single_turn
    trainer._generate_single_turn = lambda ids, *rest: (
        contexts.append([tuple(one) for one in ids]) or generate(ids, *rest)
    )
    trainer.train()
    suffix = tuple(trainer._request_ids)
    asked = [[one for one in call if one[-len(suffix) :] == suffix] for call in contexts]
    everywhere = gather_object([one for call in asked for one in call])
    return tiny.weights(trainer), start, everywhere


def main(folder: Path) -> None:
    found = {}
    cases = {
        "whole groups": dict(per_device_train_batch_size=4, gradient_accumulation_steps=2),
        "groups across processes": dict(per_device_train_batch_size=2, gradient_accumulation_steps=1, num_iterations=2),
    }
    for name, settings in cases.items():
        ours, start, contexts = trained(folder, judge=silent, **settings)
        control, _, _ = trained(folder, train_confessions=False, **settings)
        loud, _, loud_contexts = trained(folder, **settings)
        total = torch.stack([value.double().sum() for value in loud.values()]).sum().item()
        found[name] = {
            "silent": tiny.relative_difference(control, ours, start),
            "loud": tiny.relative_difference(control, loud, start),
            "confessions": len(contexts),
            "copies_of_each_context": sorted({loud_contexts.count(one) for one in loud_contexts}),
            "totals": gather_object([total]),
        }
    if torch.distributed.get_rank() == 0:
        (folder / "found.json").write_text(json.dumps(found))
    torch.distributed.barrier()
    os._exit(0)  # gloo's threads may abort a process that ends in the ordinary way


if __name__ == "__main__":
    main(Path(sys.argv[1]))
