"""Imports a table of scores by prompt as a samples table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
import pandas as pd

from trimtab._util.wording import plural, verb_for
from trimtab.analysis import COLUMNS
from trimtab.engines import Scoring
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.importing._external_table import ExternalTable, Floats
from trimtab.steering import MAX_STRENGTH, UNSTEERED_LAYER, parse_positions, push_scales
from trimtab.store.table_schemas import MAX_LAYERS, MAX_ORDERS, MAX_VALUE

REQUIRED = ("model", "behavior", "layer", "strength", "prompt_id")
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
TARGETS = (
    *REQUIRED, "score", "positive", "negative", "label",
    "split", "order", "weight", "scale", "positions", "engine", "scoring", "depth", "layers", *LETTERS,
)  # fmt: skip

_ROUNDING = 1e-4
"""Repeated unsteered scores may differ by this much, as scores from different batches do."""
_SAME_PROMPT = ["engine", "model", "behavior", "split", "scoring", "prompt_id", "order"]
_SAME_ROW = [*_SAME_PROMPT, "scale", "positions", "layers", "strength"]


def samples_of(table: ExternalTable, labels: Mapping[str, str], n_layers: Mapping[str, int]) -> pd.DataFrame:
    """Return the samples in an external table, with a warning for everything that had to be assumed.

    Args:
        table: The table. Its problems are collected there; if there are any, the result is meaningless.
        labels: The letter that a label stands for, where it is not one of the letters that have a column.
        n_layers: Number of layers of each model. Where unknown, the largest layer in the table counts as the last.
    """
    table.require(*REQUIRED)
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
            "score": _scores(table, labels),
        }
    )
    score = samples["score"].to_numpy(float)
    table.refuse(
        np.isfinite(score) & (np.abs(score) > MAX_VALUE),
        lambda i: f"score {score[i]:g} is larger than any model computes",
    )
    samples["label"] = samples["label"].map(_plain_label)
    samples["layer"] = _layers(table, samples, n_layers)
    samples["layers"] = _layer_sets(table, samples)
    samples["depth"] = _depths(table, samples, n_layers)
    repeats = samples["layers"].where(
        strength != 0, table.texts("layer", "")
    )  # unsteered rows may stand at every layer
    if not table.incomplete:
        again = samples.assign(layers=repeats).duplicated(_SAME_ROW).to_numpy()
        table.refuse(again, lambda i: f"an earlier row has the same cell and prompt: {_described(samples, i)}")
    return samples


def refuse_strengths(table: ExternalTable, strength: Floats) -> None:
    """Collect strengths that are not finite or out of range."""
    table.refuse(~np.isfinite(strength), lambda i: f"strength {strength[i]:g} is not a finite number")
    table.refuse(
        np.isfinite(strength) & (np.abs(strength) > MAX_STRENGTH),
        lambda i: f"strength {strength[i]:g} is not from {-MAX_STRENGTH:g} to {MAX_STRENGTH:g}",
    )


def finished(samples: pd.DataFrame) -> pd.DataFrame:
    """Return samples as a run folder has them: one unsteered row for each prompt, even if every layer repeats it."""
    zero = samples["strength"] == 0
    samples = pd.concat([_one_baseline(samples[zero]), samples[~zero]], ignore_index=True)[list(COLUMNS)]
    lost = int((~np.isfinite(samples["score"])).sum())
    if lost:
        _warn(
            f"{lost:,} of {plural(len(samples), 'score')} {verb_for(lost, 'are')} not numbers; their prompts are left "
            "out of those cells"
        )
    typed: pd.DataFrame = samples.astype({"layer": "int32", "order": "int8"})
    return typed


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


def _scores(table: ExternalTable, labels: Mapping[str, str]) -> Floats:
    """Return the score of each row, in the one of three forms that the table has."""
    letters = [letter for letter in LETTERS if letter in table.mapping]
    ways = {"score": ["score"], "positive and negative": ["positive", "negative"], "letters": letters or ["A", "B"]}
    mapped = [way for way, targets in ways.items() if any(target in table.mapping for target in targets)]
    if len(mapped) > 1:
        raise SettingError(f"{table.option}: the score is mapped twice, by {' and by '.join(mapped)}; give one of them")
    here = [way for way, targets in ways.items() if all(table.column(target) is not None for target in targets)]
    way = (mapped or here or [""])[0]
    if way == "score":
        return table.numbers("score")
    if way == "letters":
        return _by_letter(table, letters or ["A", "B"], labels)
    if way:
        table.require("positive", "negative")
        return table.numbers("positive") - table.numbers("negative")
    table.problem(
        f"no score; name one with {table.option} score=…, or positive=…,negative=…, or label=…,A=…,B=…; "
        f"the columns are {', '.join(map(str, table.frame.columns))}"
    )
    return np.full(len(table), np.nan)


def _by_letter(table: ExternalTable, letters: Sequence[str], labels: Mapping[str, str]) -> Floats:
    """Return the score of the letter of the matching answer minus that of the other letter."""
    if len(letters) != 2:
        raise SettingError(f"{table.option}: a score by letters needs two letter columns, not {len(letters)}")
    table.require("label", *letters)
    first, second = letters
    stray = sorted(set(labels.values()) - set(letters))
    if stray:
        raise SettingError(f"--labels: {stray[0]!r} has no column; those with one are {first} and {second}")
    label = np.array([_plain_label(text) for text in table.texts("label", "")], dtype=object)
    letter = np.array([labels.get(text, text) for text in label], dtype=object)
    table.refuse(
        ~np.isin(letter.astype(str), letters),
        lambda i: (
            f"label {label[i]!r} has no column (those with one: {first}, {second}); give its letter with "
            f"--labels {label[i] or 'LABEL'}={second}, or leave its rows out"
        ),
    )
    for text in sorted(set(label) & set(labels)):
        _warn(f"{int((label == text).sum()):,} rows with label {text!r} count as {labels[text]!r}")
    gap = table.numbers(first) - table.numbers(second)
    return np.where(letter == first, gap, -gap)


def _plain_label(label: Any) -> str:
    """Return the letter in "(A)", " (A)", "A." or "A"; other labels unchanged."""
    return str(label).strip().strip("().:").strip()


def _described(samples: pd.DataFrame, i: int) -> str:
    row = samples.iloc[i]
    return f"{row['model']}, {row['behavior']}, layer {row['layers']}, strength {row['strength']:g}, {row['prompt_id']}"


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
