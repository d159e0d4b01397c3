"""Pieces of work that planning can count: scoring rows, reading pairs and texts, generating replies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trimtab.data import Behavior, Example, Form, Pair
from trimtab.engines import Scoring
from trimtab.evaluation import Grid, Row
from trimtab.vectors.training import TrainedAggregation, TrainingSettings


@dataclass(frozen=True)
class ScoreRows:
    """Score rows unsteered and in every cell of a grid."""

    rows: Sequence[Row]
    scoring: Scoring
    grid: Grid | None
    """None: unsteered only."""
    vectors: int = 1
    """How many vectors are swept side by side over the same cells."""


@dataclass(frozen=True)
class ReadPairs:
    """Read the states of both completions of every pair, as extraction does."""

    behavior: Behavior
    scoring: Scoring
    token_position: Literal["auto"] | None = None
    """`auto`: at the usual place of such pairs; None: where the study reads pairs."""


@dataclass(frozen=True)
class ReadExamples:
    """Read the states of both sides of a contrast between prompts or lists, as extraction does."""

    examples: Sequence[Example]


@dataclass(frozen=True)
class TrainVectors:
    """Train a vector at each of some layers on both completions of every pair, all layers at once."""

    behavior: Behavior
    scoring: Scoring
    method: TrainedAggregation
    settings: TrainingSettings
    layers: tuple[int, ...]


@dataclass(frozen=True)
class ReadTexts:
    """Read the same texts unsteered and in every cell of a grid."""

    texts: Sequence[str]
    grid: Grid
    chat: bool = False
    """Whether each text is a prompt, put into the chat template."""
    reply_tokens: int = 0
    """Tokens of a reply that are read behind each text."""
    passes: int = 1


@dataclass(frozen=True)
class WriteReplies:
    """Generate replies to prompts, unsteered and in the cells of a grid."""

    prompts: Sequence[Pair]
    form: Form
    grid: Grid
    max_new_tokens: int
    replies: int | None = None
    """How many at most; one for each prompt and cell by default."""
    judged: int = 0
    """How many of them judges look at."""
    read_behind: int = 0
    """Prompts behind which the unsteered model reads each reply once more, for its likelihood: its own and others."""
    read_beside: Sequence[str] = ()
    """Texts that are read once, to compare with."""
    note: str = ""
    """How cells and prompts are chosen, for people."""


def states_read(work: Work) -> int:
    """Of how many texts the states at every layer are read, at most; 0 where they are not."""
    if isinstance(work, ReadPairs):
        return 2 * len(work.behavior.pairs) * (2 if work.behavior.is_choice else 1)
    return len(work.examples) if isinstance(work, ReadExamples) else 0


Work = ScoreRows | ReadPairs | ReadExamples | TrainVectors | ReadTexts | WriteReplies
