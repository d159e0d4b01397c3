"""Texts that are longer than what a model takes: counted before anything runs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

from trimtab.engines.requests import Request
from trimtab.errors import DataError, TrimtabWarning, shortened
from trimtab.models import EncodedPair, Identity, Text

MAX_NAMED = 5
"""Texts that a warning names."""


class Lengths:
    """Checks everything that one model is asked against its context; tells of each kind of excess once."""

    def __init__(self, identity: Identity):
        self.identity = identity
        self._told: set[str] = set()

    def check_pairs(self, pairs: Sequence[EncodedPair]) -> None:
        """Refuse pairs, or warn of them, whose longer text does not fit.

        Raises:
            DataError: naming all of them, where the model cannot go past its context.
        """
        self._check([(f"pair {pair.id}", pair.longest) for pair in pairs])

    def check_texts(self, texts: Sequence[Text]) -> None:
        """The same for texts, by their place.

        Raises:
            DataError: naming all of them, where the model cannot go past its context.
        """
        self._check([(f"text {place}", len(text.tokens)) for place, text in enumerate(texts, start=1)])

    def check_followed(self, texts: Sequence[Text]) -> None:
        """The same for texts whose last token is only predicted, so that it takes no place itself."""
        self._check([(f"text {place}", len(text.tokens) - 1) for place, text in enumerate(texts, start=1)])

    def fitted(self, requests: Sequence[Request]) -> list[Request]:
        """Requests that ask for no more new tokens than the context has room for.

        Raises:
            DataError: naming all prompts behind which there is no room, where the model cannot go past its context.
        """
        limit = self.identity.context.tokens
        if not limit:
            return list(requests)
        full = [(place, len(r.prompt)) for place, r in enumerate(requests, start=1) if len(r.prompt) >= limit]
        if full and self.identity.context.hard:
            raise DataError(
                [
                    f"prompt {place}: {length:,} tokens leave no room for a reply in the {limit:,} tokens of "
                    f"{self.identity.name}; shorten it"
                    for place, length in full
                ]
            )
        self._check([(f"prompt {place}", length + 1) for place, length in full])
        short = [(place, r) for place, r in enumerate(requests, start=1) if len(r.prompt) < limit < r.most_tokens]
        if short:
            place, request = max(short, key=lambda entry: entry[1].most_tokens)
            self._tell(
                "replies",
                f"{self.identity.name} takes {limit:,} tokens: {len(short)} of {len(requests)} replies may be cut "
                f"short, such as that to prompt {place}, whose {len(request.prompt):,} tokens leave "
                f"{limit - len(request.prompt):,} of max_new_tokens {request.max_new_tokens:,}",
            )
        room = [limit - len(r.prompt) for r in requests]
        return [
            replace(r, max_new_tokens=min(r.max_new_tokens, left)) if left > 0 else r
            for r, left in zip(requests, room, strict=True)
        ]

    def _check(self, lengths: Sequence[tuple[str, int]]) -> None:
        context, name = self.identity.context, self.identity.name
        limit = context.tokens
        over = list(dict.fromkeys((what, length) for what, length in lengths if limit and length > limit))
        if not over:
            return
        if context.hard:
            raise DataError(
                [
                    f"{what}: {length:,} tokens, and {name} takes {limit:,}; shorten it or leave it out"
                    for what, length in over
                ]
            )
        named = ", ".join(shortened([f"{what} ({length:,})" for what, length in over], MAX_NAMED))
        self._tell(
            "texts",
            f"{len(over)} of {len(lengths)} texts are longer than the {limit:,} tokens that {name} was made for, and "
            f"what it computes past them may mean little: {named}",
        )

    def _tell(self, kind: str, text: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            warnings.warn(text, TrimtabWarning, stacklevel=5)
