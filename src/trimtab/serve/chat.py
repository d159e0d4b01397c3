"""A conversation whose steering can be changed between two sentences: lines in, pieces of text out."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from trimtab.data import Message
from trimtab.engines import Model
from trimtab.errors import SettingError, TrimtabError
from trimtab.steering import Intervention, Positions, Scale, at, check_one_of, check_strength, require_fit
from trimtab.vectors import SteeringVector

HELP = """\
/layer 9           push behind this layer; several: /layer 9,10
/strength 0.4      how far; 0 leaves the model alone
/share             whether several layers share the strength, or each gets all of it
/from 9            push along this layer's vector at all of them; /from own: each layer's own
/scale relative    what the strength means: {scales}
/positions all     which tokens: {positions}
/vector FILE       take another vector
/compare           show the unsteered answer beside the steered one, or stop doing so
/tokens 200        longest answer
/temperature 0.7   0 takes the likeliest token each time
/show              the settings
/clear             forget the conversation
/quit              leave"""


@dataclass
class Chat:
    """One conversation. `say` takes a line, a message or a command, and never raises for what a person can type."""

    model: Model
    vector: SteeringVector | None = None
    layers: list[int] = field(default_factory=list)
    strength: float = 0.0
    scale: Scale = "relative"
    positions: Positions = "all"
    share_strength: bool = False
    vector_layer: int | None = None
    compare: bool = False
    max_new_tokens: int = 256
    temperature: float = 0.0
    history: list[Message] = field(default_factory=list)
    over: bool = False
    """The person has left."""

    def __post_init__(self) -> None:
        """Refuse a vector of another model, or settings that cannot be."""
        if self.vector is not None:
            require_fit(self.vector, self.model.backbone)
            if not self.layers:
                # A place to start from, not a claim: a sweep knows better.
                self.layers = [round(0.6 * self.vector.n_layers)]
        self._intervention()

    def say(self, line: str) -> Iterator[str]:
        """Answer a message or carry out a command, piece by piece."""
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
        """What steers, in one line."""
        if self.vector is None:
            return "no vector: /vector FILE takes one"
        where = ",".join(map(str, self.layers))
        name = self.vector.provenance.behavior
        shared = " shared" if self.share_strength and len(self.layers) > 1 else ""
        taken = "" if self.vector_layer is None else f", vector of layer {self.vector_layer}"
        return (
            f"{name}: layer {where}, strength {self.strength:g} {self.scale}{shared}{taken}, positions {self.positions}"
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
        return self._at(self.vector, self.layers, self.strength)

    def _at(self, vector: SteeringVector, layers: list[int], strength: float) -> Intervention:
        return at(
            vector,
            layers,
            strength,
            scale=self.scale,
            positions=self.positions,
            share_strength=self.share_strength,
            vector_layer=self.vector_layer,
        )

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
            "help": lambda _: HELP.format(scales=", ".join(get_args(Scale)), positions=", ".join(get_args(Positions))),
        }
        if name not in commands:
            near = difflib.get_close_matches(name, commands, n=1)
            return f"! no command /{name}; " + (f"did you mean /{near[0]}?\n" if near else "/help lists them\n")
        return commands[name](rest.strip()) + "\n"

    def _set_layer(self, text: str) -> str:
        if self.vector is None:
            raise SettingError("there is no vector to push along; /vector FILE takes one")
        try:
            layers = [int(part) for part in text.split(",")]
        except ValueError:
            raise SettingError(f"{text!r} is no layer; give a number, or several as 9,10") from None
        at(self.vector, layers, 1.0)  # refuses layers that are not there
        self.layers = layers
        return self.settings

    def _set_strength(self, text: str) -> str:
        strength = check_strength(_number(text, "strength"))
        if self.vector is not None and strength:
            self._at(self.vector, self.layers, strength)
        self.strength = strength
        return self.settings

    def _toggle_share(self, text: str) -> str:
        if not self.share_strength and self.scale in ("clamp", "project_out"):
            raise SettingError(f"the scale {self.scale} sets a projection, so layers cannot share its strength")
        self.share_strength = not self.share_strength
        return self.settings

    def _set_vector_layer(self, text: str) -> str:
        if self.vector is None:
            raise SettingError("there is no vector to push along; /vector FILE takes one")
        if text != "own" and not text.isdecimal():
            raise SettingError(f"{text!r} is no layer; give a number, or own")
        layer = None if text == "own" else int(text)
        at(self.vector, self.layers, 1.0, vector_layer=layer)  # refuses a layer that is not there
        self.vector_layer = layer
        return self.settings

    def _set_scale(self, text: str) -> str:
        check_one_of("scale", text, Scale)
        if self.share_strength and text in ("clamp", "project_out"):
            raise SettingError(
                f"the scale {text} sets a projection, so layers cannot share its strength; /share ends that"
            )
        self.scale = text  # type: ignore[assignment]  # checked just above
        return self.settings

    def _set_positions(self, text: str) -> str:
        check_one_of("positions", text, Positions)
        self.positions = text  # type: ignore[assignment]  # checked just above
        return self.settings

    def _set_vector(self, text: str) -> str:
        vector = SteeringVector.load(Path(text).expanduser())
        require_fit(vector, self.model.backbone)
        self.vector = vector
        self.layers = self.layers or [round(0.6 * vector.n_layers)]
        return self.settings

    def _toggle_compare(self, text: str) -> str:
        self.compare = not self.compare
        return f"the unsteered answer is {'shown first' if self.compare else 'not shown'}"

    def _set_tokens(self, text: str) -> str:
        number = _number(text, "number of tokens")
        if not 1 <= number <= 8192:
            raise SettingError(f"{text} tokens cannot be written; give 1 to 8192")
        self.max_new_tokens = int(number)
        return f"answers end after {self.max_new_tokens} tokens"

    def _set_temperature(self, text: str) -> str:
        number = _number(text, "temperature")
        if not 0 <= number <= 10:
            raise SettingError(f"temperature {text} is not between 0 and 10")
        self.temperature = number
        return f"temperature {number:g}"

    def _clear(self, text: str) -> str:
        self.history = []
        return "the conversation starts anew"

    def _quit(self, text: str) -> str:
        self.over = True
        return "goodbye"


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingError(f"{text!r} is no {what}; give a number") from None
