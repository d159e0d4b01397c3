"""The state of a chat: the conversation, the push of the next reply, and how replies are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trimtab.data import Message
from trimtab.engines import Model
from trimtab.monitors import PromptCondition
from trimtab.serve.chat import _transcript
from trimtab.serve.chat._beginnings import Beginning, first_layer
from trimtab.serve.chat._transcript import Turn
from trimtab.steering import Cell, Intervention, SteeringOptions, SteeringSetting, require_fit
from trimtab.vectors import SteeringVector


@dataclass
class ChatState:
    """What commands change and replies are written from."""

    model: Model
    vector: SteeringVector | None = None
    layers: list[int] = field(default_factory=list)
    strength: float = 0.0
    setting: SteeringSetting = field(default_factory=SteeringSetting)
    condition: PromptCondition | None = None
    """Under which replies are pushed; None: always."""
    compare: bool = False
    max_new_tokens: int = 256
    temperature: float = 0.0
    system: str = ""
    """The system message; empty for none."""
    turns: list[Turn] = field(default_factory=list)
    over: bool = False
    """Whether the user has quit."""
    retries: int = 0
    """Of the reply that is written."""
    saved: set[Path] = field(default_factory=set)
    """Files that this conversation was saved as, which it may replace."""

    def __post_init__(self) -> None:
        """Refuse a vector of another model, or invalid settings."""
        if self.vector is not None:
            self.vector = require_fit(self.vector, self.model.backbone)
            if not self.layers:
                self.layers = [first_layer(self.vector)]
        _ = self.intervention

    @property
    def history(self) -> list[Message]:
        """Messages and replies so far, without the system message."""
        return _transcript.messages(self.turns)

    @property
    def intervention(self) -> Intervention | None:
        """The push of the next reply."""
        if self.vector is None or self.strength == 0:
            return None
        return self.setting.intervention(self.vector, Cell(tuple(self.layers), self.strength))

    @property
    def settings(self) -> str:
        """The steering in one line."""
        if self.vector is None:
            return "no vector: /vector FILE takes one"
        where = ",".join(map(str, self.layers))
        name = self.vector.provenance.behavior
        how = self.setting
        shared = " shared" if how.share_strength and len(self.layers) > 1 else ""
        taken = "" if how.vector_layer is None else f", vector of layer {how.vector_layer}"
        nothing = "; nothing is pushed, /strength changes that" if self.strength == 0 else ""
        return (
            f"{name}: layer {where}, strength {self.strength:g} {how.scale}{shared}{taken}, "
            f"positions {how.positions}{nothing}{f'; {self.condition}' if self.condition else ''}"
        )

    def begin(self, beginning: Beginning) -> str:
        """Take a vector with its setting; returns what is pushed now, and why.

        The condition before stays where nothing says under which condition the vector is pushed.

        Raises:
            VectorError: For a vector of a model of another shape.
        """
        vector = require_fit(beginning.vector, self.model.backbone)
        if beginning.condition is not None:
            beginning.condition.require_fit(self.model)
        beginning.setting.intervention(vector, Cell(beginning.layers, beginning.strength))
        self.vector, self.layers, self.strength = vector, list(beginning.layers), beginning.strength
        self.setting = beginning.setting
        if beginning.condition is not None or beginning.recommended:
            self.condition = beginning.condition
        return "\n".join(text for text in (self.settings, beginning.statement) if text)

    def steering_values(self) -> dict[str, Any]:
        """The push of the next reply as plain values."""
        assert self.vector is not None
        options = {name: getattr(self.setting, name) for name in SteeringOptions.__annotations__}
        name = self.vector.provenance.behavior
        when = {} if self.condition is None else {"when": self.condition.values}
        return {"vector": name, "layers": list(self.layers), "strength": self.strength, **options, **when}
