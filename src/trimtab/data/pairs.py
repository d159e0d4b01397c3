"""Pairs and behaviors: what everything starts from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

from trimtab._util.summaries import Summarized, Summary, clipped
from trimtab._util.wording import plural
from trimtab.errors import DataError
from trimtab.inputs.characters import character_not_for_names

if TYPE_CHECKING:
    import pandas as pd

    from trimtab.data.contrasts import SetContrast

Part = Literal["all", "train", "select", "test"]

LETTERS = "AB"
SHOWN = 40
"""Characters of a text that a pair's line shows."""


class Message(TypedDict):
    """One chat message."""

    role: str
    content: str


@dataclass(frozen=True, repr=False)
class Pair(Summarized):
    """One contrastive item: a prompt, a completion that shows a behavior and one that does not."""

    id: str
    prompt: str | tuple[Message, ...]
    """The user's text, or a whole conversation that ends with the user's turn."""
    positive: str
    negative: str
    choices: tuple[str, ...] = ()
    """For a choice pair: its two options in the order shown, the positive and the negative. Empty if open."""
    listed: bool = True
    """Whether the options are listed with letters, "(A) …", and answered by letter. False: the options are
    the answer words themselves (Yes and No)."""
    meta: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Whatever else is known of the pair; it never reaches a model."""
    origin: str = field(default="", compare=False, repr=False)
    """Where it was read, as `file:line`; "" where it was not read from a file."""

    def _summary(self) -> Summary:
        asked = self.prompt if isinstance(self.prompt, str) else self.prompt[-1]["content"]
        texts = {"prompt": asked, "positive": self.positive, "negative": self.negative}
        facts = {"id": repr(self.id)} | {name: repr(clipped(text, SHOWN)) for name, text in texts.items()}
        return Summary(facts, more={"options": ", ".join(self.choices)} if self.is_choice else {})

    @property
    def reference(self) -> str:
        """What messages call it: its id, and where it was read."""
        return f"pair {self.id} ({self.origin})" if self.origin else f"pair {self.id}"

    @property
    def is_choice(self) -> bool:
        """Whether the pair offers two options."""
        return bool(self.choices)

    @property
    def label(self) -> str:
        """Which answer is the positive one: "A" or "B", the word where options are not listed, "" if open."""
        if not self.is_choice:
            return ""
        return LETTERS[self.choices.index(self.positive)] if self.listed else self.positive

    def swapped(self) -> Pair:
        """The same choice pair with its options in the other order, so that the other letter is positive."""
        return replace(self, choices=self.choices[::-1])

    def to_json(self) -> dict[str, Any]:
        """The object that stands for this pair in `pairs.jsonl`."""
        row: dict[str, Any] = {
            "id": self.id,
            "prompt": self.prompt if isinstance(self.prompt, str) else list(self.prompt),
            "positive": self.positive,
            "negative": self.negative,
        }
        if self.is_choice:
            row["choices"] = list(self.choices)
            if not self.listed:
                row["listed"] = False
        if self.meta:
            row["meta"] = dict(self.meta)
        return row


@dataclass(frozen=True)
class LeftOut:
    """A line of a file that is no pair, and was left out."""

    line: int
    reason: str
    content: str
    """What stands on the line: part of the behavior's hash."""


