"""Findings of the diagnosis of two lists, with advice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from trimtab._util.wording import plural, verb_for
from trimtab.analysis.diagnosis._confounds import FOLLOWS, GIVEAWAY, SURE
from trimtab.analysis.diagnosis.diagnosis_findings import (
    HALF_NOISE,
    MANY_REPEAT,
    NEAR_TRUTH,
    WORTH,
    few_to_fit,
    probe_finding,
    steadiest,
    worst_first,
)
from trimtab.analysis.diagnosis.lists.list_states import ListStates
from trimtab.analysis.diagnosis.lists.surface import common_word, end_words
from trimtab.analysis.diagnosis.sentences import Diagnosis, at_layer, named
from trimtab.analysis.formatting import fixed, p_equals, percent, percent_with_interval, with_interval
from trimtab.analysis.samples import records

CHANCE = (0.0, 0.5, 1.0)
"""What shares of couples are read against."""


def list_findings(
    quality: pd.DataFrame,
    curve: pd.DataFrame,
    heuristics: pd.DataFrame,
    flags: pd.DataFrame,
    surface: pd.DataFrame,
    d: ListStates,
) -> list[Diagnosis]:
    """Sentences about two lists, problems first; last what is not known of lists, as it needs pairs.

    Numbers of one layer are those of the steadiest layer of depth ≥ 1/3. Codes: `stable` or `unstable`, `probe` or
    `noise`, `few_examples`, `more_examples`, `short_list`, `duplicates`, `in_both_lists`, `other_side`,
    `length_confound`, `first_word`, `last_word`, `needs_pairs`. Codes without a finding are left out, but for the last.

    Args:
        quality: What `list_quality` returned.
        curve: What `list_curve` returned.
        heuristics: What `list_heuristics` returned.
        flags: What `list_flags` returned.
        surface: What `list_surface` returned.
        d: The states they were made from.
    """
    row = steadiest(quality)
    features = {str(one["feature"]): one for one in records(surface)}
    read = [*_other_side(flags, d), *_repeated(flags, d), *_both(flags, d)]
    found = [*_length(features["length"], row, d), *_ends(features, d), *read]
    if row is not None:
        at = curve[curve["layer"] == row["layer"]]
        truth = {int(point["pairs"]): point["to_truth"] for point in records(at[at["extrapolated"]])}
        found += [_steady(row, truth, d), _more(row, truth, d)]
    found += [*probe_finding(heuristics, "couples, one text of each list,", _NOISE), *_few(heuristics, d)]
    return [*worst_first([*found, *_short(row, d)]), _needs_pairs()]


_NOISE = (
    "The two lists are not shown to differ in any direction.",
    "Check that the texts of one list show the behavior and those of the other do not; if so, collect more of both.",
)


def _sizes(d: ListStates) -> str:
    positive, negative = d.sizes
    return f"{positive} positive and {negative} negative texts"


def _steady(row: dict[str, Any], truth: dict[int, float], d: ListStates) -> Diagnosis:
    expected, limits = truth[d.n_examples], (HALF_NOISE, NEAR_TRUTH)
    stability = with_interval(row["stability"], row["stability_low"], row["stability_high"])
    text = (
        f"Vectors from two halves of each list, drawn list by list, have cosine {stability} at the steadiest layer "
        f"({at_layer(row['layer'], d.n_layers)}). The vector of all {_sizes(d)} is expected to have cosine "
        f"{fixed(expected, 2, limits)} with that of infinitely many such texts."
    )
    if expected >= NEAR_TRUTH:
        return Diagnosis("stable", "good", text, "Nothing to do.")
    return Diagnosis(
        "unstable",
        "problem" if expected < HALF_NOISE else "caution",
        text,
        "Collect more texts, or texts that differ in the behavior and in little else; pairs take out what they share.",
    )


def _more(row: dict[str, Any], truth: dict[int, float], d: ListStates) -> Diagnosis:
    now, double, fourfold = (truth[size] for size in sorted(truth))
    where = at_layer(row["layer"], d.n_layers)
    if not now > 0:
        return Diagnosis(
            "more_examples",
            "problem",
            f"Halves of the lists have nothing in common yet ({where}), so the number needed cannot be extrapolated.",
            "Look at what the lists differ in before collecting more of the same.",
        )
    text = (
        f"Expected cosine with the vector of infinitely many such texts ({where}): {fixed(now)} with these "
        f"{_sizes(d)}, {fixed(double)} with twice as many in both lists, {fixed(fourfold)} with four times as many."
    )
    if double - now < WORTH:
        return Diagnosis("more_examples", "good", text, "More texts of this kind are not worth collecting.")
    return Diagnosis("more_examples", "caution", text, "More texts of this kind are worth collecting.")


def _short(row: dict[str, Any] | None, d: ListStates) -> Iterator[Diagnosis]:
    if row is not None and pd.notna(row["stability_low"]):
        return
    what = "no half of it can be taken" if row is None else "there is no interval"
    yield Diagnosis(
        "short_list",
        "problem" if row is None else "caution",
        f"One list is too short to say how stable the vector is: of {_sizes(d)} {what}.",
        "Collect at least four texts for each list, and many more for numbers that mean something.",
    )


def _length(of: dict[str, Any], row: dict[str, Any] | None, d: ListStates) -> Iterator[Diagnosis]:
    found = []
    apart = max(of["auroc"], 1 - of["auroc"])
    alone = apart >= GIVEAWAY and not of["auroc_low"] <= 0.5 <= of["auroc_high"]
    if alone:
        longer = of["auroc"] > 0.5
        ends = (of["auroc_low"], of["auroc_high"]) if longer else (1 - of["auroc_high"], 1 - of["auroc_low"])
        found.append(
            f"in {percent_with_interval(apart, *ends, CHANCE)} of the couples, one text of each list, the "
            f"{'positive' if longer else 'negative'} one is the longer (median tokens in the positive list: "
            f"{fixed(of['positive'], 0)}, in the negative one: {fixed(of['negative'], 0)})"
        )
    correlation = row["length_correlation"] if row else float("nan")
    follows = row is not None and abs(correlation) >= FOLLOWS and row["length_p"] < SURE
    if follows and row is not None:
        found.append(
            "within the lists, too, the projection of a text on the vector of the others correlates with its length "
            f"(rank correlation {fixed(correlation)}, {p_equals(row['length_p'])}, "
            f"{at_layer(row['layer'], d.n_layers)})"
        )
    if found:
        text = "; ".join(found)
        yield Diagnosis(
            "length_confound",
            "problem" if alone and follows else "caution",
            f"{text[0].upper()}{text[1:]}. The vector may be about length.",
            "Unless length is the behavior, take texts of the same lengths for both lists.",
        )


def _ends(features: dict[str, dict[str, Any]], d: ListStates) -> Iterator[Diagnosis]:
    for feature, advice in (
        ("first word", "Vary how texts begin, in both lists alike."),
        ("last word", "Let texts end alike in both lists; what is read at their end is about that first of all."),
    ):
        of = features[feature]
        if of["auroc"] >= GIVEAWAY and of["auroc_low"] > 0.5:
            word, here, there = common_word(end_words(d, feature), d.positive)
            share = percent_with_interval(of["auroc"], of["auroc_low"], of["auroc_high"], CHANCE)
            yield Diagnosis(
                feature.replace(" ", "_"),
                "caution",
                f"The {feature} alone puts {share} of held-out couples, one text of each list, in the right order: "
                f"“{word}” is that of {percent(here)} of the positive and {percent(there)} of the negative texts. "
                "The vector may be about that word.",
                advice,
            )


def _repeated(flags: pd.DataFrame, d: ListStates) -> Iterator[Diagnosis]:
    repeats = flags[flags["flag"] == "duplicate"]
    if repeats.empty:
        return
    yield Diagnosis(
        "duplicates",
        "problem" if len(repeats) > MANY_REPEAT * d.n_examples else "caution",
        f"{len(repeats)} of {plural(d.n_examples, 'text')} {verb_for(len(repeats), 'repeat')} another of the same list "
        f"almost exactly ({named(repeats['prompt_id'].tolist())}). Stability and its interval are too optimistic.",
        "Keep one of each.",
    )


def _other_side(flags: pd.DataFrame, d: ListStates) -> Iterator[Diagnosis]:
    apart = flags[flags["flag"] == "other_side"]
    if apart.empty:
        return
    yield Diagnosis(
        "other_side",
        "caution",
        f"{len(apart)} of {plural(d.n_examples, 'text')} {verb_for(len(apart), 'lie')} on the side of the other list "
        f"({named(apart['prompt_id'].tolist())}).",
        "Read them: move those that are in the wrong list, and drop what is about something else.",
    )


def _both(flags: pd.DataFrame, d: ListStates) -> Iterator[Diagnosis]:
    both = flags[flags["flag"] == "in_both_lists"]
    if both.empty:
        return
    couples = [f"{one} and {other}" for one, other in zip(both["prompt_id"], both["other"], strict=True)]
    yield Diagnosis(
        "in_both_lists",
        "caution",
        f"{len(both)} of {plural(d.sizes[0], 'positive text')} {verb_for(len(both), 'are')} nearly the same as one of "
        f"the negative list ({named(couples)}).",
        "Read them: one may be in the wrong list. Where they differ in the behavior alone, write them as pairs.",
    )


def _few(heuristics: pd.DataFrame, d: ListStates) -> Iterator[Diagnosis]:
    yield from few_to_fit("few_examples", "texts", d.n_examples, d.states.shape[2])


def _needs_pairs() -> Diagnosis:
    return Diagnosis(
        "needs_pairs",
        "note",
        "Not known of two lists, as it needs pairs: consistency, signal to noise, normalisation and principal "
        "components of the differences; pairs that stand apart, outweigh the rest or differ in length; the balance of "
        "answer letters; and the methods that are made of differences (pca, median, single).",
        "Where it is known which texts belong together, write them as pairs.",
    )
