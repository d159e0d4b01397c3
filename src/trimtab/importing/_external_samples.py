"""Imports a table of scores by prompt as a samples table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import pandas as pd

from trimtab._util.wording import plural, verb_for
from trimtab.analysis import COLUMNS
from trimtab.engines import Scoring
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.importing._external_conditions import conditions_of
from trimtab.importing._external_scores import LETTERS, Values, plain_label, scores_of
from trimtab.importing._external_table import ExternalTable, Floats
from trimtab.steering import MAX_STRENGTH, UNSTEERED_LAYER, parse_positions, push_scales
from trimtab.store.table_schemas import MAX_LAYERS, MAX_ORDERS, MAX_VALUE

REQUIRED = ("model", "behavior", "layer", "strength", "prompt_id")
TARGETS = (
    *REQUIRED, "score", "positive", "negative", "label",
    "split", "order", "weight", "scale", "positions", "engine", "scoring", "depth", "layers", "condition", *LETTERS,
)  # fmt: skip

_ROUNDING = 1e-4
"""Repeated unsteered scores may differ by this much, as scores from different batches do."""
_SAME_PROMPT = ["engine", "model", "behavior", "split", "scoring", "prompt_id", "order", "condition"]
_SAME_ROW = [*_SAME_PROMPT, "scale", "positions", "layers", "strength"]


def samples_of(
    table: ExternalTable,
    labels: Mapping[str, str],
    n_layers: Mapping[str, int],
    values: Values | None = None,
    plain: str | None = None,
) -> pd.DataFrame:
    """Return the rows of an external table, with a warning for everything that had to be assumed.

    Args:
        table: The table. Its problems are collected there; if there are any, the result is meaningless.
        labels: The letter that a label stands for, where it is not one of the letters that have a column.
        n_layers: Number of layers of each model. Where unknown, the largest layer in the table counts as the last.
        values: What the two columns of a score hold.
        plain: The condition that is the plain one.

    Returns:
        A row for each row of the table: the columns of samples, `condition` and `plain`, and of the two
        answers `first`, `second`, `matching`, `p_first`, `p_second`, `share` and `unscored`.
    """
    table.require(*REQUIRED)
    scores = scores_of(table, labels, values)
    condition, is_plain = conditions_of(table, plain)
    strength = table.numbers("strength")
    refuse_strengths(table, strength)
    samples: pd.DataFrame = pd.DataFrame(
        {
            **{name: table.texts(name) for name in ("model", "behavior", "prompt_id")},
            "engine": table.texts("engine", "imported"),
            "split": table.words("split", ("select", "test"), "test"),
            "scoring": table.words("scoring", get_args(Scoring), "choice"),
            "scale": table.words("scale", push_scales(), "raw"),
            "positions": _positions(table),
            "strength": strength,
            "order": _whole(table, "order", 0),
            "weight": _weights(table),
            "label": table.texts("label", ""),
            "score": scores.score,
            "condition": condition,
            "plain": is_plain,
            "first": scores.first,
            "second": scores.second,
            "matching": "" if scores.matching is None else scores.matching,
            "p_first": np.nan if scores.p_first is None else scores.p_first,
            "p_second": np.nan if scores.p_second is None else scores.p_second,
            "share": np.nan if scores.share is None else scores.share,
            "unscored": scores.unscored,
        }
    )
    score = samples["score"].to_numpy(float)
    table.refuse(
        np.isfinite(score) & (np.abs(score) > MAX_VALUE),
        lambda i: f"score {score[i]:g} is larger than any model computes",
    )
    samples["label"] = samples["label"].map(plain_label)
    samples["layer"] = _layers(table, samples, n_layers)
    samples["layers"] = _layer_sets(table, samples)
    samples["depth"] = _depths(table, samples, n_layers)
    repeats = samples["layers"].where(
        strength != 0, table.texts("layer", "")
    )  # unsteered rows may stand at every layer
    if not table.incomplete:
        again = samples.assign(layers=repeats).duplicated(_SAME_ROW).to_numpy()
        more = "" if table.column("condition") else "; if a column tells the two apart, name it with --map condition=…"
        table.refuse(again, lambda i: f"an earlier row has the same cell and prompt: {_described(samples, i)}{more}")
    return samples


def refuse_strengths(table: ExternalTable, strength: Floats) -> None:
    """Collect strengths that are not finite or out of range."""
    table.refuse(~np.isfinite(strength), lambda i: f"strength {strength[i]:g} is not a finite number")
    table.refuse(
        np.isfinite(strength) & (np.abs(strength) > MAX_STRENGTH),
        lambda i: f"strength {strength[i]:g} is not from {-MAX_STRENGTH:g} to {MAX_STRENGTH:g}",
    )


def finished(samples: pd.DataFrame) -> pd.DataFrame:
    """Return rows as a run folder has them: one unsteered row for each prompt, even if every layer repeats it."""
    zero = samples["strength"] == 0
    samples = pd.concat([_one_baseline(samples[zero]), samples[~zero]], ignore_index=True)
    lost = int((~np.isfinite(samples["score"])).sum())
    if lost:
        _warn(
            f"{lost:,} of {plural(len(samples), 'score')} {verb_for(lost, 'are')} not numbers; their prompts are left "
            "out of those cells"
        )
    typed: pd.DataFrame = samples.astype({"layer": "int32", "order": "int8"})
    return typed


def plain_samples(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the samples table of finished rows: those under the plain condition."""
    samples: pd.DataFrame = rows[rows["plain"]][list(COLUMNS)].reset_index(drop=True)
    return samples


