"""Findings of the diagnosis, with advice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from trimtab._util.wording import plural, verb_for
from trimtab.analysis.claims import ALPHA
from trimtab.analysis.diagnosis._confounds import confounds
from trimtab.analysis.diagnosis._shared_prompts import shared_around
from trimtab.analysis.diagnosis.differences import DEEP, PairDifferences
from trimtab.analysis.diagnosis.sentences import Diagnosis, at_layer, named
from trimtab.analysis.formatting import fixed, p_equals, percent, percent_with_interval, with_interval
from trimtab.analysis.samples import records

NEAR_TRUTH = 0.9
"""Expected cosine with the vector of infinitely many pairs from which a vector is steady: four fifths of its squared
length are what pairs have in common."""
HALF_NOISE = 0.71
"""Below this cosine more than half of a vector's squared length is chance."""
MANY_DISAGREE = 0.2
"""Share of the pairs: beyond it they are about two things."""
MANY_REPEAT = 0.1
"""Share of the pairs: beyond it halves have so much in common that they agree about themselves."""
FEW_DECIDE = 0.9
"""Cosine of raw and length-1 means below which a few long differences turn the vector by more than 25 degrees."""
WORTH = 0.03
"""Gain in expected cosine from twice as many pairs below which writing them is not worth it."""

_RANK = {"problem": 0, "caution": 1, "good": 2, "note": 3}
_NOISE = (
    "The two sides of the pairs are not shown to differ in a common direction.",
    "Check that the positive sides show the behavior and the negative ones do not; if so, write more pairs.",
)


def diagnosis_findings(
    quality: pd.DataFrame, curve: pd.DataFrame, heuristics: pd.DataFrame, flags: pd.DataFrame, d: PairDifferences
) -> list[Diagnosis]:
    """Sentences about the pairs of one behavior, problems first.

    Numbers of one layer are those of the steadiest layer of depth ≥ 1/3. Codes: `stable` or `unstable`, `probe` or
    `noise`, `few_pairs`, `more_pairs`, `disagreeing_pairs`, `duplicates`, `norm_dominated`, `length_confound`,
    `first_token`, `letter_confound`, `answer_label`, `shared_prompts`. Codes without a finding are left out.

    Args:
        quality: What `pair_quality` returned.
        curve: What `pair_curve` returned.
        heuristics: What `layer_heuristics` returned.
        flags: What `pair_flags` returned.
        d: The differences they were made from.
    """
    row = steadiest(quality)
    found = [*confounds(d, row), *_disagreeing(flags, d), *_repeated(flags, d)]
    if row is not None:
        at = curve[curve["layer"] == row["layer"]]
        truth = {int(point["pairs"]): point["to_truth"] for point in records(at[at["extrapolated"]])}
        found += [_steady(row, truth, d), *_dominated(row, flags, d), _more(row, truth, d), *shared_around(row, d)]
    n_pairs = int(heuristics["pairs"].iloc[0])
    found += [
        *probe_finding(heuristics, "pairs", _NOISE),
        *few_to_fit("few_pairs", "pairs", n_pairs, d.difference.shape[2]),
    ]
    if any(diagnosis.code == "answer_label" for diagnosis in found):
        # Nothing is called good, and no pairs are worth writing, before the label is out.
        found = [diagnosis for diagnosis in found if diagnosis.level != "good" and diagnosis.code != "more_pairs"]
    return worst_first(found)


def worst_first(found: Iterable[Diagnosis]) -> list[Diagnosis]:
    """Problems first, notes last."""
    return sorted(found, key=lambda diagnosis: _RANK[diagnosis.level])


def steadiest(quality: pd.DataFrame) -> dict[str, Any] | None:
    """The row of the stability with the highest lower end at depth ≥ 1/3; None where no layer has one.

    The highest stability itself is often one that a few long differences make by luck, with a wide interval.
    """
    deep = quality[(quality["depth"] >= DEEP) & quality["stability"].notna()]
    # So few pairs that there are no intervals are ranked by what there is.
    ranked = deep.sort_values(["stability_low", "stability"], ascending=False, kind="stable")
    return None if ranked.empty else records(ranked.head(1))[0]


def _steady(row: dict[str, Any], truth: dict[int, float], d: PairDifferences) -> Diagnosis:
    expected, limits = truth[d.n_pairs], (HALF_NOISE, NEAR_TRUTH)
    text = (
        f"Vectors from two halves of the pairs have cosine {with_interval(*_interval(row, 'stability'))} at the "
        f"steadiest layer ({at_layer(row['layer'], d.n_layers)}). The vector of all {d.n_pairs} is expected to have "
        f"cosine {fixed(expected, 2, limits)} with that of infinitely many such pairs."
    )
    if expected >= NEAR_TRUTH:
        return Diagnosis("stable", "good", text, "Nothing to do.")
    return Diagnosis(
        "unstable",
        "problem" if expected < HALF_NOISE else "caution",
        text,
        "Write more pairs, and pairs whose sides differ in the behavior and in little else.",
    )


