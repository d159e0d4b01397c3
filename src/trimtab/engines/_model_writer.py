"""The writer of a `Model`: requests checked, gates on their prompts decided, the engine shared with other threads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from trimtab.engines._lengths import Lengths
from trimtab.engines._prompt_gates import decide_silently
from trimtab.engines._turns import TurnLock
from trimtab.engines.base import Engine
from trimtab.engines.requests import Request, Writing
from trimtab.errors import SettingError
from trimtab.models import Identity
from trimtab.steering import Intervention, check_layers, require_layers
from trimtab.steering.gates import require_readable
from trimtab.steering.phases import markers_for

MAX_DECIDED = 256
"""Pushes whose gates on the prompt have been decided that are held for the next request with the same ones."""


class ModelWriter:
    """Continues texts that join and leave at any token; one thread owns it, others use the model between its passes."""

    def __init__(self, engine: Engine, identity: Identity, lengths: Lengths, lock: TurnLock):
        self.engine, self.identity, self.lengths, self.lock = engine, identity, lengths, lock
        self._inner = engine.writer(lasting=True)
        self._pushes: OrderedDict[tuple[int, tuple[bool, ...]], tuple[Intervention, Intervention | None]]
        self._pushes = OrderedDict()

    @property
    def rows(self) -> int:
        """Texts that are written or wait."""
        return self._inner.rows

    def checked(self, request: Request) -> Request:
        """A request that asks for no more new tokens than there is room for. Any thread may call this.

        Raises:
            SettingError: for a layer the model does not have, positions of thinking for a model that has none, a gate
                on a prompt of one token, or more tokens than the machine has memory for.
            DataError: for a prompt that leaves no room for a reply.
        """
        cell = request.intervention
        check_layers([cell], self.identity.facts.layers)
        if request.watch is not None:
            require_layers(request.watch.layers, self.identity.facts.layers)
        markers_for([cell], self.identity)
        if cell is not None and cell.prompt_gates:
            require_readable(request.prompt)
            require_layers((gate.layer for gate in cell.prompt_gates), self.identity.facts.layers)
        (fitted,) = self.lengths.fitted([request])
        if problem := self.engine.too_long(fitted.most_tokens):
            raise SettingError(problem)
        return fitted

    def has_room(self, request: Request) -> bool:
        """Whether a text can join without waiting for others to end."""
        return self._inner.has_room(request)

    def add(self, requests: Sequence[Request]) -> list[int]:
        """Take in checked requests and return their keys; gates on their prompts are decided."""
        with self.lock:
            return [self._inner.add(request) for request in self._decided(requests)]

    def decided(self, request: Request) -> Request:
        """A checked request with the gates on its prompt decided: without the pushes behind those that are shut."""
        with self.lock:
            (found,) = self._decided([request])
        return found

    def cancel(self, key: int) -> None:
        """Give up a text, from the next pass on; nothing happens where it has ended."""
        self._inner.cancel(key)

    def step(self) -> list[tuple[int, Writing]]:
        """Run one pass; returns (key, what is written) of every text that moved, see `trimtab.engines.base.Writer`."""
        with self.lock:
            return self._inner.step()

    def close(self) -> None:
        """Give up all texts."""
        with self.lock:
            self._inner.close()

    def _decided(self, requests: Sequence[Request]) -> list[Request]:
        gated = [r for r in requests if r.intervention is not None and r.intervention.prompt_gates]
        if not gated:
            return list(requests)
        gates = {id(gate): gate for r in gated if r.intervention is not None for gate in r.intervention.prompt_gates}
        prompts = [r.prompt for r in gated]
        said = decide_silently(self.engine, self.identity.facts.layers, prompts, list(gates.values()))

        def decided(request: Request) -> Request:
            cell = request.intervention
            if cell is None or not cell.prompt_gates:
                return request
            return replace(request, intervention=self._without_gates(cell, request.prompt, said))

        return [decided(request) for request in requests]

    def _without_gates(
        self, cell: Intervention, prompt: tuple[int, ...], said: Mapping[tuple[int, tuple[int, ...]], bool]
    ) -> Intervention | None:
        """The pushes that go through: the same object for the same push, which the engine runs together."""
        key = id(cell), tuple(said[id(gate), prompt] for gate in cell.prompt_gates)
        if key not in self._pushes:
            # The push itself is held too, as its id is only its own while it lives.
            self._pushes[key] = cell, cell.decided(lambda gate: said[id(gate), prompt])
        self._pushes.move_to_end(key)
        if len(self._pushes) > MAX_DECIDED:
            self._pushes.popitem(last=False)
        return self._pushes[key][1]
