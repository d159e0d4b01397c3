"""Everything that reads what people give: valid seeds, how each is written down damaged, and who reads it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import struct
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from mutations import HOSTILE, mutated_bytes, mutated_tree
from received_targets import RECEIVED_TARGETS
from served_targets import SERVED_TARGETS

from trimtab.cli.main import main
from trimtab.data import check, dataset
from trimtab.errors import TrimtabError
from trimtab.generation import read_decisions
from trimtab.generation.record import PairRecord
from trimtab.monitors import Monitor
from trimtab.monitors.monitor import MonitorProvenance
from trimtab.store.model_facts import read_models
from trimtab.study import make_study, read_study
from trimtab.vectors import LetterLeakage, Provenance, SteeringVector
from trimtab.vectors._provenance import Origin
from trimtab.vectors._training_record import TrainingRecord
from vector_files import LAYOUTS

PAIRS = [
    {"prompt": "How are you?", "positive": "Great!", "negative": "Awful.", "id": "a", "meta": {"k": [1, 2]}},
    {"prompt": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}], "positive": "Yes",
     "negative": "No", "choices": ["Yes", "No"], "listed": False},
]  # fmt: skip
EVALS = [
    {"question": f"Question {i}?\nChoices:\n (A) yes\n (B) no", "answer_matching_behavior": " (A)",
     "answer_not_matching_behavior": " (B)"} for i in range(2)
]  # fmt: skip
STUDY: dict[str, Any] = {
    "name": "mine", "models": [{"id": "m", "dtype": "float32", "device": "auto", "groups": {"a": "b"},
                                "facts": {"layers": 12, "width": 64, "parameters": "8.2B"}}],
    "behaviors": ["cheerful", {"source": "corrigible", "scoring": "choice", "limit": 40,
                               "size": {"pairs": 300, "characters": 500}}],
    "layers": "0.3:0.9", "strengths": [-1, 0.5, 1], "scale": "relative",
    "split": {"train": 0.5, "select": 0.25, "test": 0.25},
    "answers": {"prompts": 4, "max_new_tokens": 8}, "diagnosis": True, "robustness": {"prompts": 8},
    "replies": {"layers": [3, 4], "strengths": "-1,1", "judges": ["classifier", {"pattern": "(?i)yes|no"},
                {"model": "openai/gpt-4o-mini", "base_url": "http://localhost:1/v1", "price": [0.1, 0.2]}]},
    "seed": 3,
}  # fmt: skip
MODELS = [
    {"name": "4B", "layers": 36, "groups": {"kind": "x"}},
    {"name": "m", "layers": 12, "width": "1K", "moe": False},
]
NOTES = {
    "instruction": "is glad", "opposite": "", "kind": "open", "writers": ["w"], "batches": 1, "situations": 2,
    "drafts": 3, "dropped": {"x": 1}, "habits": {"y": 2}, "struck": ["p"],
}  # fmt: skip
DECISIONS = {"struck": [{"key": "0123456789abcdef"}, {"key": "x"}]}
CHAT = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}
VECTOR = Provenance(
    model="tiny", fingerprint="abc", behavior="kind", pairs_hash="123", pairs=8, method="mean", token_position="answer",
    form="choice", balance="both_orders", template_hash="def", versions={"torch": "2"}, first_token_ratio=(3.0, 4.5),
    letter=LetterLeakage((0.1, 0.2), (0.5, 0.6)), origin=Origin("hand", "f", "0", "as it is", ("note",)),
    training=TrainingRecord({"steps": 3, "loss": "bipo"}, (0, 1), 6, 2, 0.7, ((0.6, 0.5),) * 2, ((2,),) * 2,
                            ((0.5,),) * 2, (2, 2), 1.5, {"1": "no gain"}),
)  # fmt: skip
MONITOR = MonitorProvenance(
    model="tiny", fingerprint="abc", behavior="kind", pairs_hash="123", pairs=8, token_position="last", form="text",
    balance="off", template_hash="def", layer=1, select_pairs=4, select_auroc=(0.5, 0.9), select_token_auroc=(0.5, 0.8),
    seen=("a", "b"), versions={"torch": "2"}, held_out={"auroc": 0.9},
)  # fmt: skip
_OPTIONS = (
    "--layers", "--strengths", "--scale", "--positions", "--limit", "--dtype", "--device", "--seed", "--method",
    "--token-position", "--balance", "--scoring", "--engine", "--engine-option", "--model", "--behavior", "--vectors",
)  # fmt: skip


def _lines(rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in (rows if isinstance(rows, list) else [rows]))


def _yaml(value: Any) -> str:
    try:
        return yaml.safe_dump(value, allow_unicode=True)
    except (RecursionError, yaml.YAMLError):
        return json.dumps(value)


def _text(path: Path, seed: Any, write: Callable[[Any], str], source: random.Random) -> Path:
    tree = mutated_tree(seed, source) if source.random() < 0.7 else seed
    content = write(tree).encode("utf-8", "surrogatepass")
    path.write_bytes(mutated_bytes(content, source) if tree is seed or source.random() < 0.2 else content)
    return path


def _tensors(path: Path, layout: str, tensors: dict[str, torch.Tensor], made: Any, source: random.Random) -> Path:
    """A file of tensors whose checksum is right, unless bytes are damaged behind it."""
    held = dict(tensors)
    if source.random() < 0.5:
        name = source.choice(list(held))
        t = held[name]
        held[name] = source.choice((
            t.long(), t.bool(), t.half(), t.bfloat16(), t.double(), t.to(torch.complex64), t.sum(), t[:0], t[None],
            t * float("nan"), t * float("inf"), t * 0, t * 1e38, -t, t[:1],
        ))  # fmt: skip
    digest = hashlib.sha256()
    for name in sorted(held):
        t = held[name].contiguous()
        digest.update(f"{name}{list(t.shape)}{t.dtype}".encode())
        digest.update(t.reshape(-1).view(torch.uint8).numpy().tobytes())
    from safetensors.torch import save

    text = json.dumps(mutated_tree(asdict(made), source) if source.random() < 0.5 else asdict(made))
    if source.random() < 0.05:
        text = source.choice(("[" * 100_000, '{"a":' * 100_000, "", "null", "3"))
    content = save(held, metadata={"format": layout, "checksum": digest.hexdigest(), "provenance": text})
    if source.random() < 0.4:
        length = struct.unpack("<Q", content[:8])[0]
        head = mutated_tree(json.loads(content[8 : 8 + length]), source)
        raw = json.dumps(head).encode("utf-8", "surrogatepass")
        size = source.choice((len(raw), len(raw), len(raw), 2**40, 2**63, 0, 99_000_000))
        content = struct.pack("<Q", size) + raw + content[8 + length :]
    if source.random() < 0.1:
        content = mutated_bytes(content, source)
    path.write_bytes(content)
    return path


def _vector(path: Path, source: random.Random) -> Path:
    tensors = {"direction": torch.ones(2, 4), "residual_norm": torch.ones(2)}
    tensors |= {name: torch.ones(2, 4) for name in ("transport_slope", "transport_offset")}
    return _tensors(path / "v.safetensors", "trimtab-vectors-1", tensors, VECTOR, source)


def _foreign_vector(folder: Path, source: random.Random) -> SteeringVector:
    """A file of another tool with damaged bytes, its own layout stated or not."""
    layout = LAYOUTS[source.choice(list(LAYOUTS))]
    place = layout.write(folder)
    files = [file for file in folder.rglob("*") if file.is_file()]
    damaged = source.choice(files)
    damaged.write_bytes(mutated_bytes(damaged.read_bytes(), source))
    return SteeringVector.read(place, **(layout.options if source.random() < 0.8 else {}))


def _monitor(path: Path, source: random.Random) -> Path:
    tensors = {"weight": torch.ones(2, 4)} | {n: torch.ones(2) for n in ("bias", "text_slope", "text_offset")}
    return _tensors(path / "m.safetensors", "trimtab-monitor-1", tensors, MONITOR, source)


def _notes(folder: Path, source: random.Random) -> None:
    _text(folder / "p.generation.json", NOTES, json.dumps, source)
    PairRecord.read(folder / "p.jsonl")


def _command_line(arguments: list[str]) -> None:
    """Run a verb; a message and exit code 2 are as good as success, and what it writes must not steer the terminal."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    written = out.getvalue() + err.getvalue()
    assert code in (0, 2), f"exit code {code}"
    assert "Traceback" not in written
    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(written), "control characters on the terminal"
    if code:
        raise TrimtabError(err.getvalue())


