"""What a client can ask of each vLLM worker: methods that the plugin adds to it, called by `collective_rpc`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_LOGIT_BYTES = 1 << 28


class WorkerMethods:
    """Put into vLLM's class of workers, one by one. Arguments and results are plain values and bytes."""

    model_runner: Any

    def trimtab_register(self, name: str, content: bytes) -> None:
        """Take in a vector under a name; see `store.packed`."""
        self.model_runner.trimtab.vectors.add(name, content)

    def trimtab_forget(self, names: list[str]) -> None:
        """Drop vectors that no request uses any more."""
        for name in names:
            self.model_runner.trimtab.vectors.drop(name)

    def trimtab_status(self) -> dict[str, Any]:
        """Which layers are armed here, how many rows are held, what waits to be fetched."""
        steering = self.model_runner.trimtab
        return {
            "layers": sorted(steering.armed.layers),
            "rows": steering.rows.capacity,
            "rows_held": steering.rows.held,
            "captured": len(steering.armed.captured),
            "passes_by_hand": steering.passes_by_hand,
        }

    def trimtab_verify(self) -> None:
        """See that this worker steers, when it is ready for requests."""
        self.model_runner.trimtab.verify()

    def trimtab_states(self, requests: list[str]) -> dict[int, list[bytes]] | None:
        """States that were read, layer → one block of float32 [tokens, d_model] a request; gone from here."""
        captured = self.model_runner.trimtab.armed.captured
        found = [captured.layers.pop(request, {}) for request in requests]
        if not _is_first_of_its_stage():
            return None
        layers = sorted({layer for states in found for layer in states})
        return {layer: [_bytes(states[layer].whole()) for states in found] for layer in layers}

    def trimtab_log_probs(self, requests: list[str], targets: list[list[int]]) -> list[list[float]] | None:
        """Log-probability of one token at each state that the unembedding was given; gone from here."""
        runner = self.model_runner
        captured = runner.trimtab.armed.captured
        if not _is_last_stage():
            return None
        pieces = [captured.final.pop(request) for request in requests]
        states = [one.whole(len(tokens)) for one, tokens in zip(pieces, targets, strict=True)]
        values = [_log_probs(runner, state, tokens)[0] for state, tokens in zip(states, targets, strict=True)]
        return [value.tolist() for value in values] if _is_first_of_its_stage() else None

    def trimtab_followed(
        self, plain: str, steered: list[str], tokens: list[int]
    ) -> tuple[list[float], list[float]] | None:
        """How likely a text is unsteered and in each cell, and how far the cells' distributions are from the former.

        Returns:
            Mean log-probability per token [1 + cells], mean KL divergence from the unsteered model [cells] in nats.
        """
        runner = self.model_runner
        captured = runner.trimtab.armed.captured
        if not _is_last_stage():
            return None
        base, *moved = (captured.final.pop(request).whole(len(tokens)) for request in [plain, *steered])
        measured = [
            _log_probs(runner, base, tokens),
            *(_log_probs(runner, states, tokens, base) for states in moved),
        ]
        if not _is_first_of_its_stage():
            return None
        return [float(likely.mean()) for likely, _ in measured], [float(apart.mean()) for _, apart in measured[1:]]

    def trimtab_drop(self, requests: list[str]) -> None:
        """States that nobody will fetch."""
        self.model_runner.trimtab.armed.captured.drop(requests)


@torch.inference_mode()
def _log_probs(runner: Any, states: Tensor, tokens: list[int], base: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Log-probabilities of tokens [n] at states [n, d_model], and divergence from those at `base` [n].

    The workers of a stage do this together: each holds a part of the unembedding.
    """
    model = runner.model
    wanted = torch.tensor(tokens, device=states.device)[:, None]
    step = max(1, _LOGIT_BYTES // (4 * runner.model_config.get_vocab_size()))
    values, divergences = [torch.zeros(0)], [torch.zeros(0)]
    for start in range(0, len(states), step):
        here = slice(start, start + step)
        logits = model.compute_logits(states[here])
        plain = None if base is None else model.compute_logits(base[here])
        if logits is None:
            continue
        log_p = logits.float().log_softmax(-1)
        values.append(log_p.gather(1, wanted[here])[:, 0].cpu())
        if plain is not None:
            log_q = plain.float().log_softmax(-1)
            divergences.append((log_p.exp() * (log_p - log_q)).sum(-1).clamp(min=0).cpu())
    return torch.cat(values), torch.cat(divergences)


def _bytes(tensor: Tensor) -> bytes:
    return tensor.contiguous().cpu().numpy().tobytes()


def _is_first_of_its_stage() -> bool:
    from vllm.distributed.parallel_state import get_tp_group

    return bool(get_tp_group().is_first_rank)


def _is_last_stage() -> bool:
    from vllm.distributed.parallel_state import get_pp_group

    return bool(get_pp_group().is_last_rank)
