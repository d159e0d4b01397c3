"""Texts for papers: true of every kind of run, and fit to be pasted."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from report.full import full_run
from spoken import spoken, spoken_manifest
from synthetic import PEAKED, synthetic_manifest, synthetic_samples
from trimtab.report import RunTables
from trimtab.report.paper import paper_texts
from trimtab.report.paper._markup import tex_escaped
from trimtab.report.results import analysed

ROOT = Path(__file__).parents[2]
EVIL = r"50%_of #1 & ${x}^2~ \input{/etc/passwd} <b>"


def texts_of(*runs: RunTables) -> dict[str, str]:
    return {text.file: text.text for text in paper_texts(runs, analysed(runs))}


@pytest.fixture(scope="module")
def full() -> dict[str, str]:
    return texts_of(full_run())


def plain_run(**changes: object) -> RunTables:
    samples = synthetic_samples({PEAKED: 1.6}, layers=5, prompts=15)
    return RunTables("plain", synthetic_manifest(samples, 5, **changes), samples)


def require_balanced(tex: str) -> None:
    """Every brace, environment and formula is closed, and every row of a table has its cells."""
    bare = re.sub(r"(?m)(?<!\\)%.*$", "", re.sub(r"\\[\\{}$%&#_]", lambda m: "\n" if m[0] == r"\\" else " ", tex))
    depth = 0
    for letter in bare:
        depth += (letter == "{") - (letter == "}")
        assert depth >= 0
    assert depth == 0
    assert bare.count("$") % 2 == 0
    assert not re.search(r"[#^_]", re.sub(r"\$[^$]*\$", "", re.sub(r"\\(label|citep)\{[^}]*\}", "", bare)))
    begun, ended = (sorted(re.findall(rf"\\{word}\{{(\w+)\}}", tex)) for word in ("begin", "end"))
    assert begun == ended
    for kinds, body in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", tex, flags=re.S):
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(rows) > 1
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(kinds)}


def test_the_methods_name_what_the_run_has(full: dict[str, str]) -> None:
    methods = full["paper/methods.md"]
    for fact in (
        "tiny-135M", "6 layers", "60 pairs", "{−1, −0.5, +0.5, +1}", "20 for selection and 20 for reporting",
        "12 open prompts", "a text classifier", "floor of 7 of 10", "Kullback–Leibler", "8 variants", "trimtab 0.1.0",
    ):  # fmt: skip
        assert fact in methods
    assert "(Rimsky et al., 2024)" in methods


def test_what_was_not_measured_is_not_mentioned() -> None:
    methods = texts_of(plain_run())["paper/methods.md"]
    for word in ("open prompt", "judge", "Kullback", "side effect", "variant", "generated text"):
        assert word not in methods
    assert "paper/tables.tex" in texts_of(plain_run())


def test_an_import_says_nothing_of_how_its_vectors_were_made() -> None:
    run = plain_run(sources=[{"file": "theirs.csv", "sha256": "0"}], vectors=[], versions={})
    methods = texts_of(run)["paper/methods.md"]
    assert "measured with another program and imported" in methods
    for word in ("We steered", "difference of the residual-stream", "replaced the residual stream", "optimistic"):
        assert word not in methods


def test_effects_on_the_prompts_that_chose_are_called_optimistic() -> None:
    run = plain_run()
    only = replace(run, samples=run.samples[run.samples["split"] == "test"])
    texts = texts_of(only)
    assert "so that reported effects are optimistic" in texts["paper/methods.md"]
    assert "on the prompts that also chose it" in texts["paper/tables.tex"]
    assert "westfall1993" in texts["paper/references.bib"]
    assert "westfall1993" not in texts_of(run)["paper/references.bib"]


def test_several_runs_have_a_paragraph_each() -> None:
    methods = texts_of(plain_run(), replace(full_run(), name="second"))["paper/methods.md"]
    assert methods.startswith("**plain.** ")
    assert "\n\n**second.** " in methods


def test_what_is_cited_is_in_the_references_and_nothing_else(full: dict[str, str]) -> None:
    cited = {
        key
        for name in ("paper/methods.tex", "paper/tables.tex")
        for keys in re.findall(r"\\citep\{([^}]*)\}", full[name])
        for key in keys.split(",")
    }
    entries = re.findall(r"@\w+\{(\w+),", full["paper/references.bib"])
    assert len(entries) == len(set(entries))
    assert set(entries) == cited | {"trimtab"}


def test_latex_is_balanced(full: dict[str, str]) -> None:
    require_balanced(full["paper/methods.tex"])
    require_balanced(full["paper/tables.tex"])
    assert "2312.06681" in full["paper/references.bib"]


def test_names_cannot_become_commands() -> None:
    samples = synthetic_samples({EVIL: 1.6}, layers=3, prompts=10, model=EVIL)
    replies, judgements, dose = spoken(3, model=EVIL, behavior=EVIL)
    manifest = {**synthetic_manifest(samples, 3), **spoken_manifest()}
    texts = texts_of(RunTables(EVIL, manifest, samples, None, replies, judgements, dose))
    for name in ("paper/methods.tex", "paper/tables.tex"):
        require_balanced(texts[name])
        assert r"\input" not in texts[name]
        assert tex_escaped(EVIL) in texts[name]


def test_a_run_of_replies_alone_has_its_methods() -> None:
    samples = synthetic_samples({PEAKED: 1.0}, layers=1, prompts=1).iloc[:0]
    replies, judgements, dose = spoken(3)
    run = RunTables("tune", {"settings": {}, **spoken_manifest()}, samples, None, replies, judgements, dose)
    texts = texts_of(run)
    assert "12 open prompts" in texts["paper/methods.md"]
    assert "Glass" not in texts["paper/methods.md"]
    assert "recommended-settings" in texts["paper/tables.tex"]


def test_the_citation_file_has_what_the_format_requires() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert all(author.keys() & {"name", "family-names"} for author in citation["authors"])
    assert citation["type"] in ("software", "dataset")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{citation["version"]}"' in project
    assert f'license = "{citation["license"]}"' in project
