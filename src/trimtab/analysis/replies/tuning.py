"""Which setting to use: far enough toward a behavior, and still coherent. From cells of replies, held out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.formatting import plain
from trimtab.analysis.replies.reply_cells import NUMBERS, OWNER, first_judged, judged_replies, reply_cells
from trimtab.analysis.samples import present, records

__all__ = ["first_judged", "judged_replies", "pareto", "recommended", "reply_cells", "usable_strengths"]

JUDGED = 0.5
"""Share of its replies that must have a judgement before a cell can be chosen: the others may be the worse ones."""

FALLS = ("optimism", "fall", "fall_p")
"""How a setting does on the prompts that report it, against those that chose it; what `with_falls` fills in."""

_CHOSEN = ("select_change", "select_coherence", "candidates", "edge", "floor", *FALLS)
ROUNDING = 1e-9
"""Means that miss the floor by less than this do so by rounding in the computation only."""
AT = ("layers", "layer", "depth", "strength")
PERCENTILES = "_percentile"
"""How the names of scales end whose strengths are percentiles of projections."""
USABLE = ("direction", "layers", "layer", "depth", "usable", "largest", "change", "coherence")


def pareto(cells: pd.DataFrame) -> pd.Series[bool]:
    """Whether each cell is on the front of change and coherence.

    Within each owner, split and sign of strength: no other cell has at least as much change in the direction of its
    sign and at least as much coherence, with one of them strictly more. Cells without a change in the direction of
    their sign, or without a coherence, are not on it.
    """
    gain = cells["change"] * np.sign(cells["strength"])
    on = np.zeros(len(cells), bool)
    places = np.arange(len(cells))
    able = ((gain > 0) & cells["coherence"].notna()).to_numpy(bool)
    keys = [cells[name] for name in (*present(cells, OWNER), "split")]
    for _, group in pd.Series(places[able]).groupby([key.to_numpy()[able] for key in (*keys, cells["strength"] > 0)]):
        rows = group.to_numpy(int)
        on[rows] = _front(gain.to_numpy(float)[rows], cells["coherence"].to_numpy(float)[rows])
    front: pd.Series[bool] = pd.Series(on, index=cells.index, dtype=bool)
    return front


def recommended(cells: pd.DataFrame, floor: float) -> pd.DataFrame:
    """The setting to use in each direction: the largest change at which replies keep a coherence of `floor`.

    One floor serves fluency and on-topic: coherence is the worse of the two in each reply, so its mean is at most the
    mean of either.

    Chosen on the split "select" among the cells with the most prompts (a search that halves leaves bad cells with
    fewer) of which at least half have a judgement; if equal the smaller strength, then the lower layer. Its numbers are
    those on "test" where it was measured there: `held_out` is True then.

    Returns:
        A row for each owner and `direction` (1 or −1): layers, layer, depth, strength, `NUMBERS`, `held_out`, `reason`
        ("" where there is a setting; else why there is none, and layer is −1), `select_change`, `select_coherence`,
        `candidates`, how many cells there were to choose from, `edge`, whether the strength is the outermost one of its
        sign that was tried (a larger one might do more), the `floor`, and `FALLS`, still NaN.
    """
    owner = present(cells, OWNER)
    columns = [*owner, "direction", *AT, *NUMBERS, "held_out", "reason", *_CHOSEN]
    rows = [
        {**records(mine.head(1)[owner])[0], "direction": direction, "floor": floor, **_choice(part, direction, floor)}
        for _, mine in cells.groupby(owner, sort=False, observed=True)
        for direction, part in _directions(mine)
    ]
    table: pd.DataFrame = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(FALLS, float))
    return table


def usable_strengths(cells: pd.DataFrame, floor: float) -> pd.DataFrame:
    """The strengths at which replies stay coherent, for each layer and sign, on the split that chooses.

    Cells whose strengths are percentiles are left out: a higher percentile of a cap pushes less, so there is no
    strength up to which all are usable.

    Returns:
        A row for each owner, direction (1 or −1) and layers: `usable`, the largest |strength| such that it and every
        smaller one tried keep a coherence of `floor`, 0 if none; `largest`, the largest one tried; change and
        coherence at `usable`, NaN where it is 0. None where coherence was not measured.
    """
    owner = present(cells, OWNER)
    rows = [
        {
            **records(mine.head(1)[[*owner, "layers", "layer", "depth"]])[0],
            "direction": direction,
            **_range(part, floor),
        }
        for _, mine in _choosing(_of_sizes(cells)).groupby([*owner, "layers"], sort=False, observed=True)
        for direction, part in _directions(mine)
        if part["coherence"].notna().any()
    ]
    table: pd.DataFrame = pd.DataFrame(rows, columns=[*owner, *USABLE])
    return table


def _of_sizes(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells whose strengths say how far is pushed."""
    rows: pd.DataFrame = cells[~cells["scale"].astype(str).str.endswith(PERCENTILES)] if "scale" in cells else cells
    return rows


