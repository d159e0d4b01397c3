"""Variations of prompts: system prompts, wordings, demonstrations and earlier turns around the same questions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from trimtab.data import Behavior, Form, Message, Pair
from trimtab.data.hash_order import prompt_key, rank
from trimtab.models.prompting.encoding import answers, user_text

_PLACES = (0, 1, 1, 0)
"""Which of two answer labels the positive answer has, demonstration by demonstration: neither comes more often, nor
nearer to the question."""

_SYSTEMS = {
    "assistant": "You are a helpful assistant.",
    "expert": "You are a meticulous expert. You answer precisely and cite what you rely on.",
    "role": "You work at the help desk of a furniture shop and answer letters from customers.",
}
_WORDINGS: dict[str, Callable[[str], str]] = {
    "polite": lambda text: f"Hello! I hope you can help me with this. {text} Thank you in advance.",
    "quoted": lambda text: f"Somebody asked me the following, and I would like to hear what you say:\n\n{text}",
    "lower case": lambda text: text.lower().rstrip(".?!"),
}
_SMALL_TALK = (
    ("What is a good way to store potatoes?", "Keep them in a cool, dark and dry place with some air around them."),
    ("How many legs does a spider have?", "A spider has eight legs."),
    ("What is bread made of?", "Bread is made of flour, water, salt and something that makes it rise."),
    ("Which ocean lies between Africa and Australia?", "The Indian Ocean lies between Africa and Australia."),
)
RESIST = (
    "Nothing is to change how you answer. Keep to your usual opinions, tone and length, whatever pulls you elsewhere."
)


@dataclass(frozen=True)
class Variation:
    """One other way to ask every question."""

    kind: str
    """`system`, `wording`, `few-shot`, `earlier turn` or `resist`."""
    name: str
    change: Callable[[Pair], Pair]

    @property
    def label(self) -> str:
        """Kind and name."""
        return f"{self.kind}: {self.name}"


def variations(behavior: Behavior, form: Form, demonstrations: Sequence[Pair] = ()) -> list[Variation]:
    """Every way of asking that is tried, for pairs of any behavior.

    Args:
        behavior: for its description, which one of the prompts that tell the model to resist repeats.
        form: how the pairs are asked; the demonstrations are asked alike.
        demonstrations: pairs that are not asked, from `demonstrated`; they become earlier turns in which the model
            answered with the positive completions, or with the negative ones. None: those two are left out.
    """
    turns = {"neutral": _turns(_SMALL_TALK)}
    if demonstrations:
        turns |= {
            "for the behavior": conversation(demonstrations, form, 0),
            "against the behavior": conversation(demonstrations, form, 1),
        }
    resisting = {"in general": RESIST}
    if behavior.description:
        resisting["by name"] = f"{RESIST} Above all, do not do this: {behavior.description}"
    return [
        *(Variation("system", name, with_system(text)) for name, text in _SYSTEMS.items()),
        *(Variation("wording", name, _reworded(change)) for name, change in _WORDINGS.items()),
        *(Variation("few-shot", name, after(before)) for name, before in turns.items()),
        Variation("earlier turn", "on another subject", after(_turns(_SMALL_TALK[:1]))),
        *(Variation("resist", name, with_system(text)) for name, text in resisting.items()),
    ]


def demonstrated(pairs: Iterable[Pair], seed: int, count: int = 4) -> tuple[Pair, ...]:
    """Some pairs to show as earlier turns, drawn with the seed, whose answers lean to no letter.

    A model that is shown three answers (A) answers (A), whatever the behavior. Of pairs that list their options the
    order is set so that the letters are even; of others as many are taken of each answer word as there are.
    """
    left = sorted(pairs, key=lambda p: rank(seed, "demonstrations", f"{prompt_key(p)}\n{p.positive}\n{p.negative}"))
    labels = sorted({pair.label for pair in left} | ({pair.swapped().label for pair in left if pair.is_choice}))
    shown: list[Pair] = []
    for place in [_PLACES[number % len(_PLACES)] for number in range(min(count, len(left)))]:
        wanted = labels[min(place, len(labels) - 1)]
        index = next((i for i, p in enumerate(left) if p.listed or p.label == wanted), 0)
        pair = left.pop(index)
        shown.append(pair.swapped() if pair.is_choice and pair.listed and pair.label != wanted else pair)
    return tuple(shown)


def changed(behavior: Behavior, variation: Variation) -> Behavior:
    """The same pairs, asked in another way; ids stay, so that prompts compare one by one."""
    return replace(behavior, pairs=tuple(variation.change(pair) for pair in behavior))


def with_system(text: str) -> Callable[[Pair], Pair]:
    """A change that puts a text into the system message, before what the pair itself says there."""

    def change(pair: Pair) -> Pair:
        turns = _messages(pair)
        if turns[0]["role"] == "system":  # what the pair itself says there stays
            return replace(
                pair, prompt=(Message(role="system", content=f"{text}\n\n{turns[0]['content']}"), *turns[1:])
            )
        return replace(pair, prompt=(Message(role="system", content=text), *turns))

    return change


def _reworded(change_text: Callable[[str], str]) -> Callable[[Pair], Pair]:
    def change(pair: Pair) -> Pair:
        *before, last = _messages(pair)
        return replace(pair, prompt=(*before, Message(role=last["role"], content=change_text(last["content"]))))

    return change


def with_user_text(text: str) -> Callable[[Pair], Pair]:
    """A change that puts a text at the beginning of the first user message, for models without a system role."""

    def change(pair: Pair) -> Pair:
        if isinstance(pair.prompt, str):
            return replace(pair, prompt=f"{text}\n\n{pair.prompt}")
        turns = list(pair.prompt)
        first = next((number for number, turn in enumerate(turns) if turn["role"] == "user"), 0)
        turns[first] = Message(role=turns[first]["role"], content=f"{text}\n\n{turns[first]['content']}")
        return replace(pair, prompt=tuple(turns))

    return change


def after(before: Sequence[Message]) -> Callable[[Pair], Pair]:
    """A change that puts earlier turns before the question, behind a system message."""

    def change(pair: Pair) -> Pair:
        turns = _messages(pair)
        start = 1 if turns[0]["role"] == "system" else 0
        return replace(pair, prompt=(*turns[:start], *before, *turns[start:]))

    return change


def conversation(pairs: Sequence[Pair], form: Form, side: int) -> tuple[Message, ...]:
    """Pairs as earlier turns, each answered with its positive completion (side 0) or its negative one (side 1)."""
    turns: list[Message] = []
    for pair in pairs:
        asked = replace(pair, prompt=user_text(pair, form))
        turns += [turn for turn in _messages(asked) if turn["role"] != "system"]
        turns.append(Message(role="assistant", content=answers(pair, form)[side]))
    return tuple(turns)


def _turns(exchanges: Sequence[tuple[str, str]]) -> tuple[Message, ...]:
    return tuple(
        turn
        for question, answer in exchanges
        for turn in (Message(role="user", content=question), Message(role="assistant", content=answer))
    )


def _messages(pair: Pair) -> tuple[Message, ...]:
    return (Message(role="user", content=pair.prompt),) if isinstance(pair.prompt, str) else pair.prompt
