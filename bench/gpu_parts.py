"""What bench/gpu.py measures: each part is one function, run in a process of its own, that gives a list of rows."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from gpu_loop import Material, Setup, ratio, row

EXACT_IN_FLOAT32 = 1e-4
"""docs/exactness.md; absolute, of differences of logits."""
ROUNDING = 2.0
"""In 16 bits: times the error that the hook loop itself has, against the loop in float32."""


def exact_float32(setup: Setup) -> list[Any]:
    """Scores, states and tokens in float32 against the hook loop, one text at a time."""
    rows = []
    material = Material.of(setup, setup.load("float32"), min(8, setup.sizes.pairs))
    cells = [(layer, strength) for layer in material.layers for strength in (-0.2, 0.2)]
    for positions in ("all", "after_prompt"):
        loop, own = material.loop(positions), material.own_scores(cells, positions)
        expected = torch.stack([loop.scores(material.pairs, cell) for cell in (None, *cells)])
        worst, effect = float((own - expected).abs().max()), float((expected[1:] - expected[0]).abs().median())
        rows.append(
            row(
                f"scores in float32, positions {positions}",
                "hook loop",
                f"largest difference {worst:.1e}",
                worst <= EXACT_IN_FLOAT32,
                f"median effect {effect:.3g}",
                worst=worst,
                effect=effect,
            )
        )
    rows.append(_tokens(setup, material, cells, "float32"))
    return rows


def _tokens(setup: Setup, material: Material, cells: Sequence[tuple[int, float]], dtype: str) -> Any:
    """Greedy replies, each under its own cell, against the loop without a cache."""
    from trimtab.engines import Request

    prompts = [material.model.tokens(f"Tell me about day {number}.") for number in range(4)]
    count, chosen = min(16, setup.sizes.tokens), list(cells[:3])
    asked = [Request(p, c, count) for p, c in zip(prompts, [None, *material.interventions(chosen, "all")], strict=True)]
    replies = dict(material.model.replies(asked))
    loop = material.loop("all")
    same = total = 0
    for index, cell in enumerate((None, *chosen)):
        own = list(replies[index].tokens)
        same += sum(a == b for a, b in zip(own, loop.greedy(prompts[index], cell, len(own)), strict=True))
        total += len(own)
    met = same == total if dtype == "float32" else None
    return row(
        f"greedy tokens in {dtype}",
        "hook loop without cache",
        f"{same} of {total} equal",
        met,
        "",
        same=same,
        total=total,
    )


def exact_bfloat16(setup: Setup) -> list[Any]:
    """Scores in bfloat16: their error and the hook loop's own, both against the loop in float32."""
    count = min(16, setup.sizes.pairs)
    whole = Material.of(setup, setup.load("float32"), count)
    cells = [(layer, strength) for layer in whole.layers for strength in (-0.2, 0.2)]
    truth = torch.stack([whole.loop("all").scores(whole.pairs, cell) for cell in (None, *cells)])
    half = Material.of(setup, setup.load("bfloat16"), count)
    theirs = torch.stack([half.loop("all").scores(half.pairs, cell) for cell in (None, *cells)])
    own = half.own_scores(cells, "all")
    mine, other = (float((found - truth).square().mean().sqrt()) for found in (own, theirs))
    return [
        row(
            "scores in bfloat16",
            "hook loop in float32",
            f"error {mine:.3g}, the loop's own {other:.3g}",
            mine <= ROUNDING * other,
            "root mean square",
            own=mine,
            theirs=other,
        ),
        _tokens(setup, half, cells, "bfloat16"),
    ]


