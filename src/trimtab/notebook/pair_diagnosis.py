"""`diagnose`: whether pairs or another contrast are good, how stable their vector is, which layers heuristics pick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd

from trimtab._util.callbacks import NamedProgress
from trimtab._util.wording import plural
from trimtab.data import AnyContrast, Balance, Behavior
from trimtab.engines import Model, Scoring
from trimtab.models import ExamplePosition, TokenPosition
from trimtab.notebook._given_study import run_given
from trimtab.notebook.measured_run import Measured


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis(Measured):
    """Whether pairs or the examples of another contrast are good, which are not, and what more would bring."""

    measure: ClassVar[str] = "diagnosis"
    _plots: ClassVar[str] = "diagnosis"

    @property
    def advice(self) -> pd.DataFrame:
        """Every finding with its level (good, caution, problem, note) and what to do."""
        return self._table("diagnoses")

    @property
    def quality(self) -> pd.DataFrame:
        """Consistency, stability, signal to noise and the like, a row for each layer."""
        return self._table("quality")

    @property
    def curve(self) -> pd.DataFrame:
        """Stability by the number of pairs."""
        return self._table("curve")

    @property
    def flags(self) -> pd.DataFrame:
        """The pairs to read again, with the reason."""
        return self._table("flags")

    @property
    def heuristics(self) -> pd.DataFrame:
        """What is used to guess a layer without a sweep, a row for each layer."""
        return self._table("heuristics")

    @property
    def surface(self) -> pd.DataFrame:
        """Of two lists, how well length and words alone tell them apart; empty for pairs."""
        return self._table("surface")

    @property
    def picks(self) -> pd.DataFrame:
        """The layer that each heuristic picks."""
        return self._table("picks")

    @property
    def cosines(self) -> pd.DataFrame:
        """How alike the vectors of other methods are, a row for each method and layer."""
        return self._table("cosines")

    def _facts(self) -> dict[str, str]:
        levels = self.advice["level"].value_counts()
        counts = (
            plural(int(levels.get(name, 0)), noun) for name, noun in (("problem", "problem"), ("caution", "caution"))
        )
        read = int(self.quality["pairs"].iloc[0])
        of = plural(read, "text") if len(self.surface) else plural(read, "pair")
        return {"of": of, "found": ", ".join(counts), "flagged": f"{len(self.flags)} flagged"}


def diagnose(
    model: Model,
    pairs: AnyContrast,
    *,
    scoring: Scoring | Literal["auto"] = "auto",
    token_position: TokenPosition | ExamplePosition | Literal["auto"] = "auto",
    balance: Balance = "both_orders",
    seed: int = 0,
    out: str | Path | None = None,
    progress: NamedProgress | bool = True,
) -> Diagnosis:
    """Diagnose pairs and the vector they make: do they agree, what confounds them, would more help.

    It is `trimtab diagnose` with a model and pairs that are there already; nothing is swept. Contrasts between prompts
    and between two lists are diagnosed as well; of lists, which have no pairs, a finding says what that leaves out.

    Args:
        model: from `trimtab.load`.
        pairs: what a vector is made from, or will be: pairs of completions, a `PromptContrast` or a `SetContrast`.
        scoring: how choice pairs are asked; see `trimtab.sweep`.
        token_position: as in `trimtab.extract`.
        balance: as in `trimtab.extract`.
        seed: of splits, resamples and permutations.
        out: a run folder to keep; the same call resumes it. By default the run lives in memory only.
        progress: True: bars where somebody watches, in a terminal or a notebook; False: none; or what is called with
            (what, done, total).

    Raises:
        SettingError: for choice scoring of open pairs, and a token position that the contrast does not have.
        DataError: when a pair's completions become the same tokens, or an example has nothing at the token position.
    """
    settings = {
        "scoring": scoring, "token_position": token_position, "balance": balance, "seed": seed, "sweep": False,
        "diagnosis": True,
    }  # fmt: skip
    own, other = (pairs, None) if isinstance(pairs, Behavior) else (None, pairs)
    run = run_given("diagnosis", model, (own, None, None), settings, contrast=other, out=out, progress=progress)
    return Diagnosis(run)
