"""Random tables of known truth, and everything that a report says of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from spoken import STRENGTHS, spoken
from trimtab.analysis import (
    PLAIN_VARIANT,
    Finding,
    audit,
    best_cells,
    chosen_checks,
    chosen_findings,
    compared,
    comparison_findings,
    effects,
    findings,
    judged_replies,
    layer_choice,
    models_frame,
    option_blindness,
    order_effects,
    recommended,
    reply_cells,
    reply_findings,
    robustness,
    side_cells,
    steerability,
    with_falls,
)
from trimtab.analysis.baselines import arm_differences, arm_effects, baseline_findings
from trimtab.analysis.baselines.arm_names import SYSTEM_PROMPT
from trimtab.analysis.cells import UPPER
from trimtab.analysis.side_effects import neutral_changes, side_findings

from .conftest import samples

DRAWS = 200
NO_TEXT = pd.DataFrame(columns=["model", "behavior", "layers", "strength", "text", "nll"])


def swept(
    rng: np.random.Generator, size: float, *, layers: int = 4, n: int = 24, peak: int = 2, spread: float = 1.0,
    splits: tuple[str, ...] = ("select", "test"), **columns: object,
) -> pd.DataFrame:  # fmt: skip
    """A sweep in which one layer moves the scores by this much at either end, and the others do not."""
    tables = []
    for split in splits:
        zero = rng.normal(0.3, spread, n)
        cells = {(-1, 0.0): zero}
        for layer in range(layers):
            for alpha in (1.0, -1.0):
                cells[layer, alpha] = zero + alpha * size * (layer == peak) + rng.normal(0, 0.5, n)
        tables.append(samples(cells, n_layers=layers, split=split, **columns))
    return pd.concat(tables, ignore_index=True)


def entry(name: str, number: int = 0, weights: str = "") -> dict[str, object]:
    facts = {"layers": 10 + 7 * number, "heads": 4, "width": 64 * (1 + number % 3), "parameters": 1e6 * (1 + number)}
    return {
        "name": name, "engine": "transformers", "fingerprint": weights or name, "facts": facts,
        "groups": {"training": "ab"[number % 2]},
    }  # fmt: skip


def said_of(table: pd.DataFrame, entries: list[dict[str, object]] | None = None) -> list[Finding]:
    """All findings about scores, as a report makes them."""
    found = effects(table, draws=DRAWS)
    best = best_cells(found)
    checks = chosen_checks(table, best, draws=DRAWS)
    names = table["model"].unique()
    models = entries or [entry(str(name), number) for number, name in enumerate(names)]
    between = compared(best, models_frame(models), found)
    return [
        *findings(
            found, best, checks=checks, blindness=option_blindness(table),
            orders=order_effects(table, best, draws=DRAWS), steerability=steerability(table, best),
        ),
        *chosen_findings(best, layer_choice(table, best, draws=DRAWS), checks),
        *comparison_findings(
            between.by_model, between.groups, between.contrasts, between.correlations, between.weights
        ),
        *audit(table),
        *between.left_out,
    ]  # fmt: skip


def models_of(rng: np.random.Generator, sizes: dict[str, float], n: int = 24) -> pd.DataFrame:
    tables = [
        swept(rng, size, layers=2, peak=1, n=n, model=model, behavior=behavior)
        for model, size in sizes.items()
        for behavior in ("calm", "kind")
    ]
    return pd.concat(tables, ignore_index=True)


def replied(rng: np.random.Generator, kind: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    everywhere = tuple((layer, strength) for layer in range(3) for strength in STRENGTHS)
    n, seed = int(rng.integers(4, 14)), int(rng.integers(1000))
    replies, judgements, _ = spoken(3, prompts=n, seed=seed, finalists=everywhere)
    steered = judgements["strength"] != 0
    noise = rng.normal(0, 1, len(judgements))
    if kind == "noise":
        judgements["change"] = np.where(steered, noise, 0.0)
        judgements["coherence"] = 9.0
    elif kind == "tie":
        judgements["change"] = np.where(steered, np.sign(judgements["strength"]) * 2 + 0.1 * noise.round(), 0.0)
    elif kind == "fall":
        half = np.where(judgements["split"] == "test", 0.2, 1.0)
        judgements["change"] = np.where(steered, 4 * np.sign(judgements["strength"]) * half + 0.3 * noise, 0.0)
        judgements["coherence"] = 9.0
    elif kind == "one split":
        keep = judgements["split"] == "select"
        return replies[replies["split"] == "select"], judgements[keep]
    elif kind == "failures":
        judgements.loc[rng.random(len(judgements)) < 0.2, ["change", "score", "coherence"]] = np.nan
        judgements["failure"] = np.where(judgements["change"].isna(), "no number", "")
    return replies, judgements


def replies_said(
    replies: pd.DataFrame, judgements: pd.DataFrame, floor: float = 7.0, judges: Sequence[dict[str, object]] = ()
) -> list[Finding]:
    judged = judged_replies(replies, judgements)
    cells = reply_cells(judged, resamples=DRAWS)
    settings = with_falls(recommended(cells, floor), cells, judged, draws=DRAWS)
    return reply_findings(cells, settings, judges)


def sided(rng: np.random.Generator, shifts: dict[str, float], n: int = 20) -> pd.DataFrame:
    tables = []
    for name, shift in shifts.items():
        zero = rng.normal(0, 1, n)
        cells = {(5, a): zero + a * shift + rng.normal(0, 0.5, n) for a in (1.0, -1.0)}
        tables.append(samples({(-1, 0.0): zero, **cells}).assign(behavior="own", measured=name))
    return pd.concat(tables, ignore_index=True)


def compared_arms(
    rng: np.random.Generator, sizes: dict[tuple[str, str], float], *, n: int = 16, noise: float = 0.4,
    behavior: str = "own", scoring: str = "choice", splits: tuple[str, ...] = ("select", "test"),
) -> pd.DataFrame:  # fmt: skip
    """The scores of baselines: each arm, given as (arm, kind), moves the score by so much, for and against alike."""
    tables = []
    for split in splits:
        zero = rng.normal(0.3, 1.0, n)
        plain = samples({(-1, 0.0): zero}, split=split, behavior=behavior, scoring=scoring)
        tables.append(plain.assign(arm="plain", kind="plain", side="plain", at="", wording=""))
        for (arm, kind), size in sizes.items():
            for side, sign in (("for", 1.0), ("against", -1.0)):
                if kind == "contrary" and side == "against":
                    continue
                pushed = kind in ("vector", "other vector", "control", "both", "contrary")
                if pushed and split == "select":
                    continue
                cell = (5, sign) if pushed else (-1, 0.0)
                moved = zero + sign * size + rng.normal(0, noise, n)
                rows = samples({cell: moved}, split=split, behavior=behavior, scoring=scoring)
                name, _, at = arm.partition(", ")
                wording = f"{side} it" if kind == "prompt" and name == SYSTEM_PROMPT else ""
                tables.append(rows.assign(
                    arm=name, kind=kind, side=side, at=(at or "best") if pushed else "", wording=wording
                ))  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def arms_said(scores: pd.DataFrame, costs: pd.DataFrame | None = None) -> list[Finding]:
    """What a report says of these arms."""
    found = arm_effects(scores, costs, draws=DRAWS)
    return baseline_findings(found, arm_differences(scores, costs, draws=DRAWS))


def neutral(rng: np.random.Generator, longer: float, refusals: float) -> pd.DataFrame:
    rows = [
        {
            "model": "m", "behavior": "own", "scale": "raw" if strength else "", "layers": "5" if strength else "",
            "layer": 5 if strength else -1, "depth": 0.6, "strength": strength, "prompt_id": f"n{prompt}",
            "language": "en", "repeat": 0.1,
            "words": int(40 * rng.uniform(0.7, 1.3) * (longer if strength else 1)),
            "refusal": bool(rng.random() < (refusals if strength else 0.02)),
        }
        for strength in (0.0, 1.0)
        for prompt in range(12)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def setting_of(chosen_by: str) -> pd.DataFrame:
    """What `chosen_cells` returns for layer 5 at +1 of the vector "own"."""
    setting = {"model": "m", "behavior": "own", "scale": "raw", "layers": "5", "strength": 1.0, "compared": UPPER}
    return pd.DataFrame([{**setting, "chosen_by": chosen_by, "sign": 1}])


def side_said(
    rng: np.random.Generator,
    shifts: dict[str, float],
    longer: float = 1.0,
    refusals: float = 0.05,
    texts: pd.DataFrame = NO_TEXT,
) -> list[Finding]:
    """All findings about side effects of one setting."""
    cells = side_cells(sided(rng, shifts), texts, draws=DRAWS)
    changes = neutral_changes(neutral(rng, longer, refusals).assign(chosen_by="scores"))
    return side_findings(cells, setting_of("scores"), changes)


def asked(rng: np.random.Generator, shares: dict[str, float], effect: float = 2.0, n: int = 20) -> pd.DataFrame:
    zero, tables = rng.normal(0, 1, n), []
    for variant, share in {PLAIN_VARIANT: 1.0, **shares}.items():
        push = share * effect / 2 + rng.normal(0, 0.3, n)
        kind = variant.partition(":")[0]
        table = samples({(-1, 0.0): zero, (5, 0.1): zero + push, (5, -0.1): zero - push})
        tables.append(table.assign(kind=kind, variant=variant, chosen_by="scores"))
    return robustness(pd.concat(tables, ignore_index=True), draws=DRAWS)


def task_samples(before: list[float], after: list[float], better: str = "higher") -> pd.DataFrame:
    """The stored table of one metric."""
    rows = [
        {
            "model": "m", "behavior": "own", "engine": "transformers", "chosen_by": "scores", "scale": "relative",
            "layers": "1" if strength else "", "strength": strength, "benchmark": "lm_eval:t", "task": "t",
            "metric": "acc", "metric_value": sum(values) / len(values), "stderr": 0.1, "better": better,
            "sample": str(number), "value": value,
        }
        for strength, values in ((0.0, before), (0.3, after))
        for number, value in enumerate(values)
    ]  # fmt: skip
    return pd.DataFrame(rows)
