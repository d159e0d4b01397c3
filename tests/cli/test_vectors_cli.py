"""`trimtab vectors`: a file of another tool becomes one of trimtab; what it is; whether its layers are right."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tiny import tiny, tiny_model, tiny_tokenizer, vector_for
from trimtab.cli.main import main
from trimtab.data import dataset
from trimtab.engines import Model
from trimtab.evaluation import projection_bounds
from trimtab.models import wrap
from trimtab.vectors import SteeringVector, TrainingRecord
from trimtab.vectors.formats import VECTOR_FORMATS
from vector_files import LAYOUTS, T, control_vector

PAGE = Path(__file__).parents[2] / "docs" / "vectors.md"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.cli.verbs.vectors.load", lambda *args, **options: Model(tiny("llama")))


@pytest.fixture
def control(tmp_path: Path) -> Path:
    return control_vector(tmp_path / "control.gguf", {1: T[1], 2: T[2]})


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 2
    errors = capsys.readouterr().err
    assert "Traceback" not in errors
    return errors


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_imported(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = LAYOUTS[name]
    out = tmp_path / "out.safetensors"
    options = [part for key, value in layout.options.items() for part in (f"--{key.replace('_', '-')}", str(value))]
    assert main(["vectors", "import", str(layout.write(tmp_path)), "-o", str(out), *options]) == 0
    assert SteeringVector.load(out).layers == tuple(sorted(layout.rows))
    printed = capsys.readouterr().out
    assert "layer map" in printed
    assert "not known" in printed


def test_import_with_a_model_knows_its_layers_and_norms(
    control: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.safetensors"
    arguments = ["vectors", "import", str(control), "--made-by", "saklas", "-o", str(out)]
    assert main([*arguments, "--model", "small"]) == 0
    vector = SteeringVector.load(out)
    assert vector.n_layers == 4
    assert vector.residual_norm is not None
    assert "residual norms" not in capsys.readouterr().out


def test_show_prints_layers_and_what_is_unknown(control: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vectors", "show", str(control), "--made-by", "repeng"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for seen in ("layer 1, of width 48", "final norm", "the weights that it was made from", "residual norms"):
        assert seen in printed
    assert f"{float(T[1].norm()):.3f}" in printed
    assert main(["vectors", "show", str(control), "--made-by", "saklas", "--json", "--model", "small"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["layer"] for one in found["layers"]] == [1, 2]
    assert found["layers"][0]["depth"] == 0.5
    assert found["layers"][0]["next_cosine"] == pytest.approx(
        float(torch.cosine_similarity(T[1], T[2], dim=0)), abs=1e-5
    )
    assert found["layers"][0]["residual_norm"] > 0


def test_show_of_a_file_that_could_be_of_several_lists_them(control: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vectors", "show", str(control)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "--made-by jukofyork" in printed
    assert "model_hint 'llama'" in printed


def test_show_takes_trimtabs_own_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = SteeringVector.from_directions({1: T[1] / T[1].norm()}, name="kind").save(tmp_path / "v.safetensors")
    assert main(["vectors", "show", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "kind" in printed
    assert "every norm is 1" in printed


def test_show_prints_how_a_vector_was_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = TrainingRecord(
        {"steps": 24}, (1, 2), 16, 4, 2.5, ((2.6, 2.2), (2.6, 2.4)), ((1, 2), (1, 2)), ((2.4, 2.1), (2.3, 2.35)),
        (2, 1), 12.4, {"2": "1 looks without a better loss than after step 1"},
    )  # fmt: skip
    plain = SteeringVector.from_directions({1: T[1], 2: T[2]}, name="kind")
    made = replace(plain, provenance=replace(plain.provenance, training=record))
    assert main(["vectors", "show", str(made.save(tmp_path / "v.safetensors"))]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "trained 2 steps of at most 24 on 16 pairs, 4 held back to choose the step, 12 s" in printed
    assert "2.500 unsteered; of the pairs held back lowest at layer 1: 2.100 after step 2" in printed
    assert "layer 2: 1 looks without a better loss" in printed


def test_what_cannot_be_imported_is_refused_and_nothing_is_written(
    control: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.safetensors"
    for arguments, seen in (
        ([str(control)], "--made-by"),
        ([str(control), "--made-by", "repenk"], "did you mean"),
        ([str(tmp_path / "gone.pt")], "no such"),
        ([str(control), "--made-by", "saklas", "--layer", "3"], "no direction at layer 3"),
        ([str(control), "--made-by", "saklas", "--dtype", "float32"], "would do nothing"),
    ):
        assert seen in refusal(capsys, "vectors", "import", *arguments, "-o", str(out))
    assert not out.exists()


def test_prove_says_what_the_numbers_support(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = Model(wrap(tiny_model("llama", num_hidden_layers=10), tiny_tokenizer(), name="deep"))
    monkeypatch.setattr("trimtab.cli.verbs.vectors.load", lambda *args, **options: deep)
    rows = dict(enumerate(torch.randn(9, 48, generator=torch.Generator().manual_seed(0)), start=1))
    file = control_vector(tmp_path / "v.gguf", rows)
    arguments = ["vectors", "prove", str(file), "--made-by", "saklas", "-b", "permissive", "--limit", "16", "-q"]
    assert main([*arguments, "--prompts", "3"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "cannot tell" in printed
    assert "one layer later − one layer earlier" in printed
    assert main([*arguments, "--prompts", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["supported"] == ""
    assert "cannot be tested" in refusal(capsys, *[*arguments, "--layer", "3"])


def test_the_page_lists_every_format() -> None:
    assert VECTOR_FORMATS.markdown() in PAGE.read_text(encoding="utf-8")


def bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    """`trimtab vectors bounds` of a vector of the tiny model on eight pairs."""
    model = Model(tiny("llama"))
    monkeypatch.setattr("trimtab.cli.vector_commands.vector_bounds.load", lambda *args, **options: model)
    file = vector_for(model.backbone).save(tmp_path / "v.safetensors")
    return main(["vectors", "bounds", str(file), "-b", "cheerful", "--limit", "8", *options])


def test_bounds_are_the_strengths_of_a_chat_under_the_cap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--percentile", "75", "--side", "negative", "--token-position", "each_token")
    assert bounded(tmp_path, monkeypatch, *where, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    model = Model(tiny("llama"))
    pairs = dataset("cheerful", limit=8, seed=0)
    read = projection_bounds(model, vector_for(model.backbone), pairs, token_position="each_token", progress=False)
    bound = read.at(75, "negative")
    assert found["strength"] == {str(layer): pytest.approx(value) for layer, value in bound.items()}
    assert found["strength"] == found["percentiles"]["negative"]["p75"]
    assert found["rows"] == {"positive": len(read.positive), "negative": len(read.negative)}
    assert bounded(tmp_path, monkeypatch, *where, "--layers", "1") == 0
    printed = capsys.readouterr().out
    chat = shlex.split(printed.partition("next: trimtab ")[2])
    assert chat[chat.index("--layer") :][:2] == ["--layer", "1"]
    assert f"--strength={bound[1]:.4g}" in chat
    assert chat[chat.index("--scale") :][:2] == ["--scale", "cap"]
    (row,) = (line.split() for line in printed.splitlines() if line.startswith("1 "))
    assert row[:3] == ["1", f"{bound[1]:.4g}", "positive"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--percentile", "101"), "101"),
        (("--layers", "9"), "9"),
        (("--token-position", "mean_prompt"), "mean_prompt"),
    ],
)
def test_bounds_of_what_is_not_there_are_refused(
    options: tuple[str, ...],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bounded(tmp_path, monkeypatch, *options) == 2
    errors = capsys.readouterr().err
    assert named in errors
    assert "Traceback" not in errors