@dataclass(frozen=True, repr=False)
class Behavior(Summarized, Sequence[Pair]):
    """A named set of pairs, all of them choice pairs or all of them open ones.

    Raises:
        DataError: when the name or an id holds control characters.
    """

    name: str
    pairs: tuple[Pair, ...]
    description: str = ""
    part: Part = "all"
    """Which of the three disjoint parts this is, after `split`."""
    left_out: tuple[LeftOut, ...] = ()
    """Lines of its file that are no pairs and were left out; the whole file's, of a part too."""

    def __post_init__(self) -> None:
        """Refuse names that cannot be shown: charts, tables and terminals would break on them."""
        problems = []
        if found := character_not_for_names(self.name):
            problems.append(f"the name of the behavior {self.name!r} holds {found}; give it another `name`")
        for pair in self.pairs:
            if found := character_not_for_names(pair.id):
                problems.append(f"{self.name!r}: the id {pair.id!r} holds {found}; name the pair otherwise")
        if problems:
            raise DataError(problems)

    @classmethod
    def from_records(
        cls, records: Iterable[Mapping[str, Any]], *, name: str = "pairs", description: str = ""
    ) -> Behavior:
        """The behavior of some dicts, each with the keys of a line of a file of pairs.

        A pair without an id gets one that is made from its content, so it is the same in any order of the pairs.

        Args:
            records: `{"prompt": …, "positive": …, "negative": …}`, with `choices`, `listed`, `id` and `meta` if wanted;
                or rows of another format that `trimtab data formats` lists.
            name: of the behavior.
            description: of the behavior, for judges and reports.

        Raises:
            DataError: with everything that is wrong, each fault with its row: `records[3]: "positive" is empty`.
        """
        from trimtab.data.formats.records import pairs_from_records

        return cls(name, pairs_from_records(records), description)

    @classmethod
    def from_pairs(
        cls, pairs: Iterable[tuple[str | Sequence[Message], str, str]], *, name: str = "pairs", description: str = ""
    ) -> Behavior:
        """The behavior of some (prompt, positive completion, negative completion); see `from_records`."""
        from trimtab.data.formats.records import pairs_from_tuples

        return cls(name, pairs_from_tuples(pairs), description)

    @classmethod
    def from_dataframe(
        cls,
        frame: pd.DataFrame,
        *,
        columns: Mapping[str, str] | None = None,
        name: str = "pairs",
        description: str = "",
    ) -> Behavior:
        """The behavior of a data frame with one pair in each row; see `from_records`.

        Args:
            frame: with the keys of a line of a file of pairs as columns; missing values count as absent.
            columns: the frame's own names of columns by key, such as `{"prompt": "question"}`; columns that are then
                no key go to the pairs' meta.
            name: of the behavior.
            description: of the behavior, for judges and reports.

        Raises:
            DataError: for a column that is not there, and with everything that is wrong, each fault with its row.
        """
        from trimtab.data.formats.records import pairs_from_frame

        return cls(name, pairs_from_frame(frame, columns), description)

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
        """The contrast of two lists without pairs; see `trimtab.data.SetContrast.from_texts`.

        It has no completions that could be scored, so it gives a vector, and its sweep is by projection and replies.
        """
        from trimtab.data.contrasts import SetContrast

        return SetContrast.from_texts(positive, negative, raw=raw, name=name, description=description)

    def __len__(self) -> int:
        return len(self.pairs)

    @overload
    def __getitem__(self, index: int) -> Pair: ...

    @overload
    def __getitem__(self, index: slice) -> Behavior: ...

    def __getitem__(self, index: int | slice) -> Pair | Behavior:
        if isinstance(index, slice):
            return replace(self, pairs=self.pairs[index])
        return self.pairs[index]

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.pairs)

    def _summary(self) -> Summary:
        part = "" if self.part == "all" else f", the {self.part} part"
        kind = "choice" if self.is_choice else "open"
        more = {"first prompt": self.pairs[0]._summary().facts["prompt"]} if self.pairs else {}
        if self.description:
            more = {"description": self.description, **more}
        return Summary({"name": repr(self.name), "pairs": f"{plural(len(self), f'{kind} pair')}{part}"}, more=more)

    @property
    def shape(self) -> Literal["completions"]:
        """What the contrast is between: two completions of one prompt. See `trimtab.data.contrasts` for the others."""
        return "completions"

    @property
    def is_choice(self) -> bool:
        """Whether these are choice pairs."""
        return bool(self.pairs) and self.pairs[0].is_choice

    @property
    def hash(self) -> str:
        """Hash of the content: same pairs in the same order, same hash; ids and meta do not count.

        Lines that were left out count: a file with others is another file.
        """
        digest = hashlib.sha256()
        for pair in self.pairs:
            content = {k: v for k, v in pair.to_json().items() if k not in ("id", "meta")}
            digest.update(json.dumps(content, sort_keys=True, ensure_ascii=False).encode() + b"\n")
        for line in self.left_out:
            digest.update(json.dumps({"left_out": line.content}).encode() + b"\n")
        return digest.hexdigest()[:16]

    def split(
        self, shares: tuple[float, float, float] = (0.5, 0.25, 0.25), seed: int = 0
    ) -> tuple[Behavior, Behavior, Behavior]:
        """Three disjoint parts by prompt: for extraction, for choosing the layer, for reporting.

        Stratified by answer label, so that each part holds letters (or Yes and No) in the same proportion.

        Raises:
            DataError: when a part would hold fewer than four pairs.
        """
        from trimtab.data.splits import split

        return split(self, shares, seed)
