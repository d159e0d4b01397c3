"""What the checks of one behavior would take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trimtab.data import NEUTRAL_PROMPTS, NEUTRAL_TEXTS, Behavior, easy_questions, sample, show
from trimtab.engines import Scoring
from trimtab.engines.queries import capture_query
from trimtab.engines.schedule import own_tokens, schedule, unmarked
from trimtab.evaluation import Grid, form_of, parse_layers, shown_rows
from trimtab.evaluation.methods import RANDOMS, SINGLES, STRENGTHS
from trimtab.models import encode
from trimtab.runs.checks import Diagnosis, Robustness, SideEffects
from trimtab.runs.model_setting import ModelSetting
from trimtab.runs.planned_sweeps import PlannedSweep, encoded, plan_sweep
from trimtab.runs.robustness_check import asked_variants
from trimtab.runs.settings import BehaviorSetting, Study
from trimtab.runs.side_effects_check import Watched, watched
from trimtab.runs.targets import Target
from trimtab.vectors import METHODS, default_position


@dataclass(frozen=True)
class PlannedCheck:
    """One check, counted."""

    what: str
    scored: int
    """Scores: rows times cells, the unsteered one among them."""
    tokens: int

    def line(self) -> str:
        """For people."""
        return f"    {self.what}: {self.scored:,} scores, {self.tokens:,} tokens"


@dataclass(frozen=True)
class Planned:
    """A behavior of a study whose checks are planned."""

    study: Study
    model: ModelSetting
    setting: BehaviorSetting
    behavior: Behavior
    parts: tuple[Behavior, Behavior, Behavior]
    scoring: Scoring
    grid: Grid
    target: Target

    @property
    def best(self) -> Grid:
        """One layer's cells. Which layer will be best is not known: the one in the middle stands in."""
        strongest = max(abs(strength) for _, strength in self.grid.steered)
        strengths = tuple(s for s in self.grid.strengths if abs(s) == strongest)
        return replace(self.grid, layers=(self.grid.layers[len(self.grid.layers) // 2],), strengths=strengths)


def plan_checks(planned: Planned, others: Sequence[Watched]) -> list[PlannedCheck]:
    """Count what the checks of one behavior would take.

    Args:
        planned: the behavior.
        others: the test parts of all behaviors of the study.
    """
    study, labels = planned.study, (planned.model.label, planned.setting.label)
    found = []
    if study.diagnosis and study.diagnosis.names(*labels):
        found.append(_diagnosis(study.diagnosis, planned))
    if study.side_effects and study.side_effects.names(*labels):
        found.append(_side_effects(study.side_effects, planned, others))
    if study.robustness and study.robustness.names(*labels):
        found.append(_robustness(study.robustness, planned))
    return found


def plan_reading(planned: Planned, behavior: Behavior) -> tuple[int, int, int, int]:
    """Rows, passes or requests, tokens, and tokens of a loop over single texts, of taking differences of some pairs."""
    study, scoring = planned.study, planned.scoring
    pairs = encoded(planned.target, show(behavior, form_of(scoring), study.balance, study.seed), scoring)
    position = study.token_position if study.token_position != "auto" else default_position(form_of(scoring))
    queries = [capture_query(pair, position) for pair in pairs]
    naive = sum(q.tokens for q in queries)
    if planned.target.by_requests:
        return len(pairs), 2 * len(pairs), naive, naive
    first = schedule(queries, 0, unmarked, planned.target.budget, share=True)
    head = len(first.head)
    tokens = head + sum(own_tokens(q, head) for q in queries)
    return len(pairs), len(first.batches), tokens, naive


def _diagnosis(settings: Diagnosis, planned: Planned) -> PlannedCheck:
    _, _, tokens, _ = plan_reading(planned, planned.behavior)
    sweeps = []
    singles = tuple(layers for layers in planned.grid.layers if len(layers) == 1)
    if settings.methods and singles:
        vectors = len([m for m in METHODS if m not in ("single", "random")]) + SINGLES + RANDOMS
        rows = [*planned.parts[1], *planned.parts[2]]
        both = replace(planned.behavior, pairs=tuple(rows))
        grid = Grid(singles, STRENGTHS, "relative", planned.grid.positions)
        sweeps.append(_sweep(planned, both, planned.scoring, grid, vectors))
    return _check("diagnosis", sweeps, tokens)


def _side_effects(settings: SideEffects, planned: Planned, others: Sequence[Watched]) -> PlannedCheck:
    grid, target = planned.grid, planned.target
    if settings.layers is not None:
        grid = replace(grid, layers=parse_layers(settings.layers, target.facts.layers))
    own = (planned.parts[2], planned.scoring)
    every = watched(settings, own, others, planned.behavior, planned.study)
    sweeps = [_sweep(planned, b, scoring, grid) for b, scoring in every]
    sweeps.append(_sweep(planned, easy_questions(), "text", grid))
    tokens = _neutral(planned, grid, settings.max_new_tokens)
    if settings.random:
        _, _, read, _ = plan_reading(planned, planned.parts[0])
        tokens += read
        test = sample(planned.parts[2], settings.prompts, planned.study.seed)
        sweeps.append(_sweep(planned, test, planned.scoring, planned.best, 1 + 2 * settings.random))
    return _check("side effects", sweeps, tokens)


def _robustness(settings: Robustness, planned: Planned) -> PlannedCheck:
    every = asked_variants(settings, planned.parts, planned.scoring, planned.study)
    return _check("robustness", [_sweep(planned, v.behavior, v.scoring, planned.best) for v in every], 0)


def _sweep(planned: Planned, behavior: Behavior, scoring: Scoring, grid: Grid, vectors: int = 1) -> PlannedSweep:
    study = planned.study
    rows = shown_rows([("test", behavior)], scoring, study.balance, study.seed)
    return plan_sweep([row.shown for row in rows], scoring, grid, planned.target, vectors)


def _neutral(planned: Planned, grid: Grid, max_new_tokens: int) -> int:
    """Plain text in every cell, and replies at the best one, each read once more; all at most."""
    tokenizer = planned.target.reached.tokenizer
    climbed = planned.target.passes_of(layers for layers, _ in grid.steered)
    # Pushes of the prompt only move no plain text, so none is read.
    texts = NEUTRAL_TEXTS if grid.positions != "prompt" else ()
    read = sum(len(encode(tokenizer, text)) for text in texts) * (1 + climbed)
    replies = (1 + len(planned.best.steered)) * len(NEUTRAL_PROMPTS)
    return int(read) + 2 * replies * max_new_tokens


def _check(what: str, sweeps: Sequence[PlannedSweep], tokens: int) -> PlannedCheck:
    return PlannedCheck(what, sum(s.rows * (1 + s.cells) for s in sweeps), tokens + sum(s.tokens for s in sweeps))
