"""The registry of what reports show, by the name of the measure."""

from __future__ import annotations

from typing import Any

from trimtab._util.registry import Entry, Registry
from trimtab.errors import SettingError
from trimtab.report.measures.base import MeasureReport

_HERE = "trimtab.report.measures"


class ReportRegistry(Registry[MeasureReport[Any]]):
    """The report halves of measures, each under the name of its measure."""

    def get(self, name: str) -> MeasureReport[Any]:
        """The report half of a measure.

        Raises:
            SettingError: When there is none, or it has the name of another measure.
        """
        report = super().get(name)
        if report.name != name:
            raise SettingError(f"the report of {report.name!r} is registered as {name!r}; give both the same name")
        return report


MEASURE_REPORTS = ReportRegistry(
    "report of a measure",
    "trimtab.measure_reports",
    {
        "replies": Entry(f"{_HERE}.replies:REPLIES", "Settings that change replies, and the replies themselves."),
        "scores": Entry(f"{_HERE}.scores:SCORES", "Effects of every setting on scores, and the models side by side."),
        "imported": Entry(f"{_HERE}.imported:IMPORTED", "Published scores, prompt against vector, letters of imports."),
        "projection": Entry(f"{_HERE}.projection:PROJECTION", "How well layers tell held-out examples apart."),
        "diagnosis": Entry(f"{_HERE}.diagnosis:DIAGNOSIS", "Quality of the pairs, layers, and other methods."),
        "side_effects": Entry(f"{_HERE}.side_effects:SIDE_EFFECTS", "What else moves, and what random pushes do."),
        "robustness": Entry(f"{_HERE}.robustness:ROBUSTNESS", "How well the effect holds under other prompts."),
        "baselines": Entry(f"{_HERE}.baselines:BASELINES", "The vector beside prompts, other vectors, fine-tuning."),
        "dose": Entry(f"{_HERE}.dose:DOSE", "KL divergence on neutral prompts: the strength in other units."),
        "answers": Entry(f"{_HERE}.answers:ANSWERS", "Generated answers beside the scores."),
    },
)
"""In the order of the page, within each of its parts; measures of other packages come last."""
