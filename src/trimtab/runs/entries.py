"""What a manifest says of models, behaviors and vectors."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from trimtab.data import Behavior
from trimtab.engines import Model, Scoring
from trimtab.runs.model_setting import ModelSetting
from trimtab.runs.settings import Study
from trimtab.vectors import SteeringVector


def model_entry(model: Model, setting: ModelSetting) -> dict[str, Any]:
    """One of the manifest's `models`."""
    backbone = model.backbone
    return {
        "name": model.name,
        "id": backbone.source,
        "dtype": str(backbone.dtype).removeprefix("torch."),
        "device": str(backbone.device),
        "engine": model.engine.name,
        "fingerprint": model.fingerprint,
        "template_hash": model.template_hash,
        "facts": asdict(model.facts),
        "groups": setting.groups,
    }


def behavior_entry(
    behavior: Behavior, parts: tuple[Behavior, Behavior, Behavior], scoring: Scoring, study: Study
) -> dict[str, Any]:
    """One of the manifest's `behaviors`."""
    train, select, test = parts
    return {
        "name": behavior.name,
        "description": behavior.description,
        "pairs_hash": behavior.hash,
        "is_choice": behavior.is_choice,
        "n_train": len(train),
        "n_select": len(select),
        "n_test": len(test),
        "scoring": scoring,
        "balance": study.balance,
    }


def vector_entry(model: Model, behavior: Behavior, vector: SteeringVector) -> dict[str, Any]:
    """One of the manifest's `vectors`."""
    made = vector.provenance
    return {
        "model": model.name,
        "behavior": behavior.name,
        "taken_from": made.behavior,
        "method": made.method,
        "token_position": made.token_position,
        "form": made.form,
        "pairs": made.pairs,
        "letter": asdict(made.letter) if made.letter else None,
        "norm": vector.norm.tolist(),
        "residual_norm": vector.residual_norm.tolist(),
        "sink_ratio": list(made.first_token_ratio),
    }
