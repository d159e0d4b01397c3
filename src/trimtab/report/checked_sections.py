"""The sections about what the checks found: the pairs, the layer, other methods, side effects, robustness."""

from __future__ import annotations

import pandas as pd

from trimtab.report import charts, checked_words
from trimtab.report import checked_tables as tables
from trimtab.report.charts.panels import at_best_cells, unmeasured
from trimtab.report.charts.robustness import LEAST, MOST
from trimtab.report.checked import Checked
from trimtab.report.page import Section, folded_figures, folded_rows

OPEN_FLAGS = 15
"""More flagged pairs are folded."""


def checked_sections(checked: Checked | None, best: pd.DataFrame) -> list[Section]:
    """All that the checks have to show; sections without figures and tables are left to be dropped.

    Args:
        checked: what they found; None where none was made.
        best: from `best_cells`, with a column `run`.
    """
    if checked is None:
        return []
    return [
        *_diagnosis(checked, best),
        *_methods(checked),
        *_side_effects(checked, best),
        *_random(checked),
        *_robustness(checked),
    ]


def _diagnosis(checked: Checked, best: pd.DataFrame) -> list[Section]:
    strips = charts.quality_strips(checked.quality, best)
    curves = charts.pair_curves(checked.curve, checked.quality)
    guesses = charts.heuristic_strips(checked.heuristics, checked.picks, best)
    flags, picks = tables.flags_table(checked.flags), tables.picks_table(checked.picks)
    return [
        Section(
            "pairs",
            "Are the pairs good?",
            checked_words.PAIRS,
            tables=[tables.diagnoses_table(checked.diagnoses)],
            file="tables/diagnosis.csv",
        ),
        Section(
            "pair-layers",
            "Agreement of the pairs by layer",
            checked_words.PAIR_LAYERS,
            strips,
            small=True,
            folded=folded_figures(strips),
        ),
        Section(
            "pair-number",
            "Would more pairs help?",
            checked_words.PAIR_NUMBER,
            curves,
            small=True,
            folded=folded_figures(curves),
        ),
        Section(
            "flags",
            "Pairs to look at",
            checked_words.PAIR_FLAGS,
            tables=[flags],
            file="tables/flagged_pairs.csv",
            folded=folded_rows(flags, OPEN_FLAGS),
        ),
        Section(
            "heuristics",
            "Which layer, without a sweep?",
            checked_words.GUESSES,
            guesses,
            [picks],
            small=True,
            folded=folded_figures(guesses, picks),
            file="tables/heuristic_picks.csv",
        ),
    ]


def _methods(checked: Checked) -> list[Section]:
    dots, cosines = charts.method_dots(checked.methods), charts.method_cosines(checked.cosines)
    table = tables.methods_table(checked.methods)
    return [
        Section(
            "methods",
            "Other ways to make the vector",
            checked_words.METHODS,
            dots,
            [table],
            small=True,
            folded=folded_figures(dots, table),
            file="tables/methods.csv",
        ),
        Section(
            "method-cosines",
            "How alike these vectors are",
            checked_words.COSINES,
            cosines,
            small=True,
            folded=folded_figures(cosines),
        ),
    ]


def _side_effects(checked: Checked, best: pd.DataFrame) -> list[Section]:
    matrices, scatters = charts.shift_matrices(checked.shifts, best), charts.side_scatter(checked.side, best)
    costs, table = charts.cost_curves(checked.side), tables.side_table(at_best_cells(checked.side, best))
    missing = checked_words.missing(unmeasured(checked.side, best))
    return [
        Section(
            "shifts",
            "What else moved?",
            checked_words.SHIFTS + missing,
            matrices,
            [table],
            paired=True,
            folded=folded_figures(matrices, table),
            file="tables/side_cells.csv",
        ),
        Section(
            "side-effects",
            "Intended and side effect of every cell",
            checked_words.SIDE + missing + checked_words.SELECTIVE,
            scatters,
            [tables.selective_table(checked.selective)],
            paired=len(scatters) > 1,
            file="tables/selective_settings.csv",
        ),
        Section(
            "costs",
            "Plain text and easy questions",
            checked_words.COSTS,
            costs,
            paired=True,
            folded=folded_figures(costs),
        ),
        Section(
            "neutral",
            "Replies to neutral prompts",
            checked_words.NEUTRAL,
            tables=[tables.neutral_table(checked.neutral)],
            file="tables/neutral_replies.csv",
        ),
    ]


def _random(checked: Checked) -> list[Section]:
    strips, table = charts.null_strips(checked.nulls, checked.null_tests), tables.null_table(checked.null_tests)
    return [
        Section(
            "random",
            "More than a random push?",
            checked_words.NULLS,
            strips,
            [table],
            paired=len(strips) > 1,
            folded=folded_figures(strips, table),
            file="tables/random_tests.csv",
        )
    ]


def _robustness(checked: Checked) -> list[Section]:
    forests, table = charts.survival_forests(checked.robustness), tables.robustness_table(checked.robustness)
    return [
        Section(
            "robustness",
            "Does it survive?",
            checked_words.robustness(_clipped(checked.robustness)),
            forests,
            paired=len(forests) > 1,
            folded=folded_figures(forests),
        ),
        Section(
            "variants",
            "Every way of asking",
            checked_words.VARIANTS,
            tables=[table],
            file="tables/robustness.csv",
            folded=folded_rows(table),
        ),
    ]


def _clipped(robustness: pd.DataFrame) -> bool:
    """Whether something lies outside the forest plots."""
    return len(robustness) > 0 and bool(
        (robustness["share_low"] < LEAST).any() | (robustness["share_high"] > MOST).any()
    )
