"""What the commands of the docs read: pairs, study files, vectors, monitors, runs and results."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import click
import pandas as pd
import torch

from run_folders import judged_run
from tiny import CHAT_TEMPLATE, random_directions, tiny_model, tiny_tokenizer, vector_for
from trimtab.cli.verbs.init import STUDY
from trimtab.data import BUILT_INS, dataset, write_pairs
from trimtab.engines import Model
from trimtab.generation import pair_key
from trimtab.models import Backbone, wrap
from trimtab.monitors import fit_monitor
from trimtab.sharing import share_vector
from trimtab.study import RunFolder, make_study, run_study
from trimtab.study.given import Given
from vector_files import control_vector

LAYERS = 30
"""As many as the bundled model has, whose layers the docs name."""


def tiny_backbone() -> Backbone:
    """A tiny random model with the bundled one's number of layers."""
    made = tiny_model("llama", num_hidden_layers=LAYERS)
    return wrap(made, tiny_tokenizer(CHAT_TEMPLATE), name="smollm2-135m")


def _pairs() -> Any:
    return BUILT_INS["cheerful"].load()[:24]


class Inputs:
    """Makes the files that commands name; what takes long is made once, in a folder of its own, and copied."""

    def __init__(self, store: Path, model: Model):
        self.store, self.model = store, model

    def put(self, path: Path, kind: str, given: Mapping[str, Any]) -> None:
        """Make a file or folder of a kind, if nothing is there yet."""
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        getattr(self, f"_put_{kind}")(path, given)

    def _put_pairs(self, path: Path, given: Mapping[str, Any]) -> None:
        write_pairs(path, _pairs())

    def _put_table(self, path: Path, given: Mapping[str, Any]) -> None:
        """Pairs in columns called as `--map` says."""
        names = given["columns"]
        rows = [{key: str(getattr(pair, key)) for key in ("prompt", "positive", "negative")} for pair in _pairs()]
        _write_table(path, [{names.get(key, key): text for key, text in row.items()} for row in rows])

    def _put_texts(self, path: Path, given: Mapping[str, Any]) -> None:
        path.write_text("".join(f"Request {i} of {path.stem}\n" for i in range(20)), encoding="utf-8")

    def _put_decisions(self, path: Path, given: Mapping[str, Any]) -> None:
        path.write_text(json.dumps({"struck": [{"key": pair_key(_pairs()[1])}]}), encoding="utf-8")

    def _put_study(self, path: Path, given: Mapping[str, Any]) -> None:
        path.write_text(STUDY.format(file=path, name="study"), encoding="utf-8")

    def _put_messages(self, path: Path, given: Mapping[str, Any]) -> None:
        path.write_text(
            '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes!"}]', encoding="utf-8"
        )

    def _put_vectors(self, path: Path, given: Mapping[str, Any]) -> None:
        vector_for(self.model.backbone, layers=LAYERS).save(path)

    def _put_foreign_vectors(self, path: Path, given: Mapping[str, Any]) -> None:
        """A file of another tool, by its name."""
        rows = random_directions(self.model.backbone)
        if path.suffix == ".gguf":
            control_vector(path, {number: rows[number] for number in range(1, LAYERS)})
        elif path.suffix == ".pt":
            torch.save(rows[15] if path.name.startswith("vec_layer_") else torch.cat([rows, rows[:1]]), path)
        else:
            self._put_vectors(path, given)

    def _put_monitor(self, path: Path, given: Mapping[str, Any]) -> None:
        whole = self.store / "monitor.safetensors"
        if not whole.exists():
            train, select, _ = dataset("cheerful", limit=16).split()
            fit_monitor(self.model, train, select).save(whole)
        shutil.copy(whole, path)

    def _put_run(self, path: Path, given: Mapping[str, Any]) -> None:
        """A run that was swept: what reports are written of, and what measures are added to."""
        whole = self.store / "swept"
        if not whole.exists():
            settings = {
                "behaviors": [{"source": "cheerful", "limit": 16}], "layers": "14,20", "strengths": [-0.3, 0.3],
                "scale": "relative",
            }  # fmt: skip
            study = make_study(settings, "tests")
            run_study(study, whole, given=Given(models={study.models[0].label: self.model}))
        shutil.copytree(whole, path)
        copied = RunFolder(path)  # runs in one report need names of their own
        copied.write_manifest(copied.manifest().model_copy(update={"name": path.name}))

    def _put_judged_run(self, path: Path, given: Mapping[str, Any]) -> None:
        """A run that recommends a setting, from planted tables, with a vector of the tiny model."""
        judged_run(path, self.model.backbone, LAYERS)

    def _put_source(self, path: Path, given: Mapping[str, Any]) -> None:
        """What is shared: a vector's file, a run, or a folder that was written before."""
        if given["out"] is None:
            self._put_shared(path, given)
            return
        (self._put_vectors if path.suffix else self._put_judged_run)(path, given)

    def _put_shared(self, path: Path, given: Mapping[str, Any]) -> None:
        """A folder that was shared."""
        share_vector(vector_for(self.model.backbone, layers=LAYERS), path, layer=17, strength=0.3)

    def _put_models(self, path: Path, given: Mapping[str, Any]) -> None:
        path.write_text(f"- {{name: m, layers: {LAYERS}}}\n", encoding="utf-8")

    def _put_results(self, path: Path, given: Mapping[str, Any]) -> None:
        """Scores of four prompts in two layers, in columns called as `--map` says."""
        names = _columns(given["mapping"])
        by_letter = "label" in names
        rows = []
        for layer, strength, prompt in product((10, 20), (-1.0, 0.0, 1.0), range(4)):
            row: dict[str, Any] = {"model": "m", "behavior": "b", "layer": layer, "strength": strength}
            row |= {"prompt_id": f"q{prompt}"}
            if given["values"] == "probabilities":
                row |= {"label": "AB"[prompt % 2], "A": 0.4 + 0.2 * strength, "B": 0.5 - 0.2 * strength}
            else:
                row |= {"label": "A", "A": strength - 1, "B": -1.0} if by_letter else {"score": strength + prompt}
            row |= {"condition": "none"} if "condition" in names else {}
            rows.append({names.get(target, target): value for target, value in row.items()})
        _write_table(path, rows)

    def _put_rates(self, path: Path, given: Mapping[str, Any]) -> None:
        names = _columns(given["rates_map"])
        shares = {"rate_minus": 0.2, "rate_zero": 0.5, "rate_plus": 0.8, "validity": 1.0}
        row = {"model": "m", "behavior": "b", "layer": 20} | shares
        _write_table(path, [{names.get(target, target): value for target, value in row.items()}])


