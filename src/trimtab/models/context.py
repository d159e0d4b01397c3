"""How long a text a model takes, and what happens past that."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from torch import nn

from trimtab.models.facts import facts_of

_POSITIONS = re.compile(r"(^|[._])(pos|position|positions|wpe)([._]|$)|pos_enc|embed_pos|pos_emb|position_emb")
_OFFSET = 16
"""Rows that a table of positions may have in excess: OPT begins at its third."""


@dataclass(frozen=True)
class ContextLimit:
    """The longest sequence of a model."""

    tokens: int = 0
    """0 where the configuration does not say, as for models without attention."""
    hard: bool = False
    """Whether nothing can be computed past it: positions are looked up in a table, which ends there. Otherwise, as with
    rotary positions or slopes, the model continues, past the lengths that it was trained for."""


NO_LIMIT = ContextLimit()


def context_of(model: Any) -> ContextLimit:
    """The limit of a transformers model; works on the meta device."""
    tokens = facts_of(model).context
    return ContextLimit(tokens, hard=bool(tokens) and _has_position_table(model, tokens))


def _has_position_table(model: Any, tokens: int) -> bool:
    fits = range(tokens, tokens + _OFFSET + 1)
    embeddings = model.get_input_embeddings()
    tables = [m for m in model.modules() if isinstance(m, nn.Embedding) and m is not embeddings]
    if any(table.num_embeddings in fits for table in tables):
        return True
    # GPT-J and CTRL keep theirs as a plain tensor. Only by name: a matrix may be as large by chance.
    held = [*model.named_parameters(), *model.named_buffers()]
    return any(t.dim() >= 2 and t.shape[0] in fits and _POSITIONS.search(name) is not None for name, t in held)
