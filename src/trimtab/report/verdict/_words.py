"""The words of a verdict: settings, sizes, units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab._util.wording import plural
from trimtab.analysis.cells import ends, sized
from trimtab.analysis.formatting import decimals_for, signed_strength, with_interval
from trimtab.analysis.replies import placed
from trimtab.analysis.scores.score_sentences import UNITS, layers_in_words

RANGE = "on a scale of −10 to 10"


def reply_change(row: Mapping[str, Any]) -> str:
    """The change of judged replies: +1.9 [0.9, 3.1]."""
    text = with_interval(row["change"], row["change_low"], row["change_high"], 1)
    return f"+{text}" if row["change"] > 0 else text


def reply_setting(row: Mapping[str, Any]) -> str:
    """A setting that replies chose: layer 17 at +0.3."""
    return placed(row)


def score_change(row: Mapping[str, Any]) -> str:
    """The change of scores: 0.49 nats per token [0.41, 0.58]."""
    unit = UNITS.get(str(row["scoring"]), "")
    return with_interval(row["delta"], row["delta_low"], row["delta_high"], decimals_for([row["delta"]]), unit=unit)


def score_setting(row: Mapping[str, Any]) -> str:
    """A setting that scores chose: layer 17 at ±0.1."""
    return f"{layers_in_words(row['layers'])} at {sized(row['strength'], row['compared'])}"


def compared(row: Mapping[str, Any]) -> str:
    """What a change of scores compares: from strength −0.1 to +0.1."""
    upper, lower = (
        "no steering" if end == 0 else signed_strength(end) for end in ends(row["strength"], row["compared"])
    )
    return f"from {lower} to {upper}"


def scale_and_positions(row: Mapping[str, Any]) -> str:
    """What strength is relative to, and where the push goes in."""
    named = {
        "relative": "relative to each token’s norm",
        "kl": "in nats of KL divergence",
        "cap_percentile": "a percentile of projections, above which they are capped",
        "floor_percentile": "a percentile of projections, below which they are raised",
        "clamp_percentile": "a percentile of projections, to which they are set",
    }
    scale = named.get(str(row["scale"]), f"{row['scale']} scale")
    positions = {"all": "at all tokens"}.get(str(row["positions"]), f"positions: {row['positions']}")
    return f"strength {scale}, {positions}"


def reported_on(row: Mapping[str, Any]) -> str:
    """The prompts that a number was measured on."""
    if row["held_out"]:
        return plural(int(row["n"]), "held-out prompt")
    same = " that also chose it" if row["candidates"] > 1 else ""
    return plural(int(row["n"]), "prompt") + same
