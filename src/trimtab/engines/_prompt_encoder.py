"""What a model is asked, as tokens: prompts, pairs and examples under its way of asking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from trimtab.data import Example, Form, Pair
from trimtab.engines._lengths import Lengths
from trimtab.engines.base import Engine
from trimtab.engines.requests import Prompt
from trimtab.errors import DataError
from trimtab.models import (
    Asking,
    EncodedExample,
    EncodedPair,
    Identity,
    PromptError,
    encode,
    encode_examples,
    encode_pairs,
    encode_prompt,
    render_prompt,
)
from trimtab.models.kinds.multimodal import text_of


class PromptEncoder:
    """The part of a model that tokenizes."""

    backbone: Identity
    engine: Engine
    asking: Asking
    name: str
    _lengths: Lengths

    def tokens(self, prompt: Prompt) -> tuple[int, ...]:
        """The tokens of a message or a conversation, as the model is asked.

        Raises:
            PromptError: when the model's chat template refuses the conversation or leaves a message out, or a message
                holds an image.
        """
        with self._naming_model():
            rendered = render_prompt(self.backbone.tokenizer, text_of(prompt), self.asking)
            return tuple(encode(self.backbone.tokenizer, rendered, self.asking))

    def prompt_tokens(self, pair: Pair, form: Form) -> tuple[int, ...]:
        """The tokens of a pair's prompt, up to where the reply begins; errors as of `tokens`, with the pair."""
        with self._naming_model():
            return encode_prompt(self.backbone.tokenizer, pair, form, self.asking)

    @contextmanager
    def _naming_model(self) -> Iterator[None]:
        """Put the model's name before what is wrong with data: other models may take it."""
        try:
            yield
        except DataError as error:
            raise PromptError([f"{self.name}: {problem}" for problem in error.problems]) from error

    def encode(self, pairs: Sequence[Pair], form: Form) -> list[EncodedPair]:
        """Tokenize pairs under the chat template.

        Raises:
            PromptError: with every pair that cannot be asked and why.
            DataError: for pairs that are longer than the model takes.
        """
        with self._naming_model():
            encoded = encode_pairs(self.backbone.tokenizer, pairs, form, self.asking)
            long = {p.reference: self.engine.too_long(e.longest) for p, e in zip(pairs, encoded, strict=True)}
            if refused := [f"{pair}: {reason}" for pair, reason in long.items() if reason]:
                raise PromptError(refused)
        self._lengths.check_pairs(encoded)  # a DataError, not a PromptError: then nothing is to be computed
        return encoded

    def encode_examples(self, examples: Sequence[Example]) -> list[EncodedExample]:
        """Tokenize examples: prompts under the chat template, raw text as it is.

        Raises:
            PromptError: with every example that cannot be read and why.
        """
        with self._naming_model():
            encoded = encode_examples(self.backbone.tokenizer, examples, self.asking)
            long = {e.reference: self.engine.too_long(len(t.tokens)) for e, t in zip(examples, encoded, strict=True)}
            if refused := [f"{example}: {reason}" for example, reason in long.items() if reason]:
                raise PromptError(refused)
        return encoded
