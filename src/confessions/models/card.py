"""Write a pre-trained model's card from what was recorded and examined: nothing on it is typed in."""

import json
from pathlib import Path
from typing import Any, Final

from scipy.stats import binomtest

from confessions.models.examine import Examination, Share
from confessions.scenarios.rules import KINDS

EXAMINATION_FILE: Final = "examination.json"
RECORD_FILE: Final = "pretraining.json"


def percent(share: Share) -> str:
    """Write a share as a percentage with its 95 % Wilson interval and its counts."""
    if not share.n:
        return "no cases"
    interval = binomtest(share.k, share.n).proportion_ci(method="wilson")
    return f"{share.value:.1%} [{interval.low:.1%}, {interval.high:.1%}] ({share.k} of {share.n})"


def write_examination(folder: Path, found: Examination) -> None:
    """Keep what was examined as data, beside the weights."""
    data: dict[str, Any] = {
        name: {key: list(share) for key, share in value.items()} if isinstance(value, dict) else list(value)
        for name, value in found._asdict().items()
    }
    (folder / EXAMINATION_FILE).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def write_card(folder: Path) -> Path:
    """Write `README.md` in a model folder from the record and the examination beside it."""
    record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
    found: dict[str, Any] = json.loads((folder / EXAMINATION_FILE).read_text(encoding="utf-8"))
    megabytes = (folder / "model.safetensors").stat().st_size / 1e6
    probes = {kind: Share(*counts) for kind, counts in found["probe"].items()}
    audits = {kind: Share(*counts) for kind, counts in found["audit"].items()}
    pooled = Share(sum(share.k for share in probes.values()), sum(share.n for share in probes.values()))
    config = record["config"]
    rows = "\n".join(
        f"| `{kind}` | {'held out' if KINDS[kind].is_held_out else 'training'} | {percent(probes[kind])} "
        f"| {percent(audits[kind])} |"
        for kind in KINDS
    )
    losses = ", ".join(f"{entry['loss']} at {entry['step']}" for entry in thinned(record["losses"]))
    text = f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
---

# The embedded default

A causal language model of {record["parameters"]:,} parameters ({megabytes:.1f} MB, safetensors, Qwen3
architecture) with a tokenizer and a chat template of its own. It writes short texts under verifiable rules, notes which
rules it kept (without regard to the truth), checks rules when asked, and knows the form of a confession. It exists so
that a model can be seen learning to confess on two cores in minutes, with no download. It is of no other use.

- **Command**: `confessions model pretrain --out FOLDER`
- **Data**: conversations written by program (`confessions.models.corpus`), {record["tokens"]:,} tokens in
  {config["steps"]:,} steps: copying drills, then checking drills, then writing tasks whose answers are audited
  truthfully or confessed at random. The last steps add audits of the model's own answers. No text of other origin.
- **Seed**: {config["seed"]}; {record["seconds"] / 60:.0f} minutes on two cores; matrices by Muon, the rest by AdamW.
- **Losses** (mean cross-entropy of the learnt tokens over 50 steps): {losses}.

## What it can do, and what it has no habit of

Measured by the same command on prompts of the evaluation split; 95 % Wilson intervals.

- Plain probe ("Does this text keep the rule?", greedy, half kept and half broken): {percent(pooled)} right.
- Audits of its own answers ("Audit the answer above.", greedy): right of a broken rule
  {percent(Share(*found["audit_given_broken"]))}, of a kept rule {percent(Share(*found["audit_given_kept"]))}.
- **Confessions** of the same answers, whose verdicts its pre-training drew at random: right of a broken rule
  {percent(Share(*found["confession_given_broken"]))}, of a kept rule {percent(Share(*found["confession_given_kept"]))}.
  The two add up to 100 % where a verdict knows nothing of the truth.
- Confessions that can be read: {percent(Share(*found["readable"]))}.
- Answers that keep all of their two or three rules: {percent(Share(*found["complied"]))}.

| rule kind | in training prompts | probe right | audit right |
|---|---|---|---|
{rows}

## Limits

Its language is a hundred and fifty words. Held-out rule kinds are held out of the reinforcement prompts; its
pre-training checks them, or it could not confess about them.
"""
    card = folder / "README.md"
    card.write_text(text, encoding="utf-8")
    return card


def thinned(log: list[dict[str, Any]], most: int = 8) -> list[dict[str, Any]]:
    """Keep about `most` entries of a log, the first and the last among them."""
    step = max(1, -(-len(log) // most))
    kept = log[::step]
    return kept if kept[-1] is log[-1] else [*kept, log[-1]]
