"""Find, apply and check steering vectors in language models.

    import trimtab as tt

    model = tt.load()
    train, select, test = tt.dataset("cheerful").split(seed=0)
    vectors = tt.extract(model, train)
    sweep = tt.sweep(model, vectors, select, test=test)
    print(sweep.best())

Importing this package is quick: torch and transformers come in with the first name that needs them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trimtab.baking import Baked, bake
    from trimtab.data import Behavior, Pair, PromptContrast, SetContrast, contrast, dataset
    from trimtab.engines import Model, load
    from trimtab.errors import TrimtabError, TrimtabWarning
    from trimtab.evaluation import Best, Projection, Sweep, own_replies, project, projection_bounds, sweep
    from trimtab.notebook import (
        BaselineComparison,
        Diagnosis,
        Robustness,
        SideEffects,
        TunedSetting,
        Tuning,
        baselines,
        diagnose,
        report,
        robustness,
        side_effects,
        tune,
    )
    from trimtab.steering import Intervention, steering
    from trimtab.study import Study, read_study, run_study
    from trimtab.study.setting_to_use import SettingToUse, setting_to_use
    from trimtab.vectors import SteeringVector, extract

_HOMES = {
    "Baked": "baking",
    "BaselineComparison": "notebook",
    "Behavior": "data",
    "Best": "evaluation",
    "Diagnosis": "notebook",
    "Intervention": "steering",
    "Model": "engines",
    "Pair": "data",
    "Projection": "evaluation",
    "PromptContrast": "data",
    "Robustness": "notebook",
    "SetContrast": "data",
    "SettingToUse": "study.setting_to_use",
    "SideEffects": "notebook",
    "SteeringVector": "vectors",
    "Study": "study",
    "Sweep": "evaluation",
    "TrimtabError": "errors",
    "TrimtabWarning": "errors",
    "TunedSetting": "notebook",
    "Tuning": "notebook",
    "bake": "baking",
    "baselines": "notebook",
    "contrast": "data",
    "dataset": "data",
    "diagnose": "notebook",
    "extract": "vectors",
    "load": "engines",
    "own_replies": "evaluation",
    "project": "evaluation",
    "projection_bounds": "evaluation",
    "read_study": "study",
    "report": "notebook",
    "robustness": "notebook",
    "run_study": "study",
    "setting_to_use": "study.setting_to_use",
    "side_effects": "notebook",
    "steering": "steering",
    "sweep": "evaluation",
    "tune": "notebook",
}

__all__ = [
    "Baked",
    "BaselineComparison",
    "Behavior",
    "Best",
    "Diagnosis",
    "Intervention",
    "Model",
    "Pair",
    "Projection",
    "PromptContrast",
    "Robustness",
    "SetContrast",
    "SettingToUse",
    "SideEffects",
    "SteeringVector",
    "Study",
    "Sweep",
    "TrimtabError",
    "TrimtabWarning",
    "TunedSetting",
    "Tuning",
    "bake",
    "baselines",
    "contrast",
    "dataset",
    "diagnose",
    "extract",
    "load",
    "own_replies",
    "project",
    "projection_bounds",
    "read_study",
    "report",
    "robustness",
    "run_study",
    "setting_to_use",
    "side_effects",
    "steering",
    "sweep",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("trimtab")
    if name not in _HOMES:
        raise AttributeError(f"module 'trimtab' has no attribute {name!r}")
    return getattr(importlib.import_module(f"trimtab.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
