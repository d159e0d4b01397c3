"""Small passes that show what a model's own arithmetic allows, each compared with texts run alone.

What goes wrong for some models only shows in rows that are longer than a window, a chunk or a table of theirs. So a
probe is made as long as the rows of the job that asks. Where it can, it is long without being slow: columns that nobody
sees, and positions far from each other, cost no tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trimtab.engines.transformers._forward import next_tokens, read_last_layer, record, run, run_with_own_cache
from trimtab.engines.transformers.packing.batches import Batch, Query, Visibility, pack, pad
from trimtab.engines.transformers.packing.schedule import unmarked
from trimtab.engines.transformers.sharing.kv_slots import SlotCache
from trimtab.engines.transformers.sharing.shared_cache import Beginning, SharedCache
from trimtab.engines.transformers.streaming.together import start, together
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
    with together(backbone):
        found = start(partial(alone, backbone, _SHORT, [len(_SHORT) - 1]))
        expected = start(partial(plain_calls, backbone, [_SHORT]))
    return not differ(backbone, found.result(), expected.result())


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
    texts = [(*_HEAD, *tail) for tail in _TAILS]
    far = max(0, positions - len(texts[-1]))
    layout = pack([_query(t, [len(t) - 1]) for t in texts], _HEAD, _last_token, row_tokens=_ROW, share=True)
    shift = [0, far]
    assert layout.beginning is not None
    with together(backbone):
        head = record(backbone, pad([Query((_HEAD,), (), len(_HEAD))], unmarked, 0))
        beginning = record(backbone, _spread(layout.beginning, columns, shift), _WithGap(head, columns))
        present = _spread(layout.present, columns, shift)
        found = start(partial(read_last_layer, backbone, present, beginning=beginning))
        expected = [start(partial(plain_calls, backbone, texts[:2] if far else texts))]
        if far:
            expected.append(start(partial(_continued_far, backbone, _WithGap(head, far), _TAILS[2:])))
    return not differ(backbone, found.result(), torch.cat([one.result() for one in expected]))


class _WithGap(Beginning):
    """A beginning with columns behind it that nobody sees."""

    def __init__(self, source: Beginning, gap: int):
        super().__init__(tokens=source.length + gap)
        self.source, self.gap = source, gap

    def part(self, layer: int) -> tuple[Tensor, Tensor]:
        """Keys and values of a layer."""
        keys, values = self.source.part(layer)
        return _padded(keys, self.gap), _padded(values, self.gap)


def _continued_far(backbone: Backbone, head: _WithGap, tails: Sequence[Sequence[int]]) -> Tensor:
    """States of the last tokens of tails that stand behind the head and its gap, by the model's own masks."""
    rows, count, start_at = len(tails), len(tails[0]), head.length
    device = backbone.device
    mask = torch.ones(rows, start_at + count, dtype=torch.long, device=device)
    mask[:, head.source.length : start_at] = 0
    states: list[Tensor] = []
    decoder: Any = backbone.anatomy.decoder
    with one_pass(backbone.model) as hooks, inference(backbone.model), engine_hooks_only():
        hooks.after(backbone.anatomy.layers[-1], lambda m, a, o: states.append(hidden_of(o)[:, -1]))
        decoder(
            input_ids=torch.tensor(tails, device=device),
            position_ids=torch.arange(start_at, start_at + count, device=device).expand(rows, -1),
            attention_mask=mask,
            use_cache=True,
            **{cache_name(decoder): SharedCache(head, base_rows=rows)},
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


def _padded(part: Tensor, gap: int) -> Tensor:
    """Keys or values [rows, heads, tokens, size] and as many more behind them as needed, the first ones again."""
    return torch.cat([part, part[:, :, :1].expand(-1, -1, gap, -1)], dim=2)


def long_rows_are_exact(backbone: Backbone, length: int) -> bool:
    """Compare two texts of `length` tokens with a common beginning, packed in one row, with each of them alone."""
    text = repetitive(length)
    texts = [text, text[: length // 2] + text[: (length - 1) // 2 : -1]]
    reads = _some(length)
    query = Query(tuple(texts), tuple((s, index) for s in (0, 1) for index in reads), 1)
    with together(backbone):
        row = pack([query], (), unmarked, row_tokens=1, share=False).present
        found = start(partial(read_last_layer, backbone, row))
        expected = [start(partial(alone, backbone, t, reads)) for t in texts]
    return not differ(backbone, found.result(), torch.cat([one.result() for one in expected]))


def slots_are_exact(backbone: Backbone, places: int) -> bool:
    """Write two tokens into a slot beside one that has `places` tokens, against the whole text without a cache."""
    text = (*_SHORT, *_TAILS[0], *_TAILS[2])
    begun = len(text) - _STEPS
    whole = Beginning()
    with together(backbone):
        start(partial(run, backbone, pad([_query(text[:begun], [])], unmarked, 0), None, into=whole))
        expected = start(partial(alone, backbone, text, range(begun, len(text))))
    cache = SlotCache(2, max(places, len(text)) + _STEPS)
    parts = [(k[0], v[0]) for k, v in zip(whole.keys, whole.values, strict=True)]
    cache.append(parts)
    more = max(0, places - _STEPS - begun)
    cache.append([(_padded(k[None], more)[0], _padded(v[None], more)[0]) for k, v in parts])
    found = []
    for token in text[begun:]:
        found.append(read_last_layer(backbone, cache.next_batch([token, token]), None, cache)[:1])
        cache.advance()
    return not differ(backbone, torch.cat(found), expected.result())


def padded_is_exact(backbone: Backbone, length: int) -> bool:
    """Compare texts of `length` tokens, of a few less and of five, padded to one width, with each of them alone."""
    texts = [repetitive(length), repetitive(length + 8)[11:], _SHORT]
    reads = [_some(len(t)) for t in texts]
    rows = pad([_query(t, r) for t, r in zip(texts, reads, strict=True)], unmarked, 0)
    with together(backbone):
        found = start(partial(read_last_layer, backbone, rows))
        expected = [start(partial(alone, backbone, t, r)) for t, r in zip(texts, reads, strict=True)]
    return not differ(backbone, found.result(), torch.cat([one.result() for one in expected]))


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
    with together(backbone):
        found = [start(partial(_at, backbone, both, torch.stack([near, other]))) for other in (near, far)]
        start(partial(_at, backbone, both[:1], near[None]))  # for models that keep what the longest text left behind
    return not differ(backbone, found[1].result(), found[0].result())


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
