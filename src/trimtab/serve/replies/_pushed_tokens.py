"""How many tokens of a finished text were pushed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trimtab.serve.steering.steering_request import RequestedSteering
from trimtab.steering.phases import markers_of, steered_tokens


def pushed_tokens(
    steering: RequestedSteering | None,
    prompt: Sequence[int],
    reply: Sequence[int],
    *,
    ended: bool,
    tokenizer: Any,
    name: str,
) -> int:
    """Tokens of prompt and reply that were pushed.

    The last token of a reply is written and never read, unless the model read it to end the text.

    Args:
        steering: of the request.
        prompt: its tokens.
        reply: tokens of the reply, without the one that ended it.
        ended: whether the model ended the text itself.
        tokenizer: of the model, for phases of the reply.
        name: of the model.
    """
    if steering is None:
        return 0
    read = [*prompt, *reply] if ended else [*prompt, *reply[:-1]]
    markers = markers_of({steering.positions}, tokenizer, name)
    return int(steered_tokens(steering.positions, read, len(prompt), steering.first_token, markers).sum())
