"""What the contrasts beyond pairs of completions share: examples, and what a contrast is."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from trimtab._util.summaries import Summarized, Summary, clipped
from trimtab.data.pairs import SHOWN, LeftOut, Message, Part
from trimtab.inputs.characters import character_not_for_names

Shape = Literal["completions", "prompts", "sets"]
"""What a contrast is between: two completions of one prompt, two prompts, or two lists without pairs."""


@dataclass(frozen=True, repr=False)
class Example(Summarized):
    """One text on one side of a contrast."""

    id: str
    prompt: str | tuple[Message, ...] = ""
    """The user's text, or a whole conversation. Empty: the example is raw text, which no chat template touches."""
    completion: str = ""
    """What follows the prompt; of an example without a prompt, the text itself. Empty: the prompt is all there is."""
    meta: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Whatever else is known of it; it never reaches a model."""
    origin: str = field(default="", compare=False, repr=False)
    """Where it was read, as `file:line`; "" where it was not read from a file."""

    def _summary(self) -> Summary:
        return Summary({"id": repr(self.id), "text": repr(clipped(self.last_text, SHOWN))})

    @property
    def is_raw(self) -> bool:
        """Whether it is text without a prompt."""
        return not self.prompt

    @property
    def last_text(self) -> str:
        """The end of its prompt, or of a raw text the text."""
        if self.is_raw:
            return self.completion
        return self.prompt if isinstance(self.prompt, str) else self.prompt[-1]["content"]

    @property
    def reference(self) -> str:
        """What messages call it: its id, and where it was read."""
        return f"example {self.id} ({self.origin})" if self.origin else f"example {self.id}"

    def content(self) -> list[Any]:
        """What it says, for hashes."""
        return [self.prompt if isinstance(self.prompt, str) else [dict(m) for m in self.prompt], self.completion]

    @property
    def key(self) -> str:
        """Equal for two examples that say the same; runs of white space count as one space."""
        prompt = self.prompt
        spaced = prompt if isinstance(prompt, str) else [[m["role"], " ".join(m["content"].split())] for m in prompt]
        return json.dumps([" ".join(spaced.split()) if isinstance(spaced, str) else spaced, self.completion.split()])


def asked_text(prompt: str | Sequence[Message]) -> str:
    """What is asked: the text of the last user message, runs of white space as one space; "" where there is none."""
    if isinstance(prompt, str):
        return " ".join(prompt.split())
    texts = [message["content"] for message in prompt if message["role"] == "user"]
    return " ".join(texts[-1].split()) if texts else ""


def each_once(prompts: Iterable[str | tuple[Message, ...]]) -> tuple[str | tuple[Message, ...], ...]:
    """Prompts without repetitions, in order."""
    return tuple({json.dumps(prompt): prompt for prompt in prompts}.values())


class Contrast(Protocol):
    """What every shape offers; `Behavior` is one, too."""

    @property
    def name(self) -> str:
        """Of the behavior."""
        ...

    @property
    def description(self) -> str:
        """Of the behavior, for judges and reports."""
        ...

    @property
    def part(self) -> Part:
        """Which of the three disjoint parts it is, after `split`."""
        ...

    @property
    def shape(self) -> Shape:
        """What the contrast is between."""
        ...

    @property
    def hash(self) -> str:
        """Hash of the content."""
        ...

    def __len__(self) -> int:
        """Number of items: pairs, or the examples of both lists."""
        ...


def prompt_example(id: str, prompt: str | Sequence[Message], completion: str = "") -> Example:
    """An example of a prompt as callers write it."""
    return Example(id, prompt if isinstance(prompt, str) else tuple(prompt), completion)


def name_faults(name: str, ids: Sequence[str]) -> list[str]:
    """Names that cannot be shown: charts, tables and terminals would break on them."""
    found = character_not_for_names(name)
    faults = [f"the name of the behavior {name!r} holds {found}; give it another `name`"] if found else []
    return faults + [
        f"{name!r}: the id {id!r} holds {fault}; name it otherwise"
        for id in ids
        if (fault := character_not_for_names(id))
    ]


def repeated_ids(ids: Sequence[str]) -> list[str]:
    """Ids that are taken more than once."""
    return [f"the id {id!r} is taken {n} times; ids must differ" for id, n in Counter(ids).items() if n > 1]


def content_hash(shape: Shape, content: list[Any], left_out: Sequence[LeftOut] = ()) -> str:
    """Hash of what a contrast says; rows of its files that were left out count, as a file with others is another."""
    rest = [[line.content for line in left_out]] if left_out else []
    text = json.dumps([shape, content, *rest], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
