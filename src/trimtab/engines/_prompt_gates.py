"""Gates on the prompt: decided by an unsteered pass over the prompts, before any text is pushed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

import torch

from trimtab.engines._turns import Item
from trimtab.engines.base import BatchClaims, Engine, Scored, TextScores, leave_out
from trimtab.engines.queries import Scoring
from trimtab.engines.requests import Request
from trimtab.errors import TrimtabWarning
from trimtab.models import EncodedPair, Text
from trimtab.steering import Intervention, PromptGate, require_layers
from trimtab.steering.gates import require_readable

Prompt = tuple[int, ...]


class Decisions:
    """What gates say of prompts."""

    def __init__(
        self,
        engine: Engine,
        n_layers: int,
        prompts: Sequence[Prompt],
        cells: Sequence[Intervention | None],
        *,
        warn_if_shut: bool = True,
    ):
        """Read the prompts, if any cell has a gate on them.

        Args:
            engine: what runs the model.
            n_layers: of the model.
            prompts: as tokens.
            cells: whose gates will be asked.
            warn_if_shut: whether to warn of gates that open for none of the prompts.

        Raises:
            SettingError: for a layer that the model does not have, or a prompt of one token.
        """
        gates = {id(gate): gate for cell in cells if cell is not None for gate in cell.prompt_gates}
        asked = decide if warn_if_shut else decide_silently
        self._said = asked(engine, n_layers, prompts, list(gates.values())) if gates else {}
        self._cells: dict[tuple[int, tuple[bool, ...]], Intervention | None] = {}

    def of(self, cell: Intervention | None, prompt: Prompt) -> Intervention | None:
        """The push as it is behind a prompt; the same decisions give the same object, which engines run together."""
        if cell is None or not cell.prompt_gates:
            return cell
        said = {id(gate): self._said[id(gate), prompt] for gate in cell.prompt_gates}
        key = id(cell), tuple(said.values())
        if key not in self._cells:
            self._cells[key] = cell.decided(lambda gate: said[id(gate)])
        return self._cells[key]


def has_gates(cells: Sequence[Intervention | None]) -> bool:
    """Whether any push waits for a decision on the prompt."""
    return any(cell is not None and cell.prompt_gates for cell in cells)


def decide(
    engine: Engine, n_layers: int, prompts: Sequence[Prompt], gates: Sequence[PromptGate]
) -> dict[tuple[int, Prompt], bool]:
    """What each gate says of each prompt, by (id of the gate, prompt); warns of gates that open for none."""
    said = decide_silently(engine, n_layers, prompts, gates)
    every = list(dict.fromkeys(prompts))
    for gate in gates:
        if not any(said[id(gate), prompt] for prompt in every):
            warnings.warn(
                f"the gate on the prompt (layer {gate.layer}) opened for none of {len(every)} "
                f"prompt{'s' * (len(every) != 1)}, so it let nothing be pushed",
                TrimtabWarning,
                stacklevel=2,
            )
    return said


def decide_silently(
    engine: Engine, n_layers: int, prompts: Sequence[Prompt], gates: Sequence[PromptGate]
) -> dict[tuple[int, Prompt], bool]:
    """As `decide`, for prompts of many callers: that none of them opens a gate says nothing."""
    require_layers((gate.layer for gate in gates), n_layers)
    layers = sorted({gate.layer for gate in gates})
    every = list(dict.fromkeys(prompts))
    for prompt in every:
        require_readable(prompt)
    said = {}
    for index, states in engine.states([Text(prompt, 1) for prompt in every], layers):
        for gate in gates:
            said[id(gate), every[index]] = gate.opens(states[:, layers.index(gate.layer)])
    return said


def decided_requests(engine: Engine, n_layers: int, requests: Sequence[Request]) -> Sequence[Request]:
    """Requests whose gates on the prompt have been decided."""
    cells = [request.intervention for request in requests]
    if not has_gates(cells):
        return requests
    decisions = Decisions(engine, n_layers, [request.prompt for request in requests], cells)
    return [replace(one, intervention=decisions.of(one.intervention, one.prompt)) for one in requests]


def decided_writing(
    engine: Engine,
    n_layers: int,
    requests: Sequence[Request],
    write: Callable[[Sequence[Request]], Iterator[Item]],
) -> Iterator[Item]:
    """Write texts by `write`; gates on their prompts are decided when the first item is asked for."""
    if has_gates([request.intervention for request in requests]):
        return (item for some in _lazily(engine, n_layers, requests) for item in write(some))
    return write(requests)


def _lazily(engine: Engine, n_layers: int, requests: Sequence[Request]) -> Iterator[Sequence[Request]]:
    yield decided_requests(engine, n_layers, requests)


def decided_sweep(
    engine: Engine,
    n_layers: int,
    pairs: Sequence[EncodedPair],
    cells: Sequence[Intervention],
    scoring: Scoring,
    done: Collection[int],
) -> Iterator[Scored]:
    """`Engine.sweep` of pairs of which each has its own decisions; where a gate is shut, the unsteered score."""
    if has_gates(cells):
        return _swept(engine, n_layers, pairs, cells, scoring, done)
    return engine.sweep(pairs, cells, scoring, done=done)


def _swept(
    engine: Engine,
    n_layers: int,
    pairs: Sequence[EncodedPair],
    cells: Sequence[Intervention],
    scoring: Scoring,
    done: Collection[int],
) -> Iterator[Scored]:
    prompts = [tuple(pair.positive[: pair.prompt_length]) for pair in pairs]
    for members, mine, places in _groups(Decisions(engine, n_layers, prompts, cells), prompts, cells):
        # Without any open cell, one that is thrown away: a sweep has the unsteered scores beside its cells.
        swept = mine or [one for one in [cells[0].decided(lambda _: True)] if one is not None]
        for batch in engine.sweep([pairs[index] for index in members], swept, scoring, done=_PartClaims(members, done)):
            table = batch.scores[[0, *(0 if place is None else 1 + place for place in places)]]
            yield Scored([members[place] for place in batch.indices], table)


class _PartClaims(BatchClaims):
    """Claims of some of the pairs of a sweep, by their places among these.

    Args:
        members: Which pairs of the sweep they are.
        done: Of the whole sweep.
    """

    def __init__(self, members: Sequence[int], done: Collection[int]):
        self._members, self._done = members, done

    def __contains__(self, place: object) -> bool:
        return isinstance(place, int) and self._members[place] in self._done

    def __iter__(self) -> Iterator[int]:
        return (place for place, index in enumerate(self._members) if index in self._done)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def taken(self, indices: Sequence[int]) -> bool:
        """Whether the claims of the whole sweep leave a batch out."""
        return leave_out([self._members[place] for place in indices], self._done)


def decided_text_scores(
    engine: Engine,
    n_layers: int,
    texts: Sequence[Text],
    cells: Sequence[Intervention],
    warn_if_shut: bool,
) -> Iterator[TextScores]:
    """`Engine.score_texts` of texts of which each has its own decisions; where a gate is shut, 0 nats apart.

    Args:
        engine: what runs the model.
        n_layers: of the model.
        texts: what is read.
        cells: what steers.
        warn_if_shut: whether to warn of gates on the prompt that open for none of the texts.
    """
    if has_gates(cells):
        return _text_scores(engine, n_layers, texts, cells, warn_if_shut)
    return engine.score_texts(texts, cells)


def _text_scores(
    engine: Engine, n_layers: int, texts: Sequence[Text], cells: Sequence[Intervention], warn_if_shut: bool
) -> Iterator[TextScores]:
    prompts = [tuple(text.tokens[: text.prompt_length]) for text in texts]
    decisions = Decisions(engine, n_layers, prompts, cells, warn_if_shut=warn_if_shut)
    for members, mine, places in _groups(decisions, prompts, cells):
        for batch in engine.score_texts([texts[index] for index in members], mine):
            rows = [0, *(0 if place is None else 1 + place for place in places)]
            apart = torch.cat([torch.zeros_like(batch.log_prob[:1]), batch.divergence])
            yield TextScores([members[place] for place in batch.indices], batch.log_prob[rows], apart[rows[1:]])


def decided_final_states(
    engine: Engine, n_layers: int, texts: Sequence[Text], cells: Sequence[Intervention]
) -> Iterator[tuple[int, torch.Tensor]]:
    """`Engine.final_states` of texts of which each has its own decisions; behind a shut gate, the unsteered states."""
    if has_gates(cells):
        return _final_states(engine, n_layers, texts, cells)
    return engine.final_states(texts, cells)


def _final_states(
    engine: Engine, n_layers: int, texts: Sequence[Text], cells: Sequence[Intervention]
) -> Iterator[tuple[int, torch.Tensor]]:
    prompts = [tuple(text.tokens[: text.prompt_length]) for text in texts]
    for members, mine, places in _groups(Decisions(engine, n_layers, prompts, cells), prompts, cells):
        rows = [0, *(0 if place is None else 1 + place for place in places)]
        for index, states in engine.final_states([texts[member] for member in members], mine):
            yield members[index], states[rows]


def _groups(
    decisions: Decisions, prompts: Sequence[Prompt], cells: Sequence[Intervention]
) -> Iterator[tuple[list[int], list[Intervention], list[int | None]]]:
    """Texts with the same decisions: their indices, the cells that are open, and each cell's place among these."""
    groups: dict[tuple[int, ...], list[int]] = {}
    decided = [[decisions.of(cell, prompt) for cell in cells] for prompt in prompts]
    for index, row in enumerate(decided):
        groups.setdefault(tuple(map(id, row)), []).append(index)
    for members in groups.values():
        row = decided[members[0]]
        mine = [cell for cell in row if cell is not None]
        place = {id(cell): number for number, cell in enumerate(mine)}
        yield members, mine, [None if cell is None else place[id(cell)] for cell in row]
