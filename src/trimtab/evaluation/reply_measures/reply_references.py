"""What replies are read beside: ordinary text, for their fluency, and other prompts, for whether they are on topic."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trimtab.data import NEUTRAL_TEXTS, Pair
from trimtab.data.hash_order import prompt_key, rank
from trimtab.engines import Model
from trimtab.models import Text

OTHER_PROMPTS = 3
"""Other prompts behind which each reply is read once more."""
_SEED = 0

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class ReplyReferences:
    """What the replies of one model to the prompts of one behavior are compared with."""

    ordinary: float
    """Nats per token of ordinary text."""
    others: Mapping[tuple[str, str], Sequence[Tokens]]
    """Tokens of other prompts, by (split, prompt id); none where the split has one prompt only."""


def other_prompts(pair: Pair, pairs: Sequence[Pair]) -> list[Pair]:
    """A few pairs that ask something else, in an order drawn by hash for this prompt: always the same ones.

    Args:
        pair: The pair whose prompt they are compared with.
        pairs: The whole split that it belongs to, however few of its prompts are asked.
    """
    different = {prompt_key(other): other for other in pairs if prompt_key(other) != prompt_key(pair)}
    drawn = sorted(different, key=lambda key: rank(_SEED, f"other prompts than {prompt_key(pair)}", key))
    return [different[key] for key in drawn[:OTHER_PROMPTS]]


def reply_references(
    model: Model,
    asked: Iterable[tuple[str, Pair]],
    splits: Mapping[str, Sequence[Pair]],
    *,
    ordinary: float = math.nan,
) -> ReplyReferences:
    """Measure how likely ordinary text is in a model, and draw the other prompts of each prompt.

    Ordinary text are the neutral passages that come with trimtab. They are nobody's reply: what a model itself replies
    is its likeliest text, beside which any other writer's is unlikely. And they are the same for every behavior, while
    completions are written more or less densely.

    Args:
        model: From `trimtab.load`, unsteered.
        asked: The split and pair of each prompt that is asked.
        splits: All pairs of each of these splits, by its name.
        ordinary: Nats per token of ordinary text where they are known already; NaN: they are measured.

    Returns:
        The median over passages of their mean −log p per token, and the other prompts.
    """
    if math.isnan(ordinary):
        ordinary = statistics.median(nats_per_token(model, [plain_text(model, text) for text in NEUTRAL_TEXTS]))
    prompts = {(split, pair.id): pair for split, pair in asked}
    others = {
        (split, name): [model.prompt_tokens(other, "text") for other in other_prompts(pair, splits[split])]
        for (split, name), pair in prompts.items()
    }
    return ReplyReferences(ordinary, others)


def plain_text(model: Model, text: str) -> Text:
    """A text as it stands, without a chat template; its first token is what the rest follows."""
    return Text(tuple(model.backbone.tokenizer(text)["input_ids"]), 1)


def nats_per_token(model: Model, texts: Sequence[Text]) -> list[float]:
    """Mean −log p of each text's tokens behind its prompt, under the unsteered model."""
    found = [math.nan] * len(texts)
    for batch in model.score_texts(texts):
        for place, value in zip(batch.indices, batch.log_prob[0].tolist(), strict=True):
            found[place] = -value
    return found


def nats_of_replies(
    model: Model, replies: Sequence[tuple[Tokens, Tokens]], others: Sequence[Sequence[Tokens]]
) -> tuple[list[float], list[float]]:
    """Mean −log p per token of replies behind their own prompts, and behind other ones, under the unsteered model.

    Args:
        model: From `trimtab.load`.
        replies: The tokens of each prompt and of the reply to it.
        others: The tokens of other prompts for each reply; those behind which it does not fit into the model's context
            are left out.

    Returns:
        For each reply, the value behind its own prompt and the mean of those behind the others; NaN for an empty reply,
        and where there is no other prompt.
    """
    limit = model.backbone.context.tokens or math.inf
    texts, owners = list[Text](), list[tuple[int, bool]]()
    for place, ((prompt, reply), rest) in enumerate(zip(replies, others, strict=True)):
        if not reply:
            continue
        fitting = [other for other in rest if len(other) + len(reply) <= limit]
        for head in (prompt, *fitting):
            texts.append(Text((*head, *reply), len(head)))
            owners.append((place, head is prompt))
    own, elsewhere = [math.nan] * len(replies), [list[float]() for _ in replies]
    for (place, is_own), value in zip(owners, nats_per_token(model, texts), strict=True):
        if is_own:
            own[place] = value
        else:
            elsewhere[place].append(value)
    return own, [statistics.fmean(values) if values else math.nan for values in elsewhere]
