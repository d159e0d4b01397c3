"""Every sentence that a finding can have is made from some table here, and asserts only what its claims support."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest

from claimed import INTERVAL, check_all
from imported_items import planted_items
from trimtab.analysis import (
    EASY,
    THE_VECTOR,
    Finding,
    compare_groups,
    compare_models,
    comparison_findings,
    correlations,
    dose_findings,
    engine_agreement,
    group_contrasts,
    models_frame,
    null_findings,
    null_tests,
    reply_findings,
    robustness_findings,
)
from trimtab.analysis.baselines.arm_names import COMBINED, CONTRARY, FEW_SHOT, SYSTEM_PROMPT
from trimtab.analysis.cells import FULL
from trimtab.analysis.findings import Sentence
from trimtab.analysis.imported import (
    condition_contrasts,
    imported_findings,
    item_scores,
    letter_changes,
    split_choice,
    unscored_items,
)
from trimtab.analysis.projection_findings import projection_findings
from trimtab.analysis.projections import OWNER, PROJECTION_COLUMNS, reported, separations
from trimtab.analysis.scores.bounds import bound_findings, bounds_table
from trimtab.analysis.scores.condition_findings import condition_findings
from trimtab.analysis.side_effects import neutral_changes, side_findings, side_gaps, task_changes, task_findings
from trimtab.report.measures.answers import ambiguous_answers
from trimtab.report.measures.diagnosis.diagnosis_report import diagnosed

from .conftest import samples
from .scenarios import (
    NO_TEXT,
    arms_said,
    asked,
    compared_arms,
    entry,
    neutral,
    replied,
    replies_said,
    said_of,
    setting_of,
    side_said,
    swept,
    task_samples,
)

ARGUMENTS = {("about", "values"), ("_about", "values"), ("about", "_values"), ("_about", "_values")}

# Made in the report from what it reads, of which tests/report has examples.
IN_REPORT = {ambiguous_answers, diagnosed}


def every_sentence() -> set[Sentence]:
    """The functions of the analysis and the report that make the sentence of a finding."""
    found: set[Sentence] = set()
    for package in map(importlib.import_module, ("trimtab.analysis", "trimtab.report")):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for _, function in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction):
                code = function.__code__
                if code.co_varnames[: code.co_argcount] in ARGUMENTS and function.__module__.startswith("trimtab."):
                    found.add(function)
    return found


def scores() -> Iterator[list[Finding]]:
    """Effects, none, the wrong way, elsewhere; few, equal and steady scores; tails; choices that do not hold."""
    rng = np.random.default_rng(0)
    yield said_of(swept(rng, 1.0, peak=1))
    yield said_of(swept(rng, 0.0))
    yield said_of(swept(rng, -1.0, layers=1, peak=0))
    yield said_of(swept(rng, 1.0, n=1))
    yield said_of(swept(rng, 1.0, peak=3, layers=4).assign(depth=lambda table: table["depth"] / 2))
    elsewhere = swept(rng, 1.0, peak=1, n=16)
    test = (elsewhere["split"] == "test") & (elsewhere["strength"] != 0)
    elsewhere.loc[test, "score"] += elsewhere["strength"] * elsewhere["layer"].map({1: -1.0, 2: 3.0}).fillna(0.0)
    yield said_of(elsewhere)
    yield said_of(swept(rng, 1.0, n=24).assign(score=lambda t: t["score"].where(t["strength"] != 0, 1.0)))
    yield said_of(swept(rng, 1.0, n=24).assign(score=lambda t: t["score"] + 100))
    alike = [swept(rng, 0.0, layers=5, n=12, splits=splits) for splits in (("test",), ("select", "test"))]
    for table in alike:
        yield said_of(table.assign(score=table["score"] + 0.3 * table["strength"]))
    zero = rng.normal(size=60)
    yield said_of(samples({(-1, 0): zero, (4, 1): zero - 1, (4, -1): zero - 4 + rng.normal(0, 0.2, 60)}))
    gain = np.where(np.arange(60) < 40, 2.0, -0.5)
    yield said_of(samples({(-1, 0): zero, (4, 1): zero + gain, (4, -1): zero - gain}))
    low = np.where(zero <= np.quantile(zero, 0.15), -3.0, 2.0)
    yield said_of(samples({(-1, 0): zero, (4, 1): zero + low, (4, -1): zero - 1}))
    yield said_of(samples({(-1, 0): zero}))


def letters() -> Iterator[list[Finding]]:
    """The letter alone, the letter before the content, neither, and a vector that steers the letter."""
    rng = np.random.default_rng(1)
    content = rng.normal(0, 1, 50)
    for letter, meaning in ((rng.normal(2, 0.2, 50), 0.0), (3.0, content), (0.0, 0.0)):
        given, other = letter + meaning + rng.normal(0, 0.5, 50), meaning - letter + rng.normal(0, 0.5, 50)
        yield said_of(
            pd.concat(
                [
                    samples({(-1, 0): given, (4, 1): given + 3, (4, -1): given - 3}, label="A"),
                    samples({(-1, 0): other, (4, 1): other - 2.5, (4, -1): other + 2.5}, label="B", order=1),
                ]
            )
        )


def odd_samples() -> Iterator[list[Finding]]:
    """What a samples table may lack or have too much of."""
    rng = np.random.default_rng(2)
    table = swept(rng, 1.0, n=6)
    yield said_of(table[table["strength"] != 0])
    yield said_of(table[table["strength"] >= 0])
    yield said_of(table.assign(score=table["score"].where(table.index % 17 != 3, np.inf)))
    yield said_of(table.assign(score=1.0))
    other = table[table["strength"] != 0]
    yield said_of(pd.concat([table, other.assign(scale="relative")]))
    yield said_of(pd.concat([table, other.assign(positions="generated")]))
    again = table[table["strength"] == 0].head(3)
    yield said_of(pd.concat([table, again.assign(score=again["score"] + 1)]))
    dose = pd.DataFrame({"layers": ["1", "1"], "strength": [0.1, 0.2], "kl": [-1e-7, -0.3]})
    yield dose_findings(dose)


def between(values: dict[str, tuple[float, float]], depth: list[float] | None = None, missing: str = ""):
    """Findings about models whose means are known: name → (delta, Δ), each ± 0.1."""
    rows = [
        {
            "engine": "transformers", "model": name, "behavior": behavior, "scoring": "text",
            "depth": (depth or [0.5] * len(values))[number], "delta": delta, "glass": glass, "glass_unsteered": glass,
            "glass_negative": glass, "delta_low": delta - 0.1, "delta_high": delta + 0.1, "glass_low": glass - 0.1,
            "glass_high": glass + 0.1,
        }
        for number, (name, (delta, glass)) in enumerate(values.items())
        for behavior in ("calm", "kind")
        if (name, behavior) != (missing, "kind")
    ]  # fmt: skip
    table = compare_models(pd.DataFrame(rows))
    models = models_frame([entry(name, number) for number, name in enumerate(values)])
    of_kind = {"engine": "transformers", "scoring": "text"}
    groups, contrasts, found = (
        compare(table, models).assign(**of_kind) for compare in (compare_groups, group_contrasts, correlations)
    )
    return comparison_findings(table, groups, contrasts, found)


def models() -> Iterator[list[Finding]]:
    """Models that differ, that do not, whose order turns, and that cannot be compared."""
    rng = np.random.default_rng(3)
    yield between({"a": (3.0, 1.0), "b": (1.0, 3.0)})
    yield between({"a": (3.0, 1.0), "b": (1.0, 1.0)}, missing="b")
    yield between({"a": (1.0, 1.0), "b": (1.0, 1.0)})
    eight = {f"m{number}": (1.0 * number, 2.0 * number) for number in range(8)}
    yield between(eight, depth=[0.9, 0.2, 0.8, 0.1, 0.95, 0.3, 0.85, 0.15])
    yield between({name: (float(delta), 1.0) for name, delta in zip(eight, rng.normal(size=8), strict=True)}, [0.5] * 8)
    two = pd.concat([swept(rng, 1.0, layers=2, n=8, model=name) for name in ("a", "b")])
    for column, value in (("scale", "relative"), ("positions", "generated")):
        other = two.assign(**{column: two[column].mask(two["model"] == "b", value)})
        yield said_of(other)
    same = [entry("a", weights="f"), {**entry("b", 1, "f"), "dtype": "bfloat16"}]
    yield said_of(two, same)
    for shift in (0.0, 1.0):
        formats = pd.concat([two[two["model"] == "a"], two[two["model"] == "a"].assign(model="b")])
        formats["score"] += shift * (formats["model"] == "b")
        yield engine_agreement(formats, [{**one, "dtype": one.get("dtype", "float32")} for one in same])


def replies() -> Iterator[list[Finding]]:
    """Replies that change, that do not, that fall, that cannot be judged, and judges that cannot judge."""
    rng = np.random.default_rng(4)
    for kind in ("planted", "noise", "fall", "one split", "failures"):
        yield replies_said(*replied(rng, kind))
    texts, judged = replied(rng, "fall")
    yield replies_said(texts, judged.assign(change=0.0))
    yield replies_said(texts, judged.assign(change=5 * judged["strength"], coherence=9.0))
    yield replies_said(texts, judged.assign(coherence=1.0))
    broken = (judged["strength"] != 0) & (rng.random(len(judged)) < 0.2)
    yield replies_said(texts, judged.assign(coherence=9.0).assign(coherence=lambda t: t["coherence"].mask(broken, 0.5)))
    yield replies_said(texts, judged.assign(change=np.nan, failure="no number"))
    test = judged["split"] == "test"
    yield replies_said(texts, judged.assign(coherence=judged["coherence"].mask(test, 4.0)))
    yield replies_said(texts, judged.assign(change=judged["change"].mask(test, -10 * judged["change"])))
    unrated = judged.assign(coherence=np.nan)
    yield replies_said(texts.assign(nll_other=np.nan), unrated)
    yield replies_said(texts.assign(nll_other=np.nan, nll_ordinary=np.nan), unrated)
    of = {"model": judged["model"].iloc[0], "behavior": judged["behavior"].iloc[0]}
    poor = [{**of, "name": "classifier", "accuracy": 0.81}, {**of, "name": "other", "declined": "it is out of money."}]
    yield replies_said(texts, judged, judges=poor)
    yield reply_findings(pd.DataFrame(columns=["failed", "judge", *of]), pd.DataFrame(columns=[*of, "judge"]), poor[1:])


def side_effects() -> Iterator[list[Finding]]:
    """Others that move or do not, costs, replies to neutral prompts, and what was not measured."""
    rng = np.random.default_rng(5)
    yield side_said(rng, {"own": 1.0, "x": 0.5, "y": 0.0, EASY: 0.0}, longer=3.0, refusals=0.9)
    texts = pd.DataFrame(
        [
            {"model": "m", "behavior": "own", "layers": "5", "strength": strength, "text": n, "nll": 2.0 + strength}
            for strength in (0.0, 1.0)
            for n in range(8)
        ]
    )
    yield side_said(rng, {"own": 1.0, "x": 0.0, EASY: -3.0}, texts=texts)
    foreign = neutral(rng, 1.0, 0.0).assign(chosen_by="scores")
    foreign["language"] = np.where(foreign["strength"] == 0, "en", "de")
    cells = pd.DataFrame(columns=["model", "behavior", "scale", "layers", "strength"]).astype({"strength": float})
    yield side_findings(cells, setting_of("scores"), neutral_changes(foreign))
    yield side_gaps([("m", "own")], cells, setting_of("scores"), NO_TEXT, NO_TEXT)
    yield task_findings(task_changes(task_samples([1.0] * 30, [0.0, 0.0, 1.0] * 10)))


def random_directions() -> Iterator[list[Finding]]:
    """Vectors that do more than random directions, as much, the wrong way, and ones that nothing is known of."""
    for delta, draws in ((5.0, 40), (0.1, 40), (-5.0, 40), (5.0, 5), (np.nan, 40)):
        rows = [{"kind": THE_VECTOR, "draw": 0, "delta": delta}]
        rows += [{"kind": "isotropic", "draw": draw, "delta": 0.01 * draw} for draw in range(1, draws + 1)]
        table = pd.DataFrame(rows).assign(
            model="m", behavior="b", scale="raw", layers="5", layer=5, depth=0.5, strength=0.1, compared=FULL,
            chosen_by="replies", n=10, glass=lambda t: t["delta"],
        )  # fmt: skip
        yield null_findings(null_tests(table))


def robust() -> Iterator[list[Finding]]:
    """Variants that keep the effect, lose it, turn it; none; none that could be measured."""
    rng = np.random.default_rng(6)
    yield robustness_findings(asked(rng, {"a": 1.0, "b": 0.0, "c": -1.0}))
    yield robustness_findings(asked(rng, {}))
    yield robustness_findings(asked(rng, {"a": 1.0}, effect=0.0))
    yield robustness_findings(asked(rng, {"a": 1.0}, n=2))


def projected() -> Iterator[list[Finding]]:
    """Examples that lie apart, that do not, the other way round, and too few of them."""
    rng = np.random.default_rng(7)
    for apart, n in ((2.0, 20), (0.0, 20), (-2.0, 20), (0.0, 1)):
        rows = [
            ("m", "b", "transformers", split, f"e{k}", k, side, layer, layer / 2, side * apart / 2 + rng.normal())
            for split in ("select", "test")
            for layer in (1, 2)
            for k in range(n)
            for side in (1, -1)
        ]
        yield projection_findings(reported(separations(pd.DataFrame(rows, columns=[*OWNER, *PROJECTION_COLUMNS]))))


def imported() -> Iterator[list[Finding]]:
    """Conditions and vectors that do something or nothing; letters; one layer for several behaviors; little held."""
    two = [planted_items({"none": 0.0, "pos": 1.5}, 1.5, behavior=name, seed=n) for n, name in enumerate("ab")]
    for items in (
        pd.concat(two, ignore_index=True),
        planted_items({"none": 0.0, "pos": 0.0}, 0.0, letter=3.0, held=0.4),
        planted_items({"none": 0.0}, 1.0, letter=-2.0),
        planted_items({"none": 0.0, "pos": 1.0}, 1.0).assign(share=np.nan, p_first=np.nan, p_second=np.nan),
    ):
        made = {
            "scores": item_scores(items, draws=200), "unscored": unscored_items(items),
            "contrasts": condition_contrasts(items, draws=200), "choice": split_choice(items, splits=50, draws=200),
            "changes": letter_changes(items, draws=200),
        }  # fmt: skip
        yield imported_findings(made, 50)


def baselines() -> Iterator[list[Finding]]:
    """A prompt or a vector that wins, ties, nothing that moves; equal doses, both together, other methods."""
    prompt, shots, vector = (SYSTEM_PROMPT, "prompt"), (FEW_SHOT, "prompt"), ("mean", "vector")
    dosed, other, chance = ("mean, equal dose", "vector"), ("pca", "other vector"), ("random", "control")
    both, contrary = (COMBINED, "both"), (CONTRARY, "contrary")
    for seed, sizes in enumerate(
        (
            {prompt: 3.0, vector: 1.0, shots: 0.2, dosed: 0.4, other: 2.5, chance: 1.0, both: 4.5, contrary: -1.0},
            {prompt: 2.0, vector: 2.0, shots: 2.0, dosed: 2.0, other: 2.0, chance: 0.0, both: 2.0, contrary: -2.0},
            {prompt: 0.0, vector: 0.0},
            {vector: 2.0},
        )
    ):
        table = compared_arms(np.random.default_rng(40 + seed), sizes, n=20)
        doses = table[table["arm"] != "plain"].drop_duplicates(["arm", "side", "at", "wording"])
        yield arms_said(table, doses.assign(kl=0.5, place="user message", added_tokens=9.0))


def conditions_and_bounds() -> Iterator[list[Finding]]:
    """Prompts that meet a condition, some, all and none; percentiles with and without a chosen setting."""
    owner = {"run": "r", "model": "m", "behavior": "kind"}
    words = "only where the prompt scores above 0.5 for polite (its mean state, layer 2)"
    for opened in (0, 1, 3, 8):
        yield condition_findings([{**owner, "words": words, "prompts": 8, "opened": opened}])
    yield condition_findings([{**owner, "words": words, "prompts": 1, "opened": 1}])
    bound = {
        **owner, "scale": "cap", "token_position": "last", "positive": 8, "negative": 1, "layers": [3, 5],
        "percentiles": [25.0], "strengths": [[0.5, -0.25]],
    }  # fmt: skip
    best = pd.DataFrame([{"model": "m", "behavior": "kind", "layer": 5, "strength": 25.0}])
    for side in ("both", "negative"):
        table = bounds_table([{**bound, "side": side}])
        assert table["rows"].tolist() == [9 if side == "both" else 1] * 2
        yield bound_findings(table, best)
        yield bound_findings(table, best.iloc[:0])


SCENARIOS = (
    conditions_and_bounds,
    baselines,
    scores,
    letters,
    odd_samples,
    models,
    replies,
    side_effects,
    random_directions,
    robust,
    projected,
    imported,
)


@functools.cache
def said(scenario: Callable[[], Iterator[list[Finding]]]) -> list[Finding]:
    """All findings about the tables of a scenario."""
    return [finding for found in scenario() for finding in found]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_what_is_said_of_these_tables_is_true_of_them(scenario: Callable[[], Iterator[list[Finding]]]) -> None:
    check_all(said(scenario))


def test_every_sentence_is_made_by_some_table() -> None:
    """A new one needs a table here."""
    reached = {finding.sentence for scenario in SCENARIOS for finding in said(scenario)}
    assert len(reached) > 70
    missing = every_sentence() - reached - IN_REPORT
    assert not {sentence.__name__ for sentence in missing}


def test_findings_can_be_read_once() -> None:
    for scenario in SCENARIOS:
        for finding in said(scenario):
            parts = finding.text.split(". ")
            assert len(parts) <= 4, finding.text
            assert max(map(len, parts)) <= 320, finding.text
            # One statement, with at most two intervals in it.
            assert max(len(INTERVAL.findall(part)) for part in parts) <= 2, finding.text
