"""Findings about baselines: which of prompt, vector and fine-tuning does more, and whether that is more than noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from trimtab.analysis.baselines import _baseline_sentences as say
from trimtab.analysis.baselines.arm_differences import (
    ADDS,
    CONTROLS,
    DOSED,
    LEAD,
    METHODS,
    RESISTS,
)
from trimtab.analysis.baselines.arm_names import BEST, COMBINED, CONTRARY, SIDES, SYSTEM_PROMPT
from trimtab.analysis.claims import Claim
from trimtab.analysis.findings import Finding, Kind, Sentence, Subject, caution
from trimtab.analysis.samples import records

MEASURE = "baselines"
LEADING = ("prompt", "vector", "fine-tuning")
"""Kinds of arms of which one can win; others are variants of these, or controls."""
_NUMBERS = ("effect", "effect_low", "effect_high", "n")
_GAP = ("arm", "at", "other", "other_at", "n", "difference", "difference_low", "difference_high", "p_adjusted", "tests")


def baseline_findings(effects: pd.DataFrame, differences: pd.DataFrame) -> list[Finding]:
    """What wins, what equal doses say, what the vector adds to a prompt, and how other methods do.

    What wins comes first, toward the behavior and away from it, and how vector and prompt compare, on both sides; the
    rest is about the first side that was measured.

    Args:
        effects: From `arm_effects`.
        differences: From `arm_differences` of the same scores.
    """
    found: list[Finding] = []
    named = ("model",) if effects["model"].nunique() > 1 else ()
    by = ["model", "behavior", "scoring"]
    for key, rows in effects[effects["chosen"].astype(bool)].groupby(by, sort=False, observed=True):
        mine = differences[(differences[by] == list(key)).all(axis=1)]
        first = records(rows.head(1))[0]
        sides = [
            _Side(
                Subject.of(first, named),
                {"scoring": first["scoring"], "side": side},
                records(rows[rows["side"] == side]),
                records(mine[mine["side"] == side]),
            )
            for side in SIDES
            if (rows["side"] == side).any()
        ]
        found += [finding for side in sides for finding in side.lead()]
        found += [finding for side in sides for finding in side.compared()]
        found += sides[0].rest()
    return found


@dataclass(frozen=True, eq=False)
class _Side:
    """The arms of one model and behavior toward one side."""

    about: Subject
    values: dict[str, Any]
    arms: list[dict[str, Any]]
    gaps: list[dict[str, Any]]

    def compared(self) -> Iterator[Finding]:
        """How the vector compares with the system prompt."""
        yield from self._head_to_head()
        yield from self._dosed()

    def rest(self) -> Iterator[Finding]:
        """What is found beside that."""
        yield from self._added()
        yield from self._resisted()
        yield from self._methods()
        yield from self._controls()
        yield from self._places()

    def lead(self) -> Iterator[Finding]:
        """Which arm wins, if any."""
        leading = self._leading()
        if not leading:
            return
        top, *others = leading
        own = _effect(top)
        if not own.above:
            yield self._finding("negative", say.none_moves, arms=[_arm(arm) for arm in leading])
            return
        gaps = [(other, self._gap(LEAD, top, other)) for other in others]
        if not gaps:
            yield self._finding("effect", say.only_one, [own], top=_arm(top))
            return
        claims = [_order(gap) for _, gap in gaps if gap is not None]
        told = [gap for gap in gaps if gap[1] is None or not _order(gap[1]).above]
        if not told and len(claims) == len(gaps):
            yield self._finding(
                "effect", say.winner, [own, *claims], top=_arm(top), second=_arm(gaps[0][0]), gap=gaps[0][1],
                others=len(gaps),
            )  # fmt: skip
        else:
            rivals = [_arm(other) for other, _ in told]
            yield self._finding("negative", say.no_winner, top=_arm(top), rivals=rivals, gap=told[0][1])

    def _head_to_head(self) -> Iterator[Finding]:
        """The vector beside the system prompt, where the leading sentence is not about the two of them alone."""
        leading = self._leading()
        vector, prompt = self._vector(), self._named(SYSTEM_PROMPT)
        if vector is None or prompt is None or len(leading) < 3 or not _effect(leading[0]).above:
            return
        if (gap := self._gap(LEAD, vector, prompt)) is not None:
            yield self._compared(say.head_to_head, say.not_told_apart, gap)

    def _dosed(self) -> Iterator[Finding]:
        for gap in self._asked(DOSED):
            if gap["other"] == SYSTEM_PROMPT:
                prompt = self._named(SYSTEM_PROMPT)
                assert prompt is not None
                dosed = next(arm for arm in self.arms if arm["arm"] == gap["arm"] and arm["at"] == gap["at"])
                yield self._compared(
                    say.at_equal_dose, say.alike_at_equal_dose, gap, top=_arm(dosed), second=_arm(prompt),
                    kl=dosed["kl"], prompt_kl=prompt["kl"],
                )  # fmt: skip

    def _added(self) -> Iterator[Finding]:
        for gap in self._asked(ADDS):
            if gap["other"] == SYSTEM_PROMPT:
                both = self._named(COMBINED, BEST)
                assert both is not None
                yield self._compared(say.adds, say.not_shown_to_add, gap, top=_arm(both))
            elif (claim := _order(gap)).supported:
                yield self._finding("effect", say.beside_the_vector, [claim], gap=gap)

    def _resisted(self) -> Iterator[Finding]:
        for gap in self._asked(RESISTS):
            left = self._named(CONTRARY, BEST)
            assert left is not None
            claims = [claim for claim in (_order(gap), _effect(left)) if claim.supported]
            kind: Kind = "effect" if _order(gap).above else "negative"
            net = "above" if _effect(left).above else "below" if _effect(left).below else "unclear"
            sentence = say.resists if kind == "effect" else say.not_shown_to_resist
            yield self._finding(kind, sentence, claims if kind == "effect" else [], gap=gap, left=_arm(left), net=net)

    def _methods(self) -> Iterator[Finding]:
        gaps = self._asked(METHODS)
        if not gaps:
            return
        shown = [gap for gap in gaps if _order(gap).supported]
        for gap in shown:
            yield self._compared(say.method_differs, say.method_differs, gap)
        if not shown:
            yield self._finding("negative", say.methods_alike, own=gaps[0]["other"], methods=[g["arm"] for g in gaps])

    def _controls(self) -> Iterator[Finding]:
        for gap in self._asked(CONTROLS):
            if not _order(gap).above:
                yield caution(self.about, say.no_better_than_random, {**self.values, "gap": gap}, MEASURE)

    def _places(self) -> Iterator[Finding]:
        prompt = self._named(SYSTEM_PROMPT)
        if prompt is not None and prompt["place"] == "user message":
            yield caution(self.about, say.in_user_message, self.values, MEASURE)

    def _compared(self, shown: Sentence, not_shown: Sentence, gap: dict[str, Any], **more: Any) -> Finding:
        claim = _order(gap)
        if claim.supported:
            return self._finding("effect", shown, [claim], gap=gap, **more)
        return self._finding("negative", not_shown, gap=gap, **more)

    def _finding(self, kind: Kind, sentence: Sentence, claims: list[Claim] | None = None, **values: Any) -> Finding:
        return Finding(kind, sentence, {**self.values, **values}, (self.about,), MEASURE, claims or [])

    def _leading(self) -> list[dict[str, Any]]:
        """Arms of which one can win, the largest effect first."""
        known = [a for a in self.arms if a["kind"] in LEADING and a["at"] in ("", BEST) and a["effect"] == a["effect"]]
        return sorted(known, key=lambda arm: -arm["effect"])

    def _vector(self) -> dict[str, Any] | None:
        return next((arm for arm in self.arms if arm["kind"] == "vector" and arm["at"] == BEST), None)

    def _named(self, name: str, at: str = "") -> dict[str, Any] | None:
        return next((arm for arm in self.arms if arm["arm"] == name and arm["at"] == at), None)

    def _asked(self, question: str) -> list[dict[str, Any]]:
        """The measured differences that answer a question."""
        return [
            _gap(row) for row in self.gaps if row["question"] == question and row["difference"] == row["difference"]
        ]

    def _gap(self, question: str, one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any] | None:
        """The difference of two arms, the first minus the second."""
        for gap in self._asked(question):
            if (gap["arm"], gap["other"]) == (one["arm"], other["arm"]):
                return gap
            if (gap["arm"], gap["other"]) == (other["arm"], one["arm"]):
                return _turned(gap)
        return None


def _gap(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _GAP}


def _turned(gap: dict[str, Any]) -> dict[str, Any]:
    """The same difference seen from the other arm."""
    return {
        **gap, "arm": gap["other"], "at": gap["other_at"], "other": gap["arm"], "other_at": gap["at"],
        "difference": -gap["difference"], "difference_low": -gap["difference_high"],
        "difference_high": -gap["difference_low"],
    }  # fmt: skip


def _arm(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("arm", "kind", "at", *_NUMBERS)}


def _effect(row: dict[str, Any]) -> Claim:
    return Claim("effect", str(row["arm"]), row["effect"], row["effect_low"], row["effect_high"], row["p_adjusted"])


def _order(gap: dict[str, Any]) -> Claim:
    of = f"{gap['arm']} above {gap['other']}"
    return Claim("order", of, gap["difference"], gap["difference_low"], gap["difference_high"], gap["p_adjusted"])
