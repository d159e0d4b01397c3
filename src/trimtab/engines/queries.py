"""What is asked of a model about a pair: which tokens to run, which states to read, what to make of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from trimtab.engines.transformers.packing.batches import Query
from trimtab.errors import DataError
from trimtab.models import Backbone, EncodedPair, Text, TokenPosition, response_start, thinking_span
from trimtab.vectors.training import TrainingItem

Scoring = Literal["choice", "text", "text_sum"]

_LOGIT_BYTES = 1 << 26


def read_texts(pair: EncodedPair, token_position: TokenPosition) -> tuple[Text, Text]:
    """The positive and the negative text of a pair up to the last token that is read, and where reading begins.

    Raises:
        DataError: when the answer token is wanted and one text ends before the two part, or a text has no thinking or
            nothing behind it where that is wanted.
        SettingError: when thinking is wanted of a model that has no tokens for it.
    """
    texts = (pair.positive, pair.negative)
    if token_position == "answer":
        if pair.shared == min(len(text) for text in texts):
            raise DataError(f"pair {pair.id}: one completion is the beginning of the other, so it has no answer token")
        spans = [(pair.shared, pair.shared + 1) for _ in texts]
    elif token_position == "last":
        spans = [(len(text) - 1, len(text)) for text in texts]
    elif token_position == "mean_thinking":
        spans = [thinking_span(text, pair.prompt_length, pair.markers) for text in texts]
    elif token_position == "mean_response":
        spans = [(response_start(text, pair.prompt_length, pair.markers), len(text)) for text in texts]
    else:
        spans = [(pair.prompt_length, len(text)) for text in texts]
    if any(start >= end for start, end in spans):
        raise DataError(
            f"pair {pair.id}: a completion has no token of its {token_position.removeprefix('mean_')}, so there is "
            f"nothing to read at token_position {token_position}"
        )
    positive, negative = (Text(text[:end], start) for text, (start, end) in zip(texts, spans, strict=True))
    return positive, negative


def capture_query(pair: EncodedPair, token_position: TokenPosition) -> Query:
    """Both texts of a pair, read where the vector is taken; sequence 0 is the positive one.

    Raises:
        DataError: when the answer token is wanted and one text ends before the two part.
    """
    texts = read_texts(pair, token_position)
    return Query(
        sequences=tuple(text.tokens for text in texts),
        reads=tuple((s, i) for s, text in enumerate(texts) for i in range(text.prompt_length, len(text.tokens))),
        prompt_length=pair.prompt_length,
    )


def state_query(texts: Sequence[Text]) -> Query:
    """Texts behind one prompt, read at every token behind it."""
    length = texts[0].prompt_length
    reads = tuple((s, index) for s, text in enumerate(texts) for index in range(length, len(text.tokens)))
    return Query(tuple(text.tokens for text in texts), reads, length)


def score_query(pair: EncodedPair, scoring: Scoring) -> Query:
    """The tokens whose next-token distributions decide between the two completions."""
    if scoring == "choice":
        return Query((pair.positive[: pair.shared],), ((0, pair.shared - 1),), pair.prompt_length)
    texts = (pair.positive, pair.negative)
    return Query(
        sequences=tuple(text[:-1] for text in texts),
        reads=tuple((s, i) for s, text in enumerate(texts) for i in range(pair.prompt_length - 1, len(text) - 1)),
        prompt_length=pair.prompt_length,
    )


def text_query(text: Text) -> Query:
    """The tokens whose next-token distributions decide about what follows the prompt."""
    reads = tuple((0, index) for index in range(text.prompt_length - 1, len(text.tokens) - 1))
    return Query((text.tokens[:-1],), reads, text.prompt_length)


def item_query(item: TrainingItem) -> Query:
    """The completions that a vector is trained on, read where their tokens are predicted."""
    reads = tuple(
        (number, index)
        for number, text in enumerate(item.texts)
        for index in range(text.prompt_length - 1, len(text.tokens) - 1)
    )
    return Query(tuple(text.tokens[:-1] for text in item.texts), reads, item.prompt_length)


def read_scores(backbone: Backbone, pairs: Sequence[EncodedPair], states: Tensor, scoring: Scoring) -> Tensor:
    """From the states that `score_query` asked for to one number a pair and cell.

    Args:
        backbone: the model, for its unembedding.
        pairs: in the order of their reads.
        states: [cells, reads, d_model], output of the last layer.
        scoring: `choice`: logit difference at the first differing token. `text`: mean log-probability per token of the
            positive completion minus that of the negative one. `text_sum`: the same without division by the length.

    Returns:
        [cells, pairs], float32, on the CPU.
    """
    if scoring == "choice":
        return _logit_differences(backbone, pairs, states)
    return _text_scores(backbone, pairs, states, per_token=scoring == "text")


def _logit_differences(backbone: Backbone, pairs: Sequence[EncodedPair], states: Tensor) -> Tensor:
    ends = torch.tensor([(p.positive[p.shared], p.negative[p.shared]) for p in pairs], device=states.device)
    logits = backbone.token_logits(states.flatten(0, 1), ends.repeat(len(states), 1))
    return (logits[:, 0] - logits[:, 1]).view(len(states), len(pairs)).cpu()


def _text_scores(backbone: Backbone, pairs: Sequence[EncodedPair], states: Tensor, *, per_token: bool) -> Tensor:
    targets: list[int] = []
    weights: list[float] = []
    owners: list[int] = []
    for index, pair in enumerate(pairs):
        for sign, text in ((1.0, pair.positive), (-1.0, pair.negative)):
            tail = text[pair.prompt_length :]
            targets += tail
            weights += [sign / len(tail) if per_token else sign] * len(tail)
            owners += [index] * len(tail)
    tokens = torch.tensor(targets, device=states.device)
    log_probs = torch.stack([_log_probs(backbone, cell, tokens) for cell in states])
    scores = torch.zeros(len(states), len(pairs))
    return scores.index_add_(1, torch.tensor(owners), log_probs.cpu() * torch.tensor(weights))


def read_text_scores(backbone: Backbone, texts: Sequence[Text], states: Tensor) -> tuple[Tensor, Tensor]:
    """How likely the texts are in each cell, and how far its next-token distributions are from the unsteered ones.

    D(p ‖ q) = Σ p·(log p − log q) over the vocabulary, p steered, q unsteered (Kullback & Leibler 1951), averaged over
    the tokens behind each prompt.

    Args:
        backbone: the model, for its unembedding.
        texts: in the order of their reads.
        states: [1 + cells, reads, d_model], output of the last layer, unsteered first.

    Returns:
        Mean log-probability per token behind the prompt [1 + cells, texts], and mean divergence in nats [cells, texts];
        float32, on the CPU.
    """
    tokens = torch.tensor([t for text in texts for t in text.tokens[text.prompt_length :]], device=states.device)
    step = max(1, _LOGIT_BYTES // (4 * backbone.anatomy.vocabulary))
    log_probs, divergences = torch.empty(states.shape[:2]), torch.empty(len(states) - 1, states.shape[1])
    for start in range(0, states.shape[1], step):
        here = slice(start, start + step)
        plain = backbone.logits(states[0, here]).float().log_softmax(-1)
        behind = tokens[here, None].to(plain.device)
        log_probs[0, here] = plain.gather(1, behind)[:, 0].cpu()
        for cell, moved in enumerate(states[1:, here]):
            log_p = backbone.logits(moved).float().log_softmax(-1)
            log_probs[1 + cell, here] = log_p.gather(1, behind)[:, 0].cpu()
            # Rounding may leave a divergence of -1e-7 where nothing moved.
            divergences[cell, here] = (log_p.exp() * log_p.sub_(plain)).sum(-1).clamp(min=0).cpu()
    return _means(texts, log_probs), _means(texts, divergences)


def _means(texts: Sequence[Text], values: Tensor) -> Tensor:
    """Means over the tokens behind each prompt: [cells, reads] to [cells, texts]."""
    lengths = [len(text.tokens) - text.prompt_length for text in texts]
    return torch.stack([part.mean(-1) for part in torch.split(values, lengths, dim=1)], dim=1)


def _log_probs(backbone: Backbone, states: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of one token at each state, [reads], without ever holding many whole distributions."""
    step = max(1, _LOGIT_BYTES // (4 * backbone.anatomy.vocabulary))
    parts = []
    for start in range(0, len(states), step):
        part, wanted = states[start : start + step], tokens[start : start + step]
        total = torch.logsumexp(backbone.logits(part).float(), dim=-1)
        parts.append(backbone.token_logits(part, wanted[:, None])[:, 0].to(total.device) - total)
    return torch.cat(parts)
