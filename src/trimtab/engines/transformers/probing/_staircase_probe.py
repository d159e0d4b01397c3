"""The one-pass sweep tried on a few short texts: what the layers are given, and whether it is exact."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trimtab.engines.transformers._forward import pushed, read_last_layer, record, run_layers
from trimtab.engines.transformers._layer_arguments import LayerArguments, Learning, Observed, observed
from trimtab.engines.transformers.packing.batches import Batch, Query, pack, pad
from trimtab.engines.transformers.packing.schedule import unmarked
from trimtab.engines.transformers.probing._trial_passes import MODEL_FAILURES, differ, repetitive
from trimtab.engines.transformers.sharing.shared_cache import Beginning
from trimtab.engines.transformers.streaming.together import start, together
from trimtab.models import Backbone
from trimtab.steering import Intervention

if TYPE_CHECKING:
    from trimtab.engines.transformers.probing.exactness import Mode

_HEAD, _WIDTH = 3, 5


def staircase_is_exact(backbone: Backbone, mode: Mode, arguments: LayerArguments) -> bool:
    """Watch passes of two heights and two widths, then climb with what was learnt; side by side, if streamed.

    A text alone has no mask as long as it is short, so its masks are learnt from padded rows.

    Returns:
        Whether cells that join at different layers have the states that they have in rows of their own.

    Raises:
        UnknownArgumentError: when a tensor of the layers follows neither the rows nor the tokens of a batch.
    """
    if mode == "alone":
        with suppress(*MODEL_FAILURES):
            staircase_is_exact(backbone, "padded", arguments)
    head, cells = None, _cells(backbone)
    low, wide = (_batch(mode, _texts(mode, 2, width)) for width in (_WIDTH, _WIDTH + 2))
    # The taller batch is every text in a row of its own for each cell.
    texts = _texts(mode, 2, _WIDTH)
    tall = _batch(mode, texts * (1 + len(cells)))
    rows = [cell for cell in (None, *cells) for _ in texts]
    base, wider, taller = (Observed(batch.rows, batch.ids.shape[1], {}) for batch in (low, wide, tall))
    learning = Learning(arguments, base, taller, wider)
    with together(backbone):
        if mode == "packed":
            tokens = repetitive(_HEAD)
            head = record(backbone, pad([Query((tokens,), (), _HEAD)], unmarked, 0))
        for batch, seen in ((low, base), (wide, wider)):
            start(partial(_observe, backbone, batch, head, seen))
        hooked = start(partial(_observe, backbone, tall, head, taller, pushed(backbone, rows, tall.steered)))
        found = start(partial(run_layers, backbone, low, cells, head, learning))
    arguments.learn(base, taller, wider)
    return not differ(backbone, found.result().flatten(0, 1), hooked.result())


def _cells(backbone: Backbone) -> list[Intervention]:
    source = torch.Generator().manual_seed(0)
    middle = backbone.facts.layers // 2
    directions = {layer: torch.randn(backbone.facts.width, generator=source) for layer in sorted({0, middle})}
    return [Intervention({layer: direction}, 0.5, "relative") for layer, direction in directions.items()]


def _observe(
    backbone: Backbone,
    batch: Batch,
    head: Beginning | None,
    seen: Observed,
    steering: AbstractContextManager[None] | None = None,
) -> Tensor:
    with observed(backbone.model, backbone.anatomy.layers, seen):
        return read_last_layer(backbone, batch, steering, beginning=head)


def _texts(mode: Mode, rows: int, width: int) -> list[tuple[int, ...]]:
    """Texts with a common head. Rows alone stand for any number of cells of one text, so they have the same length."""
    head = repetitive(_HEAD)
    texts = [(*head, *(20 + row + i for i in range(width))) for row in range(rows)]
    return texts if mode == "alone" else [text[: len(text) - row] for row, text in enumerate(texts)]


def _batch(mode: Mode, texts: Sequence[tuple[int, ...]]) -> Batch:
    """A row for each text, read at its last token, all tokens but the head's steered."""
    queries = [Query((t,), ((0, len(t) - 1),), len(t)) for t in texts]
    if mode != "packed":
        return pad(queries, _behind_head, 0)
    return pack(queries, repetitive(_HEAD), _behind_head, row_tokens=1, share=True).present


def _behind_head(tokens: Sequence[int], prompt_length: int) -> list[bool]:
    return [index >= _HEAD for index in range(len(tokens))]
