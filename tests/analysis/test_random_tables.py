"""Over random tables no finding asserts an order, a best, an effect, a share or a fall that the numbers do not bear.

What a finding asserts is worked out again here from the tables themselves, by means and by all sign patterns.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claimed import check_all
from trimtab.analysis import THE_VECTOR, Finding, null_effects, null_findings, null_tests, robustness_findings
from trimtab.analysis.scores import score_sentences

from .conftest import samples
from .scenarios import asked, replied, replies_said, said_of, side_said, swept

QUICK = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 10_000)


def sign_flip_p(differences: np.ndarray) -> float:
    """Two-sided p of the mean over all sign patterns, the slow and obvious way; of 12 values at most."""
    signs = np.array(list(itertools.product([1, -1], repeat=len(differences))))
    means = np.abs(signs @ differences)
    return float((means >= abs(differences.sum()) - 1e-9 * np.abs(differences).sum()).mean())


def deltas(table: pd.DataFrame, split: str, strength: float, *, compared: bool) -> pd.DataFrame:
    """Score at +α minus that at −α, or minus the unsteered one, by layer and prompt: [prompts, layers]."""
    mine = table[table["split"] == split]
    up, down = (mine[mine["strength"] == s].pivot(index="prompt_id", columns="layers", values="score")
                for s in (strength, -strength))  # fmt: skip
    if compared:
        return up - down
    zero = mine[mine["strength"] == 0].set_index("prompt_id")["score"]
    return up.sub(zero, axis=0)


def check_score_finding(finding: Finding, table: pd.DataFrame, *, mirrored: bool) -> None:
    """An effect, and what is said of other layers, from the samples themselves."""
    values, about = finding.values, finding.subjects[0]
    mine = table[(table["model"] == about.model) & (table["behavior"] == about.behavior)]
    held_out = values["held_out"]
    split = "test" if held_out else mine["split"].iloc[0]
    found = deltas(mine, split, values["strength"], compared=mirrored)
    here = found[str(values["layers"])].dropna()
    np.testing.assert_allclose(here.mean(), values["delta"], rtol=1e-6, atol=1e-12)
    if finding.kind != "effect":
        return
    assert here.mean() > 0
    assert sign_flip_p(here.to_numpy()) < 0.05
    means = found.sub(here, axis=0).mean().drop(str(values["layers"]))
    standing = values["standing"]
    if not held_out:
        assert not any(standing.values())
    if standing["best"]:
        assert (means < 0).all()
        assert all(sign_flip_p(found[layer].sub(here).dropna().to_numpy()) < 0.05 for layer in means.index)
    if standing["rival"] and standing["rival"]["strength"] == values["strength"]:
        more = found[standing["rival"]["layers"]].sub(here).dropna()
        assert more.mean() > 0
        assert sign_flip_p(more.to_numpy()) < 0.05
    assert 0 <= standing["alike"] + standing["ahead"] <= len(means)


@QUICK
@given(
    seed=seeds,
    n=st.sampled_from([1, 2, 6, 9, 12]),
    layers=st.sampled_from([1, 2, 4]),
    splits=st.sampled_from([("test",), ("select", "test")]),
    size=st.sampled_from([0.0, 0.4, 3.0, -2.0]),
    unit=st.sampled_from([1e-9, 1e-3, 1.0, 1e9]),
    kind=st.sampled_from(["plain", "tied", "nan", "no baseline", "constant", "equal layers", "one sign", "two models"]),
)
def test_scores(seed: int, n: int, layers: int, splits: tuple[str, ...], size: float, unit: float, kind: str) -> None:
    rng = np.random.default_rng(seed)
    table = swept(rng, size, layers=layers, n=n, peak=layers - 1, splits=splits)
    if kind == "two models":
        other = swept(rng, size / 2, layers=layers, n=n, peak=0, splits=splits, model="other")
        table = pd.concat([table, other], ignore_index=True)
    if kind == "tied":
        table["score"] = table["score"].round()
    elif kind == "nan":
        table.loc[rng.random(len(table)) < 0.1, "score"] = np.nan
    elif kind == "no baseline":
        table = table[table["strength"] != 0]
    elif kind == "constant":
        table["score"] = table["strength"] * size
    elif kind == "equal layers":
        first = table[table["layer"] == 0].set_index(["split", "strength", "prompt_id"])["score"]
        keys = pd.MultiIndex.from_frame(table[["split", "strength", "prompt_id"]])
        steered = table["strength"].to_numpy() != 0
        table["score"] = np.where(steered, first.reindex(keys).to_numpy(), table["score"])
    elif kind == "one sign":
        table = table[table["strength"] >= 0]
    table = table.assign(score=table["score"] * unit)
    worked_out = (score_sentences.score_effect, score_sentences.no_score_effect)
    for finding in check_all(said_of(table)):
        # With scores that are missing here and there the cells have different prompts.
        if finding.sentence in worked_out and kind != "nan":
            check_score_finding(finding, table, mirrored=kind != "one sign")


@QUICK
@given(
    seed=seeds,
    kind=st.sampled_from(["noise", "tie", "fall", "one split", "failures", "planted"]),
    unit=st.sampled_from([0.0, 1e-6, 0.01, 1.0]),
    unknown=st.booleans(),
)
def test_replies(seed: int, kind: str, unit: float, unknown: bool) -> None:
    rng = np.random.default_rng(seed)
    replies, judgements = replied(rng, kind)
    judgements["change"] *= unit
    if unknown:
        judgements.loc[judgements["strength"] != 0, "coherence"] = np.nan
    for finding in check_all(replies_said(replies, judgements)):
        if "change" not in finding.values or "layers" not in finding.values:
            continue
        values = finding.values
        split = "test" if values["held_out"] else "select"
        mine = judgements[
            (judgements["split"] == split)
            & (judgements["layers"] == values["layers"])
            & (judgements["strength"] == values["strength"])
        ]
        changes = mine["change"].dropna().to_numpy()
        np.testing.assert_allclose(changes.mean(), values["change"], rtol=1e-6, atol=1e-12)
        if finding.kind == "effect":
            assert changes.mean() * values["direction"] > 0
            if len(changes) <= 12:
                assert sign_flip_p(changes) < 0.05


@QUICK
@given(
    seed=seeds,
    own=st.sampled_from([0.0, 1.0, -1.0]),
    other=st.sampled_from([0.0, 0.3, 2.0]),
    longer=st.sampled_from([0.2, 1.0, 3.0]),
    refusals=st.sampled_from([0.0, 0.9]),
)
def test_side_effects(seed: int, own: float, other: float, longer: float, refusals: float) -> None:
    check_all(side_said(np.random.default_rng(seed), {"own": own, "x": other, "y": 0.0}, longer, refusals))


@QUICK
@given(
    seed=seeds,
    n=st.integers(1, 14),
    effect=st.sampled_from([0.0, 2.0, -2.0, 1e-7]),
    shares=st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 3.0]), max_size=3),
)
def test_robustness(seed: int, n: int, effect: float, shares: list[float]) -> None:
    variants = {f"v{number}": share for number, share in enumerate(shares)}
    check_all(robustness_findings(asked(np.random.default_rng(seed), variants, effect, n)))


@QUICK
@given(
    seed=seeds,
    n=st.integers(1, 8),
    push=st.sampled_from([0.0, 0.5, 5.0, -5.0]),
    draws=st.sampled_from([1, 19, 40]),
    spread=st.sampled_from([0.0, 1e-6, 1.0]),
)
def test_random_directions(seed: int, n: int, push: float, draws: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    zero = spread * rng.normal(size=n)
    tables = [
        samples({(-1, 0.0): zero, (5, 0.1): zero + moved, (5, -0.1): zero - moved}).assign(
            kind=kind, draw=draw, chosen_by="scores"
        )
        for draw, (kind, moved) in enumerate([(THE_VECTOR, push), *(("isotropic", m) for m in rng.normal(size=draws))])
    ]
    (finding,) = check_all(null_findings(null_tests(null_effects(pd.concat(tables, ignore_index=True)))))
    if finding.kind == "effect":
        assert push > 0
        assert finding.values["p"] < 0.05
