"""What writing will take, told before anything is asked."""

from __future__ import annotations

import math

from trimtab.evaluation.judges.cost import Cost, estimated_tokens
from trimtab.generation.questions import MOST_CHARACTERS, MOST_TAKEN, batch_question, check_question
from trimtab.generation.situations import situations
from trimtab.generation.wanted import Wanted

TOKENS_PER_PAIR = 150
"""Two replies of about forty words, the prompt and the JSON around them."""
CHECK_TOKENS = 5


def most_batches(missing: int, batch: int) -> int:
    """How many batches are asked for at most: three times as many as it takes if every pair passes, and two."""
    return 3 * math.ceil(missing / batch) + 2 if missing > 0 else 0


def cost(wanted: Wanted, model: str, there: int, price: tuple[float, float] | None = None) -> Cost:
    """What writing will take at most, before anything is asked.

    Tokens in are characters ÷ 4 of a question that shows as many taken prompts as one ever does; tokens out are
    estimated at 150 for each pair.

    Args:
        wanted: which pairs.
        model: what the cost calls the writer.
        there: pairs that are in the file already.
        price: dollars per million tokens in and out.
    """
    batches = most_batches(wanted.count - there, wanted.batch)
    topics = situations(wanted.kind, wanted.seed, 0, wanted.batch)
    question = batch_question(wanted, wanted.batch, topics, ["x" * (MOST_CHARACTERS // 2)] * MOST_TAKEN, [])
    ahead = Cost(model, price=price).plus(
        calls=batches,
        input_tokens=batches * estimated_tokens(question),
        output_tokens=batches * wanted.batch * TOKENS_PER_PAIR,
    )
    if wanted.self_check:
        checks = 2 * batches * wanted.batch
        asked = estimated_tokens(check_question("x" * MOST_CHARACTERS, "x" * MOST_CHARACTERS))
        ahead = ahead.plus(calls=checks, input_tokens=checks * asked, output_tokens=checks * CHECK_TOKENS)
    return ahead
