"""Low-rank adapters: training a pretrained model by a small number of added weights."""

from peft import LoraConfig


def lora_config(rank: int, alpha: float) -> LoraConfig:
    """Describe an adapter on every linear layer but the output's."""
    return LoraConfig(
        r=rank,
        lora_alpha=int(alpha) if float(alpha).is_integer() else alpha,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
