"""What people write themselves: transformers and a few lines of Python, no library for steering."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from serve import serve, timed, with_peak

BATCH = 8
STATE: dict[str, Any] = {}


def load(path: str, threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    material = json.loads(Path(path).read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(material["model"], padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(material["model"], dtype=torch.float32).eval()
    STATE.update(material=material, model=model, tokenizer=tokenizer, vector=torch.tensor(material["vector"]))
    with torch.no_grad():
        model(**_batch(material["prompts"][:2]))  # warms up
    return {"torch": torch.__version__, "transformers": transformers.__version__}


def _batch(texts: list[str]) -> Any:
    return STATE["tokenizer"](texts, add_special_tokens=False, padding=True, return_tensors="pt")


@torch.no_grad()
def forward(clock: str) -> dict[str, Any]:
    """Both completions of every pair through the decoder, by length, eight at a time; nothing is read or kept."""
    texts = sorted((text for pair in STATE["material"]["completions"] for text in pair), key=len)

    def work() -> None:
        for start in range(0, len(texts), BATCH):
            STATE["model"].model(**_batch(texts[start : start + BATCH]), use_cache=False)

    return {"seconds": timed(work, clock)[0]}


@torch.no_grad()
def hook_loop(clock: str, positions: str, cells: list[tuple[int, float]]) -> dict[str, Any]:
    """For every cell a hook on its layer, and every prompt through the whole model: the usual sweep."""
    material = STATE["material"]

    def work() -> list[list[float]]:
        scores = []
        for layer, strength in cells:
            scores.append([])
            for start in range(0, len(material["prompts"]), BATCH):
                some = slice(start, start + BATCH)
                batch = _batch(material["prompts"][some])
                where = _steered(batch["attention_mask"], material["prompt_lengths"][some], positions)
                hook = _adds(strength * STATE["vector"][layer], where)
                handle = STATE["model"].model.layers[layer].register_forward_hook(hook)
                try:
                    logits = STATE["model"](**batch).logits[:, -1]
                finally:
                    handle.remove()
                ends = torch.tensor(material["answers"][some])
                chosen = logits.gather(1, ends)
                scores[-1] += (chosen[:, 0] - chosen[:, 1]).tolist()
        return scores

    seconds, scores = timed(work, clock)
    return {"seconds": seconds, "scores": {f"{c[0]} {c[1]:g}": s for c, s in zip(cells, scores, strict=True)}}


def train_loop(
    clock: str,
    layers: list[int],
    steps: int,
    rate: float,
    frozen: bool,
    positions: str,
    tokens: list[list[int]],
    starts: list[int],
    prompts: list[int],
    batches: list[list[int]],
    units: list[float],
) -> dict[str, Any]:
    """For every layer an optimiser of its own, a hook that adds its vector, and every batch through the whole model.

    `frozen`: the weights are told to get no gradients, as libraries do; else they are as `from_pretrained` gives them.
    """
    model = STATE["model"].requires_grad_(not frozen)
    width = model.config.hidden_size

    def one_layer(layer: int) -> list[float]:
        free = torch.zeros(width, requires_grad=True)
        optimiser = torch.optim.AdamW([free], lr=rate, weight_decay=0.0)
        for step in range(steps):
            some = batches[step % len(batches)]
            ids, labels, mask = _padded([tokens[i] for i in some], [starts[i] for i in some])
            vector = free * units[layer]
            where = _steered(mask, [prompts[i] for i in some], positions) & (mask.cumsum(1) > 1)[..., None]
            handle = model.model.layers[layer].register_forward_hook(_adds(vector, where))
            try:
                logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
            finally:
                handle.remove()
            each = torch.nn.functional.cross_entropy(
                logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100, reduction="none"
            ).view(len(some), -1)
            loss = (each.sum(1) / (labels[:, 1:] >= 0).sum(1)).mean()
            model.zero_grad()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        found: list[float] = (free.detach() * units[layer]).tolist()
        return found

    (seconds, vectors), peak = with_peak(lambda: timed(lambda: [one_layer(layer) for layer in layers], clock))
    found = {str(n): v for n, v in zip(layers, vectors, strict=True)}
    return {"seconds": seconds, "vectors": found, "mebibytes": peak}


def _padded(texts: list[list[int]], starts: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, labels (-100 where nothing is learnt) and mask, padded on the right."""
    width = max(map(len, texts))
    ids, mask = torch.zeros(len(texts), width, dtype=torch.long), torch.zeros(len(texts), width, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for row, (text, start) in enumerate(zip(texts, starts, strict=True)):
        ids[row, : len(text)], mask[row, : len(text)] = torch.tensor(text), 1
        labels[row, start : len(text)] = torch.tensor(text[start:])
    return ids, labels, mask


@torch.no_grad()
def generate_loop(
    clock: str, prompts: int, cells: list[tuple[int, float]], tokens: int, batch_size: int
) -> dict[str, Any]:
    """For every cell a hook on its layer, and `generate` for some prompts at a time."""
    texts = STATE["material"]["prompts"][:prompts]

    def work() -> list[list[list[int]]]:
        replies: list[list[list[int]]] = []
        for layer, strength in cells:
            replies.append([])
            for start in range(0, len(texts), batch_size):
                batch = _batch(texts[start : start + batch_size])
                where = _steered(batch["attention_mask"], [], "all")
                hook = _adds(strength * STATE["vector"][layer], where)
                handle = STATE["model"].model.layers[layer].register_forward_hook(hook)
                try:
                    output = STATE["model"].generate(**batch, max_new_tokens=tokens, do_sample=False, pad_token_id=2)
                finally:
                    handle.remove()
                replies[-1] += output[:, batch["input_ids"].shape[1] :].tolist()
        return replies

    seconds, replies = timed(work, clock)
    return {"seconds": seconds, "replies": {f"{c[0]} {c[1]:g}": r for c, r in zip(cells, replies, strict=True)}}


def _steered(mask: Tensor, prompt_lengths: list[int], positions: str) -> Tensor:
    """Which tokens are pushed: not the padding, not the first token; the prompt's last and later ones if so asked."""
    place = mask.cumsum(1) - 1
    first = torch.ones(len(mask)) if positions == "all" else torch.tensor(prompt_lengths) - 1
    return ((place >= first[:, None]) & mask.bool())[..., None]


def _adds(push: Tensor, where: Tensor) -> Any:
    def hook(module: Any, args: Any, output: Any) -> Any:
        hidden = output if torch.is_tensor(output) else output[0]
        # A pass over one new token of each row has no mask of its own: the token is pushed.
        hidden = hidden + (where * push if hidden.shape[1] == where.shape[1] else push)
        return hidden if torch.is_tensor(output) else (hidden, *output[1:])

    return hook


if __name__ == "__main__":
    tasks = {"load": load, "forward": forward, "hook_loop": hook_loop, "generate_loop": generate_loop}
    serve({**tasks, "train_loop": train_loop})
