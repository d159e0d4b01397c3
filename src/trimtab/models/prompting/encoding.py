"""From a pair to token ids: chat templates, the options under a question, and where two answers part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from trimtab.data import Form, Message, Pair
from trimtab.data.pairs import LETTERS
from trimtab.errors import DataError
from trimtab.models.prompting.asking import USUAL, Asking
from trimtab.models.prompting.rendering import gap_after, render_prompt
from trimtab.models.prompting.thinking_markers import ThinkingMarkers, thinking_markers

TokenPosition = Literal["answer", "last", "mean_completion", "mean_thinking", "mean_response"]
"""Where a vector is taken: the first differing token, the last token, or the mean over the completion's tokens, over
those of its thinking, or over those behind its thinking."""


@dataclass(frozen=True)
class EncodedPair:
    """The two texts of a pair as tokens; they agree up to `shared` and part there."""

    id: str
    positive: tuple[int, ...]
    """Tokens of the prompt and the positive completion."""
    negative: tuple[int, ...]
    prompt_length: int
    """Tokens of the prompt that survive joining with either completion."""
    shared: int
    """Length of the common beginning: index of the first differing token."""
    markers: ThinkingMarkers | None = None
    """What opens and closes thinking in these tokens, where the model has such tokens."""

    @property
    def longest(self) -> int:
        """Tokens of the longer text."""
        return max(len(self.positive), len(self.negative))


def user_text(pair: Pair, form: Form) -> str | tuple[Message, ...]:
    """What the user says: the prompt, with the options listed under it where the answer is a letter."""
    if form == "text" or not (pair.is_choice and pair.listed):
        return pair.prompt
    options = "\n".join(f" ({letter}) {text}" for letter, text in zip(LETTERS, pair.choices, strict=True))
    if isinstance(pair.prompt, str):
        return f"{pair.prompt}\n\nChoices:\n{options}"
    last = pair.prompt[-1]
    return (*pair.prompt[:-1], Message(role=last["role"], content=f"{last['content']}\n\nChoices:\n{options}"))


def answers(pair: Pair, form: Form) -> tuple[str, str]:
    """The positive and the negative completion: letters "(A)" and "(B)", answer words, or texts."""
    if form == "choice" and pair.is_choice and pair.listed:
        by_text = {text: f"({letter})" for letter, text in zip(LETTERS, pair.choices, strict=True)}
        return by_text[pair.positive], by_text[pair.negative]
    return pair.positive, pair.negative


class PromptError(DataError):
    """Pairs that a model cannot be asked, although other models may be."""


class PairError(PromptError):
    """One such pair."""

    def __init__(self, pair: Pair, reason: str):
        self.pair, self.reason = pair, reason
        super().__init__(f"{pair.reference}: {reason}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Take both between processes."""
        return PairError, (self.pair, self.reason)


def encode_prompt(tokenizer: Any, pair: Pair, form: Form, asking: Asking = USUAL) -> tuple[int, ...]:
    """Token ids of what a pair asks, up to where the answer begins.

    Raises:
        PairError: when the model's template refuses the conversation or leaves a message out.
    """
    return tuple(encode(tokenizer, _rendered(tokenizer, pair, form, asking), asking))


def _rendered(tokenizer: Any, pair: Pair, form: Form, asking: Asking) -> str:
    lists_options = form == "choice" and pair.is_choice and pair.listed
    if lists_options and not isinstance(pair.prompt, str) and pair.prompt[-1]["role"] != "user":
        raise PairError(pair, "its prompt begins the answer, so there is no place for its options; ask it as text")
    try:
        return render_prompt(tokenizer, user_text(pair, form), asking)
    except DataError as error:
        raise PairError(pair, str(error)) from error


def encode(tokenizer: Any, text: str, asking: Asking = USUAL) -> list[int]:
    """Token ids of rendered text; a chat template has written its special tokens, other text gets its first one."""
    if tokenizer.chat_template and asking.template == "chat":
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    start = [t for t in tokenizer("")["input_ids"] if t == tokenizer.bos_token_id]
    return start + list(tokenizer(text, add_special_tokens=False)["input_ids"])


def encode_pair(tokenizer: Any, pair: Pair, form: Form, asking: Asking = USUAL) -> EncodedPair:
    """Tokenize both texts whole and find where they part.

    Prompt and completion are tokenized together, since a tokenizer may merge across their border.

    Raises:
        PairError: when the two texts become the same tokens, an answer by choice has no differing token, a completion
            or the prompt has no tokens of its own, or the template refuses the prompt or leaves a part of it out.
    """
    prompt = _rendered(tokenizer, pair, form, asking)
    gap = gap_after(tokenizer, pair.prompt, asking)
    positive, negative = (encode(tokenizer, prompt + gap + answer, asking) for answer in answers(pair, form))
    shared = common_length(positive, negative)
    if positive == negative:
        raise PairError(pair, "both completions become the same tokens")
    if form == "choice" and shared == min(len(positive), len(negative)):
        raise PairError(pair, "one answer is the beginning of the other, so no token tells them apart")
    alone = encode(tokenizer, prompt, asking)
    kept = min(common_length(alone, positive), common_length(alone, negative), shared)
    if not 0 < kept < min(len(positive), len(negative)):
        raise PairError(pair, "the prompt or one of its completions has no tokens of its own")
    return EncodedPair(pair.id, tuple(positive), tuple(negative), kept, shared, thinking_markers(tokenizer))


def encode_pairs(tokenizer: Any, pairs: Sequence[Pair], form: Form, asking: Asking = USUAL) -> list[EncodedPair]:
    """Tokenize pairs.

    Raises:
        PromptError: with every reason why some of them cannot be asked, and the pairs.
    """
    encoded: list[EncodedPair] = []
    refused: dict[str, list[str]] = {}
    for pair in pairs:
        try:
            encoded.append(encode_pair(tokenizer, pair, form, asking))
        except PairError as error:
            refused.setdefault(error.reason, []).append(pair.reference)
    if refused:
        raise PromptError([f"{first_of(list(dict.fromkeys(of)))}: {reason}" for reason, of in refused.items()])
    return encoded


def first_of(references: Sequence[str]) -> str:
    """The first of some references, and how many more there are."""
    more = len(references) - 1
    return references[0] if not more else f"{references[0]} and {more} more"


def template_hash(tokenizer: Any, asking: Asking = USUAL) -> str:
    """Hash of the chat template and of how the model is asked, "" for a base model that is asked as usual."""
    template = str(tokenizer.chat_template or "")
    parts = json.dumps([template, asking.changes], sort_keys=True) if asking.changes else template
    return hashlib.sha256(parts.encode()).hexdigest()[:16] if parts else ""


def common_length(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two texts begin with alike."""
    for index, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return index
    return min(len(a), len(b))
