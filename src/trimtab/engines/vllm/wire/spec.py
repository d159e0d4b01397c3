"""The steering of one request to a vLLM server: plain JSON, validated where it arrives.

A request carries it as `extra_args["trimtab"]` (over HTTP: `vllm_xargs`, as a string):

    {"pushes": [{"vector": "cheerful", "layers": [14], "strength": 0.1, "scale": "relative"}],
     "positions": "all", "first_token": false, "prompt_length": null, "read": null}

This module knows neither vLLM nor weights: both ends import it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from trimtab.errors import SettingError
from trimtab.inputs.json_text import parse_json
from trimtab.steering import (
    DEFAULT_SCALE,
    SCALES,
    Positions,
    check_strength,
    parse_positions,
    push_scales,
    steered_spans,
)

KEY = "trimtab"
"""Under which the spec stands in a request's extra arguments."""

MAX_PUSHES = 64
MAX_PUSHED_LAYERS = 1024
"""Of all pushes of a request together; what each costs is paid in every pass, by everybody."""
MAX_TOKENS = 1 << 31
MAX_CHARACTERS = 1 << 18
"""Of a spec as JSON: many times what the most pushes take."""


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def is_name(name: str) -> bool:
    """Whether a file of a folder of vectors can have that name; it is never a path, so none outside can be named."""
    return bool(_NAME.fullmatch(name))


def _require_scale(name: str) -> None:
    """Refuse scales that do not push, and those of other packages: workers may have another one of that name, or none.

    Raises:
        SettingError: naming those that vLLM has.
    """
    SCALES.require(name)
    known = [scale for scale in push_scales() if scale in SCALES.built_in]
    if name not in known:
        raise SettingError(f"vLLM pushes by {', '.join(known)}, not by {name!r}; the engine transformers may")


@dataclass(frozen=True)
class Push:
    """One vector behind some layers."""

    vector: str
    """Name of a vector that the server has: one that was registered, or a file in its folder."""
    layers: tuple[int, ...]
    strength: float
    scale: str = DEFAULT_SCALE
    vector_layer: int | None = None
    """Push along this layer's direction everywhere; by default along each layer's own."""

    def __post_init__(self) -> None:
        """Refuse values that are out of range or contradict each other."""
        if not self.vector or not isinstance(self.vector, str):
            raise SettingError("a push names its vector")
        if not self.layers or min(self.layers) < 0 or len(set(self.layers)) != len(self.layers):
            raise SettingError(f"layers {list(self.layers)} of {self.vector!r}: give different ones, counted from 0")
        check_strength(self.strength)
        _require_scale(self.scale)
        # Written in one way only: equal pushes have equal names, and so share rows, keys and values.
        object.__setattr__(self, "layers", tuple(sorted(self.layers)))
        object.__setattr__(self, "strength", float(self.strength))


@dataclass(frozen=True)
class Read:
    """States to be stored for the client, of tokens `start` to `stop`."""

    start: int
    stop: int
    layers: tuple[int, ...] = ()
    """Behind which layers. Without any: what the unembedding is given, for scores."""

    def __post_init__(self) -> None:
        """Refuse values that are out of range or contradict each other."""
        if not 0 <= self.start < self.stop <= MAX_TOKENS:
            raise SettingError(f"a read of tokens {self.start} to {self.stop} reads nothing")


@dataclass(frozen=True)
class Spec:
    """The steering of one request, and what must be read from it."""

    pushes: tuple[Push, ...] = ()
    positions: Positions = "all"
    first_token: bool = False
    prompt_length: int | None = None
    """Tokens of the prompt, where the request's own prompt holds more: a text to be scored. None: all of them."""
    read: Read | None = None

    def __post_init__(self) -> None:
        """Refuse values that are out of range or contradict each other."""
        where = parse_positions(self.positions)
        if where.reads_tokens:
            raise SettingError(
                f"vLLM does not push at positions {where.text}: which tokens are meant is known only while they are "
                "written; the engine transformers can"
            )
        object.__setattr__(self, "positions", where.text)
        if len(self.pushes) > MAX_PUSHES:
            raise SettingError(f"{len(self.pushes)} pushes in one request; {MAX_PUSHES} are the most")
        if sum(len(push.layers) for push in self.pushes) > MAX_PUSHED_LAYERS:
            raise SettingError(f"pushes at more than {MAX_PUSHED_LAYERS} layers in one request")
        if self.prompt_length is not None and not 1 <= self.prompt_length <= MAX_TOKENS:
            raise SettingError(f"prompt_length {self.prompt_length} is not a number of tokens")

    def and_also(self, other: Spec) -> Spec:
        """The pushes of both, this one's first where both are at the same layer.

        Raises:
            SettingError: when they steer different tokens.
        """
        if replace(self, pushes=()) != replace(other, pushes=()):
            raise SettingError("vectors that are pushed together steer the same positions")
        return replace(self, pushes=(*self.pushes, *other.pushes))

    @cached_property
    def steering(self) -> str:
        """Name of the pushes alone, by content: requests with the same name can share rows of a table."""
        return _digest([asdict(push) for push in self.pushes])

    def first_steered(self, prompt_length: int) -> int | None:
        """The first token that is pushed, in a text whose prompt has that many tokens; None where none is."""
        if not self.pushes:
            return None
        spans = self.spans(prompt_length)
        return spans[0][0] if spans else None

    def spans(self, prompt_length: int) -> list[tuple[int, int | None]]:
        """The stretches of tokens that are pushed, in a text whose prompt has that many tokens."""
        return steered_spans(self.positions, self.prompt_length or prompt_length, self.first_token)

    def block_salt(self, prompt_length: int, end: int) -> str | None:
        """Names the keys and values of the tokens before `end`, where the last of them are computed as one block.

        Args:
            prompt_length: tokens of the request's prompt.
            end: one behind the block's last token.

        Returns:
            None where no token before `end` is pushed: what is computed there is the unsteered model's.
        """
        first = self.first_steered(prompt_length)
        if first is None or end <= first:
            return None
        length = self.prompt_length or prompt_length
        # Two prompts, one the beginning of the other, can end inside of the same block, and then part which of the
        # block's tokens are pushed.
        within = self._fixed or (self.positions == "prompt" and end <= length)
        return _block_digest(self.steering, self.positions, self.first_token, None if within else length)

    @property
    def _fixed(self) -> bool:
        """Whether the same tokens are pushed wherever the prompt ends."""
        where = parse_positions(self.positions)
        return where.kind == "all" or (where.kind == "tokens" and min(where.indices) >= 0)

    @property
    def salt(self) -> str | None:
        """Names the keys and values that this steering leaves behind; None without pushes.

        For caches that know nothing of steering, which keep texts with different salts apart.
        """
        if not self.pushes:
            return None
        where = [self.positions, self.first_token, None if self._fixed else self.prompt_length]
        return _digest([self.steering, where])

    @property
    def cache_salt(self) -> str | None:
        """The salt for the whole of the request's prefix cache, where its very beginning is steered.

        Elsewhere the prompt's unsteered blocks can be shared, and the plugin names the others; see `cache_keys`.
        """
        return self.salt if self.positions in ("all", "prompt") else None

    def to_json(self) -> str:
        """As it travels."""
        return json.dumps(asdict(self))


