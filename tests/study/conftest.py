"""Small studies in which a model replies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
import pytest

from trimtab.data import Behavior
from trimtab.judges import JUDGES, VERDICTS, Exchange, Judge, Judgement, JudgeSettings
from trimtab.study import RunFolder, make_study, run_study

if TYPE_CHECKING:
    from trimtab.models import Backbone

Run = Callable[..., Path]
KEYS = ["split", "prompt_id", "layers", "strength"]
CELLS = {(layers, strength) for layers in ("1", "2") for strength in (-0.4, 0.4)}


def settings(**replies: Any) -> dict[str, Any]:
    """A study of 16 pairs: 8 for the vector, 4 prompts to choose by and 4 to report on."""
    return {
        "name": "said",
        "models": [{"id": "smollm2-135m", "dtype": "float32"}],
        "behaviors": [{"source": "permissive", "limit": 16}],
        "layers": "1,2",
        "strengths": [-0.4, 0.4],
        "scale": "relative",
        "replies": {"prompts": 3, "max_new_tokens": 6, "min_coherence": 2, **replies},
    }


def table(folder: Path, kind: str) -> pd.DataFrame:
    """A table of a run, without the order in which its rows came."""
    rows = RunFolder(folder).parts(kind)  # type: ignore[arg-type]
    assert rows is not None, f"no {kind}"
    keys = [*KEYS, *(["judge"] if "judge" in rows.columns else [])]
    return rows.sort_values(keys, kind="stable").reset_index(drop=True)


def same_tables(one: Path, other: Path) -> None:
    """Equal replies and judgements; a surprise may depend on the company by rounding."""
    for kind in ("replies", "judgements"):
        pd.testing.assert_frame_equal(table(one, kind), table(other, kind), rtol=0, atol=1e-4)


def runner(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> Run:
    from trimtab.engines import Model
    from trimtab.study import _model_runner

    monkeypatch.setattr(_model_runner, "load", lambda *args, **options: Model(backbone))
    return lambda content, out, **options: run_study(make_study(content), out, **options)


class Whim(Judge):
    """Judges at random, but always alike: no two rounds of a search agree about the best cells."""

    name = "whim"

    def __init__(self, change: float | None = None):
        self._change = change

    def judge(self, exchanges: Sequence[Exchange]) -> Iterator[tuple[int, Judgement]]:
        for index, exchange in enumerate(exchanges):
            digest = hashlib.sha256(repr(exchange).encode()).digest()
            change = digest[0] / 255 * 20 - 10 if self._change is None else self._change
            yield index, Judgement(5.0, change, 9.0)


class WhimSettings(JudgeSettings):
    kind = "whim"
    whim: Annotated[bool, VERDICTS] = True
    change: Annotated[float | None, VERDICTS] = None
    """The same change for every reply."""

    def build(self, behavior: Behavior) -> Judge:
        return Whim(self.change)


@pytest.fixture
def whim() -> Iterator[None]:
    """A judge that studies can name: `whim`, or `{whim: true, change: 5}`."""
    with JUDGES.temporarily("whim", WhimSettings):
        yield


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans count and time nothing."""
    from trimtab.study.plan import planning
    from trimtab.study.plan._pace import UNKNOWN

    monkeypatch.setattr(planning, "pace_of", lambda *args: UNKNOWN)


@pytest.fixture
def run(llama: Backbone, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a study, whatever model it names, on a tiny random one."""
    return runner(llama, monkeypatch)


@pytest.fixture
def run_bundled(smol: Backbone, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a study on the bundled model, which is loaded once for all tests."""
    return runner(smol, monkeypatch)
