"""What a request says under `steering`, as pushes of named vectors.

It is an object with the keys of a request to vLLM (`pushes`, `positions`, `first_token`), one push by itself, a list of
pushes, or a short text of signed weights; see `trimtab.serve.steering.weights_text`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trimtab.engines.vllm.wire.spec import (
    KEY,
    MAX_CHARACTERS,
    MAX_PUSHED_LAYERS,
    MAX_PUSHES,
    Push,
    parse_push,
)
from trimtab.errors import SettingError, TrimtabError
from trimtab.inputs.json_text import parse_json
from trimtab.serve.steering._push_fields import plain, take_synonym
from trimtab.serve.steering._request_condition import common_condition, description, gated, parse_condition
from trimtab.serve.steering._summed_pushes import summed
from trimtab.serve.steering.vector_library import NamedVector, VectorLibrary, where_to_push
from trimtab.serve.steering.weights_text import Weight, parse_weights
from trimtab.steering import (
    DEFAULT_SCALE,
    SCALES,
    Cell,
    Intervention,
    Positions,
    PromptGate,
    SteeringSetting,
    push_scales,
)

_REQUEST_KEYS = ("pushes", "vectors", "positions", "first_token", "when")
_PUSH_KEYS = ("vector", "name", "layers", "strength", "scale", "vector_layer")
_CHANGES_NOTHING_AT_0 = ("raw", "relative", "rotate", "project_out")


@dataclass(frozen=True, eq=False)
class RequestedSteering:
    """The steering of one request."""

    pushes: tuple[Push, ...]
    """Each with the strength of every one of its layers."""
    positions: Positions
    first_token: bool
    library: VectorLibrary
    """That the pushes name their vectors of."""
    gate: PromptGate | None = None
    """The condition on the prompt under which is pushed; None: always."""

    @cached_property
    def intervention(self) -> Intervention:
        """The pushes, under the condition where there is one.

        Raises:
            SettingError: as `pushed`.
        """
        gate = self.gate
        if gate is None:
            return self.pushed
        return self.library.intervention((*self._key, gate.content_hash), lambda: gated(self.pushed, gate))

    @cached_property
    def pushed(self) -> Intervention:
        """The pushes where the condition holds: added up where several are at the same layer, see `summed`.

        Raises:
            SettingError: for a layer at which a vector has no direction, a push that cannot be, and pushes that cancel
                each other.
        """
        return self.library.intervention(self._key, self._made)

    @property
    def _key(self) -> tuple[Any, ...]:
        return (self.pushes, self.positions, self.first_token)

    def _made(self) -> Intervention:
        return summed([self._intervention_of(push) for push in self.pushes])

    def _intervention_of(self, push: Push) -> Intervention:
        how = SteeringSetting(push.scale, self.positions, self.first_token, vector_layer=push.vector_layer)
        try:
            return how.intervention(self.library.get(push.vector).vector, Cell(push.layers, push.strength))
        except SettingError as error:
            raise SettingError(f"vector {push.vector!r}: {error}") from None

    @property
    def layers(self) -> tuple[int, ...]:
        """All layers that are pushed, lowest first."""
        return self.intervention.layers

    @cached_property
    def hash(self) -> str:
        """Of what is pushed where: by the directions, not by their names."""
        pushed = [{**plain(push), "vector": self.library.get(push.vector).hash} for push in self.pushes]
        condition = [] if self.gate is None else [self.gate.content_hash]
        text = json.dumps([pushed, self.positions, self.first_token, *condition], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def description(self) -> dict[str, Any]:
        """What is pushed, as JSON; `relative_norm` is the length of a push in lengths of the state it is added to."""
        pushes = [{**plain(push), "relative_norm": self._relative_norm(push)} for push in self.pushes]
        return {
            "hash": self.hash,
            "pushes": pushes,
            "layers": list(self.layers),
            "positions": self.positions,
            "first_token": self.first_token,
            **({} if self.gate is None else {"when": description(self.gate)}),
        }

    def _relative_norm(self, push: Push) -> dict[str, float] | None:
        """By layer; None where it depends on the state, or the norms of the residual stream are unknown."""
        vector, length = self.library.get(push.vector).vector, SCALES.get(push.scale).length
        if length == "residual":
            return {str(layer): abs(push.strength) for layer in push.layers}
        if length is None or vector.residual_norm is None:
            return None
        found = {}
        for layer in push.layers:
            source = layer if push.vector_layer is None else push.vector_layer
            ratio = abs(push.strength) * float(vector.norm[source]) / float(vector.residual_norm[layer])
            found[str(layer)] = float(f"{ratio:.6g}")
        return found


def parse_steering(given: Any, library: VectorLibrary) -> RequestedSteering | None:
    """Read what stands under `steering`; None where nothing does.

    Raises:
        SettingError: for anything that is no steering, contradicts itself, names an unknown vector, or pushes nothing.
    """
    if given is None:
        return None
    try:
        return _parsed(given, library)
    except TrimtabError as error:
        text = str(error)
        raise SettingError(text if text.startswith("steering") else f"steering: {text}") from None


def parse_xargs(given: Any, library: VectorLibrary) -> RequestedSteering | None:
    """Read `vllm_xargs`, in which vLLM's clients send the same as a JSON text.

    Raises:
        SettingError: as `parse_steering`, and for other keys.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise SettingError("vllm_xargs is an object with names and values")
    if others := [name for name in given if name != KEY]:
        raise SettingError(f"vllm_xargs: unknown key {str(others[0])[:80]!r}; this server knows {KEY}")
    found = given.get(KEY)
    if isinstance(found, str):
        if len(found) > MAX_CHARACTERS:
            raise SettingError(f"vllm_xargs: {len(found)} characters; {MAX_CHARACTERS} are the most")
        try:
            found = parse_json(found)
        except ValueError as error:
            raise SettingError(f"vllm_xargs.{KEY}: not JSON ({error})") from None
    if found is None:
        raise SettingError(f"vllm_xargs: nothing stands under {KEY}; leave vllm_xargs out for the model as it is")
    return parse_steering(found, library)