def parse_spec(text: object) -> Spec:
    """Read what a request says; a JSON string or what it decodes to.

    Raises:
        SettingError: for anything that is not a spec; the message says what.
    """
    if isinstance(text, str) and len(text) > MAX_CHARACTERS:
        raise SettingError(f"{KEY}: {len(text)} characters; {MAX_CHARACTERS} are the most")
    try:
        given = parse_json(text, allow_nan=True) if isinstance(text, str) else text
    except ValueError as error:
        raise SettingError(f"{KEY}: not JSON ({error})") from None
    given = _known(given, Spec, KEY)
    pushes = given.get("pushes", [])
    if not isinstance(pushes, (list, tuple)):
        raise SettingError(f"{KEY}: pushes is a list")
    read = given.get("read")
    try:
        return Spec(
            pushes=tuple(parse_push(push) for push in pushes),
            positions=given.get("positions", "all"),
            first_token=_is(bool, given.get("first_token", False), "first_token"),
            prompt_length=_optional_int(given.get("prompt_length"), "prompt_length"),
            read=None if read is None else _read(read),
        )
    except SettingError as error:
        raise SettingError(f"{KEY}: {error}") from None


def parse_push(given: object) -> Push:
    """Read one push; a mapping with the keys of `Push`.

    Raises:
        SettingError: for anything that is not a push; the message says what.
    """
    push = _known(given, Push, "a push")
    missing = [name for name in ("vector", "layers", "strength") if name not in push]
    if missing:
        raise SettingError(f"a push without {missing[0]}")
    strength = push["strength"]
    if isinstance(strength, bool) or not isinstance(strength, (int, float)):
        raise SettingError(f"strength {strength!r} is not a number")
    try:
        strength = float(strength)
    except OverflowError:
        raise SettingError("strength is not a number that a computer counts with") from None
    return Push(
        vector=_is(str, push["vector"], "vector"),
        layers=_ints(push["layers"], "layers"),
        strength=strength,
        scale=push.get("scale", DEFAULT_SCALE),
        vector_layer=_optional_int(push.get("vector_layer"), "vector_layer"),
    )


def _read(given: object) -> Read:
    read = _known(given, Read, "read")
    missing = [name for name in ("start", "stop") if name not in read]
    if missing:
        raise SettingError(f"a read without {missing[0]}")
    start, stop = (_is(int, read[name], name) for name in ("start", "stop"))
    return Read(start, stop, _ints(read.get("layers", ()), "layers"))


def _known(given: object, kind: type, what: str) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise SettingError(f"{what}: not an object with names and values")
    names = list(kind.__dataclass_fields__)  # type: ignore[attr-defined]
    if unknown := [name for name in given if name not in names]:
        raise SettingError(f"{what}: unknown key {unknown[0]!r}; the keys are {', '.join(names)}")
    return dict(given)


def _ints(given: object, name: str) -> tuple[int, ...]:
    if not isinstance(given, (list, tuple)):
        raise SettingError(f"{name} is a list of layers")
    return tuple(_is(int, value, name) for value in given)


def _optional_int(given: object, name: str) -> int | None:
    return None if given is None else _is(int, given, name)


def _is(kind: type, given: Any, name: str) -> Any:
    if not isinstance(given, kind) or (kind is int and isinstance(given, bool)):
        raise SettingError(f"{name}: {given!r} is not of type {kind.__name__}")
    return given


@lru_cache(maxsize=1 << 12)
def _block_digest(steering: str, positions: str, first_token: bool, length: int | None) -> str:
    """Asked for every block of a prompt, and the same for nearly all of them."""
    return _digest([steering, positions, first_token, length])


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
