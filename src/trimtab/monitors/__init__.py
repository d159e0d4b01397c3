"""Monitors: linear probes that tell, token by token, whether a text shows a behavior; and the gates they make."""

from trimtab.monitors.conversations import MessageScore, TokenScores
from trimtab.monitors.fitting import fit_monitor
from trimtab.monitors.monitor import Monitor, MonitorProvenance
from trimtab.monitors.testing import Tested, test_monitor

__all__ = [
    "MessageScore",
    "Monitor",
    "MonitorProvenance",
    "Tested",
    "TokenScores",
    "fit_monitor",
    "test_monitor",
]
