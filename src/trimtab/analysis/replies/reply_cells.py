"""Replies and what judges made of them, put together: reply by reply, and cell by cell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.replies.coherence import with_coherence
from trimtab.analysis.samples import present
from trimtab.stats.bootstrap import intervals as bootstrap_intervals
from trimtab.stats.significance import sign_flip

SPEAKER = ("run", "engine", "model", "behavior")
"""What was asked: replies of one speaker to one prompt belong beside each other."""

OWNER = (*SPEAKER, "judge", "scale", "positions")
"""What settings are chosen for, one for each direction."""

CELL = (*OWNER, "split", "layers", "layer", "depth", "strength")

NUMBERS = (
    "n", "prompts", "failed", "change", "change_low", "change_high", "change_p", "change_p_adjusted", "coherence",
    "coherence_low", "coherence_high", "fluency", "on_topic", "incoherent", "rated", "score", "refusals", "words",
    "coherence_unsteered", "fluency_unsteered", "on_topic_unsteered", "incoherent_unsteered",
)  # fmt: skip
INCOHERENT = 5.0
"""A reply of less coherence, of 10, counts as incoherent: a mean of 7 may be that of good replies and some of these."""
_VERDICT = ("score", "change", "coherence", "failure")
_QUALITY = ("coherence", "fluency", "on_topic", "incoherent")
_MEANS = (
    "change", *_QUALITY, "rated", "score", "refusals", "words", *(f"{name}_unsteered" for name in _QUALITY),
)  # fmt: skip


def judged_replies(replies: pd.DataFrame, judgements: pd.DataFrame | None) -> pd.DataFrame:
    """A row for each reply and judge, steered and unsteered, with what that judge made of it.

    Args:
        replies: Columns `REPLIES`; `run` may come on top.
        judgements: Columns `JUDGEMENTS`; None where nobody judged.

    Returns:
        The columns of the replies, those of `with_coherence`, `judge` ("" where there is none), `score`, `change`,
        `failure` ("" where nothing went wrong), `coherence`: the judge's own where it gave one, else that of
        `with_coherence`, `incoherent`: 1 where that is under `INCOHERENT`, else 0, and `rated`: whether the judge gave
        one. An unsteered reply has a change of 0. Judges come in the order of their first judgements.
    """
    table = with_coherence(replies).rename(columns={"coherence": "offline"})
    if judgements is None or judgements.empty:
        verdicts = table.assign(judge="", score=np.nan, change=np.nan, coherence=np.nan, failure="")
    else:
        verdicts = _joined(table, judgements)
    still = verdicts["strength"] == 0
    own = verdicts["coherence"].astype(float)
    judged: pd.DataFrame = verdicts.drop(columns="offline").assign(
        change=verdicts["change"].astype(float).mask(still, 0.0),
        score=verdicts["score"].astype(float),
        coherence=own.fillna(verdicts["offline"]),
        incoherent=_incoherent(own.fillna(verdicts["offline"])),
        rated=own.notna(),
        failure=verdicts["failure"].fillna("").astype(str),
    )
    return judged


def _incoherent(coherence: pd.Series[float]) -> pd.Series[float]:
    """1 where a reply is incoherent, 0 where it is not, NaN where that is not known."""
    found: pd.Series[float] = (coherence < INCOHERENT).astype(float).where(coherence.notna())
    return found


def first_judged(table: pd.DataFrame) -> pd.DataFrame:
    """The rows by the first judge of each model and behavior, the one that settings are chosen by."""
    speaker = present(table, SPEAKER)
    first = table.drop_duplicates(speaker)[[*speaker, "judge"]]
    rows: pd.DataFrame = table.merge(first, on=[*speaker, "judge"])
    return rows


def reply_cells(judged: pd.DataFrame, *, intervals: bool = True, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Every steered cell by its judged replies: means over prompts.

    Change and score are means over the prompts with a judgement; coherence, fluency, on-topic, refusals and words over
    all replies, those included that no judge could read, since leaving them out would make the cell look better.

    Args:
        judged: What `judged_replies` returned.
        intervals: Whether to give 95% bootstrap intervals (prompts are resampled) and tests; without, those columns are
            NaN.
        resamples: How many.
        seed: Seed of the resamples.

    Returns:
        A row for each cell, judge and split, in the order of the replies: `run` where the replies have it, engine,
        model, behavior, judge, scale, positions, split, layers, layer, depth, strength (signed), and `NUMBERS`: n,
        prompts with a judgement; prompts, those with a reply; failed, replies whose judgement failed; change, with p
        and p adjusted of a paired sign-flip test, alone and corrected for the cells of the owner and split (see
        `significance.sign_flip`), since an interval of a dozen prompts alone is too narrow; coherence, fluency and
        on_topic; incoherent, the share of replies with a coherence under `INCOHERENT`; rated, the share of replies
        whose coherence is the judge's own verdict; score; refusals, a share; words; coherence, fluency, on_topic and
        incoherent of the unsteered replies to the same prompts.
    """
    keys = present(judged, CELL)
    if not (judged["strength"] != 0).any():
        none: pd.DataFrame = pd.DataFrame(columns=[*keys, *NUMBERS])
        return none
    rows = _by_prompt(_beside_unsteered(judged), keys)
    groups = rows.groupby(keys, sort=False, observed=True)
    table = groups[list(_MEANS)].mean()
    table["n"] = groups["change"].count()
    table["prompts"] = groups.size()
    table["failed"] = groups["failed"].sum().astype(int)
    measured = ("change_low", "change_high", "change_p", "change_p_adjusted", "coherence_low", "coherence_high")
    ends = dict.fromkeys(measured, np.nan)
    table = table.reset_index().assign(**ends)
    if intervals:
        rows = rows.assign(cell=groups.ngroup())
        for measure in ("change", "coherence"):
            table[f"{measure}_low"], table[f"{measure}_high"] = _intervals(rows, len(table), measure, resamples, seed)
        table["change_p"], table["change_p_adjusted"] = _tests(rows, len(table), seed)
    cells: pd.DataFrame = table[[*keys, *NUMBERS]]
    return cells