def _columns(mapping: tuple[str, ...]) -> dict[str, str]:
    return dict(entry.split("=", 1) for text in mapping for entry in text.split(","))


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    write: Callable[[Path], object] = pd.DataFrame(rows).to_parquet
    if path.suffix == ".csv":
        pd.DataFrame(rows).to_csv(path, index=False)
    else:
        write(path)


KIND_OF_INPUT = {
    ("study", "file"): "study",
    ("monitor test", "file"): "monitor",
    ("monitor score", "file"): "monitor",
    ("monitor score", "conversation"): "messages",
    ("bake", "run"): "judged_run",
    ("chat", "run"): "judged_run",
    ("chat", "when"): "monitor",
    ("play", "run"): "judged_run",
    ("serve", "vectors"): "judged_run",
    ("vectors import", "file"): "foreign_vectors",
    ("vectors show", "file"): "foreign_vectors",
    ("vectors prove", "file"): "foreign_vectors",
    ("vectors bounds", "file"): "vectors",
    ("vectors export", "file"): "vectors",
    ("vectors export", "run"): "judged_run",
    ("hub push", "source"): "source",
    ("hub pull", "source"): "shared",
    ("import", "models"): "models",
    ("import", "results"): "results",
    ("import", "rates"): "rates",
    ("pairs strike", "decisions"): "decisions",
    ("data convert", "source"): "table",
    ("*", "vectors"): "vectors",
    ("*", "run"): "run",
    ("*", "runs"): "run",
}
"""What the file is that a command reads by this parameter; what is not here is pairs if it ends in .jsonl."""


def inputs_of(words: str, context: click.Context) -> Iterator[tuple[Path, str]]:
    """The files that a command reads, with the kind of each."""
    for name, value in context.params.items():
        kind = KIND_OF_INPUT.get((words, name)) or KIND_OF_INPUT.get(("*", name))
        for one in value if isinstance(value, tuple) else (value,):
            if not isinstance(one, str | Path) or name in ("out", "mapping", "rates_map"):
                continue
            if str(one).endswith(".txt"):
                yield from ((Path(file), "texts") for file in str(one).split(" vs "))
            elif kind:
                yield Path(one), kind
            elif str(one).endswith(".csv"):
                yield Path(one), "table"
            elif str(one).endswith(".jsonl") and ":" not in str(one):
                yield Path(one), "pairs"
