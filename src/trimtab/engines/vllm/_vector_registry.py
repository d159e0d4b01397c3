"""The client's side of the vectors: registered with the workers by content, once, and named in each request."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from trimtab.engines.vllm.plugin.vector_table import content_name, packed
from trimtab.engines.vllm.wire.spec import Push, Read, Spec
from trimtab.errors import SettingError
from trimtab.steering import Intervention, PromptGate

_MAX_BYTES = 1 << 30
"""Vectors that workers hold for this client before they forget all of them."""


class VectorRegistry:
    """Vectors that the workers of one engine know, by a name made from their content."""

    def __init__(self, register: Callable[[str, bytes], None], forget: Callable[[list[str]], None]):
        self._register, self._forget = register, forget
        self._sizes: dict[str, int] = {}
        self._pushes: dict[int, tuple[Intervention, tuple[Push, ...]]] = {}

    def spec(
        self, intervention: Intervention | None, prompt_length: int | None = None, read: Read | None = None
    ) -> Spec:
        """What a request says, with all of its vectors known to the workers."""
        if intervention is None:
            return Spec(prompt_length=prompt_length if read else None, read=read)
        # One intervention object stands behind many requests: distinguished by identity, and held, so that no other
        # object takes its place.
        if id(intervention) not in self._pushes:
            self._pushes[id(intervention)] = (intervention, tuple(self._push(one) for one in _chain(intervention)))
        pushes = self._pushes[id(intervention)][1]
        return Spec(pushes, intervention.positions, intervention.first_token, prompt_length, read)

    def tidy(self) -> None:
        """Let the workers forget everything, if it has become much; no request may be under way."""
        self._pushes.clear()
        if sum(self._sizes.values()) > _MAX_BYTES:
            names = list(self._sizes)
            self._sizes.clear()  # first: what is registered once too often does no harm
            self._forget(names)

    def _push(self, one: Intervention) -> Push:
        if isinstance(one.gate, PromptGate):
            raise SettingError("a gate on the prompt is decided for each text: run it by the methods of trimtab.Model")
        content = packed(one.directions, one.gate, one.statistics)
        name = content_name(content)
        if name not in self._sizes:
            self._register(name, content)
            self._sizes[name] = len(content)
        return Push(name, tuple(sorted(one.directions)), one.strength, one.scale)


def _chain(intervention: Intervention) -> Iterator[Intervention]:
    one: Intervention | None = intervention
    while one is not None:
        yield one
        one = one.also
