"""Generated tokens per second: the default engine, vLLM, and what steering costs in vLLM. Run it in vLLM's environment.

    .venv-vllm/bin/python bench/engines.py [--requests 64] [--tokens 64] [--rounds 3]

Each contender has a process of its own. "bare" is vLLM without trimtab; "armed" is the same with its layers armed,
asked unsteered, and with an intervention of its own for each request. Rounds take turns: A B A B, on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

QUESTION = "Tell me about a day you remember. It was number {}."


def interventions(model: Any, count: int) -> list[Any]:
    import torch

    from trimtab.steering import Intervention

    source = torch.Generator().manual_seed(0)
    directions = torch.randn(8, model.facts.width, generator=source)
    layers = [model.facts.layers // 2, 2 * model.facts.layers // 3]
    return [Intervention({layers[i % 2]: directions[i % 8]}, 0.02 + i / 2000, "relative", "all") for i in range(count)]


def _sharing() -> dict[str, bool]:
    """Whether prompts share blocks: unsteered ones share more than steered ones."""
    return {"enable_prefix_caching": "TRIMTAB_BENCH_NO_SHARING" not in os.environ}


def timed(say: Callable[[], int]) -> float:
    """Tokens per second."""
    start = time.perf_counter()
    tokens = say()
    return tokens / (time.perf_counter() - start)


def engine_rates(name: str, requests: int, tokens: int, rounds: int) -> dict[str, list[float]]:
    """The default engine or vLLM through trimtab, unsteered and steered in turn."""
    import trimtab as tt
    from trimtab.engines import Request

    options = {"max_model_len": 512, "max_num_seqs": 64, **_sharing()} if name == "vllm" else None
    model = tt.load(dtype="float32", engine=name, engine_options=options)
    prompts = [model.tokens(QUESTION.format(i)) for i in range(requests)]
    cells = {"unsteered": [None] * requests, "steered": interventions(model, requests)}

    def say(kind: str) -> int:
        # Ends are left out, so that every contender writes the same number of tokens.
        asked = [Request(prompt, cell, tokens) for prompt, cell in zip(prompts, cells[kind], strict=True)]
        object.__setattr__(model.backbone, "ends", frozenset())
        return sum(len(reply.tokens) for _, reply in model.replies(asked))

    rates: dict[str, list[float]] = {"unsteered": [], "steered": []}
    say("unsteered")
    for _ in range(rounds):
        for kind in rates:
            if name == "vllm":
                model.engine.engine.reset_prefix_cache()
            rates[kind].append(timed(lambda kind=kind: say(kind)))
    model.close()
    return rates


def bare_rates(requests: int, tokens: int, rounds: int) -> dict[str, list[float]]:
    """vLLM alone, with the same settings."""
    os.environ["VLLM_PLUGINS"] = ""
    import torch
    from vllm import LLM, SamplingParams

    from trimtab.models import identify
    from trimtab.models.bundled import BUNDLED, resolve
    from trimtab.models.prompting.encoding import encode, render_prompt

    tokenizer = identify(BUNDLED, dtype=torch.float32, device=torch.device("cpu")).tokenizer
    llm = LLM(resolve(BUNDLED), dtype="float32", max_model_len=512, max_num_seqs=64, block_size=32, **_sharing())
    prompts = [
        {"prompt_token_ids": encode(tokenizer, render_prompt(tokenizer, QUESTION.format(i)))} for i in range(requests)
    ]
    params = SamplingParams(max_tokens=tokens, temperature=0.0, ignore_eos=True, detokenize=False)

    def say() -> int:
        return sum(len(out.outputs[0].token_ids) for out in llm.generate(prompts, params, use_tqdm=False))

    say()
    rates = []
    for _ in range(rounds):
        llm.reset_prefix_cache()
        rates.append(timed(say))
    return {"bare": rates}


def measured(who: str, given: argparse.Namespace) -> dict[str, list[float]]:
    """The rates of one contender, from a process of its own."""
    settings = [f"--requests={given.requests}", f"--tokens={given.tokens}", f"--rounds={given.rounds}"]
    environment = {
        **os.environ,
        **({"TRIMTAB_BENCH_NO_SHARING": "1"} if given.no_sharing else {}),
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "0-1",
        "VLLM_CPU_KVCACHE_SPACE": "2",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_USE_V2_MODEL_RUNNER": "0",
    }
    done = subprocess.run(
        [sys.executable, __file__, "--who", who, *settings],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    rates: dict[str, list[float]] = json.loads(done.stdout.strip().splitlines()[-1])
    print(who, {kind: [round(rate, 1) for rate in values] for kind, values in rates.items()}, flush=True)
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-sharing", action="store_true", help="without the prefix cache")
    parser.add_argument("--who", choices=("bare", "vllm", "transformers"))
    given = parser.parse_args()
    if given.who == "bare":
        print(json.dumps(bare_rates(given.requests, given.tokens, given.rounds)))
        return
    if given.who:
        print(json.dumps(engine_rates(given.who, given.requests, given.tokens, given.rounds)))
        return
    turns = [measured(who, given) for who in ("bare", "vllm", "bare", "vllm", "transformers")]
    bare, unsteered, steered = (
        statistics.median(rate for turn in turns[:4] for rate in turn.get(kind, []))
        for kind in ("bare", "unsteered", "steered")
    )
    plain = {kind: statistics.median(turns[4][kind]) for kind in ("unsteered", "steered")}
    print(f"default engine: {plain['unsteered']:.0f} tokens/s unsteered, {plain['steered']:.0f} steered")
    print(f"vLLM: {bare:.0f} without trimtab, {unsteered:.0f} armed and unsteered, {steered:.0f} steered")
    print(f"time of steering, over armed and unsteered: {100 * (unsteered / steered - 1):+.1f}%")
    print(f"time of steering, over vLLM without trimtab: {100 * (bare / steered - 1):+.1f}%")
    print(f"vLLM over the default engine, steered: {steered / plain['steered']:.1f}x")


if __name__ == "__main__":
    main()
