"""The settings that all measures share: which models and behaviors are measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict

from trimtab.study.settings.identity import ADDS, Marked


class MeasureSettings(Marked):
    """Base of the settings of a measure: what stands under its key in a study file.

    The docstrings of fields become the help of the measure's command.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)

    models: Annotated[tuple[str, ...], ADDS] = ()
    """Models of the study, by name; all by default."""
    behaviors: Annotated[tuple[str, ...], ADDS] = ()
    """Behaviors of the study, by name; by default all that fit."""

    def check_names(self, key: str, models: Sequence[str], behaviors: Sequence[str]) -> None:
        """Refuse names that the study does not have."""
        for kind, named, known in (("model", self.models, models), ("behavior", self.behaviors, behaviors)):
            for name in named:
                if name not in known:
                    raise ValueError(f"{key}: no {kind} of this study is called {name!r}; they are {', '.join(known)}")

    def check_study(self, key: str, *, sweep: bool) -> None:
        """Refuse what the rest of the study rules out.

        Args:
            key: The key of the measure.
            sweep: Whether layers and strengths are swept.
        """
        if not sweep:
            raise ValueError(f"{key} needs the sweep: leave `sweep: false` out")

    def covers(self, model: str, behavior: str, is_choice: bool) -> bool:
        """Whether a behavior is measured in a model.

        Args:
            model: Label of the model.
            behavior: Label of the behavior.
            is_choice: Whether its pairs have options to choose from.

        Raises:
            SettingError: When the study names a behavior that cannot be measured so.
        """
        return (not self.models or model in self.models) and (not self.behaviors or behavior in self.behaviors)


def _switched(value: Any) -> Any:
    """`true` stands for the default settings of a measure, `false` for none."""
    if isinstance(value, bool):
        return {} if value else None
    return value


Switched = BeforeValidator(_switched)
"""Lets the settings of a measure be written as `true` or `false`."""
