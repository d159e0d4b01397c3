"""What differs between models: mean effects, ranks, groups, and correlations with their architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.claims import Claim
from trimtab.analysis.samples import present, records
from trimtab.analysis.scores.choice import OWNER
from trimtab.stats.bootstrap import LEVEL, Array
from trimtab.stats.small_samples import MIN_CORRELATED, exchange_p, pearson, permutation_p, spearman

GROUP_PREFIX = "group:"
MEASURES = ("delta", "glass")
SIZES = ("mean_delta", "mean_glass", "mean_depth")
"""What is compared between models."""
ATTRIBUTES = ("layers", "heads", "width", "parameters", "active_parameters", "parameters_per_layer")
"""What it is correlated with."""
WEIGHTS = "weights"
"""Column of the models' facts: the fingerprint of the weights. The same in two number formats or on two engines is one
model, and its places are not compared."""


def models_frame(entries: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Facts of models as a table, from the entries of a manifest: name, facts, groups.

    Returns:
        A row for each model name: model, the facts, parameters_per_layer, and a column `group:<name>` for each
        grouping. Where the study gives no grouping "architecture", its experts do: "dense" or "MoE". NaN is unknown.
    """
    rows: dict[str, dict[str, Any]] = {}
    for entry in entries:
        facts = dict(entry.get("facts") or {})
        groups = dict(entry.get("groups") or {})
        if facts.get("moe") is not None:
            groups.setdefault("architecture", "MoE" if facts["moe"] else "dense")
        if facts.get("parameters") and facts.get("layers"):
            facts["parameters_per_layer"] = facts["parameters"] / facts["layers"]
        named = {f"{GROUP_PREFIX}{name}": str(level) for name, level in groups.items()}
        weights = str(entry.get("fingerprint") or entry["name"])
        rows[str(entry["name"])] = {"model": str(entry["name"]), WEIGHTS: weights, **facts, **named}
    table: pd.DataFrame = pd.DataFrame(list(rows.values()), columns=None if rows else ["model", WEIGHTS])
    for name in ATTRIBUTES:
        table[name] = pd.to_numeric(table[name]).astype(float) if name in table.columns else np.nan
    return table


