"""The figures that objects have: `plot()` finds what draws them by name, and imports it then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol

from trimtab._util.registry import Entry, Registry
from trimtab._util.suggest import suggestion
from trimtab.errors import SettingError


class Figure(Protocol):
    """A figure that notebooks show, and that can be saved."""

    def save(self, path: str | Path) -> Path:
        """Write it as `.svg`, `.png`, `.pdf` or `.html`, or its numbers as `.csv`."""
        ...


_HERE = "trimtab.notebook.plots"
PLOTS: Registry[Callable[[Any], Figure]] = Registry(
    "plot",
    "trimtab.plots",
    {
        "vector.norms": Entry(f"{_HERE}:vector_norms", "Norm of the vector over the norm of the states, by layer."),
        "vector.cosines": Entry(f"{_HERE}:vector_cosines", "Cosines between the directions of all layers."),
        "vector.letter": Entry(f"{_HERE}:vector_letter", "How much of the answer letter is left, by layer."),
        "sweep.layers": Entry(f"{_HERE}:sweep_layers", "The effect over depth at the best strength."),
        "sweep.strengths": Entry(f"{_HERE}:sweep_strengths", "The effect over depth, a line for each strength."),
        "sweep.scores": Entry(
            f"{_HERE}:sweep_scores", "How the scores of the prompts are distributed at the best cell."
        ),
        "tuning.settings": Entry(f"{_HERE}:tuning_settings", "What judges say of every layer and strength."),
        "tuning.front": Entry(f"{_HERE}:tuning_front", "Change of the replies against what it costs them."),
        "tuning.usable": Entry(f"{_HERE}:tuning_usable", "The strengths that can be used, by layer."),
        "diagnosis.quality": Entry(f"{_HERE}:diagnosis_quality", "How well the pairs agree, by layer."),
        "diagnosis.curve": Entry(f"{_HERE}:diagnosis_curve", "What more pairs would bring."),
        "diagnosis.heuristics": Entry(f"{_HERE}:diagnosis_heuristics", "The layers that the usual heuristics pick."),
        "side_effects.shifts": Entry(f"{_HERE}:side_shifts", "How far other behaviors move."),
        "side_effects.random": Entry(f"{_HERE}:side_random", "The effect beside those of random directions."),
        "robustness.variants": Entry(f"{_HERE}:robust_variants", "The share of the effect that each variant keeps."),
        "baselines.differences": Entry(f"{_HERE}:baseline_differences", "How much more one arm does than another."),
        "baselines.doses": Entry(f"{_HERE}:baseline_doses", "The effect of each arm against its dose."),
    },
)
"""What draws an object's figures, as `<object>.<kind>`; the first of an object's kinds is drawn by default."""


class Plottable:
    """An object with figures."""

    _plots: ClassVar[str]
    """The first part of the names of its figures in `PLOTS`."""

    def plot(self, kind: str = "") -> Figure:
        """Draw a figure, which a notebook shows and `save` writes as SVG, PNG, PDF, HTML or CSV.

        Args:
            kind: which; by default the first of those that the message about an unknown one lists.

        Raises:
            SettingError: for an unknown kind, or where there is nothing to draw.
        """
        kinds = [name.partition(".")[2] for name in PLOTS.names() if name.startswith(f"{self._plots}.")]
        wanted = kind or kinds[0]
        if wanted not in kinds:
            raise SettingError(f"no plot {kind!r}{suggestion(kind, kinds)}; choose from {', '.join(kinds)}")
        return PLOTS.get(f"{self._plots}.{wanted}")(self)
