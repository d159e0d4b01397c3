"""The registry of measures: what a study can measure, by the key in the study file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trimtab._util.registry import Entry, Registry
from trimtab.errors import SettingError

if TYPE_CHECKING:
    from trimtab.study.measures.base import Measure

OF_STUDY = ("scores", "dose")
"""Measures whose settings are the study's own keys."""
BUILT_IN = (*OF_STUDY, "answers", "replies", "projection", "diagnosis", "side_effects", "robustness", "baselines")
_HERE = "trimtab.study.measures"


class MeasureRegistry(Registry["Measure[Any]"]):
    """Measures by name, whose tables the run folder knows once they are imported."""

    def get(self, name: str) -> Measure[Any]:
        """The measure of a name, imported when needed.

        Raises:
            SettingError: When there is none, or what is registered is called otherwise, cannot be imported or cannot
                be run.
        """
        from trimtab.store.table_schemas import WHOLE, register_table  # not for `--help`

        measure = super().get(name)
        if measure.name != name:
            raise SettingError(f"the measure {measure.name!r} is registered as {name!r}; give both the same name")
        if name not in BUILT_IN and (measure.grows or measure.settings is None):
            # A study has no key for one without settings, and runs no `run` but those of its own.
            raise SettingError(f"the measure {name!r} needs settings of its own and tables that are written at once")
        for table, kind in measure.tables.items():
            if not measure.grows and f"{name}/{table}" not in WHOLE:
                register_table(f"{name}/{table}", kind.schema, row=kind.row, key=kind.key)
        return measure

    def load_tables(self) -> None:
        """Let the run folder know the tables of measures of other packages; it knows those of the built-in ones."""
        for name in self.names():
            if name not in BUILT_IN:
                self.get(name)


MEASURES = MeasureRegistry(
    "measure",
    "trimtab.measures",
    {
        "scores": Entry(f"{_HERE}.scores.measure:SCORES", "Score every held-out pair at every layer and strength."),
        "dose": Entry(f"{_HERE}.dose.measure:DOSE", "Measure how far each setting moves the model on neutral prompts."),
        "answers": Entry(
            f"{_HERE}.answers.measure:ANSWERS", "Ask choice questions at every setting and read the answers."
        ),
        "replies": Entry(
            f"{_HERE}.replies.measure:REPLIES", "Generate and judge replies at every setting; recommend one."
        ),
        "projection": Entry(
            f"{_HERE}.projection.measure:PROJECTION",
            "Measure how well each layer of the vector tells held-out examples apart.",
        ),
        "diagnosis": Entry(
            f"{_HERE}.diagnosis.measure:DIAGNOSIS",
            "Check the pairs, the stability of the vector and the choice of layer.",
        ),
        "side_effects": Entry(
            f"{_HERE}.side_effects.measure:SIDE_EFFECTS",
            "Measure what else a run's vectors change, compared with random directions.",
        ),
        "robustness": Entry(
            f"{_HERE}.robustness.measure:ROBUSTNESS",
            "Measure how well the effect holds under paraphrases, system prompts, option orders.",
        ),
        "baselines": Entry(
            f"{_HERE}.baselines.measure:BASELINES",
            "Compare the vector with system prompts, few-shot prompts, other vectors and fine-tuning.",
        ),
    },
)
"""In the order in which a study makes them."""

_WITHOUT_COMMAND = (*OF_STUDY, "answers", "replies", "diagnosis")


def measures_with_command() -> dict[str, str]:
    """Name and line of the measures that `trimtab <name> RUN` adds to a finished run; imports none of them.

    Of the built-in ones some are made by commands of their own, or need the study from its start.
    """
    return {name: line for name, line in MEASURES.summaries().items() if name not in _WITHOUT_COMMAND}
