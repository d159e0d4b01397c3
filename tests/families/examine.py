"""One family with all of its checks, and what came of each."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from families.builders import family_model
from families.cases import MIXED, SHORT, Subject, take_apart
from families.checks import CHECKS, WrongError
from families.sizes import ROPE_CONTEXT
from trimtab.engines.queries import score_query
from trimtab.errors import TrimtabError, TrimtabWarning

Kind = Literal["exact", "refused", "wrong", "crash"]


@dataclass(frozen=True)
class Outcome:
    """What came of one check."""

    check: str
    kind: Kind
    words: str = ""


@dataclass
class Examined:
    """A family with what came of its checks."""

    family: str
    architecture: str = ""
    mode: str = ""
    """How texts share a pass; two where long texts do not do as short ones."""
    warnings: list[str] = field(default_factory=list)
    """What trimtab said of it by itself."""
    outcomes: list[Outcome] = field(default_factory=list)

    def of(self, *kinds: Kind) -> list[Outcome]:
        """What came out so."""
        return [outcome for outcome in self.outcomes if outcome.kind in kinds]

    @property
    def faults(self) -> list[Outcome]:
        """What is neither exact nor refused in words."""
        return self.of("wrong", "crash")


def examine(name: str, only: Sequence[str] = ()) -> Examined:
    """Run all checks, or some, on one family.

    What is refused of long texts is asked of short ones too: some models are exact up to a length.
    """
    model = family_model(name)
    found = Examined(name, type(model).__name__)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _check(model, found, only)
    heard = dict.fromkeys(str(one.message) for one in caught if issubclass(one.category, TrimtabWarning))
    found.warnings = [words.removeprefix(f"{found.architecture} ") for words in heard]
    return found


def _check(model: Any, found: Examined, only: Sequence[str]) -> None:
    subjects: list[Subject] = []
    loaded = _outcome("load", lambda: subjects.append(take_apart(model, found.family)))
    if loaded.kind != "exact":
        found.outcomes.append(loaded)
        return
    (taken,) = subjects
    for check in only or CHECKS:
        outcome = _outcome(check, partial(CHECKS[check], taken, MIXED))
        if outcome.kind == "refused":
            short = _outcome(check, partial(CHECKS[check], taken, SHORT))
            if short.kind != "refused":
                outcome = replace(outcome, check=f"{check} past {ROPE_CONTEXT} tokens")
                found.outcomes.append(short)
        found.outcomes.append(outcome)
    if found.of("exact"):
        queries = [score_query(pair, "text") for pair in MIXED]
        found.mode = ", ".join(dict.fromkeys(mode for mode, _ in taken.engine().parts(queries, cells=True)))


def _outcome(check: str, run: Callable[[], object]) -> Outcome:
    try:
        run()
    except TrimtabError as refusal:
        return Outcome(check, "refused", f"{type(refusal).__name__}: {refusal}")
    except WrongError as wrong:
        return Outcome(check, "wrong", str(wrong))
    except Exception as error:  # whatever a model raises: that it is no TrimtabError is what the suite is to find
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{'/'.join(place.filename.split('/')[-2:])}:{place.lineno}"
        return Outcome(check, "crash", f"{type(error).__name__} in {where}: {' '.join(str(error).split())[:200]}")
    return Outcome(check, "exact")
