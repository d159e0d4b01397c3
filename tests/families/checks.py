"""What is compared with the reference: captured states, sweeps, given texts, replies."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import torch
from torch import Tensor

from families.cases import Subject, sample
from families.reference import Positions, Push
from families.sizes import HEADS
from trimtab.engines import Request, Scoring, TransformersEngine
from trimtab.engines.requests import Sampling, Writing
from trimtab.models import EncodedPair, Text

TOLERANCE = 1e-4
"""Absolute on logits up to 10, a hundred-thousandth of the largest above; on states relative to their norm."""
NEW_TOKENS = 7
PACKED_ROW = 512
"""Columns of a packed row in company, as on a GPU."""

Check = Callable[[Subject, Sequence[EncodedPair]], None]


class WrongError(AssertionError):
    """A number differs from the reference."""


def check_capture(taken: Subject, pairs: Sequence[EncodedPair]) -> None:
    """States of both texts behind every layer, in long packed rows."""
    engine = taken.engine(row_tokens=PACKED_ROW)
    facts = taken.backbone.facts
    found = torch.full((len(pairs), 2, facts.layers, facts.width), torch.nan)
    for batch in engine.capture(pairs, "last"):
        found[batch.indices] = torch.stack([batch.positive, batch.negative], dim=1)
    for index in sample(pairs):
        texts = (pairs[index].positive, pairs[index].negative)
        expected = torch.stack([taken.reference.states(text)[:, -1] for text in texts])
        _require_same_states(found[index], expected, pairs[index].id)


def check_states(taken: Subject, pairs: Sequence[EncodedPair]) -> None:
    """States of every token behind a prompt of one token."""
    texts = [Text(pair.positive, 1) for pair in pairs]
    found = dict(taken.engine(row_tokens=PACKED_ROW).states(texts, range(taken.backbone.facts.layers)))
    for index in sample(pairs):
        expected = taken.reference.states(texts[index].tokens)[:, 1:].transpose(0, 1)
        _require_same_states(found[index], expected, pairs[index].id)


def check_sweep(positions: Positions, scoring: Scoring) -> Check:
    """A sweep over the first, the middle and the last layer, in long packed rows."""

    def check(taken: Subject, pairs: Sequence[EncodedPair]) -> None:
        _sweep(taken, pairs, sample(pairs), positions, scoring, taken.engine(row_tokens=PACKED_ROW))

    return check


def check_own_rows(taken: Subject, pairs: Sequence[EncodedPair]) -> None:
    """One text a row, and as many rows as the model has heads: a tensor's size does not tell what it holds."""
    some = [pairs[i] for i in [*sample(pairs), 1]]
    assert len(some) == HEADS
    for scoring in ("text", "choice"):
        _sweep(taken, some, range(2), "all", scoring, taken.engine(row_tokens=1))


def check_alone(taken: Subject, pairs: Sequence[EncodedPair]) -> None:
    """One pair a call."""
    for index in sample(pairs)[:2]:
        _sweep(taken, [pairs[index]], [0], "all", "text", taken.engine())


def _sweep(
    taken: Subject,
    pairs: Sequence[EncodedPair],
    chosen: Sequence[int],
    positions: Positions,
    scoring: Scoring,
    engine: TransformersEngine,
) -> None:
    pushes = taken.pushes(positions)
    cells = [cell for push in pushes if (cell := taken.intervention(push))]
    found = torch.full((1 + len(cells), len(pairs)), torch.nan)
    for scored in engine.sweep(pairs, cells, scoring):
        found[:, scored.indices] = scored.scores
    score = _choice_score if scoring == "choice" else _text_score
    expected = torch.tensor([[score(taken, pairs[i], push) for i in chosen] for push in (None, *pushes)])
    moved = (expected[1:] - expected[0]).abs().amax(1)
    if len(chosen) > 1:  # one score alone may happen to stay where it is
        assert bool((moved > 30 * TOLERANCE).all()), f"nothing to see: steering moves scores by {moved.tolist()}"
    for row, push in enumerate((None, *pushes)):
        _require_same(found[row, list(chosen)], expected[row], f"{push} of {[pairs[i].id for i in chosen]}")


def _choice_score(taken: Subject, pair: EncodedPair, push: Push | None) -> float:
    logits = taken.reference.logits(pair.positive[: pair.shared], pair.prompt_length, push)[-1]
    return float(logits[pair.positive[pair.shared]] - logits[pair.negative[pair.shared]])


def _text_score(taken: Subject, pair: EncodedPair, push: Push | None) -> float:
    positive, negative = (_log_probs(taken, Text(t, pair.prompt_length), push) for t in (pair.positive, pair.negative))
    return float(positive.mean() - negative.mean())


def _distributions(taken: Subject, text: Text, push: Push | None) -> Tensor:
    logits = taken.reference.logits(text.tokens[:-1], text.prompt_length, push)
    return logits[text.prompt_length - 1 :].double().log_softmax(-1)


def _log_probs(taken: Subject, text: Text, push: Push | None) -> Tensor:
    behind = torch.tensor(text.tokens[text.prompt_length :])[:, None]
    return _distributions(taken, text, push).gather(1, behind)[:, 0]


