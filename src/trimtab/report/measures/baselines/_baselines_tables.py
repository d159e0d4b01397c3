"""Tables of baselines: the arms, their paired differences, the wordings of system prompts."""

from __future__ import annotations

import math

import pandas as pd

from trimtab.analysis.baselines.arm_names import SYSTEM_PROMPT
from trimtab.analysis.formatting import ABSENT, decimals_for, fixed, p_value, signed_strength
from trimtab.analysis.samples import records
from trimtab.report.charts.measures.baselines import arm_label, other_label
from trimtab.report.measures._columns import subject_columns
from trimtab.report.tables import Column, Row, Table, number, share, table, with_interval, word


def arms_table(effects: pd.DataFrame) -> Table:
    """Every arm with its effect, dose and costs."""
    shown = effects[effects["chosen"].astype(bool)] if len(effects) else effects
    decimals = decimals_for(shown["effect"]) if len(shown) else 2
    columns = [
        *subject_columns(shown),
        *_scorings(shown),
        word("side"),
        Column("arm", arm_label, number=False),
        Column("effect [95% interval]", lambda row: with_interval(row, "effect", decimals)),
        number("glass", "in SD"),
        Column("p, corrected", lambda row: p_value(row["p_adjusted"])),
        Column("anti-steerable [95% interval]", lambda row: share(row, "anti", "anti_low", "anti_high")),
        number("kl", "dose (nats)"),
        Column("tokens added", lambda row: fixed(row["added_tokens"], 1)),
        Column("ms a request (plain)", _time),
        Column("easy questions right (plain)", _easy),
        Column("coherence (plain)", _coherence),
        Column("setting", _setting, number=False),
        Column("prompts", lambda row: str(int(row["n"]))),
    ]
    return table("What each arm does and costs", columns, records(shown))


def differences_table(differences: pd.DataFrame) -> Table:
    """Every paired difference between arms."""
    decimals = decimals_for(differences["difference"]) if len(differences) else 2
    columns = [
        *subject_columns(differences),
        *_scorings(differences),
        word("side"),
        word("question"),
        Column("arm", arm_label, number=False),
        Column("compared with", other_label, number=False),
        Column("difference [95% interval]", lambda row: with_interval(row, "difference", decimals)),
        Column("p", lambda row: p_value(row["p"])),
        Column("p, corrected", lambda row: p_value(row["p_adjusted"])),
        Column("prompts", lambda row: str(int(row["n"]))),
    ]
    return table("Paired differences between arms", columns, records(differences))


def wordings_table(effects: pd.DataFrame) -> Table:
    """Every wording of the system prompt, the chosen one marked."""
    prompts = effects[effects["arm"] == SYSTEM_PROMPT] if len(effects) else effects
    decimals = decimals_for(prompts["effect"]) if len(prompts) else 2
    columns = [
        *subject_columns(prompts),
        word("side"),
        word("wording"),
        Column("chosen", lambda row: "yes" if row["chosen"] else "no", number=False),
        Column("effect [95% interval]", lambda row: with_interval(row, "effect", decimals)),
        word("place", "stands in"),
    ]
    return table("The wordings of the system prompt", columns, records(prompts))


def _scorings(frame: pd.DataFrame) -> list[Column]:
    return [word("scoring")] if len(frame) and frame["scoring"].nunique() > 1 else []


def _time(row: Row) -> str:
    if not math.isfinite(row["milliseconds"]):
        return ABSENT
    return f"{fixed(row['milliseconds'], 1)} ({fixed(row['plain_milliseconds'], 1)})"


def _easy(row: Row) -> str:
    return (
        ABSENT if not math.isfinite(row["easy_right"]) else f"{share(row, 'easy_right')} ({share(row, 'easy_plain')})"
    )


def _coherence(row: Row) -> str:
    if not math.isfinite(row["coherence"]):
        return ABSENT
    return f"{fixed(row['coherence'], 1)} ({fixed(row['coherence_plain'], 1)})"


def _setting(row: Row) -> str:
    if not row["layers"]:
        return "chosen wording" if row["wording"] else ABSENT
    return f"layer {row['layers']}, {signed_strength(row['strength'])} {row['scale']}"
