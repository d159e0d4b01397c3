"""Facts about models that users write by hand, where no configuration is at hand: for planning and comparing."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from trimtab.errors import SettingError
from trimtab.store.yaml_file import Strict, read_yaml, validate

_COUNT = re.compile(r"(\d[\d_]*(?:\.\d+)?(?:[eE]\+?\d+)?)\s*([KMBT]?)", re.ASCII)
_FACTORS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


def _counted(value: Any) -> Any:
    """Return 8.2B as 8,200,000,000; 4.0e9 too, which YAML reads as text."""
    found = _COUNT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found and math.isfinite(number := float(found[1].strip("_") or "nan") * _FACTORS[found[2]]):
        return round(number)
    return int(value) if isinstance(value, float) and value.is_integer() else value


Layers = Annotated[int, BeforeValidator(_counted), Field(gt=0, le=10_000)]
Width = Annotated[int, BeforeValidator(_counted), Field(gt=0, le=10**6)]
Count = Annotated[int, BeforeValidator(_counted), Field(gt=0, le=10**15)]
"""A whole number, which may be written 8.2B."""

Groups = dict[str, Annotated[str, Field(min_length=1)]]
"""Level of each grouping, such as {training: distilled}."""


class ModelFacts(Strict):
    """The architecture of a model, as far as it is known."""

    layers: Layers | None = None
    width: Width | None = None
    """Of the residual stream (d_model)."""
    heads: Width | None = None
    kv_heads: Width | None = None
    head_size: Width | None = None
    parameters: Count | None = None
    active_parameters: Count | None = None
    """Parameters that one token uses; all of them by default."""
    context: Count | None = None
    tied_embeddings: bool | None = None
    moe: bool | None = None

    def known(self) -> dict[str, Any]:
        """Return the facts that are given and those that follow from them, under the names that a manifest uses."""
        facts = {name: value for name in ModelFacts.model_fields if (value := getattr(self, name)) is not None}
        if "parameters" in facts and not facts.get("moe"):
            facts.setdefault("active_parameters", facts["parameters"])
        if "heads" in facts and "kv_heads" in facts:
            facts["gqa_ratio"] = facts["heads"] / facts["kv_heads"]
        return facts


class NamedModel(ModelFacts):
    """One model of a file of models."""

    name: str = Field(min_length=1)
    """As in the table of results."""
    id: str = ""
    """On the hub; the name by default."""
    layers: Layers
    groups: Groups = Field(default={})


def read_models(path: Path) -> dict[str, NamedModel]:
    """Read the models of a YAML file, by name: a list of names with facts and groups.

    Raises:
        SettingError: With all problems of the file.
    """
    content, lines = read_yaml(path, "file of models")
    if not isinstance(content, list) or not content:
        raise SettingError(f"{path}: a file of models is a list, such as `- {{name: 4B, layers: 36}}`")
    models = validate(list[NamedModel], content, str(path), lines, {"": NamedModel})
    twice = [m.name for index, m in enumerate(models) if m.name in {other.name for other in models[:index]}]
    if twice:
        raise SettingError(f"{path}: the model {twice[0]!r} is listed twice")
    return {model.name: model for model in models}
