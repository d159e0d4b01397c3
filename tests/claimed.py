"""The standard of every rendered sentence: it asserts only what its own numbers support, in correct English."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from trimtab.analysis import Finding

ASSERTED = {
    r"^Steering moves ": {"effect"},
    r"\bit moves at layer": {"effect"},
    r" (?:moves|move) most: ": {"order"},
    r"; [^;]* least: ": {"order"},
    r"\bahead of\b": {"order"},
    r"\bthe order changes\b": {"order"},
    r"\bdoes more: ": {"order"},
    r"\bmoves against the intended direction\b": {"effect"},
    r"\blie deeper in\b": {"order"},
    r"\bone is shown\b": {"association"},
    r"\bthe vector tells\b": {"association"},
    r"\bdoes more than a random push\b": {"effect"},
    r"\bchanges them by\b": {"effect"},
    r"\bmoves them\b": {"effect"},
    r"\bno other layer does as much\b": {"best"},
    r"\bare anti-steerable\b": {"share"},
    r"\bits own score moves\b": {"effect"},
    r"\bbehaviors? (?:move )?by [\d.]+ \[|\balone moves by\b": {"change"},
    r"\bmore than half of itself in [1-9]": {"share"},
    r"\bdoes not survive\b": {"share", "effect"},
    r"\bfalls from\b": {"change"},
    r"\bis multiplied by\b": {"change"},
    r"\bdepends on the order\b": {"difference"},
    r"(?<!no )\bwins\b|\bbeats\b|\bthe vector (?:adds to|takes from)\b|\bresists a contrary\b": {"order"},
    r"\bthe lowest twentieth falls\b": {"effect"},
    r"\bagainst its direction\b|\bthe wrong way\b": {"effect"},
}
"""Patterns that assert something, and the relations of which a sentence with them carries at least one claim."""

ALLOWED = (
    r"the best of [\d,]+ settings? there", r"strongest that was tried", r"picked as the strongest",
    r"a stronger one might do more", r"\bat (?:most|least)\b",
)  # fmt: skip
"""Superlatives that are not a statement about models, cells or settings on the prompts that are reported."""

SUPERLATIVES = r"\b(?:most|least|best|worst|strongest|weakest|largest|smallest|leads?|outperforms?|better|stronger)\b"

FAULTY = (
    r"(?<![\w.−-])1 (?!is\b|was\b|has\b|does\b|as\b|this\b|pass\b|less\b)[a-z-]+s\b",
    r"(?<![\w.−-])1 (?:are|were|have)\b",
    r"\bnan\b|\binf\b|\bNone\b|\bTrue\b|\bFalse\b", r"  ", r" [,.;:]", r"\.\.", r"(?<!\w)-\d", r"\[–|–\]",
    r"−0(?:\.0+)?(?![\d.e])", r"\{|\}", r"\bTODO\b", r"\[−?0(?:\.0+)?%?, −?0(?:\.0+)?%?\]", r"p = 0(?:\.0+)?(?![\d.])",
)  # fmt: skip
"""Wrong plurals, numbers that are none, stray characters, a minus before nothing."""

_NUMBER = r"(−?\d+(?:\.\d+)?(?:e−?\d+)?)%?"
INTERVAL = re.compile(rf"{_NUMBER}(?: [^\s\[\]\d]+){{0,3}} \[{_NUMBER}, {_NUMBER}\]")


def check_text(text: str) -> None:
    """Sound English and numbers that lie in their intervals, whose ends are 0 only where they are exactly 0."""
    for fault in FAULTY:
        assert not (found := re.search(fault, text)), f"{found.group(0)!r} in: {text}"
    for value, low, high in INTERVAL.findall(text.replace(" of 10 [", " [")):
        numbers = [float(number.replace("−", "-")) for number in (low, value, high)]
        assert numbers == sorted(numbers), f"a number outside of its interval: {text}"


def check(finding: Finding) -> None:
    """A finding states what its claims bear and nothing else."""
    check_text(finding.text)
    if finding.kind in ("effect", "comparison"):
        assert finding.claims, f"nothing supports this: {finding.text}"
    for claim in finding.claims:
        assert math.isfinite(claim.value), finding
        told = [claim.p < 0.05] if math.isfinite(claim.p) else []
        if math.isfinite(claim.low) or math.isfinite(claim.high):
            told.append(claim.low > claim.against or claim.high < claim.against)
        assert told, f"a claim without interval or test: {finding.text}"
        assert all(told), f"not supported ({claim}): {finding.text}"
        assert claim.value != claim.against, finding
    relations = {claim.relation for claim in finding.claims} or {""}
    for words, needed in ASSERTED.items():
        if re.search(words, finding.text):
            assert relations & needed, f"{words!r} without a claim of {sorted(needed)}: {finding.text}"
    plain = finding.text
    for allowed in ALLOWED:
        plain = re.sub(allowed, "", plain)
    if re.search(SUPERLATIVES, plain):
        assert relations & {"order", "best"}, f"an order without a claim: {finding.text}"


def check_all(findings: Iterable[Finding]) -> list[Finding]:
    """All of them, checked."""
    found = list(findings)
    for finding in found:
        check(finding)
    return found
