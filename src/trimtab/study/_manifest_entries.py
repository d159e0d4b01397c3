"""Manifest entries of models, behaviors and vectors, made from the objects that a study works with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from trimtab.data import Behavior
from trimtab.engines import Model, Scoring
from trimtab.evaluation import form_of
from trimtab.monitors import PromptCondition
from trimtab.store.manifest import BehaviorEntry, ConditionEntry, Facts, LetterEntry, ModelEntry, VectorEntry
from trimtab.study._unscored import examples_of, prompts_of, size_of
from trimtab.study.settings.model_setting import ModelSetting
from trimtab.study.settings.study_file import Study
from trimtab.vectors import SteeringVector


def model_entry(model: Model, setting: ModelSetting) -> ModelEntry:
    """Make the entry of a loaded model."""
    backbone = model.backbone
    return ModelEntry(
        name=model.name,
        id=backbone.source,
        dtype=str(backbone.dtype).removeprefix("torch."),
        device=backbone.place,
        engine=model.engine.name,
        fingerprint=model.fingerprint,
        template_hash=model.template_hash,
        facts=Facts(**asdict(model.facts)),
        groups=setting.groups,
    )


def behavior_entry(
    behavior: Behavior, parts: tuple[Behavior, Behavior, Behavior], scoring: Scoring, study: Study
) -> BehaviorEntry:
    """Make the entry of a behavior that was split into parts for the vector, for choosing and for reporting."""
    train, select, test = map(size_of, parts)
    shape = examples_of(behavior).shape
    return BehaviorEntry(
        name=behavior.name,
        description=behavior.description,
        pairs_hash=behavior.hash,
        left_out=len(behavior.left_out),
        is_choice=behavior.is_choice,
        shape=shape,
        n_train=train,
        n_select=select,
        n_test=test,
        scoring=scoring if shape == "completions" else "",
        balance=study.balance if shape == "completions" else "",
    )


def vector_entry(model: Model, behavior: Behavior, vector: SteeringVector) -> VectorEntry:
    """Make the entry of the vectors of a model and behavior."""
    made = vector.provenance
    letter = made.letter
    return VectorEntry(
        model=model.name,
        behavior=behavior.name,
        taken_from=made.behavior,
        method=made.method,
        token_position=made.token_position,
        form=made.form,
        pairs=made.pairs,
        letter=LetterEntry(cosine=tuple(letter.cosine), share=tuple(letter.share)) if letter else None,
        norm=tuple(norm or None for norm in vector.norm.tolist()),
        residual_norm=tuple(vector.require_residual_norm().tolist()),
        sink_ratio=tuple(made.first_token_ratio),
        made_elsewhere="" if made.origin is None else made.origin.made_by,
        layer_map="" if made.origin is None else made.origin.layer_map,
    )


def condition_entry(
    model: Model, behavior: Behavior, held_out: Sequence[Behavior], scoring: Scoring, condition: PromptCondition
) -> ConditionEntry:
    """Count the held-out prompts at which the condition of a study holds; takes an unsteered pass over them."""
    prompts = [model.prompt_tokens(pair, form_of(scoring)) for part in held_out for pair in prompts_of(part)]
    opened = sum(condition.opened(model, prompts))
    return ConditionEntry(
        model=model.name, behavior=behavior.name, words=str(condition), prompts=len(prompts), opened=opened
    )
