"""What scores and judged replies show about one behavior in one model, read from the findings and the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from trimtab import analysis
from trimtab.analysis import Finding
from trimtab.analysis.samples import present, records
from trimtab.report.measures.imported import IMPORTED, ImportedResults
from trimtab.report.measures.replies import REPLIES, ReplyResults
from trimtab.report.measures.scores import SCORES
from trimtab.report.results import Results

_SETTING = ("model", "behavior", "engine", "scoring", "scale", "positions", "layers", "strength", "compared")
Outcome = Literal["shown", "reversed", "letter", "not shown", "no setting"]
"""letter: the score moves, but with balanced keys it is not shown to."""
KEYS = ("run", "engine", "model", "behavior")


@dataclass(frozen=True)
class Evidence:
    """What one measure shows in one direction."""

    outcome: Outcome
    row: Mapping[str, Any]
    """The row of the chosen setting in the table of the measure."""


@dataclass(frozen=True)
class Case:
    """One behavior in one model, with everything known about it."""

    owner: Mapping[str, str]
    """Values of `KEYS`."""
    named: Sequence[str]
    """The keys that set it apart from other cases, besides the behavior."""
    scores: Sequence[Evidence]
    """By each scoring; more than one where pairs are scored by choice and by text."""
    toward: Evidence | None
    """What judged replies show in the direction of the behavior."""
    away: Evidence | None
    judged: bool
    """Whether there are replies with a judgement."""
    scorable: bool = True
    """Whether there are pairs of completions that could be scored."""

    @property
    def behavior(self) -> str:
        """The name of the behavior."""
        return self.owner["behavior"]

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.owner["model"]

    @property
    def measured(self) -> bool:
        """Whether anything was measured that says whether steering works; projections do not."""
        return self.judged or bool(self.scores)

    @property
    def setting(self) -> Evidence | None:
        """The setting to use: what replies recommend toward the behavior, else away from it, else what scores chose."""
        if self.judged:
            return next((side for side in (self.toward, self.away) if side and side.outcome == "shown"), None)
        return next((one for one in self.scores if one.outcome == "shown"), None)

    @property
    def place(self) -> str:
        """The model, and run and engine where these differ."""
        where = ", ".join(self.owner[name] for name in self.named if name != "model")
        return f"{self.model} ({where})" if where else self.model


def cases(results: Results) -> Iterator[Case]:
    """Every behavior in every model that scores or replies were measured of, in the order of the tables.

    Behaviors without completions to score come last, those included of which neither was measured.
    """
    best = results.of(SCORES).best
    replies: ReplyResults | None = results.measures.get(REPLIES.name)
    settings = analysis.first_judged(replies.settings) if replies else pd.DataFrame(columns=list(KEYS))
    unscored = pd.DataFrame([dict(owner) for owner in results.unscored], columns=list(KEYS))
    owners = pd.concat([settings[list(KEYS)], best[list(KEYS)], unscored]).drop_duplicates()
    named = ["model", *analysis.several(owners, ("run", "engine"))] if len(owners) else []
    imported: ImportedResults | None = results.measures.get(IMPORTED.name)
    letters = imported.tables["changes"] if imported else pd.DataFrame()
    for owner in records(owners):
        mine = records(_rows(settings, owner))
        sides = {int(row["direction"]): _by_replies(results.findings, row) for row in mine}
        scored = records(_rows(best, owner))
        yield Case(
            owner={name: str(owner[name]) for name in KEYS},
            named=named,
            scores=[_without_letter(Evidence(_by_scores(row), row), letters) for row in scored],
            toward=sides.get(1),
            away=sides.get(-1),
            judged=any(row["reason"] != "not judged" for row in mine),
            scorable=_rows(unscored, owner).empty,
        )


def _rows(table: pd.DataFrame, owner: Mapping[str, Any]) -> pd.DataFrame:
    rows: pd.DataFrame = table[(table[list(KEYS)] == pd.Series(owner)[list(KEYS)]).all(axis=1)]
    return rows


def _by_scores(row: Mapping[str, Any]) -> Outcome:
    if not row["moved"]:
        return "not shown"
    return "shown" if row["delta"] > 0 else "reversed"


def _without_letter(evidence: Evidence, changes: pd.DataFrame) -> Evidence:
    """The same, or that the letter alone moves at the chosen setting, where keys are known and unbalanced."""
    if evidence.outcome != "shown" or changes.empty:
        return evidence
    row = evidence.row
    names = present(changes, ("run", *_SETTING))
    mine = changes[changes["plain"].astype(bool) & (changes["unit"] == "logits")]
    for found in records(mine[(mine[names] == pd.Series({name: row[name] for name in names})).all(axis=1)]):
        whole, even, letter = (
            analysis.Claim("change", "", found[name], found[f"{name}_low"], found[f"{name}_high"])
            for name in ("change", "balanced", "letter")
        )
        if whole.supported and letter.supported and not even.supported:
            ends = {name: found[name] for name in ("balanced", "balanced_low", "balanced_high")}
            return Evidence("letter", {**row, **ends})
    return evidence


def _by_replies(findings: Sequence[Finding], row: Mapping[str, Any]) -> Evidence:
    """What the finding about this setting says, with its interval: it knows of corrections for the settings tried."""
    if row["reason"]:
        return Evidence("no setting", row)
    found = [finding for finding in findings if finding.measure == REPLIES.name and _is_about(finding, row)]
    for low, high in (finding.values["corrected"] for finding in found if finding.values.get("corrected")):
        row = {**row, "change_low": low, "change_high": high}
    if any(finding.kind == "effect" for finding in found):
        return Evidence("shown", row)
    return Evidence("reversed" if any(finding.claims for finding in found) else "not shown", row)


def _is_about(finding: Finding, row: Mapping[str, Any]) -> bool:
    if finding.kind not in ("effect", "negative") or finding.values.get("direction") != row["direction"]:
        return False
    return any(
        all(getattr(subject, name) in ("", str(row[name])) for name in KEYS if name in row)
        for subject in finding.subjects
    )