def sweep(setup: Setup) -> list[Any]:
    """All cells of all prompts against the loop, in the number format that the device does well."""
    material = Material.of(setup, setup.load(), setup.sizes.prompts)
    layers = range(material.model.facts.layers // 3, material.model.facts.layers)
    cells = [(layer, strength) for layer in layers for strength in (-0.2, 0.2)][: setup.sizes.cells]
    rows = []
    for positions in ("all", "after_prompt"):
        material.own_scores(cells[:2], positions)  # warms up, and tries how texts may run together
        own = [setup.timed(lambda p=positions: material.own_scores(cells, p))[0] for _ in range(2)]  # type: ignore[misc]
        loop, some = material.loop(positions), cells[:: max(1, len(cells) // setup.sizes.loop_cells)]
        loops: dict[int, float] = {}
        for batch in (8, 32):
            loop.scores(material.pairs, some[0], batch)
            seconds, _ = setup.timed(lambda l=loop, b=batch, s=some: [l.scores(material.pairs, c, b) for c in s])  # type: ignore[misc]  # noqa: E741
            loops[batch] = seconds / len(some) * (1 + len(cells))
        best = min(loops, key=loops.__getitem__)
        rows.append(
            ratio(
                f"sweep, {len(cells)} cells × {len(material.pairs)} prompts, positions {positions}",
                f"hook loop, batch {best}",
                own,
                [loops[best]],
                f"the loop ran {len(some)} cells and was scaled",
            )
        )
    return rows


def extraction(setup: Setup) -> list[Any]:
    """A vector at every layer against plain passes over both completions, of which nothing is read."""
    from material import pairs

    import trimtab as tt

    model, behavior = setup.load(), pairs(setup.sizes.pairs)
    tt.extract(model, pairs(2), progress=False)
    own = [setup.timed(lambda: tt.extract(model, behavior, progress=False))[0] for _ in range(2)]
    network, texts = model.backbone.model, []
    for pair in model.encode(behavior.pairs, "choice"):
        texts += [pair.positive[: pair.shared + 1], pair.negative[: pair.shared + 1]] * 2  # in both orders, as extract
    texts.sort(key=len)

    @torch.no_grad()
    def passes(batch: int = 32) -> None:
        for start in range(0, len(texts), batch):
            some = texts[start : start + batch]
            ids = torch.zeros(len(some), len(some[-1]), dtype=torch.long, device=model.backbone.device)
            for place, text in enumerate(some):
                ids[place, : len(text)] = torch.tensor(text, device=ids.device)
            network.model(ids, use_cache=False)

    passes()
    return [
        ratio(
            f"extraction, {len(behavior)} pairs in both orders, all layers",
            "plain passes, batch 32",
            own,
            [setup.timed(passes)[0]],
        )
    ]


def generation(setup: Setup) -> list[Any]:
    """Replies in several cells side by side against `generate` with a hook, cell by cell."""
    from trimtab.engines import Request

    material, sizes = Material.of(setup, setup.load(), 1), setup.sizes
    prompts = [material.model.tokens(f"Tell me about day {number}.") for number in range(2 if setup.small else 16)]
    cells = [(layer, strength) for layer in material.layers for strength in (-0.2, 0.2)][: 2 if setup.small else 8]
    pushes = material.interventions(cells, "all")
    object.__setattr__(material.model.backbone, "ends", frozenset())  # every reply has the same number of tokens

    def own() -> int:
        asked = [Request(prompt, push, sizes.tokens) for push in pushes for prompt in prompts]
        return sum(len(reply.tokens) for _, reply in material.model.replies(asked))

    network, loop = material.model.backbone.model, material.loop("all")

    @torch.no_grad()
    def theirs(some: Sequence[tuple[int, float]]) -> None:
        width = max(map(len, prompts))
        ids = torch.tensor([[0] * (width - len(p)) + list(p) for p in prompts], device=loop.device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=loop.device)
        for cell in some:
            handle = loop.hooked(cell, loop._steered(mask, [len(p) for p in prompts]))
            try:
                network.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    max_new_tokens=sizes.tokens,
                    min_new_tokens=sizes.tokens,
                    do_sample=False,
                    pad_token_id=0,
                )
            finally:
                handle.remove()

    own()
    seconds, tokens = setup.timed(own)
    theirs(cells[:1])
    some = cells[: max(1, len(cells) // 4)]
    other = setup.timed(lambda: theirs(some))[0] / len(some) * len(cells)
    work = f"generation, {len(cells)} cells × {len(prompts)} prompts × {sizes.tokens} tokens"
    return [
        ratio(
            work, f"generate with a hook, batch {len(prompts)}", [seconds], [other], f"{tokens / seconds:.0f} tokens/s"
        )
    ]


def stream(setup: Setup) -> list[Any]:
    """The sweep of a model whose layers stay in its files, against the same model in memory."""
    import trimtab as tt

    if "stream" not in inspect.signature(tt.load).parameters:
        return [row("streamed layers", "", "skipped", None, "tt.load has no `stream` in this version")]
    count = min(16, setup.sizes.pairs)
    whole = Material.of(setup, setup.load("float32"), count)
    cells = [(layer, strength) for layer in whole.layers for strength in (-0.2, 0.2)]
    seconds, expected = setup.timed(lambda: whole.own_scores(cells, "all"))
    streamed = Material.of(setup, setup.load("float32", stream=True), count)
    other, found = setup.timed(lambda: streamed.own_scores(cells, "all"))
    worst = float((found - expected).abs().max())
    return [
        row(
            "sweep with streamed layers",
            "layers in memory",
            f"largest difference {worst:.1e}",
            worst <= EXACT_IN_FLOAT32,
            f"{other:.2f} s against {seconds:.2f} s",
            worst=worst,
            streamed=other,
            memory=seconds,
        )
    ]


def vllm_v1(setup: Setup) -> list[Any]:
    """vLLM with its V1 model runner."""
    return _vllm(setup, "0")


def vllm_v2(setup: Setup) -> list[Any]:
    """vLLM with its V2 model runner, the default on GPUs."""
    return _vllm(setup, "1")


def _vllm(setup: Setup, runner: str) -> list[Any]:
    """Scores and tokens of vLLM against the hook loop in float32, and what steering costs."""
    from trimtab.engines import Request

    os.environ["VLLM_USE_V2_MODEL_RUNNER"] = runner
    name = f"vLLM V{int(runner) + 1}"
    dtype = "float32" if setup.device == "cpu" else "bfloat16"
    whole = Material.of(setup, setup.load("float32"), min(8, setup.sizes.pairs))
    cells = [(layer, strength) for layer in whole.layers for strength in (-0.2, 0.2)]
    truth = torch.stack([whole.loop("all").scores(whole.pairs, cell) for cell in (None, *cells)])
    half = whole if dtype == "float32" else Material.of(setup, setup.load(dtype), len(whole.pairs))
    theirs = torch.stack([half.loop("all").scores(half.pairs, cell) for cell in (None, *cells)])
    import trimtab as tt

    placed = {} if setup.device == "cpu" else {"gpu_memory_utilization": 0.5}
    model = tt.load(
        setup.model, dtype=dtype, engine="vllm", engine_options={"max_model_len": 512, "max_num_seqs": 64, **placed}
    )  # type: ignore[arg-type]
    try:
        material = Material(model, whole.pairs, whole.directions)
        own = material.own_scores(cells, "all")
        mine, other = (float((found - truth).square().mean().sqrt()) for found in (own, theirs))
        limit = EXACT_IN_FLOAT32 if dtype == "float32" else ROUNDING * other
        rows = [
            row(
                f"scores, {name}, {dtype}",
                "hook loop in float32",
                f"error {mine:.2g}, the loop's own {other:.2g}",
                mine <= limit,
                "root mean square",
                own=mine,
                theirs=other,
            )
        ]
        object.__setattr__(model.backbone, "ends", frozenset())
        prompts = [model.tokens(f"Tell me about day {number}.") for number in range(4 if setup.small else 64)]
        pushes = material.interventions(
            [(cells[i % len(cells)][0], 0.02 + i / 2000) for i in range(len(prompts))], "all"
        )
        rates = {}
        for kind, chosen in (
            ("warm", [None] * len(prompts)),
            ("unsteered", [None] * len(prompts)),
            ("steered", pushes),
        ):
            asked = [Request(p, c, setup.sizes.tokens) for p, c in zip(prompts, chosen, strict=True)]  # type: ignore[arg-type]
            model.engine.engine.reset_prefix_cache()
            seconds, tokens = setup.timed(lambda a=asked: sum(len(r.tokens) for _, r in model.replies(a)))  # type: ignore[misc]
            rates[kind] = tokens / seconds
        del rates["warm"]
        cost = 100 * (rates["unsteered"] / rates["steered"] - 1)
        rows.append(
            row(
                f"generation, {name}, {len(prompts)} requests",
                "unsteered",
                f"{rates['steered']:.0f} tokens/s, {cost:+.1f}% time",
                None,
                "each steered by its own push",
                **rates,
            )
        )
        return rows
    finally:
        model.close()


def prepare(setup: Setup, size: str, folder: Path) -> list[Any]:
    """Write a Llama with random weights and the bundled tokenizer, which needs nothing from the net."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from trimtab.models.bundled import BUNDLED, resolve

    shapes = {
        "tiny": (256, 6, 4, 2, 688),
        "1b": (2048, 16, 32, 8, 8192),
        "3b": (3072, 28, 24, 8, 8192),
        "8b": (4096, 32, 32, 8, 14336),
    }
    width, layers, heads, kv_heads, inner = shapes[size]
    tokenizer = AutoTokenizer.from_pretrained(resolve(BUNDLED))
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=2048,
        initializer_range=0.05,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=False,
        dtype="bfloat16",
    )
    torch.manual_seed(0)
    with torch.device(setup.device):
        model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return []


PARTS: dict[str, tuple[Callable[[Setup], list[Any]], int]] = {
    "exact32": (exact_float32, 60),
    "exact16": (exact_bfloat16, 60),
    "sweep": (sweep, 75),
    "extraction": (extraction, 45),
    "generation": (generation, 60),
    "stream": (stream, 45),
    "vllm-v1": (vllm_v1, 110),
    "vllm-v2": (vllm_v2, 110),
}
"""Each part with its time limit in seconds, the surest first; all of them together take less than the total allows."""


def described() -> dict[str, Any]:
    """Versions, and the card if there is one."""
    import transformers

    found: dict[str, Any] = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "cpus": os.cpu_count(),
    }
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        found |= {
            "card": properties.name,
            "memory_gib": round(properties.total_memory / 2**30),
            "cuda": torch.version.cuda,
        }
    return found
