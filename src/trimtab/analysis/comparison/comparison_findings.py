"""Findings about how models differ: their order, the depth of their layers, what goes with their architecture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from trimtab.analysis.claims import Claim
from trimtab.analysis.comparison import _comparison_sentences as sentences
from trimtab.analysis.comparison.models import model_orders
from trimtab.analysis.findings import Finding, Kind, Sentence, picked
from trimtab.analysis.samples import records
from trimtab.analysis.scores.score_sentences import UNITS

Found = tuple[Sentence, dict[str, Any], list[Claim]]
Orders = list[tuple[int, int, Claim]]


def comparison_findings(
    by_model: pd.DataFrame,
    groups: pd.DataFrame,
    contrasts: pd.DataFrame,
    correlations: pd.DataFrame,
    weights: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Findings about how models differ.

    Args:
        by_model: What `compare_models` returned, of each engine and scoring; empty for a single model. `strengths`,
            those that each model was tried at, may come on top.
        groups: What `compare_groups` returned for it.
        contrasts: What `group_contrasts` returned for it.
        correlations: What `correlations` returned for it.
        weights: As for `compare_models`.
    """
    found: list[Finding] = []

    def add(among: dict[str, str], parts: Iterator[Found]) -> None:
        for sentence, values, claims in parts:
            of = {**values, "among": among}
            # Where no difference is shown, that is what there is to report.
            kind: Kind = "comparison" if claims else "negative"
            found.append(Finding(kind, sentence, of, measure="models", claims=claims))

    for key, table in _each(by_model, by_model):
        add(_among(key, by_model), _order(table, weights))
        found += [Finding("caution", sentences.unmeasured_behaviors, v, measure="models") for v in _missing(table)]
    for key, table in _each(contrasts, by_model):
        add(_among(key, by_model), _depth(table, _same(groups, key)))
    for key, table in _each(correlations, by_model):
        add(_among(key, by_model), _strongest(table))
    return found


def _each(table: pd.DataFrame, by_model: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """The parts of a table whose numbers are of one kind: one engine, one scoring."""
    if by_model.empty or table.empty:
        return
    for (engine, scoring), part in table.groupby(["engine", "scoring"], sort=False):
        if len(part):
            yield {"engine": engine, "scoring": scoring}, part


def _among(key: dict[str, Any], by_model: pd.DataFrame) -> dict[str, str]:
    """The engine and scoring that a finding is about, where there are several."""
    return {name: str(key[name]) for name in ("engine", "scoring") if by_model[name].nunique() > 1}


def _same(table: pd.DataFrame, key: dict[str, Any]) -> pd.DataFrame:
    rows: pd.DataFrame = table[(table["engine"] == key["engine"]) & (table["scoring"] == key["scoring"])]
    return rows


def _order(table: pd.DataFrame, weights: Mapping[str, str] | None) -> Iterator[Found]:
    """Which models differ, and whether their order stays once each is divided by its own spread."""
    known = table[table["mean_delta"].notna()].reset_index(drop=True)
    by_delta = model_orders(known, "delta", weights)
    if not by_delta:
        return
    incomplete = bool((table["missing"] != "").any())
    yield _leaders(known, by_delta, "delta", incomplete)
    spread = known["mean_glass"].notna()
    if spread.sum() < 2 or not spread.all():
        return
    by_glass = model_orders(known, "glass", weights)
    turned = _turned(by_delta, by_glass)
    if turned:
        yield _turns(known, turned)
    elif any(claim.supported for _, _, claim in by_glass):
        yield _leaders(known, by_glass, "glass", incomplete)
    elif any(claim.supported for _, _, claim in by_delta):
        yield sentences.no_order_by_spread, {}, []


def _leaders(table: pd.DataFrame, orders: Orders, by: str, incomplete: bool) -> Found:
    """The models ahead of all others and those behind all; where there is none, those at the top."""
    rows, names = records(table), _names(table)
    everyone = range(len(rows))
    ahead = {(one, other): claim for one, other, claim in orders if claim.supported}
    compared = {frozenset((one, other)) for one, other, _ in orders}
    # The same weights in another format are neither rivals nor company.
    others = {i: [j for j in everyone if frozenset((i, j)) in compared] for i in everyone}
    model = [{"name": names[_key(row)], "mean": _mean(row, by)} for row in rows]
    unit = UNITS.get(str(rows[0]["scoring"]), "") if by == "delta" else ""
    # A mean per token is over each model's own tokens.
    tokens = str(rows[0]["scoring"]) == "text"
    strengths = list(dict.fromkeys(str(row.get("strengths", "")) for row in rows))
    values: dict[str, Any] = {
        "by": by, "unit": unit, "incomplete": incomplete, "tokens": tokens, "strengths": strengths,
    }  # fmt: skip
    if not ahead:
        order = sorted(everyone, key=lambda i: -float(rows[i][f"mean_{by}"]))
        return sentences.no_model_order, {**values, "models": [model[i] for i in order]}, []
    first = [i for i in everyone if others[i] and all((i, j) in ahead for j in others[i])]
    last = [i for i in everyone if others[i] and all((j, i) in ahead for j in others[i])]
    claims = [ahead[i, j] for i in first for j in others[i]] + [ahead[j, i] for i in last for j in others[i]]
    top: list[int] = []
    pair: tuple[int, ...] = ()
    if not first:
        top = [i for i in everyone if others[i] and not any((j, i) in ahead for j in others[i])]
        if not last:
            pair, claim = max(ahead.items(), key=lambda entry: entry[1].value)
            claims.append(claim)
    parts = {"first": first, "last": last, "top": top, "pair": pair}
    values |= {name: [model[i] for i in places] for name, places in parts.items()}
    return sentences.model_order, {**values, "behaviors": rows[0]["n_behaviors"], "pairs": len(orders)}, claims


def _turned(by_delta: Orders, by_glass: Orders) -> list[tuple[Claim, Claim, int, int]]:
    """Pairs of models that differ both ways, one way by delta and the other way by Δ."""
    shown = {(one, other): claim for one, other, claim in by_delta if claim.supported}
    return [
        (shown[other, one], claim, other, one)
        for one, other, claim in by_glass
        if claim.supported and (other, one) in shown
    ]


def _turns(table: pd.DataFrame, turned: list[tuple[Claim, Claim, int, int]]) -> Found:
    rows, names = records(table), _names(table)
    ahead, behind = (
        {"name": names[_key(rows[i])], "delta": _mean(rows[i], "delta"), "glass": _mean(rows[i], "glass")}
        for i in max(turned, key=lambda pair: pair[1].value)[2:]
    )
    values = {"turned": len(turned), "ahead": ahead, "behind": behind}
    return sentences.reversed_order, values, [claim for pair in turned for claim in pair[:2]]


def _names(table: pd.DataFrame) -> dict[tuple[str, ...], str]:
    """The name of each row: the model, and the run where a model is in several."""
    several = table["model"].duplicated().any() and "run" in table.columns
    return {_key(row): f"{row['model']} ({row['run']})" if several else str(row["model"]) for row in records(table)}


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(row.get(name)) for name in ("run", "model"))


