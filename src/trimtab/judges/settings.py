"""The settings of a judge: which of their fields shape its verdicts, and the judge that is made from them."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from trimtab.data import Behavior
from trimtab.inputs.strict_settings import Strict
from trimtab.judges.base import Judge


class Effect(Enum):
    """Whether a setting shapes verdicts. Every field of a judge's settings carries one of these."""

    VERDICTS = "another value is another judge"
    NONE = "names, prices, time limits: the verdicts stay the same"


VERDICTS, NO_EFFECT = Effect.VERDICTS, Effect.NONE


class JudgeSettings(Strict, ABC):
    """Settings of one kind of judge, as a study file has them.

    A subclass has a field that is called like its entry in `JUDGES`, since that key says which judge is wanted, and
    marks each of its fields as shaping verdicts or not:

        class LongerSettings(JudgeSettings):
            longer: Annotated[int, VERDICTS] = 20
    """

    kind: ClassVar[str]
    """What sort of judge it is, in words: `language model`."""
    version: ClassVar[int] = 1
    """Raised when the code changes what the same settings make of the same replies."""
    paid: ClassVar[bool] = False
    """Whether judging costs money, so that a run states its cost and asks first."""

    name: Annotated[str, NO_EFFECT] = Field(default="", max_length=80)
    """The name in tables."""
    behaviors: Annotated[tuple[str, ...], NO_EFFECT] = ()
    """Names of the behaviors it judges; all by default."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse fields that are not marked: a forgotten one would let a resumed run mix two judges."""
        super().__pydantic_init_subclass__(**kwargs)
        for name in cls.model_fields:
            if not isinstance(_effect(cls, name), Effect):
                raise TypeError(f"{cls.__name__}.{name}: mark it with VERDICTS or NO_EFFECT (trimtab.judges)")

    @property
    def label(self) -> str:
        """The name in tables."""
        return self.name or self.kind

    def covers(self, behavior: str) -> bool:
        """Whether it judges a behavior, by the label of that."""
        return not self.behaviors or behavior in self.behaviors

    @classmethod
    def shaping_fields(cls) -> Iterator[str]:
        """Names of the fields that shape verdicts."""
        return (name for name in cls.model_fields if _effect(cls, name) is VERDICTS)

    def fingerprint(self, behavior: Behavior) -> str:
        """Hash of everything that shapes the verdicts on replies about a behavior.

        Two judges of one fingerprint give the same verdicts; a run refuses to mix two fingerprints under one name.
        """
        content = self.model_dump(mode="json", include=set(self.shaping_fields()))
        parts = [self.kind, self.version, content, self.basis(behavior)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def former_fingerprint(self, behavior: Behavior) -> str:
        """The fingerprint by which manifests of schema 1 know this judge; empty if they cannot know it."""
        return ""

    def basis(self, behavior: Behavior) -> list[str]:
        """What shapes the verdicts besides the settings; a subclass adds to it, such as the text of its prompt."""
        return [behavior.name, behavior.description, behavior.hash]

    @abstractmethod
    def build(self, behavior: Behavior) -> Judge:
        """Make the judge of one behavior.

        Args:
            behavior: All of its pairs, to train on or to show as examples.

        Raises:
            JudgeDeclined: When it cannot judge this behavior well; the other judges do.
            SettingError: When the settings are wrong, or the judge's extra is not installed.
        """


def schema_1_fingerprint(
    settings: JudgeSettings, behavior: Behavior, *, model: str = "", base_url: str | None = None, pattern: str = ""
) -> str:
    """The fingerprint of a judge as manifests of schema 1 hold it; empty if the code has changed its verdicts since."""
    if settings.version != 1:
        return ""
    parts = [settings.kind, model, base_url or None, pattern, behavior.name, behavior.description, behavior.hash]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _effect(settings: type[JudgeSettings], name: str) -> Effect | None:
    marks = [mark for mark in settings.model_fields[name].metadata if isinstance(mark, Effect)]
    return marks[0] if len(marks) == 1 else None
