"""What people write themselves: transformers and a few lines of Python, no library for steering."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from serve import serve, timed

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
    serve({"load": load, "forward": forward, "hook_loop": hook_loop, "generate_loop": generate_loop})
