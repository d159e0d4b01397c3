"""What a contrast asks, to keep it out of the prompts that are held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.data.contrasts.base import asked_text
from trimtab.data.contrasts.prompt_contrasts import PromptContrast
from trimtab.data.contrasts.set_contrasts import SetContrast
from trimtab.data.pairs import Behavior, Message

MIN_INSIDE = 15
"""Characters of a question that is looked for inside of longer texts."""


@dataclass(frozen=True)
class AskedTexts:
    """What the texts of a contrast ask."""

    exact: frozenset[str] = frozenset()
    """Texts of last user messages."""
    everything: str = ""
    """All that the examples say, for questions inside of templates and of raw text."""

    @classmethod
    def of(cls, found: Behavior | PromptContrast | SetContrast | None) -> AskedTexts:
        """Of a contrast; nothing where there is none."""
        if found is None:
            return cls()
        if isinstance(found, Behavior):
            return cls(frozenset(asked_text(pair.prompt) for pair in found))
        examples = (*found.positive, *found.negative)
        said = [text for one in examples for text in (*_contents(one.prompt), one.completion)]
        exact = frozenset(asked_text(one.prompt) for one in examples)
        return cls(exact, "\n".join(" ".join(text.split()) for text in said))

    def hold(self, prompt: str | Sequence[Message]) -> bool:
        """Whether a prompt asks the same as one of them; a short text inside of another may be there by chance."""
        text = asked_text(prompt)
        return bool(text) and (text in self.exact or (len(text) >= MIN_INSIDE and text in self.everything))


def _contents(prompt: str | Sequence[Message]) -> list[str]:
    return [prompt] if isinstance(prompt, str) else [message["content"] for message in prompt]


NOTHING_ASKED = AskedTexts()
"""Of no contrast."""
