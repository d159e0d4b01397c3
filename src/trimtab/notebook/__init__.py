"""Studies from Python: tune, diagnose, side effects, robustness of objects in memory, with figures and reports."""

from trimtab.notebook.figure import ChartFigure
from trimtab.notebook.measured_run import Measured
from trimtab.notebook.pair_diagnosis import Diagnosis, diagnose
from trimtab.notebook.reports import report
from trimtab.notebook.setting_robustness import Robustness, robustness
from trimtab.notebook.setting_side_effects import SideEffects, side_effects
from trimtab.notebook.tuning_replies import TunedSetting, Tuning, tune

__all__ = [
    "ChartFigure",
    "Diagnosis",
    "Measured",
    "Robustness",
    "SideEffects",
    "TunedSetting",
    "Tuning",
    "diagnose",
    "report",
    "robustness",
    "side_effects",
    "tune",
]
