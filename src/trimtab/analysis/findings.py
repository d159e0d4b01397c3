"""Findings: what a report states, as subject and values; the sentence is made from them at the end.

A finding is built where the numbers are. Which sentence it becomes is a function of its subject and its values, one
function for each kind of statement, so that findings can be merged, renamed, sorted and exported without reading text.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from trimtab._util.wording import listed
from trimtab.analysis.claims import Claim

Kind = Literal["comparison", "effect", "negative", "caution"]
"""comparison: between models. effect: something is shown. negative: it is not. caution: trust a number less."""

KINDS: tuple[Kind, ...] = ("comparison", "effect", "negative", "caution")
"""In the order of a report."""

Use = Literal["works", "costs", "certainty", "models", "details"]
"""What a reader takes from a finding. works: whether steering does what it is for, and at which setting. costs: what
else it changes. certainty: what makes this more or less sure. models: how models differ. details: the rest."""

USES: tuple[Use, ...] = ("works", "costs", "certainty", "models", "details")
"""In the order in which they serve a reader."""

_MEASURES = ("replies", "scores", "baselines")
"""Measures of whether steering works: what a model says comes before what it finds likely, and both before what else
would do it."""

Values = Mapping[str, Any]

Sentence = Callable[[str, Values], str]
"""Makes the sentence of a finding from the name of its subject and its values."""

MAX_SHARED = 3
"""A caution that more subjects share than this is given once for all of them."""


@dataclass(frozen=True)
class Subject:
    """What a finding is about: a behavior of a model, in a run."""

    behavior: str = ""
    model: str = ""
    run: str = ""
    engine: str = ""
    scoring: str = ""
    scale: str = ""
    positions: str = ""
    named: tuple[str, ...] = ()
    """Fields besides the behavior that a sentence has to name: those in which the subjects of a report differ."""

    @classmethod
    def of(cls, row: Mapping[str, Any], named: Iterable[str] = ()) -> Subject:
        """The subject of a row of a table, from the columns that the row has."""
        columns = [column.name for column in fields(cls) if column.name != "named"]
        return cls(**{name: str(row[name]) for name in columns if name in row}, named=tuple(named))

    def __str__(self) -> str:
        """The behavior, and in brackets what sets it apart from the other subjects."""
        parts = ", ".join(value for name in self.named if (value := str(getattr(self, name))))
        return f"{self.behavior} ({parts})" if parts and self.behavior else self.behavior or parts


@dataclass(frozen=True)
class Finding:
    """One statement of a report."""

    kind: Kind
    sentence: Sentence
    values: Values = field(default_factory=dict)
    """The numbers and names of the sentence."""
    subjects: tuple[Subject, ...] = ()
    """One; several where the same holds for all of them; none for a statement about models or about the whole run."""
    measure: str = "scores"
    """The part of the report that it belongs to: scores, replies, pairs, side effects, random directions, robustness,
    baselines, models, data, or what another measure calls itself."""
    claims: Sequence[Claim] = ()
    """Orders, differences, effects and shares that the sentence asserts; what it calls not shown is none. An effect or
    a comparison has at least one, and all are supported: what chance explains is none."""
    decisive: bool = False
    """Whether it changes what one would do with the vector or the setting, so that it belongs beside the result."""

    @property
    def use(self) -> Use:
        """What a reader takes from it, which decides where it stands."""
        if self.measure == "models":
            return "models"
        if self.measure == "side effects":
            # Without claims it is about what was not measured.
            return "costs" if self.claims or self.kind != "caution" else "details"
        if self.kind == "caution":
            return "certainty" if self.decisive else "details"
        return "works" if self.measure in _MEASURES else "certainty"

    @property
    def code(self) -> str:
        """The kind of statement, the same in every run: `unstable_choice`; for a diagnosis the code that it found."""
        return str(self.values.get("code") or getattr(self.sentence, "__name__", "")).lstrip("_")

    @property
    def about(self) -> str:
        """The subjects in words."""
        names = [str(subject) for subject in self.subjects]
        return listed(names, MAX_SHARED) if len(names) > 2 * MAX_SHARED else ", ".join(names)

    @property
    def text(self) -> str:
        """The sentence."""
        return self.sentence(self.about, self.values)

    @property
    def statement(self) -> str:
        """The sentence of nobody in particular: equal for findings that state the same of different subjects."""
        return self.sentence("", self.values)

    def in_run(self, run: str) -> Finding:
        """The same finding, whose sentence names the run."""
        subjects = self.subjects or (Subject(),)
        named = [replace(s, run=run, named=("run", *(n for n in s.named if n != "run"))) for s in subjects]
        return replace(self, subjects=tuple(named))

    def row(self) -> dict[str, Any]:
        """The finding as JSON can hold it."""
        return {
            "kind": self.kind,
            "measure": self.measure,
            "code": self.code,
            "use": self.use,
            "decisive": self.decisive,
            "subjects": [
                {name: value for name, value in asdict(subject).items() if value and name != "named"}
                for subject in self.subjects
            ],
            "values": {name: _plain(value) for name, value in self.values.items()},
            "claims": [{name: _plain(value) for name, value in asdict(claim).items()} for claim in self.claims],
            "text": self.text,
        }


def caution(
    subject: Subject,
    sentence: Sentence,
    values: Values,
    measure: str = "scores",
    claims: Sequence[Claim] = (),
    *,
    decisive: bool = False,
) -> Finding:
    """A caution about one subject."""
    return Finding("caution", sentence, values, (subject,), measure, claims, decisive)


def subject_first(statement: Callable[[Values], str]) -> Sentence:
    """A sentence that names its subject and then makes a statement: `cheerful: only 8 prompts measured`."""

    @functools.wraps(statement)
    def sentence(about: str, values: Values) -> str:
        text = statement(values)
        return f"{about}: {text}" if about else text

    return sentence


def merged(findings: Sequence[Finding]) -> list[Finding]:
    """The findings, a caution that more than `MAX_SHARED` subjects share given once, with all of them as subjects."""
    shared: dict[tuple[str, str, str, bool], list[Subject]] = {}
    for finding in findings:
        shared.setdefault(_shared_by(finding), []).extend(finding.subjects)
    found, given = [], set()
    for finding in findings:
        key = _shared_by(finding)
        if finding.kind != "caution" or len(shared[key]) <= MAX_SHARED:
            found.append(finding)
        elif key not in given:
            given.add(key)
            found.append(replace(finding, subjects=tuple(shared[key])))
    return found


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """By use: what works, what it costs, how sure that is, how models differ, details.

    Within each, what is shown comes before what is not and before cautions, replies before scores, and decisive
    cautions before others; otherwise in the order given.
    """
    return sorted(findings, key=_place)


def _place(finding: Finding) -> tuple[int, int, int, bool]:
    measure = _MEASURES.index(finding.measure) if finding.measure in _MEASURES else len(_MEASURES)
    return USES.index(finding.use), KINDS.index(finding.kind), measure, not finding.decisive


def picked(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The columns of a row that a sentence needs."""
    return {name: row[name] for name in names}


def _shared_by(finding: Finding) -> tuple[str, str, str, bool]:
    return finding.kind, finding.code, finding.statement, finding.decisive


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: no NumPy types, no numbers that are none."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
