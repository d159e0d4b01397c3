"""Small studies in which a model replies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from trimtab.runs import RunFolder, make_study, run_study

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
        "replies": {"prompts": 3, "max_new_tokens": 6, "floor": 2, **replies},
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
    from trimtab.runs import work

    monkeypatch.setattr(work, "load", lambda *args, **options: Model(backbone))
    return lambda content, out, **options: run_study(make_study(content), out, **options)


@pytest.fixture
def run(llama: Backbone, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a study, whatever model it names, on a tiny random one."""
    return runner(llama, monkeypatch)


@pytest.fixture
def run_bundled(smol: Backbone, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a study on the bundled model, which is loaded once for all tests."""
    return runner(smol, monkeypatch)
