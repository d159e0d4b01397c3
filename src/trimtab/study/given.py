"""What a run is given as objects: models that are loaded already, and parts of behaviors that are in no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from trimtab.data import AnyContrast, Behavior
from trimtab.data.hash_order import prompt_key
from trimtab.engines import Model
from trimtab.errors import SettingError

Parts = tuple[Behavior, Behavior, Behavior]
"""For the vector, for choosing the setting, for reporting."""


@dataclass(frozen=True, eq=False)
class Given:
    """Models and parts of behaviors, each by its label in the study."""

    models: Mapping[str, Model] = field(default_factory=dict)
    """Used in place of loading the model of that label, and left loaded."""
    parts: Mapping[str, Parts] = field(default_factory=dict)
    """Used in place of reading and splitting the behavior of that label; a part may be empty."""
    contrasts: Mapping[str, AnyContrast] = field(default_factory=dict)
    """What the vectors of behaviors are made of that are not made of a part of the pairs, by label."""

    def __post_init__(self) -> None:
        """Refuse parts that share prompts: what chose or made a vector would report on it."""
        for label, parts in self.parts.items():
            owner: dict[str, str] = {}
            for part, name in zip(parts, ("train", "select", "test"), strict=True):
                for pair in part:
                    before = owner.setdefault(prompt_key(pair), name)
                    if before != name:
                        raise SettingError(
                            f"{label}: {pair.reference} of {name} has a prompt that is in {before} too; prompts that "
                            "report must neither make the vector nor choose the setting: take the parts of one `split`"
                        )

    @property
    def holds_anything(self) -> bool:
        """Whether there is any."""
        return bool(self.models or self.parts)

    def whole(self, label: str) -> Behavior | None:
        """All pairs of a behavior; None where its parts are not given."""
        if label not in self.parts:
            return None
        parts = self.parts[label]
        first = next((part for part in parts if len(part)), parts[0])
        return replace(first, name=label, pairs=tuple(pair for part in parts for pair in part), part="all")

    @property
    def parts_hashes(self) -> list[str]:
        """Hashes of all parts: with other parts of the same pairs it is another run."""
        return [part.hash for parts in self.parts.values() for part in parts]
