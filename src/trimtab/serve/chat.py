"""A chat whose steering can be changed between messages: lines in, pieces of text out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from trimtab._util.suggest import nearest_word
from trimtab._util.wording import plural
from trimtab.data import Message
from trimtab.engines import Model
from trimtab.errors import SettingError, TrimtabError
from trimtab.inputs.bounded_files import expand_user
from trimtab.steering import (
    POSITIONS,
    SCALES,
    Cell,
    Intervention,
    SteeringSetting,
    check_strength,
    push_scales,
    require_fit,
    require_layers,
)
from trimtab.vectors import SteeringVector, layer_ranges

HELP = """\
/layer 9           steer at this layer; several: /layer 9,10
/strength 0.4      steering strength; 0 for the unsteered model
/share             whether several layers share the strength, or each gets all of it
/from 9            use this layer's vector at all of them; /from own: each layer's own
/scale relative    unit of the strength: {scales}
/positions all     steered tokens: {positions}
/vector FILE       load another vector
/compare           show the unsteered reply before the steered one, on or off
/tokens 200        maximum length of a reply
/temperature 0.7   sampling temperature; 0 is greedy
/show              show the settings
/clear             start a new conversation
/quit              end the chat"""


@dataclass
class Chat:
    """One conversation. `say` takes a line, a message or a command, and never raises for user input."""

    model: Model
    vector: SteeringVector | None = None
    layers: list[int] = field(default_factory=list)
    strength: float = 0.0
    setting: SteeringSetting = field(default_factory=SteeringSetting)
    compare: bool = False
    max_new_tokens: int = 256
    temperature: float = 0.0
    history: list[Message] = field(default_factory=list)
    over: bool = False
    """Whether the user has quit."""

    def __post_init__(self) -> None:
        """Refuse a vector of another model, or invalid settings."""
        if self.vector is not None:
            self.vector = require_fit(self.vector, self.model.backbone)
            if not self.layers:
                self.layers = [_first_layer(self.vector)]
        self._intervention()

    def say(self, line: str) -> Iterator[str]:
        """Yield the reply to a message, or the outcome of a command, piece by piece."""
        # What a terminal could not decode comes as lone surrogates, which no tokenizer takes.
        text = line.encode("utf-8", "replace").decode("utf-8").strip()
        if not text:
            return
        try:
            if text.startswith("/"):
                yield self._command(text)
            else:
                yield from self._answer(text)
        except TrimtabError as error:
            yield f"! {error}\n"

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
        return (
            f"{name}: layer {where}, strength {self.strength:g} {how.scale}{shared}{taken}, positions {how.positions}"
        )

    def _answer(self, text: str) -> Iterator[str]:
        asked = [*self.history, Message(role="user", content=text)]
        intervention = self._intervention()
        if self.compare and intervention is not None:
            yield "unsteered: "
            yield from self._written(asked, None, [])
            yield "\n  steered: "
        pieces: list[str] = []
        yield from self._written(asked, intervention, pieces)
        yield "\n"
        self.history = [*asked, Message(role="assistant", content="".join(pieces).strip())]

    def _written(self, asked: list[Message], intervention: Intervention | None, pieces: list[str]) -> Iterator[str]:
        for piece in self.model.stream(
            asked,
            intervention=intervention,
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
            seed=len(asked),
        ):
            pieces.append(piece)
            yield piece

    def _intervention(self) -> Intervention | None:
        if self.vector is None or self.strength == 0:
            return None
        return self.setting.intervention(self.vector, Cell(tuple(self.layers), self.strength))

    def _change(self, **options: Any) -> str:
        """Change the setting, if the vector can be pushed with it."""
        changed = replace(self.setting, **options)
        if self.vector is not None and self.strength:
            changed.intervention(self.vector, Cell(tuple(self.layers), self.strength))
        self.setting = changed
        return self.settings

    def _command(self, text: str) -> str:
        name, _, rest = text[1:].partition(" ")
        commands: dict[str, Callable[[str], str]] = {
            "layer": self._set_layer,
            "strength": self._set_strength,
            "share": self._toggle_share,
            "from": self._set_vector_layer,
            "scale": self._set_scale,
            "positions": self._set_positions,
            "vector": self._set_vector,
            "compare": self._toggle_compare,
            "tokens": self._set_tokens,
            "temperature": self._set_temperature,
            "show": lambda _: self.settings,
            "clear": self._clear,
            "quit": self._quit,
            "help": lambda _: HELP.format(scales=", ".join(push_scales()), positions=", ".join(POSITIONS)),
        }
        if name not in commands:
            near = nearest_word(name, commands)
            return f"! no command /{name}; " + (f"did you mean /{near}?\n" if near else "/help lists them\n")
        return commands[name](rest.strip()) + "\n"

    def _set_layer(self, text: str) -> str:
        if self.vector is None:
            raise SettingError("there is no vector to push along; /vector FILE takes one")
        try:
            layers = [int(part) for part in text.split(",")]
        except ValueError:
            raise SettingError(f"{text!r} is no layer; give a number, or several as 9,10") from None
        require_layers(layers, self.vector.n_layers)
        if self.setting.vector_layer is None:
            self.vector.require_directions(layers)
        self.layers = layers
        return self.settings

    def _set_strength(self, text: str) -> str:
        strength = check_strength(_number(text, "strength"))
        if self.vector is not None and strength:
            self.setting.intervention(self.vector, Cell(tuple(self.layers), strength))
        self.strength = strength
        return self.settings

    def _toggle_share(self, text: str) -> str:
        return self._change(share_strength=not self.setting.share_strength)

    def _set_vector_layer(self, text: str) -> str:
        if self.vector is None:
            raise SettingError("there is no vector to push along; /vector FILE takes one")
        if text != "own" and not text.isdecimal():
            raise SettingError(f"{text!r} is no layer; give a number, or own")
        layer = None if text == "own" else int(text)
        require_layers([] if layer is None else [layer], self.vector.n_layers)
        self.vector.require_directions(self.layers if layer is None else [layer])
        return self._change(vector_layer=layer)

    def _set_scale(self, text: str) -> str:
        if SCALES.get(text).calibrated:
            raise SettingError(f"{text} is for sweeps; the scales here are {', '.join(push_scales())}")
        if self.setting.share_strength and not SCALES.get(text).shares_strength:
            raise SettingError(f"layers cannot share a strength of the scale {text}; /share ends that")
        return self._change(scale=text)

    def _set_positions(self, text: str) -> str:
        return self._change(positions=text)

    def _set_vector(self, text: str) -> str:
        vector = SteeringVector.load(expand_user(text))
        vector = require_fit(vector, self.model.backbone)
        there = [layer for layer in self.layers if layer in vector.layers]
        moved = self.layers and there != self.layers
        self.vector, self.layers = vector, there or [_first_layer(vector)]
        return self.settings + (f"\nno direction at the layers before: {layer_ranges(vector.layers)}" if moved else "")

    def _toggle_compare(self, text: str) -> str:
        self.compare = not self.compare
        return f"the unsteered reply is {'shown first' if self.compare else 'not shown'}"

    def _set_tokens(self, text: str) -> str:
        number = _number(text, "number of tokens")
        if not 1 <= number <= 8192:
            raise SettingError(f"{text} tokens cannot be written; give 1 to 8192")
        self.max_new_tokens = int(number)
        return f"replies end after {plural(self.max_new_tokens, 'token')}"

    def _set_temperature(self, text: str) -> str:
        number = _number(text, "temperature")
        if not 0 <= number <= 10:
            raise SettingError(f"temperature {text} is not between 0 and 10")
        self.temperature = number
        return f"temperature {number:g}"

    def _clear(self, text: str) -> str:
        self.history = []
        return "a new conversation begins"

    def _quit(self, text: str) -> str:
        self.over = True
        return "goodbye"


def _first_layer(vector: SteeringVector) -> int:
    """A place to start from, not a claim: a sweep knows better."""
    return min(vector.layers, key=lambda layer: abs(layer - round(0.6 * vector.n_layers)))


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingError(f"{text!r} is no {what}; give a number") from None
