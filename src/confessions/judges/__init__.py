"""Who decides: rewards of answers, judges of confessions, and the verdicts they give."""

from confessions.judges.answers import brevity, claimed_rules_kept, fluency, rules_kept
from confessions.judges.confessions import exact, spot_check
from confessions.judges.verdicts import Attention, BaseRates, JudgeError

__all__ = [
    "Attention",
    "BaseRates",
    "JudgeError",
    "brevity",
    "claimed_rules_kept",
    "exact",
    "fluency",
    "rules_kept",
    "spot_check",
]
