"""Estimated cost of generating pairs."""

from __future__ import annotations

import math

from trimtab.generation._situations import situations
from trimtab.generation._writer_prompts import MAX_CHARACTERS, MAX_SHOWN_PROMPTS, batch_question, check_question
from trimtab.generation.request import PairRequest
from trimtab.llm import Cost, estimate_tokens

TOKENS_PER_PAIR = 150
"""Two replies of about forty words, the prompt and the JSON around them."""
CHECK_TOKENS = 5


def max_batches(missing: int, batch: int) -> int:
    """Limit of batches: three times as many as it takes if every pair passes, and two."""
    return 3 * math.ceil(missing / batch) + 2 if missing > 0 else 0


def cost(request: PairRequest, model: str, there: int, price: tuple[float, float] | None = None) -> Cost:
    """Upper bound of the cost, before anything is sent.

    Tokens in are characters ÷ 4 of a question that shows as many taken prompts as one ever does; tokens out are
    estimated at 150 for each pair.

    Args:
        request: The pairs to generate.
        model: The writer's name.
        there: Number of pairs in the file already.
        price: Dollars per million tokens, in and out.
    """
    batches = max_batches(request.count - there, request.batch)
    topics = situations(request.kind, request.seed, 0, request.batch)
    question = batch_question(request, request.batch, topics, ["x" * (MAX_CHARACTERS // 2)] * MAX_SHOWN_PROMPTS, [])
    ahead = Cost(model, price=price).plus(
        calls=batches,
        input_tokens=batches * estimate_tokens(question),
        output_tokens=batches * request.batch * TOKENS_PER_PAIR,
    )
    if request.self_check:
        checks = 2 * batches * request.batch
        asked = estimate_tokens(check_question("x" * MAX_CHARACTERS, "x" * MAX_CHARACTERS))
        ahead = ahead.plus(calls=checks, input_tokens=checks * asked, output_tokens=checks * CHECK_TOKENS)
    return ahead