def _more(row: dict[str, Any], truth: dict[int, float], d: PairDifferences) -> Diagnosis:
    sizes = sorted(truth)
    now, double, fourfold = (truth[size] for size in sizes)
    where = at_layer(row["layer"], d.n_layers)
    if not now > 0:
        return Diagnosis(
            "more_pairs",
            "problem",
            f"Halves of the pairs have nothing in common yet ({where}), so the number needed cannot be extrapolated.",
            f"Look at what the {d.sides} differ in before writing more of the same.",
        )
    text = (
        f"Expected cosine with the vector of infinitely many such pairs ({where}): {fixed(now)} with these "
        f"{sizes[0]}, {fixed(double)} with {sizes[1]}, {fixed(fourfold)} with {sizes[2]}."
    )
    if double - now < WORTH:
        return Diagnosis("more_pairs", "good", text, "More pairs of this kind are not worth writing.")
    return Diagnosis("more_pairs", "caution", text, "More pairs of this kind are worth writing.")


def _dominated(row: dict[str, Any], flags: pd.DataFrame, d: PairDifferences) -> Iterator[Diagnosis]:
    if not row["normalisation"] < FEW_DECIDE:
        return
    # That a few pairs decide needs the whole interval below the limit.
    decide = "decide" if row["normalisation_high"] < FEW_DECIDE else "may decide"
    long = flags.loc[flags["flag"] == "outlier_norm", "prompt_id"].tolist()
    who = f" The longest by far: {named(long)}." if long else ""
    yield Diagnosis(
        "norm_dominated",
        "caution",
        f"The mean difference and the mean of differences brought to length 1 have cosine "
        f"{with_interval(*_interval(row, 'normalisation'), limits=(0.0, FEW_DECIDE))} "
        f"({at_layer(row['layer'], d.n_layers)}): "
        f"a few long differences {decide} the vector.{who}",
        "Read the longest pairs, and drop or rewrite those that are about something else.",
    )


def _disagreeing(flags: pd.DataFrame, d: PairDifferences) -> Iterator[Diagnosis]:
    apart = flags[flags["flag"] == "disagrees"]
    if apart.empty:
        return
    against, who = int((apart["value"] < 0).sum()), named(apart["prompt_id"].tolist())
    yield Diagnosis(
        "disagreeing_pairs",
        "problem" if len(apart) > MANY_DISAGREE * d.n_pairs else "caution",
        f"{len(apart)} of {plural(d.n_pairs, 'pair')} {verb_for(len(apart), 'stand')} apart from the rest ({who}); "
        f"pointing against it: {against}.",
        f"Read them: turn {d.sides} that are the wrong way round, and drop what is about something else.",
    )


def _repeated(flags: pd.DataFrame, d: PairDifferences) -> Iterator[Diagnosis]:
    repeats = flags[flags["flag"] == "duplicate"]
    if repeats.empty:
        return
    of, left = repeats["other"].value_counts(), d.n_pairs - len(repeats)
    most = f"{of.index[0]} comes {plural(int(of.iloc[0]) + 1, 'time')}"
    yield Diagnosis(
        "duplicates",
        "problem" if len(repeats) > MANY_REPEAT * d.n_pairs else "caution",
        f"{len(repeats)} of {plural(d.n_pairs, 'pair')} {verb_for(len(repeats), 'repeat')} another almost exactly "
        f"({most}); {plural(left, 'different pair')} {verb_for(left, 'are')} left. Consistency, stability and their "
        "intervals are too optimistic.",
        "Keep one of each.",
    )


def probe_finding(heuristics: pd.DataFrame, of: str, noise: tuple[str, str]) -> Iterator[Diagnosis]:
    """How well a probe does on what it has not seen, against random labels.

    Args:
        heuristics: What `layer_heuristics` returned.
        of: What it orders, in the plural.
        noise: What it means that it does no better than by chance, and what to do then.
    """
    tried = heuristics[heuristics["probe_p_max"].notna()]
    if tried.empty:
        return
    top = tried[tried["probe_accuracy"] == tried["probe_accuracy"].max()]
    best = records(top.head(1))[0]
    layers = plural(len(tried), "layer")
    others = f" and {plural(len(top) - 1, 'other')}" if len(top) > 1 else ""
    p = best["probe_p_max"]
    share = percent_with_interval(best["probe_accuracy"], best["probe_low"], best["probe_high"], (0.0, 0.5, 1.0))
    text = (
        f"A probe classifies {share} of held-out {of} correctly at the layer with the highest accuracy "
        f"({at_layer(best['layer'], len(heuristics))}{others}); with random labels {percent(best['probe_null'])} on "
        f"average; {p_equals(p)}, corrected for {layers}."
    )
    if p < ALPHA:
        yield Diagnosis("probe", "good", text, "Nothing to do.")
        return
    yield Diagnosis("noise", "problem", f"{noise[0]} {text}", noise[1])


def few_to_fit(code: str, noun: str, n: int, d_model: int) -> Iterator[Diagnosis]:
    """A word on accuracies of what was fitted, where there is less of it than dimensions."""
    if n < d_model:
        yield Diagnosis(
            code,
            "caution",
            f"There are fewer {noun} ({n}) than dimensions ({d_model}): a probe separates any labels of so few on "
            f"the {noun} it is fitted on (Cover 1965), so an accuracy there means nothing.",
            f"Read the accuracy on held-out {noun}, against that with random labels.",
        )


def _interval(row: dict[str, Any], name: str) -> tuple[float, float, float]:
    return row[name], row[f"{name}_low"], row[f"{name}_high"]
