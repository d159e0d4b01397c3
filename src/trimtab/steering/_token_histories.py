"""The tokens behind each cache of passes that others run: phases of a reply depend on all tokens before."""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from trimtab.errors import SettingError
from trimtab.models import ThinkingMarkers
from trimtab.steering._generate_arguments import Generation
from trimtab.steering.phases import phases

_REMEDY = "; use trimtab's own generate(), chat() or replies(), or other positions"


class Histories:
    """Follows the tokens that have gone into each cache in one steering context."""

    def __init__(self, markers: ThinkingMarkers):
        self._markers = markers
        self._by_cache: WeakKeyDictionary[Any, Tensor] = WeakKeyDictionary()
        self._local = threading.local()

    def phases(
        self, ids: Tensor | None, cache: Any, past: int, in_reply: Tensor, generation: Generation | None
    ) -> Tensor:
        """The phase behind each token of a pass that is about to run [rows, width].

        Args:
            ids: its tokens [rows, width].
            cache: of the pass, if any.
            past: tokens in the cache.
            in_reply: True at tokens of the reply [rows, width].
            generation: the call of transformers' `generate` that makes the pass, if any.

        Raises:
            SettingError: where the tokens before are not known.
        """
        if ids is None:
            raise SettingError(
                "a pass brings embeddings instead of tokens, so steering cannot see where thinking ends" + _REMEDY
            )
        if generation is not None and generation.beams:
            raise SettingError("beams exchange their texts, and steering cannot see where thinking ends" + _REMEDY)
        whole = ids if not past else torch.cat([self._before(ids, cache, past, generation), ids], dim=1)
        self._local.whole = whole
        if cache is not None:
            self._by_cache[cache] = whole
        known = torch.cat([torch.zeros_like(whole[:, :past], dtype=torch.bool), in_reply.to(whole.device)], dim=1)
        return phases(whole, known, self._markers)[:, past:]

    def _before(self, ids: Tensor, cache: Any, past: int, generation: Generation | None) -> Tensor:
        seen = self._by_cache.get(cache)
        if seen is None or seen.shape[1] < past or seen.shape[0] != ids.shape[0]:
            raise SettingError(
                f"the cache holds {past} tokens that were run outside of this steer context, as of an earlier turn: "
                "steering cannot see whether they end in thinking" + _REMEDY
            )
        if generation is None and ids.shape[0] > 1:
            raise SettingError(
                "a loop continues several rows of a cache, and steering cannot see whether they were exchanged "
                "meanwhile, so it does not know whose thinking has ended; run one row"
                + _REMEDY.replace("; use", ", or use")
            )
        return seen[:, :past]

    def note_cache(self, cache: Any) -> None:
        """After a pass: a cache that the model has made in it holds what the pass brought."""
        whole = getattr(self._local, "whole", None)
        if cache is not None and whole is not None and cache not in self._by_cache:
            self._by_cache[cache] = whole
