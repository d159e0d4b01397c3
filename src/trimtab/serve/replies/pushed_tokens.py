"""How many tokens of a finished text are at the positions of its push, and how many of these it changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from trimtab.engines import Model
from trimtab.engines.texts.changed_tokens import changed_tokens
from trimtab.models import Backbone
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
    """Tokens of prompt and reply that are at the positions.

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


async def tokens_changed(
    model: Model, steering: RequestedSteering | None, tokens: Sequence[int], prompt_length: int
) -> int | None:
    """Tokens whose state a push changed, by another pass over the text.

    None where no push may leave a state as it is (a push that changes none at all is an error anyway), and where the
    engine shows no states.

    Args:
        model: that wrote the text.
        steering: of the request.
        tokens: that the model has run: the prompt, and the reply but for a last token that it did not read.
        prompt_length: how many of them are the prompt.
    """
    if steering is None or not isinstance(model.backbone, Backbone):
        return None
    if not any(part.scaling.may_rest for part in steering.pushed.parts()):
        return None
    return await asyncio.to_thread(changed_tokens, model, tokens, prompt_length, steering.pushed)