def compare_models(best: pd.DataFrame, weights: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Mean effect of each model over its behaviors, each at its own best cell, and the ranks.

    Intervals take the behaviors as given and their prompts as independent: half widths are added in quadrature. They
    say nothing of other behaviors. A model that lacks behaviors which others have is compared by those it has, and
    `missing` names the others.

    A rank is an interval, from `rank_delta_low` to `rank_delta_high`: the places that no difference to another model
    rules out (Mogstad et al. 2024). Differences are those of `model_orders`, corrected for the number of pairs. Models
    that do not differ significantly share their places. `rank_change` is how many places a model gains (+) by dividing
    by its own spread, and NaN where the two intervals of its rank have a place in common.

    Args:
        best: What `best_cells` returned.
        weights: Fingerprint of each model's weights, by its name. The same weights, in two number formats or on two
            engines, are never ranked. Without it every name is a model of its own.

    Returns:
        A row for each model (run, engine, scoring), largest mean delta first: n_behaviors, behaviors, missing,
        mean_delta, delta_low, delta_high, mean_glass, glass_low, glass_high, mean_glass_unsteered,
        mean_glass_negative, mean_depth, rank_delta, rank_delta_low, rank_delta_high, rank_glass, rank_glass_low,
        rank_glass_high, rank_change.
    """
    owner = [name for name in present(best, OWNER) if name != "behavior"]
    every = list(dict.fromkeys(best["behavior"].astype(str)))
    rows = []
    for key, table in best.groupby(owner, sort=False):
        has = set(table["behavior"].astype(str))
        row: dict[str, Any] = dict(zip(owner, key, strict=True))
        row |= {
            "n_behaviors": len(table),
            "behaviors": ", ".join(name for name in every if name in has),
            "missing": ", ".join(name for name in every if name not in has),
        }
        for name in MEASURES:
            mean = float(table[name].mean())
            low, high = (_quadrature(table[name], table[f"{name}_{end}"]) for end in ("low", "high"))
            row |= {f"mean_{name}": mean, f"{name}_low": mean - low, f"{name}_high": mean + high}
        for name in ("glass_unsteered", "glass_negative", "depth"):
            row[f"mean_{name}"] = float(table[name].mean())
        rows.append(row)
    found: pd.DataFrame = pd.DataFrame(rows)
    if found.empty:
        return found
    for measure in MEASURES:
        found[f"rank_{measure}"] = found[f"mean_{measure}"].rank(ascending=False, method="min")
        found[f"rank_{measure}_low"], found[f"rank_{measure}_high"] = _places(found, measure, weights)
    change = found["rank_delta"] - found["rank_glass"]
    apart = (found["rank_delta_high"] < found["rank_glass_low"]) | (found["rank_glass_high"] < found["rank_delta_low"])
    found["rank_change"] = change.where(apart)
    result: pd.DataFrame = found.sort_values("rank_delta", kind="stable").reset_index(drop=True)
    return result


def model_orders(
    by_model: pd.DataFrame, measure: str, weights: Mapping[str, str] | None = None
) -> list[tuple[int, int, Claim]]:
    """The difference of every two models, and whether it sets them apart.

    Half widths of the two intervals are added in quadrature and widened for the number of pairs (Bonferroni), so that
    the family-wise error rate is that of one interval. Scores of models on the same prompts are correlated, which makes
    their difference more certain than computed here, never less.

    Args:
        by_model: Rows of `compare_models` whose numbers are of one unit.
        measure: "delta" or "glass".
        weights: Fingerprint of each model's weights, by its name; the same weights give no pair.

    Returns:
        (place of one in the table, place of the other, the claim that the first is ahead), the larger mean first.
    """
    rows = records(by_model)
    known = weights or {}
    pairs = [
        (i, j)
        for i, j in combinations(range(len(rows)), 2)
        if known.get(str(rows[i]["model"]), i) != known.get(str(rows[j]["model"]), j)
    ]
    normal = NormalDist()
    wider = normal.inv_cdf(1 - (1 - LEVEL) / (2 * max(1, len(pairs)))) / normal.inv_cdf(0.5 + LEVEL / 2)
    found = []
    for i, j in pairs:
        a, b = (i, j) if rows[i][f"mean_{measure}"] >= rows[j][f"mean_{measure}"] else (j, i)
        (mean, low, high), (other, other_low, other_high) = (
            tuple(float(rows[place][name]) for name in (f"mean_{measure}", f"{measure}_low", f"{measure}_high"))
            for place in (a, b)
        )
        down, up = float(np.hypot(mean - low, other_high - other)), float(np.hypot(high - mean, other - other_low))
        difference = mean - other
        of = f"{rows[a]['model']} above {rows[b]['model']}"
        found.append((a, b, Claim("order", of, difference, difference - wider * down, difference + wider * up)))
    return found


def _places(table: pd.DataFrame, measure: str, weights: Mapping[str, str] | None) -> tuple[list[float], list[float]]:
    """The first and last place that each model may have."""
    ahead, behind = np.zeros(len(table)), np.zeros(len(table))
    for one, other, claim in model_orders(table, measure, weights):
        if claim.supported:
            ahead[other] += 1
            behind[one] += 1
    known = table[f"mean_{measure}"].notna().to_numpy()
    first, last = 1 + ahead, known.sum() - behind
    return np.where(known, first, np.nan).tolist(), np.where(known, last, np.nan).tolist()


def _quadrature(values: pd.Series[float], ends: pd.Series[float]) -> float:
    return float(np.sqrt(((ends - values) ** 2).sum(skipna=False)) / max(1, len(values)))


def compare_groups(by_model: pd.DataFrame, models: pd.DataFrame) -> pd.DataFrame:
    """Means of each group of models: grouping, level, n_models, models, and the means of `SIZES`."""
    rows = []
    for grouping, table in _groupings(by_model, models):
        for level, members in table.groupby("level", sort=True):
            names = ", ".join(members["model"].astype(str))
            means = {name: float(members[name].mean()) for name in SIZES}
            rows.append({"grouping": grouping, "level": level, "n_models": len(members), "models": names, **means})
    result: pd.DataFrame = pd.DataFrame(rows, columns=["grouping", "level", "n_models", "models", *SIZES])
    return result


def group_contrasts(by_model: pd.DataFrame, models: pd.DataFrame) -> pd.DataFrame:
    """Differences between every two levels of a grouping, tested by exchanging the models' labels.

    With few models a test has little power: `least_p` is the smallest p that these numbers of models could
    give at all, whatever their effects.

    Returns:
        grouping, measure, level_a, level_b, n_a, n_b, difference (a − b), p, least_p.
    """
    rows = []
    for grouping, table in _groupings(by_model, models):
        for a, b in combinations(sorted(table["level"].unique()), 2):
            for measure in SIZES:
                x, y = (table[table["level"] == level][measure].dropna().to_numpy(float) for level in (a, b))
                if not len(x) or not len(y):
                    continue
                p, least = exchange_p(x, y)
                rows.append(
                    {"grouping": grouping, "measure": measure, "level_a": a, "level_b": b, "n_a": len(x), "n_b": len(y),
                     "difference": float(x.mean() - y.mean()), "p": p, "least_p": least}
                )  # fmt: skip
    columns = ["grouping", "measure", "level_a", "level_b", "n_a", "n_b", "difference", "p", "least_p"]
    result: pd.DataFrame = pd.DataFrame(rows, columns=columns)
    return result


def correlations(by_model: pd.DataFrame, models: pd.DataFrame, *, least: int = MIN_CORRELATED) -> pd.DataFrame:
    """Correlations of the models' mean effects with their architecture, over all models and within groups.

    Args:
        by_model: What `compare_models` returned, one row for each model.
        models: What `models_frame` returned.
        least: Fewer models than this give no row. Ask for less only to repeat a published study: of fewer than 8 models
            a correlation can be nearly anything.

    Returns:
        measure, attribute, among ("all models" or "architecture: dense", …), n (models), r (Pearson), low and high
        (95% by Fisher's z), spearman (NaN below 8 models), p (all permutations up to 8 models, else random ones).
    """
    table = by_model.merge(models, on="model")
    sets = [("all models", table)]
    for grouping, rows in _groupings(by_model, models):
        for level, members in rows.groupby("level", sort=True):
            if len(members) < len(table):
                sets.append((f"{grouping}: {level}", members))
    found = []
    for among, members in sets:
        for measure in SIZES:
            for attribute in ATTRIBUTES:
                row = _correlation(members[measure].to_numpy(float), members[attribute].to_numpy(float), least)
                if row:
                    found.append({"measure": measure, "attribute": attribute, "among": among, **row})
    columns = ["measure", "attribute", "among", "n", "r", "low", "high", "spearman", "p"]
    result: pd.DataFrame = pd.DataFrame(found, columns=columns)
    return result


def _correlation(x: Array, y: Array, least: int) -> dict[str, Any]:
    """{} where there are too few models, or one side does not vary."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    r, low, high = pearson(x, y, least=least)
    if not np.isfinite(r):
        return {}
    return {"n": len(x), "r": r, "low": low, "high": high, "spearman": spearman(x, y), "p": permutation_p(x, y)}


def _groupings(by_model: pd.DataFrame, models: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Each grouping with the models in it and their `level`; groupings of one level are left out."""
    found = []
    for column in [name for name in models.columns if str(name).startswith(GROUP_PREFIX)]:
        table = by_model.merge(models, on="model").dropna(subset=[column]).assign(level=lambda t, c=column: t[c])
        if table["level"].nunique() > 1:
            found.append((str(column).removeprefix(GROUP_PREFIX), table))
    return found
