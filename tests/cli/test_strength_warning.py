"""Strengths that were intended in another unit, mostly, are warned of."""

from __future__ import annotations

import warnings

import pytest

from trimtab.cli.setting.strength_warning import warn_of_strengths, warn_of_study
from trimtab.errors import TrimtabWarning
from trimtab.study import make_study


@pytest.mark.parametrize("strength", [1.0, -1.0, 40.0])
def test_a_push_as_long_as_the_state_is_warned_of_with_what_is_usual(strength: float) -> None:
    with pytest.warns(TrimtabWarning, match=rf"strength {abs(strength):g} relative .* usual are 0.05 to 0.5.* raw"):
        warn_of_strengths("relative", [0.1, strength])


@pytest.mark.parametrize(("scale", "strength"), [("relative", 0.6), ("raw", 3.0), ("project_out", 1.0), ("kl", 2.0)])
def test_others_are_not(scale: str, strength: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_strengths(scale, [strength, -strength])
        warn_of_strengths(scale, [])


def test_a_study_that_was_written_for_raw_strengths_is_warned_of() -> None:
    with pytest.warns(TrimtabWarning, match="strength 1 relative"):
        warn_of_study(make_study({"behaviors": ["cheerful"], "strengths": [-1, 1]}))
    with pytest.warns(TrimtabWarning, match="strength 2 relative"):
        warn_of_study(make_study({"behaviors": ["cheerful"], "replies": {"strengths": [2]}}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_study(make_study({"behaviors": ["cheerful"], "scale": "raw", "strengths": [-1, 1]}))
        warn_of_study(make_study({"behaviors": ["cheerful"]}))