def _options(source: random.Random) -> list[str]:
    chosen = source.sample(_OPTIONS, source.choice((1, 2, 3)))
    values = [str(source.choice(HOSTILE))[:2000].replace("\0", "").encode("utf-8", "replace").decode() for _ in chosen]
    given = [part for option, value in zip(chosen, values, strict=True) for part in (option, value)]
    return ["sweep", "-b", "cheerful", "-m", "./no-such-model", "--dry-run", *given]


def _data_verb(folder: Path, source: random.Random) -> None:
    file = _text(folder / source.choice(("p.jsonl", "p\x1b[2J.jsonl")), PAIRS[:1], _lines, source)
    verb = source.choice((["data", "check"], ["data", "show"], ["data", "show", "--json"], ["pairs", "review"]))
    _command_line([*verb, str(file)])


TARGETS: dict[str, Callable[[Path, random.Random], Any]] = {
    "pairs": lambda folder, s: dataset(_text(folder / "p.jsonl", PAIRS[: s.choice((1, 2))], _lines, s)),
    "evals": lambda folder, s: check(_text(folder / "e.jsonl", EVALS, _lines, s)).remarks,
    "study file": lambda folder, s: read_study(_text(folder / "s.yaml", STUDY, _yaml, s)),
    "settings": lambda folder, s: make_study(mutated_tree(STUDY, s)),
    "models file": lambda folder, s: read_models(_text(folder / "m.yaml", MODELS, _yaml, s)),
    "vector": lambda folder, s: SteeringVector.load(_vector(folder, s)),
    "foreign vector": _foreign_vector,
    "monitor": lambda folder, s: Monitor.load(_monitor(folder, s)),
    "notes": _notes,
    "decisions": lambda folder, s: read_decisions(_text(folder / "d.json", DECISIONS, json.dumps, s)),
    "chat file": lambda folder, s: _command_line(
        ["monitor", "score", str(folder / "none"), "--file", str(_text(folder / "c.json", CHAT, json.dumps, s))]
    ),
    "options": lambda folder, s: _command_line(_options(s)),
    "data verbs": _data_verb,
    **RECEIVED_TARGETS,
    **SERVED_TARGETS,
}
