"""How a model is asked: under its chat template or without one, thinking or not, and where a system prompt goes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from trimtab.errors import SettingError

Template = Literal["chat", "none"]
Thinking = Literal["off", "on"]
SystemRole = Literal["system", "user"]


@dataclass(frozen=True)
class Asking:
    """How prompts become the text that a model reads; the same for everything that is done with it.

    Raises:
        SettingError: for a value that is none of the choices.
    """

    template: Template = "chat"
    """`chat`: the model's chat template, or of a base model a plain dialogue. `none`: prompts are text as they are, and
    a completion follows without a space of its own."""
    thinking: Thinking = "off"
    """Whether a model that can think before its reply does."""
    system_role: SystemRole = "system"
    """`user`: a system prompt stands at the beginning of the first user message, for templates without that role."""

    def __post_init__(self) -> None:
        """Refuse what is no choice."""
        for name, choices in (("template", Template), ("thinking", Thinking), ("system_role", SystemRole)):
            if getattr(self, name) not in get_args(choices):
                raise SettingError(f"{name} {getattr(self, name)!r}: choose one of {', '.join(get_args(choices))}")

    @property
    def changes(self) -> dict[str, Any]:
        """What is not as usual."""
        return {name: value for name, value in asdict(self).items() if value != getattr(USUAL, name)}


USUAL = Asking()
"""Chat template, no thinking, system prompts in their own role."""
