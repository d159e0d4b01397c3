"""Small passes that show what a model's own arithmetic allows, each compared with texts run alone.

What goes wrong for some models only shows in rows that are longer than a window, a chunk or a table of theirs. So a
probe is made as long as the rows of the job that asks. Where it can, it is long without being slow: columns that nobody
sees, and positions far from each other, cost no tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from trimtab.engines.transformers._forward import next_tokens, read_last_layer, run, run_with_own_cache
from trimtab.engines.transformers.packing.batches import Batch, Query, Visibility, pack, pad
from trimtab.engines.transformers.packing.schedule import unmarked
from trimtab.engines.transformers.sharing.kv_slots import SlotCache
from trimtab.engines.transformers.sharing.shared_cache import Beginning
from trimtab.errors import ModelError
from trimtab.models import Backbone, cache_name, hidden_of
from trimtab.models.eager import inference
from trimtab.models.overflow import is_finite
from trimtab.steering import HookSet, engine_hooks_only, one_pass

# Four texts with a common head; the first two begin alike behind it, and so do the others.
_HEAD = (11, 7, 13, 5)
_TAILS = ((3, 9, 17, 2), (3, 9, 6, 4), (8, 12, 4, 10), (8, 14, 3, 9))
_ROW = 5
"""Tokens at which a row is closed: two texts in each."""
_SHORT = (11, 7, 13, 5, 8)
_IDS = 64
"""No token of a probe has an id as large as this."""
_STEPS = 2
"""Tokens that are written after a prompt before a cache is trusted."""


@contextmanager
def ordinary_tokens(backbone: Backbone) -> Iterator[None]:
    """Take the tokens of the probes from all over the vocabulary while the context lasts.

    The first ones, as which they are written here, are special tokens in many models, and in half precision the states
    of texts of those may hang on a single rounding.
    """
    embeddings = backbone.model.get_input_embeddings()
    step = max(1, embeddings.weight.shape[0] // _IDS)

    def spread(module: Any, args: Any, kwargs: Any) -> Any:
        return ((args[0] * step, *args[1:]), kwargs) if args else None

    hooks = HookSet(backbone.model, engine=True)
    hooks.before(embeddings, spread)
    with hooks.armed():
        yield


MODEL_FAILURES = (
    RuntimeError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    AssertionError,
    ModelError,
)
"""What models raise when they are run in a way that they do not know."""


def differ(backbone: Backbone, found: Tensor, expected: Tensor) -> bool:
    """Whether any of some states [reads, d_model] is another than expected."""
    found, expected = found.float(), expected.float()
    error = (found - expected).norm(dim=-1) / expected.norm(dim=-1).clamp_min(torch.finfo(torch.float32).tiny)
    return not bool((error < backbone.rounding).all())  # not "any above": NaN differs from everything


def plain_call_is_alone(backbone: Backbone) -> bool:
    """Whether a row of this engine is what a call of the model with token ids only gives."""
    return not differ(backbone, alone(backbone, _SHORT, [len(_SHORT) - 1]), plain_calls(backbone, [_SHORT]))


def plain_call_is_finite(backbone: Backbone) -> bool:
    """Whether that call's states are numbers; where they are not, no two ways of running a text agree."""
    return is_finite(plain_calls(backbone, [_SHORT]))


def plain_calls(backbone: Backbone, texts: Sequence[Sequence[int]]) -> Tensor:
    """States of the last tokens of texts of one length behind the last layer, as a call of the whole model has them."""
    states: list[Tensor] = []
    with one_pass(backbone.model) as hooks, inference(backbone.model), engine_hooks_only():
        hooks.after(backbone.anatomy.layers[-1], lambda m, a, o: states.append(hidden_of(o)[:, -1]))
        backbone.model(torch.tensor(texts, device=backbone.device), use_cache=False)
    return states[0]


def alone(backbone: Backbone, text: Sequence[int], reads: Sequence[int]) -> Tensor:
    """States of a text behind the last layer, run in one row without a cache."""
    return read_last_layer(backbone, pad([_query(text, reads)], unmarked, 0))


