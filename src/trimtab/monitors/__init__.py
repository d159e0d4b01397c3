"""Monitors: linear probes that score each token of a text for a behavior, and gates made of them."""

from trimtab.monitors.conversations import TEMPLATE, TokenScores
from trimtab.monitors.fitting import fit_monitor
from trimtab.monitors.monitor import Monitor, token_probability
from trimtab.monitors.prompt_condition import READS, PromptCondition, PromptRead
from trimtab.monitors.testing import MonitorEvaluation, test_monitor

__all__ = [
    "READS",
    "TEMPLATE",
    "Monitor",
    "MonitorEvaluation",
    "PromptCondition",
    "PromptRead",
    "TokenScores",
    "fit_monitor",
    "test_monitor",
    "token_probability",
]