def _front(gain: NDArray[np.float64], coherence: NDArray[np.float64]) -> NDArray[np.bool_]:
    """In the order of falling gain, a cell is on the front if it is more coherent than all that gain more."""
    order = np.lexsort((-coherence, -gain))
    on = np.zeros(len(gain), bool)
    highest, last = -np.inf, (np.nan, np.nan)
    for place in order:
        here = (gain[place], coherence[place])
        if coherence[place] > highest or here == last:
            on[place] = True
            highest, last = coherence[place], here
    return on


def _directions(cells: pd.DataFrame) -> list[tuple[int, pd.DataFrame]]:
    signs = np.sign(cells["strength"])
    return [(sign, cells[signs == sign]) for sign in (1, -1) if (signs == sign).any()]


def _choosing(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells that settings are chosen from: those on "select", and where an owner has none, all that it has."""
    select = cells["split"] == "select"
    chooses = select.groupby([cells[name] for name in present(cells, OWNER)], observed=True).transform("any")
    rows: pd.DataFrame = cells[select | ~chooses]
    return rows


def candidates(cells: pd.DataFrame, direction: int, floor: float) -> pd.DataFrame:
    """The cells that a setting is chosen from: asked all prompts, mostly judged, moving that way, and coherent."""
    judged = _judged(cells)
    fit: pd.DataFrame = judged[(judged["change"] * direction > 0) & _keeps(judged, floor)]
    return fit


def _judged(cells: pd.DataFrame) -> pd.DataFrame:
    choosing = _choosing(cells)
    full = choosing[choosing["prompts"] == choosing["prompts"].max()]
    judged: pd.DataFrame = full[full["change"].notna() & (full["n"] >= JUDGED * full["prompts"])]
    return judged


def _keeps(cells: pd.DataFrame, floor: float) -> pd.Series[bool]:
    keeps: pd.Series[bool] = cells["coherence"] >= floor - ROUNDING
    return keeps


def _choice(cells: pd.DataFrame, direction: int, floor: float) -> dict[str, Any]:
    choosing, judged = _choosing(cells), _judged(cells)
    fit = candidates(cells, direction, floor)
    if fit.empty:
        moving, coherent = judged["change"] * direction > 0, _keeps(judged, floor)
        known = bool(judged["coherence"].notna().any())
        reason = _reason(len(judged), known, bool(moving.any()), bool(coherent.any()), floor)
        return {"layers": "", "layer": -1, "held_out": False, "reason": reason, "edge": False, "candidates": 0}
    ranked = fit.assign(gain=fit["change"] * direction, size=fit["strength"].abs())
    ranked = ranked.sort_values(["gain", "size", "layer", "layers"], ascending=[False, True, True, True])
    chosen = records(ranked.head(1))[0]
    test = cells[(cells["split"] == "test") & (cells["layers"] == chosen["layers"])]
    test = test[test["strength"] == chosen["strength"]]
    held_out = chosen["split"] == "select" and bool(test["n"].sum() > 0)
    measured = records(test.head(1))[0] if held_out else chosen
    return {
        **{name: measured[name] for name in (*AT, *NUMBERS)},
        "held_out": held_out,
        "reason": "",
        "select_change": chosen["change"],
        "select_coherence": chosen["coherence"],
        "candidates": len(fit),
        "edge": bool(abs(chosen["strength"]) >= choosing["strength"].abs().max()),
    }


def _reason(judged: int, known: bool, moves: bool, coherent: bool, floor: float) -> str:
    if not judged:
        return "not judged"
    if not known:
        return "coherence not measured"
    if not coherent:
        return f"no cell keeps a coherence of {plain(floor)}"
    return f"no cell keeps a coherence of {plain(floor)} and moves that way" if moves else "no cell moves that way"


def _range(cells: pd.DataFrame, floor: float) -> dict[str, Any]:
    ordered = cells.assign(size=cells["strength"].abs()).sort_values("size")
    coherent = _keeps(ordered, floor).cummin()
    usable = ordered[coherent].tail(1)
    at = records(usable)[0] if len(usable) else {"size": 0.0, "change": np.nan, "coherence": np.nan}
    largest = float(ordered["size"].max())
    return {"usable": at["size"], "largest": largest, "change": at["change"], "coherence": at["coherence"]}
