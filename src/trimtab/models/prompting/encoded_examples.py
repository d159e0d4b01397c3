"""From an example to token ids: one text, and from where on it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from trimtab.data import Example
from trimtab.errors import DataError
from trimtab.models.prompting.asking import USUAL, Asking
from trimtab.models.prompting.encoding import PromptError, common_length, encode, first_of
from trimtab.models.prompting.rendering import gap_after, render_prompt
from trimtab.models.prompting.thinking_markers import ThinkingMarkers, response_start, thinking_markers, thinking_span

ExamplePosition = Literal["last", "mean_completion", "mean_prompt", "mean_thinking", "mean_response", "each_token"]
"""Where an example is read: at its last token; the mean over its completion, over its prompt, over the thinking in its
completion, or over what is behind that; or at each token of its completion, every token counting alike. Of raw text the
completion is all of it but the first token, which attention uses as a sink, and whose states are those of no text."""


@dataclass(frozen=True)
class Text:
    """A prompt and what follows it, as tokens."""

    tokens: tuple[int, ...]
    prompt_length: int

    def __post_init__(self) -> None:
        """Refuse what has nothing to follow."""
        if not 0 < self.prompt_length < len(self.tokens):
            raise DataError("a text to follow needs a prompt and at least one token behind it")


@dataclass(frozen=True)
class EncodedExample:
    """An example as tokens."""

    id: str
    tokens: tuple[int, ...]
    prompt_length: int
    """Tokens before the completion; all of them where there is none."""
    markers: ThinkingMarkers | None = None
    """What opens and closes thinking in these tokens, where the model has such tokens."""

    def read(self, position: ExamplePosition) -> Text:
        """What is run, and from which token on it is read.

        Raises:
            DataError: where the example has nothing there.
            SettingError: for thinking, of a model that has no tokens for it.
        """
        length = len(self.tokens)
        if position == "last":
            start, end = length - 1, length
        elif position == "mean_prompt":
            start, end = 1, self.prompt_length
        elif position == "mean_thinking":
            start, end = thinking_span(self.tokens, self.prompt_length, self.markers)
        elif position == "mean_response":
            start, end = response_start(self.tokens, self.prompt_length, self.markers), length
        else:
            start, end = self.prompt_length, length
        if not 0 < start < end:
            where = position.removeprefix("mean_") if position.startswith("mean_") else "completion"
            raise DataError(
                f"example {self.id}: its {where} has no token that could be read; use another token_position"
            )
        return Text(self.tokens[:end], start)


def encode_examples(tokenizer: Any, examples: Sequence[Example], asking: Asking = USUAL) -> list[EncodedExample]:
    """Tokenize examples: prompts under the chat template, raw text as it is.

    Raises:
        PromptError: with every reason why some cannot be read, and the examples.
    """
    encoded: list[EncodedExample] = []
    refused: dict[str, list[str]] = {}
    for example in examples:
        try:
            encoded.append(_raw(tokenizer, example) if example.is_raw else _prompted(tokenizer, example, asking))
        except DataError as error:
            refused.setdefault(str(error), []).append(example.reference)
    if refused:
        raise PromptError([f"{first_of(list(dict.fromkeys(of)))}: {reason}" for reason, of in refused.items()])
    return encoded


def _raw(tokenizer: Any, example: Example) -> EncodedExample:
    start = [token for token in tokenizer("")["input_ids"] if token == tokenizer.bos_token_id]
    # Texts that spell their template often spell the first token, too, which would then stand there twice.
    text = example.completion.removeprefix(tokenizer.bos_token) if start else example.completion
    tokens = (*start, *tokenizer(text, add_special_tokens=False)["input_ids"])
    if len(tokens) < 2:
        raise DataError("the text is a single token, which is the attention sink and says nothing of the text")
    return EncodedExample(example.id, tuple(tokens), 1, thinking_markers(tokenizer))


def _prompted(tokenizer: Any, example: Example, asking: Asking) -> EncodedExample:
    prompt = render_prompt(tokenizer, example.prompt, asking)
    alone = tuple(encode(tokenizer, prompt, asking))
    if not example.completion:
        return EncodedExample(example.id, alone, len(alone))
    gap = gap_after(tokenizer, example.prompt, asking)
    whole = tuple(encode(tokenizer, prompt + gap + example.completion, asking))
    shared = common_length(alone, whole)
    if not 0 < shared < len(whole):
        raise DataError("the prompt or its completion has no tokens of its own")
    return EncodedExample(example.id, whole, shared, thinking_markers(tokenizer))
