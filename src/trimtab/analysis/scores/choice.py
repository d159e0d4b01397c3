"""The best cell of each behavior: chosen on one set of prompts, measured on another."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd

from trimtab.analysis.claims import ALPHA, Claim
from trimtab.analysis.samples import BASELINE, present
from trimtab.errors import SettingError

Measure = Literal["glass", "delta"]

OWNER = tuple(name for name in BASELINE if name != "split")
AT = ["scale", "positions", "layers", "strength"]


def best_cells(effects: pd.DataFrame, *, by: Measure = "glass") -> pd.DataFrame:
    """The best cell of each model, behavior and scoring: the largest Δ (or delta), if equal the lowest layer.

    The cell is chosen on the split "select" and its numbers are those on "test": `held_out` is True. Where
    only one split was measured the same prompts choose and measure, `held_out` is False, and the numbers
    flatter.

    Args:
        effects: What `effects` returns.
        by: What to choose by. Where no cell has a Δ (unsteered scores that do not vary), delta decides.

    Returns:
        The columns of the effects table and: `held_out`; `chosen_by`; `chosen_on`, the split that chose;
        `chosen_delta` and `chosen_glass`, the numbers there; `candidates`, how many cells there were to
        choose from; `moved`, whether delta differs from 0 at the 5% level: by `p` where the cell is held out,
        else by `p_adjusted`, because the best of many cells is large by luck; and by its interval, if it has one.
    """
    if by not in ("glass", "delta"):
        raise SettingError(f'cells are chosen by "glass" or "delta", not by "{by}"')
    rows = [_best(table, by) for _, table in effects.groupby(present(effects, OWNER), sort=False)]
    extra = [
        "held_out",
        "chosen_by",
        "chosen_on",
        "chosen_delta",
        "chosen_glass",
        "candidates",
        "moved",
    ]
    found = [row for row in rows if row]
    # Without a row the column types come from the effects table, so that the two still merge.
    table: pd.DataFrame = pd.DataFrame(found) if found else effects.iloc[:0]
    result: pd.DataFrame = table.reindex(columns=[*effects.columns, *extra])
    return result


def _best(table: pd.DataFrame, by: Measure) -> dict[str, Any]:
    """The best row of one model and behavior; {} where nothing could be measured."""
    select, test = (table[table["split"] == split] for split in ("select", "test"))
    # A study may test only the cells it cares about: the choice is among those that were tested.
    tested = select.merge(test[AT], on=AT)
    held_out = len(tested) > 0
    choosing = tested if held_out else (select if len(select) else table)
    choosing = choosing[choosing["delta"].notna()]
    if choosing.empty:
        return {}
    measure: Measure = by if choosing[by].notna().any() else "delta"
    ranked = choosing.sort_values([measure, "layer", "layers", "strength"], ascending=[False, True, True, True])
    chosen = ranked.iloc[0]
    measured = chosen
    if held_out:
        measured = test.merge(chosen[AT].to_frame().T.astype({"strength": float}), on=AT).iloc[0]
    return {
        **{str(name): value for name, value in measured.items()},
        "held_out": held_out,
        "chosen_by": measure,
        "chosen_on": chosen["split"],
        "chosen_delta": chosen["delta"],
        "chosen_glass": chosen["glass"],
        "candidates": len(choosing),
        "moved": _moved(measured, "p" if held_out else "p_adjusted"),
    }


def _moved(row: pd.Series[Any], p: str) -> bool:
    """Test and interval, which few prompts can set at odds: a sentence that quotes both must not contradict one."""
    claim = Claim("effect", "", float(row["delta"]), float(row["delta_low"]), float(row["delta_high"]), float(row[p]))
    return claim.supported and bool(row[p] < ALPHA)
