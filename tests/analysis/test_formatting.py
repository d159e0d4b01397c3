"""Rounding that never changes what a number says, and counts that agree with their nouns."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trimtab._util.wording import listed, plural, verb_for
from trimtab.analysis.formatting import (
    decimals_for,
    fixed,
    p_equals,
    p_value,
    percent,
    percent_with_interval,
    signed_strength,
    with_interval,
)

numbers = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-9)
limits = st.sampled_from([0.0, 0.05, 0.5, 1.0, 7.0])


def read(text: str) -> float:
    return float(text.replace("−", "-").removesuffix("%"))


@given(numbers, limits, st.integers(0, 4))
def test_rounding_never_crosses_a_limit(value, limit, decimals):
    shown = read(fixed(value, decimals, [limit]))
    if abs(value - limit) > 1e-9:
        assert (shown > limit, shown < limit) == (value > limit, value < limit)


@given(st.tuples(numbers, numbers, numbers).map(sorted), st.integers(0, 4))
def test_an_interval_never_loses_a_side_of_0_and_holds_its_value(ends, decimals):
    low, value, high = ends
    assume(low or high)
    number, rest = with_interval(value, low, high, decimals).split(" [")
    shown = [read(rest.split(", ")[0]), read(number), read(rest.split(", ")[1].removesuffix("]"))]
    assert (shown[0] > 0, shown[0] < 0, shown[2] > 0, shown[2] < 0) == (low > 0, low < 0, high > 0, high < 0)
    assert shown == sorted(shown)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (with_interval(0.4, -0.0000374, 0.8, 4), "0.4000 [−0.00004, 0.8000]"),
        (with_interval(0.003, 0.001, 0.2), "0.003 [0.001, 0.20]"),
        (with_interval(-0.001, -0.5, 0.5), "0.00 [−0.50, 0.50]"),
        (with_interval(1.2, math.nan, math.nan), "1.20"),
        (with_interval(math.nan, 0, 1), "–"),
        (with_interval(0.4, 3e-9, 0.8), "0.40 [3e−9, 0.80]"),
        (with_interval(0.4, -2.46e-8, 0.8), "0.40 [−2e−8, 0.80]"),
        (with_interval(0.0, -1e-17, 1e-17), "0.00"),
        (with_interval(3.21e12, -4e11, 6.4e12), "3.21e12 [−4.00e11, 6.40e12]"),
        (fixed(6.95, 1, [7]), "6.95"),
        (fixed(7.04, 1, [7]), "7.04"),
        (fixed(7.0, 1, [7]), "7.0"),
        (fixed(6.9999999999999, 1, [7]), "7.0"),
        (fixed(-0.001), "0.00"),
        (percent_with_interval(0.6, 0.5004, 0.7, (0, 0.5, 1)), "60% [50.04%, 70%]"),
        (percent_with_interval(-0.8, -1.1, -0.002), "−80% [−110%, −0.2%]"),
        (percent(0.996), "99.6%"),
        (percent(0.004), "0.4%"),
        (percent(0.0), "0%"),
        (p_value(0.0496), "0.0496"),
        (p_value(0.05), "0.050"),
        (p_value(0.0004), "< 0.001"),
        (p_equals(0.0004), "p < 0.001"),
        (p_equals(0.12), "p = 0.120"),
        (signed_strength(-0.3), "−0.3"),
    ],
)
def test_numbers_say_what_they_are(given, shown):
    assert given == shown


def test_small_columns_get_more_decimals():
    assert [decimals_for([3.0, 12.0]), decimals_for([0.004, -0.01, 0.03]), decimals_for([])] == [2, 3, 2]


def test_counts_agree_with_their_nouns_and_verbs():
    assert [plural(n, "prompt") for n in (0, 1, 2, 1000)] == ["0 prompts", "1 prompt", "2 prompts", "1,000 prompts"]
    assert [plural(n, "reply", "replies") for n in (1, 3)] == ["1 reply", "3 replies"]
    assert [verb_for(n, verb) for n in (1, 2) for verb in ("are", "stand")] == ["is", "stands", "are", "stand"]
    assert [listed(list(names)) for names in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
    assert listed(list("abcde"), 3) == "a, b, c and 2 more"
