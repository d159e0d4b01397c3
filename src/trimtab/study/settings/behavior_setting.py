"""The behaviors of a study, their size where pairs cannot be reached, and how they are split."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from trimtab.engines import Scoring
from trimtab.store.yaml_file import Strict
from trimtab.study.settings.identity import ADDS, NO_NUMBERS, SHAPES, Marked, Shapes

MAX_CHARACTERS = 50_000_000
"""Of all pairs that a plan makes up where they cannot be reached."""


class PairsSize(Strict):
    """How many pairs there are and how long, for planning where they cannot be reached."""

    pairs: int = Field(ge=16, le=100_000)
    characters: int = Field(ge=40, le=100_000)
    """Mean length of a question, its options included."""

    @model_validator(mode="after")
    def _countable(self) -> PairsSize:
        if self.pairs * self.characters > MAX_CHARACTERS:
            raise ValueError(f"pairs × characters is more than {MAX_CHARACTERS:,}, which no plan can count through")
        return self


class BehaviorSetting(Marked):
    """One behavior of a study."""

    source: Annotated[str, SHAPES]
    """A built-in name, a file, two files, a folder or a hub reference; see `trimtab.contrast`. What has no pairs of
    completions is measured without scores."""
    name: Annotated[str, SHAPES] = ""
    """The name in tables and charts; the data's own name by default."""
    contrast: Annotated[str, Shapes(unless="")] = ""
    """What the vector is made of, where that is not a part of the pairs: other pairs, prompts, or two lists, as
    `trimtab.data.contrast` reads them. All pairs of `source` are held out then."""
    contrast_limit: Annotated[int | None, Shapes(unless=None)] = Field(default=None, ge=4)
    """Use this many pairs of `contrast`, a sample; of two lists this many examples of each."""
    contrast_map: Annotated[dict[str, str], Shapes(unless={})] = Field(default_factory=dict)
    """The contrast's own names of columns by key, such as `{positive: good}`."""
    scoring: Annotated[Scoring | Literal["auto"], SHAPES] = "auto"
    limit: Annotated[int | None, SHAPES] = Field(default=None, ge=16)
    """Use this many pairs, a stratified sample; of two lists this many examples of each."""
    skip_bad: Annotated[bool, NO_NUMBERS] = False
    """Leave out lines of the file that are no pairs; the hash of the pairs tells which are left."""
    map: Annotated[dict[str, str], Shapes(unless={})] = Field(default_factory=dict)
    """The names of columns in the file of `source` by key, such as `{prompt: question}`."""
    description: Annotated[str, ADDS] = Field(default="", max_length=10_000)
    """What the behavior is, in a sentence such as `Answers in good spirits instead of gloomily.`; the data's own by
    default. System prompts are made from it."""
    size: Annotated[PairsSize | None, NO_NUMBERS] = None
    """For planning where the pairs cannot be reached."""

    @model_validator(mode="after")
    def _limits_what_is_there(self) -> BehaviorSetting:
        if self.contrast_limit is not None and not self.contrast:
            raise ValueError("contrast_limit: there is no `contrast` that it could limit; `limit` is of the source")
        if self.contrast_map and not self.contrast:
            raise ValueError("contrast_map: there is no `contrast` whose columns it could name; `map` is of the source")
        return self

    @property
    def label(self) -> str:
        """The name by which the rest of the study file refers to it."""
        return self.name or self.source


class Split(Marked):
    """Shares of the pairs: for the vector, for choosing the layer, for reporting."""

    train: Annotated[float, SHAPES] = Field(default=0.5, gt=0, lt=1)
    select: Annotated[float, SHAPES] = Field(default=0.25, gt=0, lt=1)
    test: Annotated[float, SHAPES] = Field(default=0.25, gt=0, lt=1)

    @model_validator(mode="after")
    def _whole(self) -> Split:
        if abs(self.train + self.select + self.test - 1) > 1e-6:
            raise ValueError("train, select and test must add up to 1")
        return self