def packed_is_exact(backbone: Backbone, columns: int, positions: int) -> bool:
    """Compare short texts packed in rows of `columns` columns, at positions up to `positions`, with plain rows.

    Between the head and the rest are columns that nobody sees, so that a token is far from its column: a model that
    counts columns for a window of its own loses the head. Texts in the second row continue the head at far positions,
    so that a window that lies in between is seen to be the one of our masks, and so that texts in the first row have
    long texts beside them.
    """
    head = run(backbone, pad([Query((_HEAD,), (), len(_HEAD))], unmarked, 0), None, record=True)
    assert head is not None
    texts = [(*_HEAD, *tail) for tail in _TAILS]
    far = max(0, positions - len(texts[-1]))
    layout = pack([_query(t, [len(t) - 1]) for t in texts], _HEAD, _last_token, row_tokens=_ROW, share=True)
    shift = [0, far]
    assert layout.beginning is not None
    beginning = run(backbone, _spread(layout.beginning, columns, shift), _with_gap(head, columns), record=True)
    found = read_last_layer(backbone, _spread(layout.present, columns, shift), beginning=beginning)
    if not far:
        return not differ(backbone, found, plain_calls(backbone, texts))
    expected = torch.cat([plain_calls(backbone, texts[:2]), _continued_far(backbone, head, _TAILS[2:], far)])
    return not differ(backbone, found, expected)


def _continued_far(backbone: Backbone, head: Beginning, tails: Sequence[Sequence[int]], gap: int) -> Tensor:
    """States of the last tokens of tails that stand `gap` positions behind the head, by the model's own masks."""
    rows, count = len(tails), len(tails[0])
    cache = DynamicCache()
    for layer, (keys, values) in enumerate(zip(head.keys, head.values, strict=True)):
        cache.update(*(_padded(part, gap).expand(rows, -1, -1, -1) for part in (keys, values)), layer)
    start, device = head.length + gap, backbone.device
    mask = torch.ones(rows, start + count, dtype=torch.long, device=device)
    mask[:, head.length : start] = 0
    states: list[Tensor] = []
    decoder: Any = backbone.anatomy.decoder
    with one_pass(backbone.model) as hooks, inference(backbone.model), engine_hooks_only():
        hooks.after(backbone.anatomy.layers[-1], lambda m, a, o: states.append(hidden_of(o)[:, -1]))
        decoder(
            input_ids=torch.tensor(tails, device=device),
            position_ids=torch.arange(start, start + count, device=device).expand(rows, -1),
            attention_mask=mask,
            use_cache=True,
            **{cache_name(decoder): cache},
        )
    return states[0]


def _spread(batch: Batch, gap: int, shift: Sequence[int]) -> Batch:
    """The batch with unseen columns behind the head, and each row's tokens moved to later positions."""
    assert batch.visibility is not None
    head = len(_HEAD)
    moved = np.array(shift, np.int32)[:, None, None]
    sees, distance = batch.visibility.sees, batch.visibility.distance.copy()
    distance[:, :, :head] += moved
    hidden = np.zeros((*sees.shape[:2], gap), bool)
    visibility = Visibility(
        np.concatenate([sees[:, :, :head], hidden, sees[:, :, head:]], axis=2),
        np.concatenate([distance[:, :, :head], hidden.astype(np.int32), distance[:, :, head:]], axis=2),
    )
    return Batch(
        ids=batch.ids,
        positions=batch.positions + torch.tensor(shift)[:, None],
        steered=batch.steered,
        visibility=visibility,
        padding=None,
        read_rows=batch.read_rows,
        read_columns=batch.read_columns,
    )


def _with_gap(beginning: Beginning, gap: int) -> Beginning:
    return Beginning([_padded(k, gap) for k in beginning.keys], [_padded(v, gap) for v in beginning.values])


def _padded(part: Tensor, gap: int) -> Tensor:
    """Keys or values [rows, heads, tokens, size] and as many more behind them as needed, the first ones again."""
    return torch.cat([part, part[:, :, :1].expand(-1, -1, gap, -1)], dim=2)