def _one_baseline(rows: pd.DataFrame) -> pd.DataFrame:
    by_prompt = rows.groupby(_SAME_PROMPT, sort=False)["score"]
    spread = float((by_prompt.max() - by_prompt.min()).max()) if len(rows) else 0.0
    if spread > _ROUNDING:
        _warn(
            f"unsteered scores of the same prompt differ between their repeats by up to {spread:.3g}; "
            "the first of each prompt is used"
        )
    known_first = rows.assign(unknown=rows["score"].isna()).sort_values("unknown", kind="stable")
    once = known_first.drop_duplicates(_SAME_PROMPT).sort_index()
    baseline: pd.DataFrame = once.assign(layer=UNSTEERED_LAYER, layers="", depth=0.0)
    return baseline


def _layers(table: ExternalTable, samples: pd.DataFrame, n_layers: Mapping[str, int]) -> pd.Series[int]:
    """Return the layer of each row, -1 for unsteered ones, which need none."""
    layer = table.numbers("layer")
    zero = (samples["strength"] == 0).to_numpy()
    unlayered = zero & (np.isnan(layer) | (layer == UNSTEERED_LAYER))
    whole = (layer >= 0) & (layer < MAX_LAYERS) & (layer == np.floor(layer))
    table.refuse(~whole & ~unlayered, lambda i: f"layer {layer[i]:g} is not a whole number from 0 on")
    count = samples["model"].map(n_layers).to_numpy(float)
    table.refuse(
        whole & (layer >= count),
        lambda i: f"layer {layer[i]:g}, but {samples['model'][i]} has layers 0 to {count[i] - 1:.0f}",
    )
    layers: pd.Series[int] = pd.Series(np.where(whole & ~unlayered, layer, UNSTEERED_LAYER).astype(int))
    return layers


def _layer_sets(table: ExternalTable, samples: pd.DataFrame) -> pd.Series[str]:
    """Return the layers steered together, as 9+10; the one layer where the table has no such column."""
    own: pd.Series[str] = samples["layer"].astype(str)
    if table.column("layers") is None:
        return own
    given: pd.Series[str] = pd.Series(table.texts("layers", "")).str.replace(" ", "")
    sets: pd.Series[str] = given.where(given != "", own)
    fits = sets.str.fullmatch(r"\d{1,6}(\+\d{1,6})*") & (sets.str.split("+").str[0] == own)
    table.refuse(
        (~fits & (samples["strength"] != 0)).to_numpy(),
        lambda i: f"layers {sets[i]!r} is not a set of layers such as 9+10 that begins with layer {own[i]}",
    )
    return sets


def _depths(table: ExternalTable, samples: pd.DataFrame, n_layers: Mapping[str, int]) -> Floats:
    layer = samples["layer"]
    seen: dict[Any, int] = (layer.groupby(samples["model"]).max() + 1).to_dict()
    depth: Floats = ((layer + 1) / samples["model"].map(seen | dict(n_layers))).to_numpy(float)
    if table.column("depth") is None:
        assumed = [f"{name} ({seen[name]})" for name in seen if name not in n_layers]
        if assumed:
            _warn(
                f"the number of layers is not given for {', '.join(assumed)}: the largest layer in the table counts "
                "as the last, so depths may be too large; give --models FILE.yaml"
            )
        return depth
    given = table.numbers("depth")
    steered = (samples["strength"] != 0).to_numpy()
    table.refuse(steered & ~((given > 0) & (given <= 1)), lambda i: f"depth {given[i]:g} is not above 0 and up to 1")
    first = pd.Series(given).groupby([samples["model"], samples["layers"]]).transform("first").to_numpy(float)
    table.refuse(
        steered & (given != first),
        lambda i: f"depth {given[i]:g}, but layer {samples['layers'][i]} has depth {first[i]:g} on a row above",
    )
    return given


def _whole(table: ExternalTable, target: str, default: int) -> Floats:
    values = table.numbers(target, default)
    fits = np.isfinite(values) & (values >= 0) & (values == np.floor(values)) & (values < MAX_ORDERS)
    table.refuse(~fits, lambda i: f"{target} {values[i]:g} is not a whole number from 0 to 127")
    return np.where(fits, values, default)


def _weights(table: ExternalTable) -> Floats:
    values = table.numbers("weight", 1.0)
    table.refuse(~((values > 0) & (values <= MAX_VALUE)), lambda i: f"weight {values[i]:g} is not a number above 0")
    return values


def _described(samples: pd.DataFrame, i: int) -> str:
    row = samples.iloc[i]
    return (
        f"{row['model']}, {row['behavior']}, layer {row['layers']}, strength {row['strength']:g}, {row['prompt_id']}"
        + ("" if samples["condition"].nunique() == 1 else f", condition {row['condition']}")
    )


def _warn(text: str) -> None:
    warnings.warn(text, TrimtabWarning, stacklevel=2)


def _positions(table: ExternalTable) -> Any:
    values = table.texts("positions", "all")
    wrong = {}
    for text in dict.fromkeys(map(str, values)):
        try:
            parse_positions(text)
        except SettingError as error:
            wrong[text] = str(error)
    table.refuse(np.isin(values.astype(str), list(wrong)), lambda i: wrong[str(values[i])])
    return values
