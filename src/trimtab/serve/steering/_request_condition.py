"""The key `when` of a request's steering: a condition on the prompt, by the name of a monitor that the server has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from typing import Any, cast

from trimtab.errors import SettingError
from trimtab.monitors import READS, PromptRead
from trimtab.serve.steering.vector_library import VectorLibrary
from trimtab.steering import Gate, Intervention, PromptGate

ALWAYS = "always"
"""In place of a monitor's name: push whatever the prompt is, also where the recommended setting has a condition."""
_KEYS = ("monitor", "above", "reads")


def parse_condition(given: Any, library: VectorLibrary) -> PromptGate | None:
    """Read what stands under `when`: a monitor's name, an object with `monitor`, `above` and `reads`, or `always`.

    Raises:
        SettingError: for anything else, and for a monitor that the server does not have.
    """
    if given == ALWAYS:
        return None
    asked = {"monitor": given} if isinstance(given, str) else given
    if not isinstance(asked, Mapping):
        raise SettingError(f'when: the name of a monitor, {{"monitor": …, "above": 0.8}}, or "{ALWAYS}"')
    if unknown := [name for name in asked if name not in _KEYS]:
        raise SettingError(f"when: unknown key {str(unknown[0])[:80]!r}; the keys are {', '.join(_KEYS)}")
    name, above, reads = asked.get("monitor"), asked.get("above", 0.5), asked.get("reads", READS[0])
    if not isinstance(name, str):
        raise SettingError("when: it names no monitor")
    if isinstance(above, bool) or not isinstance(above, int | float) or not 0 < above < 1:
        raise SettingError(f"when.above: {str(above)[:80]!r} is not a probability between 0 and 1")
    if reads not in READS:
        raise SettingError(f"when.reads: {str(reads)[:80]!r} is none of {', '.join(READS)}")
    return library.gate(name, float(above), cast(PromptRead, reads))


def common_condition(gates: list[Gate | PromptGate | None]) -> PromptGate | None:
    """The condition that the recommended settings of some pushes share.

    Raises:
        SettingError: where they differ.
    """
    found = {one.content_hash if isinstance(one, PromptGate) else "": one for one in gates}
    if len(found) > 1:
        raise SettingError(
            "the vectors are recommended under different conditions on the prompt, and vectors that are pushed "
            f'together have one; say when, or "when": "{ALWAYS}"'
        )
    (gate,) = found.values()
    return gate if isinstance(gate, PromptGate) else None


def gated(intervention: Intervention, gate: PromptGate) -> Intervention:
    """The same pushes, each under a condition on the prompt."""
    return reduce(Intervention.and_also, (replace(part, gate=gate, also=None) for part in intervention.parts()))


def description(gate: PromptGate) -> dict[str, Any]:
    """A condition as JSON."""
    return {"text": str(gate), "layer": gate.layer, "reads": gate.read, "hash": gate.content_hash}
