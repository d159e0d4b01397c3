"""`diagnose`: whether pairs are good, whether their vector is stable, and which layers heuristics pick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd

from trimtab._util.callbacks import NamedProgress
from trimtab._util.wording import plural
from trimtab.data import Balance, Behavior
from trimtab.engines import Model, Scoring
from trimtab.models import TokenPosition
from trimtab.notebook._given_study import run_given
from trimtab.notebook.measured_run import Measured


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis(Measured):
    """Whether pairs are good, which of them are not, and what more would bring."""

    measure: ClassVar[str] = "diagnosis"
    _plots: ClassVar[str] = "diagnosis"

    @property
    def advice(self) -> pd.DataFrame:
        """Every finding with its level (good, caution, problem) and what to do."""
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
        pairs = int(self.run.manifest["behaviors"][0]["n_train"])
        return {"pairs": plural(pairs, "pair"), "found": ", ".join(counts), "flagged": f"{len(self.flags)} flagged"}


def diagnose(
    model: Model,
    pairs: Behavior,
    *,
    scoring: Scoring | Literal["auto"] = "auto",
    token_position: TokenPosition | Literal["auto"] = "auto",
    balance: Balance = "both_orders",
    seed: int = 0,
    out: str | Path | None = None,
    progress: NamedProgress | bool = True,
) -> Diagnosis:
    """Diagnose pairs and the vector they make: do they agree, what confounds them, would more help.

    It is `trimtab diagnose` with a model and pairs that are there already; nothing is swept.

    Args:
        model: from `trimtab.load`.
        pairs: what a vector is made from, or will be.
        scoring: how choice pairs are asked; see `trimtab.sweep`.
        token_position: as in `trimtab.extract`.
        balance: as in `trimtab.extract`.
        seed: of splits, resamples and permutations.
        out: a run folder to keep; the same call resumes it. By default the run lives in memory only.
        progress: True: bars where somebody watches, in a terminal or a notebook; False: none; or what is called with
            (what, done, total).

    Raises:
        SettingError: for choice scoring of open pairs.
        DataError: when a pair's completions become the same tokens.
    """
    settings = {
        "scoring": scoring, "token_position": token_position, "balance": balance, "seed": seed, "sweep": False,
        "diagnosis": True,
    }  # fmt: skip
    return Diagnosis(run_given("diagnosis", model, (pairs, None, None), settings, out=out, progress=progress))
