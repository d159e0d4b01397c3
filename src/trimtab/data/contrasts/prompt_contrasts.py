"""Contrasts between prompts: two for each item, and perhaps a completion under each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from trimtab._util.summaries import Summarized, Summary, clipped
from trimtab._util.wording import plural
from trimtab.data.contrasts.base import (
    Example,
    Shape,
    asked_text,
    content_hash,
    each_once,
    name_faults,
    prompt_example,
    repeated_ids,
)
from trimtab.data.pairs import SHOWN, Behavior, LeftOut, Message, Pair, Part
from trimtab.errors import DataError


@dataclass(frozen=True, repr=False)
class PromptPair(Summarized):
    """One item of a contrast between prompts: the same request, put so that it brings the behavior out, and not."""

    id: str
    positive: Example
    negative: Example

    def _summary(self) -> Summary:
        texts = {"positive": self.positive, "negative": self.negative}
        return Summary({"id": repr(self.id)} | {k: repr(clipped(_distinct(v), SHOWN)) for k, v in texts.items()})

    @property
    def reference(self) -> str:
        """What messages call it: its id, and where it was read."""
        return f"pair {self.id} ({self.positive.origin})" if self.positive.origin else f"pair {self.id}"

    @property
    def question(self) -> str | tuple[Message, ...]:
        """What both sides ask alike: the messages at their end; "" where they end differently, or are raw text."""
        positive, negative = _messages(self.positive), _messages(self.negative)
        shared: list[Message] = []
        for one, other in zip(reversed(positive), reversed(negative), strict=False):
            if one != other:
                break
            shared.insert(0, one)
        while shared and shared[0]["role"] != "user":
            shared.pop(0)
        if not shared:
            return ""
        return shared[0]["content"] if len(shared) == 1 else tuple(shared)

    @property
    def key(self) -> str:
        """Equal for two items that ask the same: they go into the same part."""
        asked = [asked_text(side.prompt) for side in (self.positive, self.negative)]
        return asked[0] if asked[0] and asked[0] == asked[1] else json.dumps([self.positive.key, self.negative.key])


def _distinct(example: Example) -> str:
    """What a line shows of one side: its first message, where system prompts and personas stand."""
    messages = _messages(example)
    return messages[0]["content"] if messages else example.completion


def _messages(example: Example) -> tuple[Message, ...]:
    if example.is_raw:
        return ()
    prompt = example.prompt
    return (Message(role="user", content=prompt),) if isinstance(prompt, str) else prompt


@dataclass(frozen=True, repr=False)
class PromptContrast(Summarized):
    """Items that each have two prompts, and perhaps a completion under each.

    Persona vectors (Chen et al. 2025, section 2) put the contrast into the system prompt, representation engineering
    (Zou et al. 2023, section 3.1) into a template around the same text.

    Raises:
        DataError: without items, with names that cannot be shown, for an item whose two sides are the same, and where
            some items have completions and others have none.
    """

    name: str
    pairs: tuple[PromptPair, ...]
    description: str = ""
    part: Part = "all"
    left_out: tuple[LeftOut, ...] = ()
    """Rows of its file that are no items and were left out."""

    shape: Shape = field(default="prompts", init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what contrasts nothing."""
        problems = name_faults(self.name, [pair.id for pair in self.pairs])
        problems += [
            f"{pair.reference}: both sides are the same, so they differ in nothing"
            for pair in self.pairs
            if pair.positive.key == pair.negative.key
        ]
        problems += repeated_ids([pair.id for pair in self.pairs])
        kinds = {(side.is_raw, bool(side.completion)) for side in self.positive + self.negative}
        if len(kinds) > 1:
            problems.append(
                f"{self.name}: some examples have a completion and some have none, or some are raw text; give every "
                "one both, or split them into two contrasts"
            )
        if not self.pairs:
            problems.append(f"{self.name}: there are no pairs")
        if problems:
            raise DataError(problems)

    def __len__(self) -> int:
        return len(self.pairs)

    def _summary(self) -> Summary:
        part = "" if self.part == "all" else f", the {self.part} part"
        more = {"first pair": repr(self.pairs[0])}
        return Summary({"name": repr(self.name), "pairs": f"{plural(len(self), 'pair')} of prompts{part}"}, more=more)

    @property
    def positive(self) -> tuple[Example, ...]:
        """The examples that show the behavior."""
        return tuple(pair.positive for pair in self.pairs)

    @property
    def negative(self) -> tuple[Example, ...]:
        """The examples that do not; in the order of the positive ones."""
        return tuple(pair.negative for pair in self.pairs)

    @property
    def questions(self) -> tuple[str | tuple[Message, ...], ...]:
        """What is asked alike on both sides, each question once; empty where the sides ask nothing alike."""
        return each_once(pair.question for pair in self.pairs if pair.question)

    @property
    def has_completions(self) -> bool:
        """Whether something follows the prompts."""
        return bool(self.pairs[0].positive.completion)

    def with_replies(self, replies: Sequence[tuple[str, str]]) -> PromptContrast:
        """The same prompts, each with what was replied to it.

        Args:
            replies: the positive and the negative reply of each item, in order; "" where there is none, and then the
                item is left out.

        Raises:
            DataError: when no item is left.
        """
        pairs = [
            replace(
                pair, positive=replace(pair.positive, completion=one), negative=replace(pair.negative, completion=other)
            )
            for pair, (one, other) in zip(self.pairs, replies, strict=True)
            if one and other
        ]
        return replace(self, pairs=tuple(pairs))

    def as_pairs(self) -> Behavior:
        """The completions as pairs behind the bare question, without the prompts that brought them out.

        Such pairs can be scored and swept. Where both completions are the same, there is no pair.

        Raises:
            DataError: where items have no completions, or ask nothing alike, or no pair is left.
        """
        if not self.has_completions:
            raise DataError(f"{self.name}: there are no completions; write them first, see trimtab.own_replies")
        if silent := [pair.reference for pair in self.pairs if not pair.question]:
            raise DataError(f"{self.name}: {silent[0]}: both sides ask nothing alike, so there is no question to keep")
        pairs = [
            Pair(
                pair.id, pair.question, pair.positive.completion, pair.negative.completion, origin=pair.positive.origin
            )
            for pair in self.pairs
            if pair.positive.completion.split() != pair.negative.completion.split()
        ]
        if not pairs:
            raise DataError(f"{self.name}: both completions are the same everywhere, so there is no pair to score")
        return Behavior(self.name, tuple(pairs), self.description, self.part, self.left_out)

    @property
    def hash(self) -> str:
        """Hash of the content: same items in the same order, same hash; ids and meta do not count."""
        return content_hash(
            self.shape, [[pair.positive.content(), pair.negative.content()] for pair in self.pairs], self.left_out
        )

    def split(
        self, shares: tuple[float, float, float] = (0.5, 0.25, 0.25), seed: int = 0
    ) -> tuple[PromptContrast, PromptContrast, PromptContrast]:
        """Three disjoint parts, for extraction, for choosing the layer, for reporting.

        Items that ask the same go into the same part, so held-out questions are new; system prompts and templates may
        be in all three.

        Raises:
            DataError: when a part would hold fewer than four items.
        """
        from trimtab.data.splits import allotted

        found = allotted(self.name, self.part, [pair.key for pair in self.pairs], "pair", shares, seed)
        train, select, test = (
            replace(self, pairs=tuple(self.pairs[i] for i in rows), part=part) for part, rows in found
        )
        return train, select, test

    @classmethod
    def from_prompts(
        cls,
        pairs: Iterable[tuple[str | Sequence[Message], str | Sequence[Message]]],
        *,
        completion: str = "",
        name: str = "prompts",
        description: str = "",
    ) -> PromptContrast:
        """A contrast of (positive prompt, negative prompt), each a text or a list of messages.

        Args:
            pairs: the prompts.
            completion: what follows each of them, where the vector is read over something shared.
            name: of the behavior.
            description: of the behavior.

        Raises:
            DataError: as the class.
        """
        made = [
            PromptPair(f"p{i}", prompt_example(f"p{i}+", one, completion), prompt_example(f"p{i}-", other, completion))
            for i, (one, other) in enumerate(pairs, start=1)
        ]
        return cls(name, tuple(made), description)

    @classmethod
    def from_system_prompts(
        cls,
        prompts: Iterable[tuple[str, str]],
        questions: Iterable[str],
        *,
        name: str = "prompts",
        description: str = "",
    ) -> PromptContrast:
        """Every question under every pair of (positive, negative) system prompts.

        Args:
            prompts: two system prompts each.
            questions: what the user asks.
            name: of the behavior.
            description: of the behavior.

        Raises:
            DataError: as the class.
        """
        asked = list(questions)
        return cls.from_prompts(
            [(_under(one, text), _under(other, text)) for one, other in prompts for text in asked],
            name=name,
            description=description,
        )


def _under(system: str, question: str) -> tuple[Message, ...]:
    return (Message(role="system", content=system), Message(role="user", content=question))