def _joined(replies: pd.DataFrame, judgements: pd.DataFrame) -> pd.DataFrame:
    speaker = present(replies, SPEAKER)
    # An unsteered reply is the same at every scale and position: its judgement is found by its prompt alone.
    where = ["scale", "positions", "layers", "strength", "split", "prompt_id"]
    verdicts = _at_origin(judgements)[[*speaker, *where, "judge", *_VERDICT]]
    # A judgement that failed may have been made again later.
    verdicts = verdicts.drop_duplicates([*speaker, *where, "judge"], keep="last")
    judges = judgements[[*speaker, "judge"]].drop_duplicates()
    wide = replies.merge(judges, on=speaker, how="left").fillna({"judge": ""})
    keyed = _at_origin(wide)[[*speaker, *where, "judge"]]
    found = keyed.merge(verdicts, on=[*speaker, *where, "judge"], how="left")[list(_VERDICT)]
    joined: pd.DataFrame = pd.concat([wide, found], axis=1)
    return joined


def _at_origin(table: pd.DataFrame) -> pd.DataFrame:
    """The table with one scale and one place, "", for all unsteered rows."""
    still = table["strength"] == 0
    plain = {name: table[name].astype(str).mask(still, "") for name in ("scale", "positions", "layers")}
    moved: pd.DataFrame = table.assign(**plain)
    return moved


def _beside_unsteered(judged: pd.DataFrame) -> pd.DataFrame:
    """The steered rows, with coherence, fluency and on-topic of the unsteered reply to the same prompt."""
    prompt = [*present(judged, SPEAKER), "judge", "split", "prompt_id"]
    still = judged[judged["strength"] == 0].drop_duplicates(prompt)[[*prompt, *_QUALITY]]
    steered = judged[judged["strength"] != 0].rename(columns={"refusal": "refusals"})
    steered = steered.assign(
        failed=steered["failure"] != "",
        refusals=steered["refusals"].astype(float),
        rated=steered["rated"].astype(float),
    )
    beside: pd.DataFrame = steered.merge(
        still.rename(columns={name: f"{name}_unsteered" for name in _QUALITY}), on=prompt, how="left"
    )
    return beside


def _by_prompt(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """One row for each cell and prompt: a prompt asked again counts once, by its mean."""
    unit = [*keys, "prompt_id"]
    if not rows.duplicated(unit).any():
        once: pd.DataFrame = rows
        return once
    groups = rows.groupby(unit, sort=False, observed=True)
    table: pd.DataFrame = pd.concat([groups[list(_MEANS)].mean(), groups["failed"].sum()], axis=1).reset_index()
    return table


def _intervals(
    rows: pd.DataFrame, n_cells: int, measure: str, draws: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = np.full(n_cells, np.nan), np.full(n_cells, np.nan)
    owner = [*present(rows, OWNER), "split"]
    for _, group in rows.dropna(subset=[measure]).groupby(owner, sort=False, observed=True):
        wide = group.pivot(index="prompt_id", columns="cell", values=measure)
        cells = wide.columns.to_numpy(int)
        for values, columns in _by_prompts(wide.to_numpy(float)):
            ends, _ = bootstrap_intervals(values, (), np.ones(len(values)), draws=draws, seed=seed)
            low[cells[columns]], high[cells[columns]] = ends
    return low, high


def _tests(rows: pd.DataFrame, n_cells: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The p of each cell's change, alone and as one of the cells of its owner."""
    alone, together = np.full(n_cells, np.nan), np.full(n_cells, np.nan)
    for _, group in rows.dropna(subset=["change"]).groupby([*present(rows, OWNER), "split"], observed=True):
        wide = group.pivot(index="prompt_id", columns="cell", values="change")
        cells = wide.columns.to_numpy(int)
        alone[cells], together[cells] = sign_flip(wide.to_numpy(float), np.ones(len(wide)), seed=seed)
    return alone, together


def _by_prompts(values: NDArray[np.float64]) -> Iterator[tuple[NDArray[np.float64], list[int]]]:
    """Cells measured on the same prompts, together: usually all, so that they share resamples."""
    known = np.isfinite(values)
    groups: dict[bytes, list[int]] = {}
    for column in range(values.shape[1]):
        groups.setdefault(known[:, column].tobytes(), []).append(column)
    for columns in groups.values():
        yield values[known[:, columns[0]]][:, columns], columns