def check_texts(taken: Subject, pairs: Sequence[EncodedPair]) -> None:
    """How likely given texts are under pushes of what follows the prompt, and how far each push moves the model."""
    texts = [Text((*pair.positive, 7), pair.prompt_length) for pair in pairs]
    pushes = taken.pushes("generated")
    cells = [cell for push in pushes if (cell := taken.intervention(push))]
    log_prob = torch.full((1 + len(cells), len(texts)), torch.nan)
    divergence = torch.full((len(cells), len(texts)), torch.nan)
    for followed in taken.engine(row_tokens=PACKED_ROW).score_texts(texts, cells):
        log_prob[:, followed.indices] = followed.log_prob
        divergence[:, followed.indices] = followed.divergence
    for index in sample(pairs):
        text, name = texts[index], pairs[index].id
        plain = _distributions(taken, text, None)
        _require_same(log_prob[0, index], _log_probs(taken, text, None).mean(), f"log-probability of {name}")
        for row, push in enumerate(pushes):
            log_p = _distributions(taken, text, push)
            expected = (log_p.exp() * (log_p - plain)).sum(-1).mean()
            _require_same(divergence[row, index], expected, f"divergence of {name} under {push}")
            likely = _log_probs(taken, text, push).mean()
            _require_same(log_prob[1 + row, index], likely, f"log-probability of {name} under {push}")


def check_replies(taken: Subject, pairs: Sequence[EncodedPair]) -> None:
    """Texts written side by side, each under its own push."""
    first, middle, last = taken.layers
    pushes = [
        Push(first, "raw", 0.7, "all"),
        None,
        Push(middle, "relative", 0.5, "after_prompt"),
        Push(last, "relative", -0.5, "generated"),
        Push(middle, "raw", -0.7, "generated"),
        Push(last, "raw", 0.7, "all"),
    ]
    _write(taken, [pairs[i] for i in (0, 1, 2, 3, len(pairs) - 2, len(pairs) - 1)], pushes)


def check_lone_reply(taken: Subject, pairs: Sequence[EncodedPair]) -> None:
    """A text written alone."""
    for pair, push in ((pairs[0], None), (pairs[1], Push(taken.layers[1], "relative", 0.5, "generated"))):
        _write(taken, [pair], [push])


def _write(taken: Subject, pairs: Sequence[EncodedPair], pushes: Sequence[Push | None]) -> None:
    """Compare the logits of every token with those of the whole text so far, run alone."""
    prompts = [pair.positive[: pair.prompt_length] for pair in pairs]
    requests = [
        Request(prompt, taken.intervention(push), NEW_TOKENS, Sampling(number))
        for number, (prompt, push) in enumerate(zip(prompts, pushes, strict=True))
    ]
    with _greedy_with_logits() as seen:
        replies = dict(taken.engine().generate(requests))
    for number, (prompt, push) in enumerate(zip(prompts, pushes, strict=True)):
        tokens = list(prompt)
        for step, logits in enumerate(seen[number], start=1):
            expected = taken.reference.logits(tokens, len(prompt), push)[-1]
            _require_same(logits, expected, f"token {step} of a reply to {pairs[number].id} under {push}")
            tokens.append(int(logits.argmax()))
        written = tokens[len(prompt) :]
        if written[-1] in taken.backbone.ends:
            written.pop()
        if replies[number].tokens != tuple(written):
            raise WrongError(f"{pairs[number].id}: the reply is {replies[number].tokens}, chosen were {written}")
    greedy = dict(taken.engine().generate([replace(request, sampling=None) for request in requests]))
    if any(greedy[number].tokens != replies[number].tokens for number in range(len(pairs))):
        raise WrongError(f"a greedy reply is not made of the likeliest tokens: {greedy} instead of {replies}")


@contextmanager
def _greedy_with_logits() -> Iterator[dict[int, list[Tensor]]]:
    """Replies take the likeliest token, and the logits of each are kept: a request's seed → one entry a token."""
    seen: dict[int, list[Tensor]] = {}

    def draw(self: Writing, logits: Tensor, sampling: Sampling) -> int:
        seen.setdefault(sampling.seed, []).append(logits.float().clone())
        return int(logits.argmax())

    with patch.object(Writing, "draw", draw):
        yield seen


def _require_same(found: Tensor, expected: Tensor, what: str) -> None:
    error = (found - expected).abs()
    worst = float(error.max()) / max(1.0, float(expected.abs().max()) / 10)
    if not worst <= TOLERANCE:
        raise WrongError(f"{what}: off by {worst:.2g}{_place(error)}")


def _require_same_states(found: Tensor, expected: Tensor, what: str) -> None:
    error = (found - expected).norm(dim=-1) / expected.norm(dim=-1)
    worst = float(error.max())
    if not worst <= TOLERANCE:
        raise WrongError(f"states of {what}: off by {worst:.2g} of their norm{_place(error)}")


def _place(error: Tensor) -> str:
    if error.dim() == 0:
        return ""
    worst = torch.unravel_index(error.nan_to_num(math.inf).argmax(), error.shape)
    return f" at {[int(i) for i in worst]} of {list(error.shape)}"


CHECKS: dict[str, Check] = {
    "capture": check_capture,
    "states": check_states,
    "sweep": check_sweep("all", "text"),
    "sweep after_prompt": check_sweep("after_prompt", "text"),
    "choices": check_sweep("all", "choice"),
    "own rows": check_own_rows,
    "alone": check_alone,
    "given texts": check_texts,
    "replies": check_replies,
    "lone reply": check_lone_reply,
}