def _mean(row: dict[str, Any], name: str) -> tuple[float, float, float]:
    return row[f"mean_{name}"], row[f"{name}_low"], row[f"{name}_high"]


def _missing(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    names = _names(table)
    for row in records(table):
        if row["missing"]:
            yield {"name": names[_key(row)], "missing": row["missing"], "behaviors": row["n_behaviors"]}


def _depth(contrasts: pd.DataFrame, groups: pd.DataFrame) -> Iterator[Found]:
    """The clearest difference in depth between two groups, with how little so few models can show."""
    rows = contrasts[(contrasts["measure"] == "mean_depth") & (contrasts["n_a"] + contrasts["n_b"] >= 3)]
    if rows.empty:
        return
    row = records(rows.sort_values(["p", "least_p"], kind="stable").head(1))[0]
    means = groups[groups["grouping"] == row["grouping"]].set_index("level")["mean_depth"]
    deep, flat = (
        {"level": str(row[f"level_{end}"]), "models": row[f"n_{end}"], "depth": means[str(row[f"level_{end}"])]}
        for end in ("ab" if row["difference"] >= 0 else "ba")
    )
    corrected = min(1.0, row["p"] * len(rows))
    of = f"{deep['level']} deeper than {flat['level']}"
    claim = Claim("order", of, abs(float(row["difference"])), p=corrected)
    values = {
        "grouping": row["grouping"], "deeper": deep, "other": flat, "p": corrected, "tests": len(rows),
        "least_p": row["least_p"],
    }  # fmt: skip
    if claim.supported:
        yield sentences.depth_difference, values, [claim]
    else:
        yield sentences.no_depth_difference, values, []


def _strongest(table: pd.DataFrame) -> Iterator[Found]:
    """The strongest correlation over all models, corrected as the pick of many that it is."""
    rows = table[(table["among"] == "all models") & table["r"].notna()]
    if rows.empty:
        return
    row = records(rows.loc[[rows["r"].abs().idxmax()]])[0]
    values = picked(row, "measure", "attribute", "r", "low", "high", "n")
    values |= {"p": min(1.0, row["p"] * len(rows)), "tests": len(rows)}
    claim = Claim("association", sentences.correlates(values), row["r"], row["low"], row["high"], values["p"])
    if claim.supported:
        yield sentences.strongest_correlation, values, [claim]
    else:
        yield sentences.no_correlation, values, []
