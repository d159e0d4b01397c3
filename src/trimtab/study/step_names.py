"""The steps of a study by name: a run reports its progress under them, and a plan has the seconds of each."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab._util.callbacks import StepName
from trimtab.vectors import AGGREGATIONS


@dataclass(frozen=True)
class TimedStep:
    """What a plan expects of a step."""

    seconds: float
    """On the machine that the plan is for; nan where it is not known."""
    count: int = 0
    """What it counts in all, where it is reported in several parts; 0 where it is reported whole."""
    measure: str = ""
    """The measure that it belongs to, or `EXTRACTION`; empty for what any run does."""
    early: float = 0.0
    """Seconds that it is shorter by where replies end early."""


EXTRACTION, BOUNDS = "extraction", "bounds"
REPORT = StepName("write the report")


def loading(model: str) -> StepName:
    """Loading a model."""
    return StepName(f"load {model}")


def extracting(behavior: str, model: str, method: str = "mean") -> StepName:
    """Reading the pairs that a vector is made of, or training it on them."""
    if AGGREGATIONS.get(method).trained:
        return StepName(f"train {method} of {behavior}", "steps", model=model)
    return StepName(f"extract {behavior}", "rows", model=model)


def training_for_baselines(what: str, behavior: str, model: str) -> StepName:
    """Training what a vector is compared with: the vector of another method, or an adapter."""
    return StepName(f"train {what} beside the vector of {behavior}", "steps", model=model)


def mapping(behavior: str, model: str) -> StepName:
    """Reading the pairs once more, for the map between their sides."""
    return StepName(f"map the sides of {behavior}", "rows", model=model)


def dosing(behavior: str, model: str, cells: str = "") -> StepName:
    """Measuring how far cells move the model; `cells` says which, beside those of the sweep."""
    whole = StepName(f"doses of {behavior}", "prompts", model=model)
    return StepName(f"doses of {behavior} {cells}", "prompts", model=model, key=whole.key) if cells else whole


def bounding(behavior: str, model: str) -> StepName:
    """Reading the projections that percentiles are taken of."""
    return StepName(f"read projections for {behavior}", "texts", model=model)


def sweeping(behavior: str, model: str) -> StepName:
    """Scoring every held-out row in every cell."""
    return StepName(f"sweep {behavior}", "scores", model=model)


def answering(behavior: str, model: str) -> StepName:
    """Asking choice questions in words."""
    return StepName(f"answers about {behavior}", "answers", model=model)


def calibrating(model: str) -> StepName:
    """Reading labelled replies by likelihood, to see whether a model can."""
    return StepName("read labelled replies", "replies", model=model)


def replying(behavior: str, model: str, part: str = "") -> StepName:
    """Writing replies; `part` says which of them, as a search and the report each have theirs."""
    whole = StepName(f"replies about {behavior}", "replies", model=model)
    return StepName(f"replies about {behavior}, {part}", "replies", model=model, key=whole.key) if part else whole


def judging(behavior: str, judge: str, model: str) -> StepName:
    """Judging replies."""
    return StepName(f"judge {behavior} by {judge}", "replies", model=model)


def measuring(measure: str, behavior: str, model: str) -> StepName:
    """Computing the tables of a measure that is added to a sweep, by its label."""
    return StepName(f"{measure} of {behavior}", "tables", model=model)
