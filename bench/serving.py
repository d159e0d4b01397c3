"""Tokens per second of the scheduler: many callers at once, one after another, and all prompts in one call.

    python bench/serving.py [--callers 32] [--tokens 32] [--rounds 3] [--clock cpu]

Three ways to the same replies of the bundled model, each under an intervention of its own, in turns A B C A B C:
"callers" submits from as many threads at once, "one by one" from one thread that waits for each reply, "one call" is
`Model.replies` over all prompts. Replies are compared token by token. Prompts are others in each round, and
interventions other objects each time, so that nothing that was steered is taken from an earlier text. `--clock cpu`
counts processor time: for a machine that others use too.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import trimtab as tt
from engines import QUESTION, interventions
from serve import timed
from trimtab.engines import Request
from trimtab.serve import Scheduler

Tokens = list[tuple[int, ...]]


def ways(model: tt.Model, scheduler: Scheduler) -> dict[str, Callable[[list[Request]], Tokens]]:
    """The tokens of all replies, in three ways."""

    def callers(requests: list[Request]) -> Tokens:
        with ThreadPoolExecutor(len(requests)) as pool:
            return [update.tokens for update in pool.map(lambda r: scheduler.submit(r).wait(), requests)]

    def one_by_one(requests: list[Request]) -> Tokens:
        return [scheduler.submit(request).wait().tokens for request in requests]

    def one_call(requests: list[Request]) -> Tokens:
        replies = dict(model.replies(requests))
        return [replies[index].tokens for index in range(len(requests))]

    return {"callers": callers, "one by one": one_by_one, "one call": one_call}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    asked = parser.parse_args()
    model = tt.load(dtype="float32")
    scheduler = Scheduler(model)
    every = ways(model, scheduler)

    def requests(number: int) -> list[Request]:
        questions = (QUESTION.format(number * asked.callers + i) for i in range(asked.callers))
        cells = interventions(model, asked.callers)
        return [Request(model.tokens(q), cell, asked.tokens) for q, cell in zip(questions, cells, strict=True)]

    for name in ("one call", "callers"):
        every[name](requests(0))  # what is tried once for a model is tried now
    rates: dict[str, list[float]] = {name: [] for name in every}
    for number in range(1, 1 + asked.rounds):
        replies = {}
        for name, write in every.items():
            mine = requests(number)
            seconds, replies[name] = timed(lambda write=write, mine=mine: write(mine), asked.clock)
            rates[name].append(sum(map(len, replies[name])) / seconds)
        if any(found != replies["one call"] for found in replies.values()):
            raise SystemExit("the replies differ")
        print({name: round(found[-1], 1) for name, found in rates.items()}, flush=True)
    scheduler.close()
    for other in ("one by one", "one call"):
        ratios = [mine / theirs for mine, theirs in zip(rates["callers"], rates[other], strict=True)]
        print(f"callers / {other}: {statistics.median(ratios):.2f} (rounds: {', '.join(f'{r:.2f}' for r in ratios)})")


if __name__ == "__main__":
    main()
