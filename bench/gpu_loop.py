"""What the parts of bench/gpu.py share: the hook loop, what it and trimtab work on, rows of the table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

LAYER_SHARES = (0.2, 0.5, 0.8, 1.0)
Cell = tuple[int, float] | None
"""(layer, strength), relative; None: unsteered."""


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    pairs: int
    prompts: int
    tokens: int
    cells: int
    loop_cells: int
    """Of the sweep's cells, how many the slow loop runs; its time is scaled."""


FULL = Sizes(pairs=100, prompts=50, tokens=64, cells=63, loop_cells=6)
SMALL = Sizes(pairs=6, prompts=4, tokens=4, cells=4, loop_cells=2)


@dataclass(frozen=True)
class Setup:
    """What is measured, and where."""

    model: str
    device: str
    small: bool

    @property
    def sizes(self) -> Sizes:
        return SMALL if self.small else FULL

    def load(self, dtype: str = "auto", **options: Any) -> Any:
        import trimtab as tt

        return tt.load(self.model, dtype=dtype, device=self.device, **options)  # type: ignore[arg-type]

    def synchronize(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()

    def timed(self, work: Callable[[], Any]) -> tuple[float, Any]:
        self.synchronize()
        started = time.perf_counter()
        found = work()
        self.synchronize()
        return time.perf_counter() - started, found


def row(work: str, against: str, measured: str, met: bool | None = None, detail: str = "", **numbers: float) -> Any:
    """One line of the table, with its numbers for the JSON file. `met` is None where nothing was promised."""
    return {"work": work, "against": against, "measured": measured, "met": met, "detail": detail, "numbers": numbers}


def ratio(work: str, against: str, own: Sequence[float], theirs: Sequence[float], detail: str = "") -> Any:
    mine, other = statistics.median(own), statistics.median(theirs)
    return row(
        work, against, f"{other / mine:.1f}× ({mine:.2f} s against {other:.2f} s)", None, detail, own=mine, theirs=other
    )


class Loop:
    """The usual hook loop: transformers, a forward hook, one cell after the other. Nothing of trimtab runs in it."""

    def __init__(self, network: Any, directions: dict[int, Tensor], positions: str):
        self.network, self.directions, self.positions = network, directions, positions
        self.layers, self.norm = network.model.layers, network.model.norm
        self.device = network.get_input_embeddings().weight.device

    def hooked(self, cell: Cell, steered: Tensor | None) -> Any:
        """A hook handle; `steered`: which tokens, [rows, tokens, 1], for passes as wide as that."""
        if cell is None:
            return None
        layer, strength = cell
        direction = self.directions[layer].to(self.device)

        def push(module: Any, args: Any, output: Any) -> Any:
            hidden = output if torch.is_tensor(output) else output[0]
            states = hidden.float()
            moved = states + strength * states.norm(dim=-1, keepdim=True) * direction / direction.norm()
            if steered is not None and hidden.shape[1] == steered.shape[1]:
                moved = torch.where(steered, moved, states)
            hidden = moved.to(hidden.dtype)
            return hidden if torch.is_tensor(output) else (hidden, *output[1:])

        return self.layers[layer].register_forward_hook(push)

    def _steered(self, mask: Tensor, prompt_lengths: Sequence[int]) -> Tensor:
        place = mask.cumsum(1) - 1
        first = [1 if self.positions == "all" else length - 1 for length in prompt_lengths]
        return ((place >= torch.tensor(first, device=mask.device)[:, None]) & mask.bool())[..., None]

    @torch.no_grad()
    def scores(self, pairs: Sequence[Any], cell: Cell, batch: int = 1) -> Tensor:
        """Logit differences at the first token that differs, from the normed final state in float32; left-padded."""
        seen: list[Tensor] = []
        found = []
        reader = self.norm.register_forward_hook(lambda m, a, o: seen.append(o[:, -1].float()))
        head = self.network.get_output_embeddings().weight
        try:
            for start in range(0, len(pairs), batch):
                some = pairs[start : start + batch]
                texts = [pair.positive[: pair.shared] for pair in some]
                width = max(map(len, texts))
                ids = torch.zeros(len(some), width, dtype=torch.long, device=self.device)
                mask = torch.zeros_like(ids)
                for place, text in enumerate(texts):
                    ids[place, width - len(text) :] = torch.tensor(text, device=self.device)
                    mask[place, width - len(text) :] = 1
                handle = self.hooked(cell, self._steered(mask, [pair.prompt_length for pair in some]))
                try:
                    self.network.model(
                        input_ids=ids,
                        attention_mask=mask,
                        position_ids=(mask.cumsum(1) - 1).clamp(min=0),
                        use_cache=False,
                    )
                finally:
                    if handle is not None:
                        handle.remove()
                ends = torch.tensor([(p.positive[p.shared], p.negative[p.shared]) for p in some], device=self.device)
                logits = torch.einsum("nd,nkd->nk", seen.pop(), head[ends].float())
                found.append((logits[:, 0] - logits[:, 1]).cpu())
        finally:
            reader.remove()
        return torch.cat(found)

    @torch.no_grad()
    def greedy(self, prompt: Sequence[int], cell: Cell, tokens: int) -> list[int]:
        """Each token by a pass over the whole text, without a cache."""
        text = list(prompt)
        for _ in range(tokens):
            ids = torch.tensor([text], device=self.device)
            handle = self.hooked(cell, self._steered(torch.ones_like(ids), [len(prompt)]))
            try:
                text.append(int(self.network(ids, use_cache=False).logits[0, -1].argmax()))
            finally:
                if handle is not None:
                    handle.remove()
        return text[len(prompt) :]


@dataclass(frozen=True)
class Material:
    """A loaded model, its pairs, and one random direction for each layer."""

    model: Any
    pairs: list[Any]
    directions: dict[int, Tensor]

    @classmethod
    def of(cls, setup: Setup, model: Any, count: int) -> Material:
        from material import pairs

        source = torch.Generator().manual_seed(0)
        directions = {layer: torch.randn(model.facts.width, generator=source) for layer in range(model.facts.layers)}
        return cls(model, list(model.encode(pairs(count).pairs, "choice")), directions)

    @property
    def layers(self) -> list[int]:
        """A few, the last one among them."""
        return sorted({max(0, round(share * self.model.facts.layers) - 1) for share in LAYER_SHARES})

    def interventions(self, cells: Sequence[tuple[int, float]], positions: str) -> list[Any]:
        from trimtab.steering import Intervention

        return [
            Intervention({layer: self.directions[layer]}, strength, "relative", positions)  # type: ignore[arg-type]
            for layer, strength in cells
        ]

    def own_scores(self, cells: Sequence[tuple[int, float]], positions: str) -> Tensor:
        """[1 + cells, pairs] of trimtab's own sweep."""
        found = torch.empty(1 + len(cells), len(self.pairs))
        for scored in self.model.score(self.pairs, self.interventions(cells, positions), "choice"):
            found[:, scored.indices] = scored.scores
        return found

    def loop(self, positions: str) -> Loop:
        return Loop(self.model.backbone.model, self.directions, positions)
