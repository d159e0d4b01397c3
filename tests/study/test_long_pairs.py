"""A pair that is too long for a model ends a study before anything is computed, whatever part the pair is in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tiny import tiny
from trimtab.engines import Model
from trimtab.errors import DataError
from trimtab.study import _model_runner, make_study, run_study


@pytest.mark.parametrize("place", [0, 7, 15])
def test_a_study_with_a_pair_that_is_too_long_computes_nothing(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [{"id": f"p{i}", "prompt": f"Say {i}", "positive": "yes, gladly", "negative": "no"} for i in range(16)]
    lines[place]["prompt"] += " word" * 60
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    model = Model(tiny("gpt2"))
    monkeypatch.setattr(_model_runner, "load", lambda *args, **options: model)
    study = make_study(
        {
            "name": "long",
            "models": [{"id": "smollm2-135m"}],
            "behaviors": [{"source": str(file)}],
            "layers": "1",
            "strengths": [-1, 1],
        }
    )
    with pytest.raises(DataError, match=rf"pair p{place}: \d+ tokens, and .* takes 256"):
        run_study(study, tmp_path / "run")
    assert list((tmp_path / "run" / "vectors").iterdir()) == []
