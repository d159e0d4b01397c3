"""The vectors that requests may name: each with the setting that a run recommends for it, and what was measured."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from trimtab._util.suggest import nearest_word
from trimtab.engines.vllm.wire.spec import is_name
from trimtab.errors import SettingError, VectorError, shortened
from trimtab.models import Identity
from trimtab.models.fingerprint import UNKNOWN, difference
from trimtab.monitors import Monitor, PromptRead
from trimtab.serve.steering._vector_sources import FoundVector, MeasuredPlace, RecommendedPush, vectors_in
from trimtab.serve.steering.weights_text import is_number
from trimtab.steering import Cell, Intervention, PromptGate, require_fit
from trimtab.vectors import SteeringVector, layer_ranges

MAX_INTERVENTIONS = 256
"""That are held for the next request with the same steering."""
_DIFFERS = {
    "weights": "was taken from other weights ({model})",
    "configuration": "was taken from these weights under another configuration (rotary base, epsilon, activation, …)",
}


@dataclass(frozen=True, eq=False)
class NamedVector:
    """One vector under the name that requests have for it."""

    name: str
    vector: SteeringVector
    """Fitted to the model: a row for each of its layers."""
    recommended: RecommendedPush | None = None
    """None where nothing says how to push it: requests then give layers and strength."""
    measured: Mapping[str, Any] = field(default_factory=dict)
    """What a run measured at the recommended setting."""
    warnings: tuple[str, ...] = ()
    place: MeasuredPlace | None = None
    """Where it stands with what was measured of it; clients never learn it."""
    made_here: bool = False
    """Whether a client had it made from pairs of its own, see `VectorLibrary.add`."""

    @cached_property
    def hash(self) -> str:
        """Of directions and statistics, see `SteeringVector.content_hash`."""
        return self.vector.content_hash

    def description(self) -> dict[str, Any]:
        """As JSON."""
        made = self.vector.provenance
        return {
            "name": self.name,
            "behavior": made.behavior,
            "method": made.method,
            "pairs": made.pairs,
            "hash": self.hash,
            "layers": list(self.vector.layers),
            "recommended": None if self.recommended is None else self.recommended.description(),
            "measured": dict(self.measured) or None,
            "warnings": list(self.warnings),
        }


class VectorLibrary:
    """Named vectors of one model. Clients name them; they never name a path."""

    def __init__(self, vectors: Iterable[NamedVector] = (), monitors: Mapping[str, Monitor] | None = None):
        self._vectors: dict[str, NamedVector] = {}
        self._monitors = dict(monitors or {})
        self._gates: OrderedDict[Hashable, PromptGate] = OrderedDict()
        for one in vectors:
            if one.name in self._vectors:
                raise SettingError(f"two vectors are named {one.name!r}; rename the file of one of them")
            self._vectors[one.name] = one
        self._interventions: OrderedDict[Hashable, Intervention] = OrderedDict()

    @classmethod
    def read(
        cls, paths: Iterable[Path], identity: Identity, monitors: Mapping[str, Monitor] | None = None
    ) -> VectorLibrary:
        """Read vector files, folders of them, shared folders, run folders and `recommended.yaml`.

        Args:
            paths: of each; a run gives the vectors of this model, under the names of their behaviors.
            identity: the model that is served.
            monitors: that conditions on the prompt may name.

        Raises:
            VectorError: when a file is damaged, or a vector is of another model.
            SettingError: when a path holds no vector, or two vectors have one name.
            RunError: when a run folder cannot be read.
        """
        found: dict[str, tuple[NamedVector, Path]] = {}
        for path in paths:
            for one in vectors_in(path, identity):
                named = _named(one, identity)
                if named.name in found:
                    other = found[named.name][1]
                    raise SettingError(
                        f"two vectors are named {named.name!r}, in {other} and {one.file}; rename the file of one, or "
                        "leave one out"
                    )
                found[named.name] = named, one.file
        return cls((named for named, _ in found.values()), monitors)

    def add(self, one: NamedVector) -> None:
        """Take in a vector that was made while the server runs.

        Raises:
            SettingError: as `require_free`.
        """
        self.require_free(one.name)
        # A new mapping: who goes over the old one meanwhile is not disturbed.
        self._vectors = {**self._vectors, one.name: one}

    def require_free(self, name: str) -> None:
        """Refuse what is no name, and names that are taken: who uses one is not to get another vector.

        Raises:
            SettingError: with the reason.
        """
        if not is_name(name) or is_number(name) or name == "recommended":
            raise SettingError(
                f"{name[:80]!r} is no name for a vector: letters, digits, '.', '_' and '-', and no number"
            )
        if name in self._vectors:
            raise SettingError(f"the server has a vector {name!r} already; give another name")

    def __iter__(self) -> Iterator[NamedVector]:
        return iter(self._vectors.values())

    def __len__(self) -> int:
        return len(self._vectors)

    def __contains__(self, name: object) -> bool:
        return name in self._vectors

    def get(self, name: str) -> NamedVector:
        """The vector of a name.

        Raises:
            SettingError: for any other, with the nearest name.
        """
        if name in self._vectors:
            return self._vectors[name]
        if not self._vectors:
            raise SettingError("this server has no vectors; start it with --vectors")
        if not is_name(name):
            raise SettingError(
                f"vector {name[:130]!r} is no name: letters, digits, '.', '_' and '-'; the server's vectors are "
                f"{self._listed()}"
            )
        near = nearest_word(name, self._vectors)
        meant = f"; did you mean {near!r}?" if near else f"; the server's vectors are {self._listed()}"
        raise SettingError(f"no vector {name!r}{meant}")

    def gate(self, monitor: str, above: float, reads: PromptRead) -> PromptGate:
        """A condition on the prompt, the same object for the same values.

        Raises:
            SettingError: for a monitor that the server does not have, and a threshold that is no probability.
        """
        if monitor not in self._monitors:
            known = ", ".join(shortened(list(self._monitors), 20)) or "none; start it with --monitors"
            raise SettingError(f"when: no monitor {monitor[:80]!r}; this server has {known}")
        key = monitor, above, reads
        if key not in self._gates:
            self._gates[key] = self._monitors[monitor].prompt_gate(above, read=reads)
        self._gates.move_to_end(key)
        if len(self._gates) > MAX_INTERVENTIONS:
            self._gates.popitem(last=False)
        return self._gates[key]

    def intervention(self, key: Hashable, make: Callable[[], Intervention]) -> Intervention:
        """The intervention of a key, made once: what is pushed alike by one object is known to be pushed alike.

        So requests with the same steering share rows, and keys and values of prompts that begin alike.

        Args:
            key: everything that it depends on but the vectors.
            make: called where it is not held.
        """
        if key not in self._interventions:
            self._interventions[key] = make()
        self._interventions.move_to_end(key)
        if len(self._interventions) > MAX_INTERVENTIONS:
            self._interventions.popitem(last=False)
        return self._interventions[key]

    def _listed(self) -> str:
        return ", ".join(shortened(list(self._vectors), 20))


def where_to_push(one: NamedVector) -> str:
    """What to write for a vector without a recommended setting, in words."""
    layers = one.vector.layers
    middle = layers[len(layers) // 2]
    return (
        f'{{"vector": "{one.name}", "layers": [{middle}], "strength": 0.1}}; it has directions at '
        f"{layer_ranges(layers)}"
    )


def _named(found: FoundVector, identity: Identity) -> NamedVector:
    """The vector under a name that requests can have, fitted to the model.

    Raises:
        VectorError: when it is of another model.
        SettingError: when its name would read as a number or a word of the grammar, or its recommended setting cannot
            be pushed.
    """
    name = _as_name(found.name)
    if is_number(name) or name == "recommended":
        raise SettingError(f"{found.file}: a vector cannot be named {name!r}, which means something else in requests")
    made = found.vector.provenance
    warnings = list(found.warnings)
    differs = difference(made.fingerprint, identity.fingerprint)
    if differs in _DIFFERS:
        reason = _DIFFERS[differs].format(model=made.model)
        raise VectorError(f"{found.file}: the vector {reason}, not from {identity.name}; serve the model it is of")
    if differs:
        warnings.append(f"it cannot be verified that this vector is of {identity.name}: {UNKNOWN}")
    try:
        fitted = require_fit(found.vector, identity)
    except VectorError as error:
        raise VectorError(f"{found.file}: {error}") from None
    use = found.recommended
    if use is not None:
        try:
            use.setting.intervention(fitted, Cell(use.layers, use.strength))
        except SettingError as error:
            raise SettingError(f"{found.file}: its recommended setting cannot be pushed: {error}") from None
    return NamedVector(name, fitted, use, found.measured, tuple(dict.fromkeys(warnings)), found.place)


def _as_name(name: str) -> str:
    """A name for requests: of "easy going" it is `easy_going`."""
    if is_name(name):
        return name
    made = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name).strip("._-")[:128]
    if not is_name(made):
        raise SettingError(f"{name[:80]!r} cannot be made a name of letters and digits; rename the vector's file")
    return made