def long_rows_are_exact(backbone: Backbone, length: int) -> bool:
    """Compare two texts of `length` tokens with a common beginning, packed in one row, with each of them alone."""
    text = repetitive(length)
    texts = [text, text[: length // 2] + text[: (length - 1) // 2 : -1]]
    reads = _some(length)
    query = Query(tuple(texts), tuple((s, index) for s in (0, 1) for index in reads), 1)
    found = read_last_layer(backbone, pack([query], (), unmarked, row_tokens=1, share=False).present)
    return not differ(backbone, found, torch.cat([alone(backbone, t, reads) for t in texts]))


def slots_are_exact(backbone: Backbone, places: int) -> bool:
    """Write two tokens into a slot beside one that has `places` tokens, against the whole text without a cache."""
    text = (*_SHORT, *_TAILS[0], *_TAILS[2])
    start = len(text) - _STEPS
    whole = run(backbone, pad([_query(text[:start], [])], unmarked, 0), None, record=True)
    assert whole is not None
    cache = SlotCache(2, max(places, len(text)) + _STEPS)
    parts = [(k[0], v[0]) for k, v in zip(whole.keys, whole.values, strict=True)]
    cache.append(parts)
    more = max(0, places - _STEPS - start)
    cache.append([(_padded(k[None], more)[0], _padded(v[None], more)[0]) for k, v in parts])
    found = []
    for token in text[start:]:
        found.append(read_last_layer(backbone, cache.next_batch([token, token]), None, cache)[:1])
        cache.advance()
    return not differ(backbone, torch.cat(found), alone(backbone, text, range(start, len(text))))


def padded_is_exact(backbone: Backbone, length: int) -> bool:
    """Compare texts of `length` tokens, of a few less and of five, padded to one width, with each of them alone."""
    texts = [repetitive(length), repetitive(length + 8)[11:], _SHORT]
    reads = [_some(len(t)) for t in texts]
    together = read_last_layer(backbone, pad([_query(t, r) for t, r in zip(texts, reads, strict=True)], unmarked, 0))
    return not differ(backbone, together, torch.cat([alone(backbone, t, r) for t, r in zip(texts, reads, strict=True)]))


def cache_is_exact(backbone: Backbone, length: int, padded: bool) -> bool:
    """Write two tokens after texts with the model's own cache, against the whole texts without one."""
    texts = [repetitive(max(length, 3 + _STEPS)), (*_SHORT, *_TAILS[0])]
    for group in [texts] if padded else [[text] for text in texts]:
        prompts = [text[:-_STEPS] for text in group]
        batch = pad([_query(p, [len(p) - 1]) for p in prompts], unmarked, 0)
        state, cache = run_with_own_cache(backbone, batch)
        if cache is None:
            return False
        found = [state]
        for step in range(_STEPS):
            batch = next_tokens(batch, torch.tensor([text[step - _STEPS] for text in group]))
            found.append(read_last_layer(backbone, batch, None, cache))
        expected = [alone(backbone, t, range(len(t) - _STEPS - 1, len(t))) for t in group]
        if differ(backbone, torch.stack(found, dim=1).flatten(0, 1), torch.cat(expected)):
            return False
    return True


def batching_is_exact(backbone: Backbone, length: int) -> bool:
    """Whether a text of `length` tokens in the pass leaves a short one as it is: positions are all there is of it."""
    near = torch.arange(len(_SHORT))
    both = torch.tensor([_SHORT, _SHORT])
    far = near + length - len(_SHORT)
    found = [_at(backbone, both, torch.stack([near, other])) for other in (near, far)]
    _at(backbone, both[:1], near[None])  # for models that keep what the longest text left behind
    return not differ(backbone, found[1], found[0])


def _at(backbone: Backbone, ids: Tensor, positions: Tensor) -> Tensor:
    """States of the first row behind the last layer, tokens standing at given positions."""
    rows, width = ids.shape
    reads = torch.arange(width)
    batch = Batch(
        ids=ids,
        positions=positions,
        steered=torch.zeros(rows, width, dtype=torch.bool),
        visibility=None,
        padding=torch.ones_like(ids),
        read_rows=torch.zeros_like(reads),
        read_columns=reads,
    )
    return read_last_layer(backbone, batch)


def repetitive(length: int) -> tuple[int, ...]:
    """A text of few different tokens, as real ones have them: equal tokens are where a choice of the best keys ties."""
    words = (*_HEAD, *_TAILS[0])
    return tuple(words[(i * i + i // 3) % len(words)] for i in range(length))


def _some(length: int) -> list[int]:
    """About eight tokens of a text, the last one among them."""
    return sorted({*range(0, length, max(1, length // 8)), length - 1})


def _query(text: Sequence[int], reads: Sequence[int]) -> Query:
    return Query((tuple(text),), tuple((0, index) for index in reads), len(text))


def _last_token(tokens: Sequence[int], prompt_length: int) -> list[bool]:
    return [index == len(tokens) - 1 for index in range(len(tokens))]
