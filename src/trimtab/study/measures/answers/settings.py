"""Settings of answers to choice questions."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from trimtab.errors import SettingError
from trimtab.study.measures.settings import MeasureSettings
from trimtab.study.settings.identity import SHAPES, Shapes

READER: Final = 2
"""Version of the rules that read replies. It rises with every change by which a reply may be read in another way, or
end sooner or later, so that no resumed run mixes two readers."""


class Answers(MeasureSettings):
    """Ask choice questions in every cell of the sweep and read the answers."""

    models: Annotated[tuple[str, ...], SHAPES] = ()
    """Models of the study, by name; all by default."""
    behaviors: Annotated[tuple[str, ...], SHAPES] = ()
    """Behaviors of the study, by name; by default all with options to choose from."""
    prompts: Annotated[int | None, SHAPES] = Field(default=None, ge=1)
    """How many of the test prompts; all by default."""
    max_new_tokens: Annotated[int, SHAPES] = Field(default=32, ge=1, le=4096)
    """Length limit of each answer, in tokens."""

    likelihood: Annotated[bool, Shapes(unless=False)] = False
    """Ask the unsteered model about replies in which the rules find no answer, if it is shown to read replies well."""
    reader: Annotated[Literal[1, 2], Shapes(unless=1)] = READER
    """Version of the rules that read replies; with another version it is another run."""

    def covers(self, model: str, behavior: str, is_choice: bool) -> bool:
        """Whether a model is asked about a behavior.

        Raises:
            SettingError: When the study names an open behavior here: there are no options to choose from.
        """
        if not is_choice and behavior in self.behaviors:
            raise SettingError(f"answers: {behavior} has open pairs without options; only choice behaviors are asked")
        return is_choice and super().covers(model, behavior, is_choice)
