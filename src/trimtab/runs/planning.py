"""What a study would do, worked out from configurations and tokenizers alone: no weights are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trimtab.data import Behavior
from trimtab.engines.budget import NUMBERS_PER_WIDTH
from trimtab.errors import SettingError
from trimtab.evaluation import Grid, parse_layers, resolve_scoring, shown_rows
from trimtab.runs.accelerators import ACCELERATORS
from trimtab.runs.estimates import reach_pairs
from trimtab.runs.judging import highest_cost
from trimtab.runs.model_setting import ModelSetting
from trimtab.runs.plan import ModelPlan, Plan, Step
from trimtab.runs.planned_checks import Planned, plan_checks, plan_reading
from trimtab.runs.planned_sweeps import plan_sweep
from trimtab.runs.planned_writing import PlannedWriting, plan_answers, plan_dose, plan_replies
from trimtab.runs.settings import BehaviorSetting, Study, require_names_of_their_own
from trimtab.runs.side_effects_check import Watched
from trimtab.runs.targets import Target, target_for


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
    for model in study.models:
        model.require_engine(here=False)  # a plan may be for another machine
    pairs = [reach_pairs(setting, study.seed, study.folder) for setting in study.behaviors]
    require_names_of_their_own(
        [setting.name or behavior.name for setting, (behavior, _) in zip(study.behaviors, pairs, strict=True)]
    )
    shares = (study.split.train, study.split.select, study.split.test)
    others = [
        (behavior.split(shares, study.seed)[2], resolve_scoring(behavior, setting.scoring))
        for setting, (behavior, _) in zip(study.behaviors, pairs, strict=True)
    ]
    models = []
    for model in study.models:
        target = target_for(model, gpu, study.folder)
        steps = [
            _step(study, model, setting, behavior, note, target, others)
            for setting, (behavior, note) in zip(study.behaviors, pairs, strict=True)
        ]
        models.append(_model_plan(model, target, steps))
    return Plan(study.name, tuple(models), gpu)


def _step(
    study: Study,
    model: ModelSetting,
    setting: BehaviorSetting,
    behavior: Behavior,
    note: str,
    target: Target,
    others: Sequence[Watched],
) -> Step:
    scoring = resolve_scoring(behavior, setting.scoring)
    split, facts = study.split, target.facts
    parts = behavior.split((split.train, split.select, split.test), study.seed)
    rows = shown_rows([("select", parts[1]), ("test", parts[2])], scoring, study.balance, study.seed)
    if study.vector_layer is not None:
        parse_layers([study.vector_layer], facts.layers)
    grid = Grid(
        parse_layers(study.layers, facts.layers),
        study.strengths,
        study.scale,
        study.positions,
        study.first_token,
        study.share_strength,
        study.vector_layer,
    )
    planned = Planned(study, model, setting, behavior, parts, scoring, grid, target)
    read_rows, read_passes, read, read_naive = plan_reading(planned, parts[0])
    sweep = plan_sweep([row.shown for row in rows] if study.sweep else [], scoring, grid, target)
    tokens = sweep.tokens + read
    written, judging, own = _written(study, model, setting, behavior, parts[1:], grid, target)
    # Each grid once, calibrated where its strengths are doses.
    tokens += sum(plan_dose(g, target) for g in dict.fromkeys((grid, own)) if study.dose or g.scale == "kl")
    return Step(
        behavior=setting.name or behavior.name,
        scoring=scoring,
        note=note,
        pairs=read_rows,
        prompts=sweep.rows,
        cells=sweep.cells,
        passes=read_passes + sweep.passes,
        tokens=tokens,
        naive_tokens=read_naive + sweep.naive_tokens,
        kept_tokens=sweep.kept_tokens,
        samples=sweep.rows * (1 + sweep.cells),
        written=tuple(written),
        judging=tuple(judging),
        checks=tuple(plan_checks(planned, others)),
        by_requests=target.by_requests,
    )


def _written(
    study: Study,
    model: ModelSetting,
    setting: BehaviorSetting,
    behavior: Behavior,
    parts: tuple[Behavior, Behavior],
    grid: Grid,
    target: Target,
) -> tuple[list[PlannedWriting], list[str], Grid]:
    """What a model writes about a behavior, what judging it would cost, and the cells that reply."""
    written: list[PlannedWriting] = []
    judging: list[str] = []
    own = grid
    answers, replies = study.answers, study.replies
    if answers is not None and answers.wants(model.label, setting.label, behavior.is_choice):
        written.append(plan_answers(study, answers, parts[1], grid, target))
    if replies is not None and replies.wants(model.label, setting.label, behavior.is_choice):
        own = replace(
            grid,
            layers=parse_layers(replies.layers or study.layers, target.facts.layers),
            strengths=replies.strengths or study.strengths,
            scale=replies.scale or study.scale,
        )
        planned = plan_replies(replies, parts, own, target)
        written.append(planned)
        judging = highest_cost(replies, setting.label, behavior, planned.judged)
    return written, judging, own


def _model_plan(model: ModelSetting, target: Target, steps: Sequence[Step]) -> ModelPlan:
    facts, size = target.facts, target.dtype.itemsize
    activations = min(target.budget.tokens, target.budget.ceiling) * NUMBERS_PER_WIDTH * facts.width
    kept = 2 * facts.layers * facts.kv_heads * facts.head_size * max(step.held_tokens for step in steps)
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
        bytes_per_second=target.bytes_per_second,
        steps=tuple(steps),
        by_requests=target.by_requests,
    )