def _parsed(given: Any, library: VectorLibrary) -> RequestedSteering:
    if isinstance(given, str):
        return _combined([_of_weight(weight, library) for weight in parse_weights(given)], {}, library)
    if isinstance(given, Sequence):
        return _parsed({"pushes": given}, library)
    if not isinstance(given, Mapping):
        raise SettingError("an object, a list of pushes, or a text such as 0.3 cheerful - 0.1 formal")
    known = (*_REQUEST_KEYS, *_PUSH_KEYS)
    if unknown := [name for name in given if name not in known]:
        raise SettingError(f"unknown key {str(unknown[0])[:80]!r}; the keys are {', '.join(known)}")
    listed = [name for name in ("pushes", "vectors") if given.get(name) is not None]
    single = [name for name in _PUSH_KEYS if given.get(name) is not None]
    if len(listed) == 2:
        raise SettingError("pushes and vectors are the same list; give one of them")
    if listed and single:
        raise SettingError(f"{single[0]} stands beside {listed[0]}; put it into a push of the list")
    if not listed and not single:
        raise SettingError('it names no vector; give {"vector": …}, {"pushes": […]}, or leave it out')
    items = given[listed[0]] if listed else [{name: given[name] for name in single}]
    if isinstance(items, str) or not isinstance(items, Sequence):
        raise SettingError(f"{listed[0]} is a list of pushes")
    if not items:
        raise SettingError("an empty list pushes nothing; leave it out for the model as it is")
    if len(items) > MAX_PUSHES:
        raise SettingError(f"{len(items)} pushes in one request; {MAX_PUSHES} are the most")
    shared = {name: given[name] for name in ("positions", "first_token", "when") if given.get(name) is not None}
    return _combined([_item(item, library) for item in items], shared, library)


def _item(item: Any, library: VectorLibrary) -> tuple[Push, SteeringSetting | None]:
    """One push of a list, and the setting whose positions it has by default."""
    if isinstance(item, str):
        weights = parse_weights(item)
        if len(weights) != 1:
            raise SettingError(f"{item[:80]!r} in a list is one vector; give several as items of the list")
        return _of_weight(weights[0], library)
    if not isinstance(item, Mapping):
        raise SettingError("a push is an object, or a text such as cheerful@0.3")
    push = {name: value for name, value in item.items() if value is not None}
    take_synonym(push, "name", "vector")
    if "vector" not in push:
        raise SettingError("a push names its vector")
    if not isinstance(push["vector"], str):
        raise SettingError(f"vector: {str(push['vector'])[:80]!r} is no name")
    if isinstance(push.get("scale"), int | float) and not isinstance(push["scale"], bool):
        take_synonym(push, "scale", "strength")  # a number: other servers call the strength so
    if isinstance(push.get("layers"), int) and not isinstance(push["layers"], bool):
        push["layers"] = [push["layers"]]
    return _completed(push, library.get(push["vector"]))


