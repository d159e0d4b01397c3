"""Contrasts between two lists without pairs."""

from __future__ import annotations

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
from trimtab.data.pairs import SHOWN, LeftOut, Message, Part
from trimtab.errors import DataError


@dataclass(frozen=True, repr=False)
class SetContrast(Summarized):
    """Two lists, one that shows a behavior and one that does not, without pairs and of any lengths.

    The refusal direction (Arditi et al. 2024, section 2.3) is the difference of means of two such lists of requests.

    Raises:
        DataError: for an empty list, lists that hold the same, names that cannot be shown, and where some examples
            have completions and others have none.
    """

    name: str
    positive: tuple[Example, ...]
    negative: tuple[Example, ...]
    description: str = ""
    part: Part = "all"
    left_out: tuple[LeftOut, ...] = ()
    """Rows of its files that are no examples and were left out."""

    shape: Shape = field(default="sets", init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what contrasts nothing."""
        problems = name_faults(self.name, [one.id for one in self.positive + self.negative])
        for side, examples in (("positive", self.positive), ("negative", self.negative)):
            problems += [f"{self.name}: the {side} list is empty"] * (not examples)
            problems += repeated_ids([one.id for one in examples])
        both = {one.key for one in self.positive} & {one.key for one in self.negative}
        shared = [one for one in self.positive if one.key in both]
        if shared:
            problems.append(
                f"{self.name}: {plural(len(both), 'text')} in both lists, first {shared[0].reference}: "
                f"{clipped(shared[0].last_text, SHOWN)!r}; a text shows the behavior or it does not, so leave it out "
                "of one list"
            )
        if len({(one.is_raw, bool(one.completion)) for one in self.positive + self.negative}) > 1:
            problems.append(
                f"{self.name}: some examples have a completion and some have none, or some are raw text and some "
                "prompts; a difference between the lists would be that difference"
            )
        if problems:
            raise DataError(problems)

    def __len__(self) -> int:
        return len(self.positive) + len(self.negative)

    def _summary(self) -> Summary:
        part = "" if self.part == "all" else f", the {self.part} part"
        sizes = f"{len(self.positive)} positive and {len(self.negative)} negative examples{part}"
        return Summary({"name": repr(self.name), "examples": sizes}, more={"first": repr(self.positive[0])})

    @property
    def has_completions(self) -> bool:
        """Whether something follows the prompts, or the examples are raw text."""
        return bool(self.positive[0].completion)

    @property
    def questions(self) -> tuple[str | tuple[Message, ...], ...]:
        """The prompts of both lists, each once; empty for raw text."""
        return each_once(one.prompt for one in self.negative + self.positive if one.prompt)

    @property
    def hash(self) -> str:
        """Hash of the content: same examples in the same order, same hash; ids and meta do not count."""
        return content_hash(
            self.shape, [[one.content() for one in side] for side in (self.positive, self.negative)], self.left_out
        )

    def split(
        self, shares: tuple[float, float, float] = (0.5, 0.25, 0.25), seed: int = 0
    ) -> tuple[SetContrast, SetContrast, SetContrast]:
        """Three disjoint parts, for extraction, for choosing the layer, for reporting.

        Examples that ask the same go into the same part, from whichever list they are.

        Raises:
            DataError: when a part of a list would hold fewer than four examples.
        """
        from trimtab.data.splits import MIN_PAIRS, allotted

        both, border = self.positive + self.negative, len(self.positive)
        keys = [asked_text(one.prompt) or one.key for one in both]
        labels = ["positive"] * border + ["negative"] * len(self.negative)
        found = allotted(self.name, self.part, keys, "example", shares, seed, labels)
        sides = [([i for i in rows if i < border], [i for i in rows if i >= border]) for _, rows in found]
        for number, word in enumerate(("positive", "negative")):
            sizes = [len(side[number]) for side in sides]
            if min(sizes) < MIN_PAIRS:
                raise DataError(
                    f"{self.name}: {sum(sizes)} {word} examples are too few to split: the parts would hold "
                    f"{', '.join(map(str, sizes))} of them and each needs {MIN_PAIRS}"
                )
        train, select, test = (
            replace(self, positive=tuple(both[i] for i in ours), negative=tuple(both[i] for i in theirs), part=part)
            for (part, _), (ours, theirs) in zip(found, sides, strict=True)
        )
        return train, select, test

    @classmethod
    def from_texts(
        cls,
        positive: Iterable[str | Sequence[Message]],
        negative: Iterable[str | Sequence[Message]],
        *,
        raw: bool = False,
        name: str = "sets",
        description: str = "",
    ) -> SetContrast:
        """A contrast of two lists of prompts.

        Args:
            positive: texts or lists of messages that show the behavior.
            negative: those that do not.
            raw: the texts go to the model as they are, without a chat template, and are read over all of their tokens.
            name: of the behavior.
            description: of the behavior.

        Raises:
            DataError: as the class, and for raw texts that are lists of messages.
        """
        sides = [
            tuple(_side_example(f"{sign}{i}", text, raw) for i, text in enumerate(texts, start=1))
            for sign, texts in (("+", positive), ("-", negative))
        ]
        return cls(name, sides[0], sides[1], description)


def _side_example(id: str, text: str | Sequence[Message], raw: bool) -> Example:
    empty = not (text.strip() if isinstance(text, str) else text)
    if empty:
        raise DataError(f"example {id}: the text is empty")
    if not raw:
        return prompt_example(id, text)
    if not isinstance(text, str):
        raise DataError(f"example {id}: raw text is wanted, not a list of messages")
    return Example(id, completion=text)
