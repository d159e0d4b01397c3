"""Studies from Python: tuning and every check of objects in memory, with figures and reports."""

from trimtab.notebook.baseline_comparison import BaselineComparison, baselines
from trimtab.notebook.figure import ChartFigure
from trimtab.notebook.measured_run import Measured
from trimtab.notebook.pair_diagnosis import Diagnosis, diagnose
from trimtab.notebook.reports import report
from trimtab.notebook.setting_robustness import Robustness, robustness
from trimtab.notebook.setting_side_effects import SideEffects, side_effects
from trimtab.notebook.tuning_replies import TunedSetting, Tuning, tune

__all__ = [
    "BaselineComparison",
    "ChartFigure",
    "Diagnosis",
    "Measured",
    "Robustness",
    "SideEffects",
    "TunedSetting",
    "Tuning",
    "baselines",
    "diagnose",
    "report",
    "robustness",
    "side_effects",
    "tune",
]