def _completed(push: dict[str, Any], one: NamedVector) -> tuple[Push, SteeringSetting | None]:
    """A push with what it leaves out taken from the recommended setting of its vector."""
    use = one.recommended
    if "layers" in push:
        if "strength" not in push:
            raise SettingError(f"vector {one.name!r}: layers without a strength; give both, or neither")
        push.setdefault("scale", DEFAULT_SCALE)
        return _checked(push), None if use is None else use.setting
    if use is None:
        raise SettingError(f"vector {one.name!r} has no recommended setting; write {where_to_push(one)}")
    how = use.setting
    if push.get("scale", how.scale) != how.scale:
        raise SettingError(
            f"vector {one.name!r}: its recommended layers and strength are for the scale {how.scale}; with "
            f"{str(push['scale'])[:80]!r} give layers and strength too"
        )
    if "vector_layer" in push and push["vector_layer"] != how.vector_layer:
        raise SettingError(f"vector {one.name!r}: vector_layer without layers; give layers and strength too")
    strength = push.get("strength", use.strength)
    full = {**push, "layers": use.layers, "scale": how.scale, "strength": strength, "vector_layer": how.vector_layer}
    return _checked(_shared(full, how)), how


def _of_weight(weight: Weight, library: VectorLibrary) -> tuple[Push, SteeringSetting | None]:
    one = library.get(weight.name)
    use = one.recommended
    if use is None:
        raise SettingError(
            f"vector {one.name!r} has no recommended layers that a weight could be for; write {where_to_push(one)}"
        )
    strength = weight.strength
    if strength is None:
        strength = -use.strength if weight.negative else use.strength
    how = use.setting
    full = {
        "vector": one.name,
        "layers": use.layers,
        "strength": strength,
        "scale": how.scale,
        "vector_layer": how.vector_layer,
    }
    return _checked(_shared(full, how)), how


def _shared(push: dict[str, Any], how: SteeringSetting) -> dict[str, Any]:
    """Each layer's part of the strength, where the recommended setting shares it."""
    strength = push["strength"]
    if how.share_strength and isinstance(strength, int | float) and not isinstance(strength, bool):
        with suppress(OverflowError):  # an integer that is no number of a computer's: refused as every other one
            push["strength"] = how.strength_of_each(strength, len(push["layers"]))
    return push


def _checked(push: dict[str, Any]) -> Push:
    known = [name for name in push_scales() if name in SCALES.built_in]
    if isinstance(push["scale"], str) and push["scale"] not in known:
        SCALES.require(push["scale"])
        raise SettingError(f"requests push by {', '.join(known)}, not by {push['scale']!r}")
    found = parse_push(push)
    if found.strength == 0 and found.scale in _CHANGES_NOTHING_AT_0:
        raise SettingError(
            f"vector {found.vector!r}: strength 0 pushes nothing; leave the vector out for the model as it is"
        )
    return found


def _combined(
    found: Sequence[tuple[Push, SteeringSetting | None]], shared: Mapping[str, Any], library: VectorLibrary
) -> RequestedSteering:
    """Pushes that steer the same tokens: those that the request says, else those of the recommended settings."""
    pushes = tuple(push for push, _ in found)
    alike = Counter((one.vector, one.scale, one.vector_layer, layer) for one in pushes for layer in one.layers)
    if twice := [key for key, count in alike.items() if count > 1]:
        name, scale, _, layer = twice[0]
        raise SettingError(f"{name!r} is pushed twice at layer {layer} by {scale}; add its strengths up")
    if sum(len(push.layers) for push in pushes) > MAX_PUSHED_LAYERS:
        raise SettingError(f"pushes at more than {MAX_PUSHED_LAYERS} layers in one request")
    options = dict(shared)
    when = options.pop("when", None)
    recommended = [None if how is None else how.gate for _, how in found]
    gate = common_condition(recommended) if when is None else parse_condition(when, library)
    for name, default in (("positions", "all"), ("first_token", False)):
        usual = {default if how is None else getattr(how, name) for _, how in found}
        if name not in options and len(usual) > 1:
            raise SettingError(
                f"the vectors are recommended at different {name} ({', '.join(sorted(map(str, usual)))}), and vectors "
                f"that are pushed together steer the same tokens; say {name}"
            )
        options.setdefault(name, next(iter(usual)))
    how = SteeringSetting.from_mapping(options)
    made = RequestedSteering(pushes, how.positions, how.first_token, library, gate)
    _ = made.intervention  # refuses layers and scales that a vector does not have
    return made
