"""What every format is: how its rows are recognized, parsed and, where it has a writer, written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, cast

from trimtab.data.containers.row_problems import json_kind
from trimtab.data.contrasts import Example, PromptPair
from trimtab.data.pairs import Message, Pair
from trimtab.errors import SettingError
from trimtab.inputs.characters import character_not_for_names

FormatShape = Literal["completions", "prompts", "sets", "questions"]
"""What the rows of a format are: pairs of completions, pairs of prompts, examples of two lists, or one list."""


@dataclass(frozen=True)
class SideExample:
    """An example of one of two lists."""

    side: Literal["positive", "negative"]
    example: Example

    @property
    def id(self) -> str:
        """Of the example."""
        return self.example.id


@dataclass(frozen=True)
class OpenQuestion:
    """A prompt without a completion, or a text: one item of one list, which alone contrasts nothing."""

    id: str
    prompt: str | tuple[Message, ...]
    meta: Mapping[str, Any] = field(default_factory=dict, hash=False)
    origin: str = field(default="", compare=False)


Item = Pair | PromptPair | SideExample | OpenQuestion
"""What a row stands for."""


def with_origin(item: Item, origin: str) -> Item:
    """An item that knows where it was read."""
    if isinstance(item, PromptPair):
        sides = {side: replace(getattr(item, side), origin=origin) for side in ("positive", "negative")}
        return replace(item, **sides)
    if isinstance(item, SideExample):
        return replace(item, example=replace(item.example, origin=origin))
    return replace(item, origin=origin)


class PairFormat(ABC):
    """A format of rows: objects on the lines of a file, items of a list, rows of a table."""

    name: ClassVar[str]
    title: ClassVar[str]
    """What messages call it."""
    keys: ClassVar[tuple[str, ...]]
    """The keys that every row has, and by which it is recognized."""
    optional: ClassVar[tuple[str, ...]] = ()
    """Other keys that mean something; what else a row has goes to the items' meta, or is refused if `strict`."""
    shape: ClassVar[FormatShape] = "completions"
    """What its rows are: pairs of completions, of prompts, examples of two lists, or one list of questions."""
    strict: ClassVar[bool] = False
    """Whether unknown keys are refused, as they may be misspelled ones. Columns of a table never are."""
    skips_defects: ClassVar[bool] = False
    """Whether rows with all keys that are no items are left out with a warning: nobody can repair a published file."""
    writes: ClassVar[bool] = False
    """Whether items can be written in it."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has any of the keys."""
        return any(key in row for key in self.keys)

    def is_complete(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has all of the keys."""
        return all(key in row for key in self.keys)

    @abstractmethod
    def parse(self, row: dict[str, Any], default_id: str) -> Item | tuple[Item, ...] | list[str]:
        """The item of a row, or a tuple of several, or a list of everything that is wrong with the row.

        Args:
            row: The object on a line.
            default_id: Id of the item where the row has none.
        """

    def select(self, rows: Sequence[Mapping[str, Any]], part: str) -> list[int] | str:
        """Which of a file's rows make one contrast, or why that cannot be known.

        Args:
            rows: all of them.
            part: what was asked for behind the `#` of the source; "" for all.
        """
        return f"files of {self.title} have no parts; leave out the #{part}" if part else list(range(len(rows)))

    def notes(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """What was done with rows that have more in them than an item holds, in sentences."""
        return []

    def dump(self, item: Any) -> dict[str, Any]:
        """The row of an item.

        Raises:
            SettingError: When items cannot be written in this format.
        """
        raise SettingError(f"pairs cannot be written as {self.title}")

    def known_keys(self) -> tuple[str, ...]:
        """All keys that mean something."""
        return (*self.keys, *self.optional)

    def meta_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What a row has beside the keys that mean something, and its own meta."""
        own = row.get("meta")
        rest = {key: value for key, value in row.items() if key not in self.known_keys() and value is not None}
        rest.pop("meta", None)
        rest.pop("id", None)
        return rest | (cast("dict[str, Any]", own) if isinstance(own, dict) else {})


def id_of(row: Mapping[str, Any], default_id: str) -> str | list[str]:
    """The id of a row: a text or a number, else the default."""
    name = row.get("id", default_id)
    if name is None:
        return default_id
    if isinstance(name, bool) or not isinstance(name, (str, int)):
        return [f'"id" must be text, not {json_kind(name)}']
    if "id" in row and not str(name).strip():
        return ['"id" is empty; name the pair or drop the key']
    if found := character_not_for_names(str(name)):
        return [f'"id" holds {found}; name the pair without it']
    return str(name)
