"""What a study would do, worked out from configurations and tokenizers alone: no weights are loaded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from trimtab.data import Behavior, Shown, show
from trimtab.engines import Scoring
from trimtab.engines.budget import NUMBERS_PER_WIDTH, Budget, budget_for
from trimtab.engines.queries import capture_query, score_query
from trimtab.engines.schedule import marks_for, moved_tokens, own_tokens, schedule, unmarked
from trimtab.errors import SettingError
from trimtab.evaluation import Grid, form_of, parse_layers, resolve_scoring, shown_rows
from trimtab.models import EncodedPair, Facts, choose_device, choose_dtype, encode_pair
from trimtab.runs.accelerators import ACCELERATORS, Accelerator
from trimtab.runs.estimates import Reached, reach_model, reach_pairs
from trimtab.runs.plan import ModelPlan, Plan, Step
from trimtab.runs.settings import BehaviorSetting, ModelSetting, Study
from trimtab.vectors import default_position

_EFFICIENCY = 0.6
"""Share of a plain matrix product's speed that a forward pass reaches; see bench/README.md."""


def plan_study(study: Study, accelerator: str | None = None) -> Plan:
    """Count what a study would do, here or on an accelerator of `ACCELERATORS`.

    Where a model's configuration or a behavior's pairs cannot be reached, what the study file tells of them is
    counted with instead, and the plan says so.

    Raises:
        DataError, SettingError, ModelError: what running it would raise before the first forward pass.
    """
    if accelerator is not None and accelerator not in ACCELERATORS:
        raise SettingError(f"accelerator {accelerator!r} is unknown; they are {', '.join(ACCELERATORS)}")
    gpu = ACCELERATORS[accelerator] if accelerator else None
    pairs = [reach_pairs(setting, study.seed) for setting in study.behaviors]
    models = []
    for model in study.models:
        target = _target(model, gpu)
        steps = [
            _step(study, setting, behavior, note, target)
            for setting, (behavior, note) in zip(study.behaviors, pairs, strict=True)
        ]
        models.append(_model_plan(model, target, steps))
    return Plan(study.name, tuple(models), gpu)


@dataclass(frozen=True)
class _Target:
    """A model on what it would run on."""

    reached: Reached
    dtype: torch.dtype
    budget: Budget
    flops: float
    """Operations a second to count on."""

    @property
    def facts(self) -> Facts:
        """Of the model."""
        return self.reached.facts


def _target(model: ModelSetting, gpu: Accelerator | None) -> _Target:
    reached = reach_model(model)
    if gpu is None:
        device = choose_device(model.device)
        dtype = choose_dtype(model.dtype, device)
        return _Target(reached, dtype, budget_for(reached.facts, device, dtype), _flops(dtype, device) * _EFFICIENCY)
    if model.dtype == "float32":
        raise SettingError(f"{model.label}: accelerators are known by their speed in 16 bits; leave dtype out")
    dtype = torch.bfloat16 if model.dtype == "auto" else choose_dtype(model.dtype)
    # As on a GPU that is here: half of its memory for activations, what they come to is counted with the weights.
    budget = budget_for(reached.facts, torch.device("cuda"), dtype, gpu.memory_bytes // 2)
    return _Target(reached, dtype, budget, gpu.flops)


def _step(study: Study, setting: BehaviorSetting, behavior: Behavior, note: str, target: _Target) -> Step:
    scoring = resolve_scoring(behavior, setting.scoring)
    split, facts, budget = study.split, target.facts, target.budget
    train, select, test = behavior.split((split.train, split.select, split.test), study.seed)
    pairs = _encoded(target, show(train, form_of(scoring), study.balance, study.seed), scoring)
    rows = shown_rows([("select", select), ("test", test)], scoring, study.balance, study.seed)
    prompts = _encoded(target, [row.shown for row in rows], scoring)
    grid = Grid(
        parse_layers(study.layers, facts.layers), study.strengths, study.scale, study.positions, study.first_token
    )
    position = study.token_position if study.token_position != "auto" else default_position(form_of(scoring))
    reading = [capture_query(pair, position) for pair in pairs]
    scored = [score_query(pair, scoring) for pair in prompts]
    marks = marks_for(study.positions, study.first_token)
    first = schedule(reading, 0, unmarked, budget, share=True)
    then = schedule(scored, len(grid.steered), marks, budget, share=True)
    # A cell that joins behind layer ℓ goes through the layers above ℓ only.
    climbed = sum(facts.layers - 1 - layers[0] for layers, _ in grid.steered) / facts.layers
    head = len(then.head)
    swept = head * (1 + climbed)
    swept += sum(own_tokens(q, head) + moved_tokens(q, head, marks) * climbed for q in scored)
    read = len(first.head) + sum(own_tokens(q, len(first.head)) for q in reading)
    cells, tokens = len(grid.steered), int(swept) + read
    return Step(
        behavior=setting.name or behavior.name,
        scoring=scoring,
        note=note,
        pairs=len(pairs),
        prompts=len(prompts),
        cells=cells,
        passes=len(first.batches) + len(then.batches) * len(then.groups),
        tokens=tokens,
        naive_tokens=sum(q.tokens for q in reading) + sum(q.tokens for q in scored) * (1 + cells),
        kept_tokens=int(head * (1 + climbed)),
        samples=len(prompts) * (1 + cells),
    )


def _model_plan(model: ModelSetting, target: _Target, steps: Sequence[Step]) -> ModelPlan:
    facts, size = target.facts, target.dtype.itemsize
    activations = min(target.budget.tokens, target.budget.ceiling) * NUMBERS_PER_WIDTH * facts.width
    kept = 2 * facts.layers * facts.kv_heads * facts.head_size * max(step.kept_tokens for step in steps)
    return ModelPlan(
        model=model.label,
        note=target.reached.note,
        reason=target.reached.reason,
        layers=facts.layers,
        parameters=facts.parameters,
        active_parameters=facts.active_parameters,
        weight_bytes=facts.parameters * size,
        activation_bytes=activations * size,
        cache_bytes=kept * size,
        flops_per_second=target.flops,
        steps=tuple(steps),
    )


def _encoded(target: _Target, shown: Sequence[Shown], scoring: Scoring) -> list[EncodedPair]:
    return [encode_pair(target.reached.tokenizer, s.pair, form_of(scoring)) for s in shown]


def _flops(dtype: torch.dtype, device: torch.device) -> float:
    """Floating-point operations a second of a matrix product here, measured in a fraction of a second."""
    size = 1024
    a = torch.randn(size, size, device=device).to(dtype)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        product = a @ a
        float(product[0, 0])  # waits for an accelerator
        best = min(best, time.perf_counter() - start)
    return 2.0 * size**3 / best
