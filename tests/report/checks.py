"""A run with every check made, planted from a seed: what diagnosis, side effects and robustness leave behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from analysis.scenarios import task_samples
from imported_items import planted_items
from spoken import spoken
from synthetic import synthetic_manifest, synthetic_samples
from trimtab.analysis import EASY, THE_VECTOR, best_cells, effects
from trimtab.analysis.diagnosis import (
    PAIR_COLUMNS,
    PairDifferences,
    diagnosis_findings,
    layer_heuristics,
    pair_curve,
    pair_flags,
    pair_quality,
)
from trimtab.analysis.replies import WRITTEN_REPLIES
from trimtab.report import RunTables

LAYERS = 6
AT_CHOSEN = ("side_effects/replies", "side_effects/random", "side_effects/tasks", "robustness/samples")
"""Tables that are measured at chosen settings only."""
SIZES = {"cheerful": 2.0, "concise": 1.2}
KEPT, LOST, REVERSED = "system: role", "wording: quoted", "few-shot: against the behavior"
VARIANTS = {
    "plain": 1.0, "system: assistant": 0.95, KEPT: 0.9, LOST: 0.1, "wording: lower case": 0.85, REVERSED: -0.8,
    "few-shot: for the behavior": 3.5, "resist: in general": 0.5, "transfer: other people’s pairs": 0.7,
}  # fmt: skip
METHODS = {"mean": 1.0, "pca": 0.9, "probe": 0.6, "single 1": 0.3, "single 2": 0.8, "random 1": 0.0, "random 2": 0.05}


def checked_run(
    name: str = "checked", sizes: Mapping[str, float] = SIZES, *, model: str = "tiny-135M", seed: int = 0
) -> RunTables:
    """A run of these behaviors and sizes of effect, with every check made.

    Args:
        name: the run's.
        sizes: effect of each behavior at mid-depth, in logits.
        model: its name.
        seed: of everything.
    """
    samples = synthetic_samples(dict(sizes), layers=LAYERS, prompts=20, model=model, seed=seed)
    best = best_cells(effects(samples, draws=200)).set_index("behavior")["layer"]
    parts: dict[str, list[pd.DataFrame]] = {}
    for number, (behavior, size) in enumerate(sizes.items()):
        own = seed + 10 * number
        tables = {
            **{f"diagnosis/{table}": found for table, found in diagnosed(pair_differences(seed=own)).items()},
            "diagnosis/cosines": _cosines(own),
            "diagnosis/method_samples": _methods(model, behavior, size, own),
            "projection/examples": _projections(size, own),
            "side_effects/shifts": _shifts(model, behavior, list(sizes), size, own),
            "side_effects/neutral": _neutral(own),
            "side_effects/replies": _replies(int(best[behavior]), own),
            "side_effects/random": _random(model, behavior, size, int(best[behavior]), own),
            "side_effects/tasks": _tasks(int(best[behavior])),
            "imported/items": planted_items({"none": 0.0, "pos": 0.8}, size, prompts=12, seed=own),
            "robustness/samples": _variants(model, behavior, size, int(best[behavior]), own),
        }
        for table, frame in tables.items():
            chosen_by = {"chosen_by": "scores"} if table in AT_CHOSEN else {}
            parts.setdefault(table, []).append(frame.assign(model=model, behavior=behavior, **chosen_by))
    tables = {table: pd.concat(frames, ignore_index=True) for table, frames in parts.items()}
    return RunTables(name, synthetic_manifest(samples, LAYERS), samples, tables=tables)


def also_recommended(run: RunTables) -> RunTables:
    """The run as if the first behavior had been checked at a setting that replies recommend, one layer up, as well."""
    behavior = str(run.samples["behavior"].iloc[0])
    tables = dict(run.tables)
    for name in AT_CHOSEN:
        own = tables[name][tables[name]["behavior"] == behavior]
        layer = own["layer"].where(own["strength"] == 0, own["layer"] + 1)
        layers = own["layers"].where(own["strength"] == 0, (own["layer"] + 1).astype(str))
        again = own.assign(chosen_by="replies", layer=layer, layers=layers)
        tables[name] = pd.concat([tables[name], again], ignore_index=True)
    return replace(run, tables=tables)


def only(run: RunTables, *tables: str) -> RunTables:
    """The run as if only these tables had been made."""
    return replace(run, tables={name: run.tables[name] for name in tables})


def hostile(run: RunTables, evil: str) -> RunTables:
    """The run's first behavior with this text in every name that people give, and in every text of the checks."""
    behavior = str(run.samples["behavior"].iloc[0])
    named = {
        name: table[table["behavior"] == behavior].assign(behavior=evil, model=evil)
        for name, table in run.tables.items()
    }
    for name, column in (
        ("diagnosis/flags", "prompt_id"), ("diagnosis/flags", "text"), ("diagnosis/findings", "text"),
        ("diagnosis/findings", "advice"), ("side_effects/shifts", "measured"), ("side_effects/random", "kind"),
        ("side_effects/tasks", "benchmark"), ("side_effects/tasks", "task"), ("side_effects/tasks", "metric"),
    ):  # fmt: skip
        named[name][column] += evil
    for name, column, known in (
        ("side_effects/shifts", "measured", {behavior + evil: evil, EASY + evil: EASY}),
        ("side_effects/random", "kind", {THE_VECTOR + evil: THE_VECTOR}),
    ):
        named[name][column] = named[name][column].replace(known)
    plain = named["robustness/samples"]["kind"] == "plain"
    named["robustness/samples"]["variant"] += np.where(plain, "", evil)
    samples = run.samples[run.samples["behavior"] == behavior].assign(behavior=evil, model=evil)
    return RunTables(evil, synthetic_manifest(samples, LAYERS), samples, tables=named)


def unswept(run: RunTables) -> RunTables:
    """The run as if its pairs had been diagnosed and nothing swept."""
    tables = ("quality", "curve", "heuristics", "part_quality", "flags", "findings", "cosines")
    return replace(only(run, *(f"diagnosis/{table}" for table in tables)), samples=run.samples.iloc[:0])


def pair_differences(*, pairs: int = 16, seed: int = 0) -> PairDifferences:
    """Choice pairs in both orders that share a direction from mid-depth on; the last repeats the first."""
    rng = np.random.default_rng(seed)
    shown, width = 2 * pairs, 20
    sign = np.tile([1.0, -1.0], pairs)
    direction, letter = rng.normal(size=(2, width))
    depth = (np.arange(LAYERS) + 1) / LAYERS
    own = np.repeat(rng.normal(0, 1, (pairs, LAYERS, width)), 2, axis=0)
    difference = own + depth[None, :, None] * direction + 4 * sign[:, None, None] * letter
    difference += rng.normal(0, 0.2, difference.shape)
    texts = [f"Question number {n}: {' '.join(rng.choice(list('abcdefghij'), 6))}?" for n in range(pairs)]
    texts[-1] = texts[0]
    about = pd.DataFrame(
        [
            {
                "prompt_id": f"pair-{n}", "prompt": text, "positive": f"Yes, {n * 37}",
                "negative": f"No, {n * 91}", "label": "AB"[n % 2], "positive_tokens": 4 + 12 * (n == 3),
                "negative_tokens": 4, "positive_first": " A", "negative_first": " B",
            }
            for n, text in enumerate(texts)
        ]
    )[list(PAIR_COLUMNS)]  # fmt: skip
    about.loc[about.index[-1], ["positive", "negative"]] = about.loc[0, ["positive", "negative"]].to_numpy()
    label = np.where(np.arange(pairs) % 2 == 0, 1.0, -1.0)
    return PairDifferences(
        difference=difference.astype(np.float32),
        pair=np.repeat(np.arange(pairs), 2),
        weight=np.full(shown, 0.5),
        sign=sign * np.repeat(label, 2),
        residual_norm=20 * depth + 5,
        pairs=about,
    )


def diagnosed(d: PairDifferences) -> dict[str, pd.DataFrame]:
    """The diagnosis of these pairs, with fewer draws than a study makes."""
    quality, curve = pair_quality(d, splits=6, draws=60), pair_curve(d)
    heuristics, flags = layer_heuristics(d, permutations=19), pair_flags(d)
    findings = pd.DataFrame([asdict(found) for found in diagnosis_findings(quality, curve, heuristics, flags, d)])
    return {
        "quality": quality, "curve": curve, "heuristics": heuristics, "part_quality": quality, "flags": flags,
        "findings": findings,
    }  # fmt: skip


def _cosines(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [
        {"method": name, "layer": layer, "depth": (layer + 1) / LAYERS, "cosine": gain * 0.9 + rng.normal(0, 0.03)}
        for name, gain in METHODS.items()
        if name != "mean"
        for layer in range(LAYERS)
    ]
    return pd.DataFrame(rows)


def _projections(size: float, seed: int) -> pd.DataFrame:
    """Examples that lie apart along the vector, the more so at mid-depth."""
    rng = np.random.default_rng(seed)
    rows = [
        ("transformers", split, f"e{number}", number, side, layer, (layer + 1) / LAYERS, float(along))
        for split, n in (("select", 10), ("test", 12))
        for side in (1, -1)
        for layer in range(LAYERS)
        for number, along in enumerate(side * size * (1 - abs(layer - 3) / LAYERS) / 2 + rng.normal(0, 1, n))
    ]
    columns = ["engine", "split", "example", "group", "side", "layer", "depth", "projection"]
    return pd.DataFrame(rows, columns=columns)


def _methods(model: str, behavior: str, size: float, seed: int) -> pd.DataFrame:
    """Samples of each method; the unsteered scores are the same."""
    frames = [
        synthetic_samples({behavior: gain * size}, layers=LAYERS, prompts=12, model=model, orders=1, seed=seed).assign(
            method=name
        )
        for name, gain in METHODS.items()
    ]
    return pd.concat(frames, ignore_index=True)


def _shifts(model: str, behavior: str, steered: list[str], size: float, seed: int) -> pd.DataFrame:
    """Every behavior as measured: its own as large as planted, others by a fifth of it, easy questions down."""
    moved = {**dict.fromkeys([*steered, "power-seeking", "sycophancy"], 0.2 * size), EASY: -0.3 * size}
    moved[behavior] = size
    frames = [
        synthetic_samples(
            {behavior: gain}, layers=LAYERS, strengths=(-1, -0.5, 0.5, 1), prompts=8, model=model, splits=("test",),
            orders=1, seed=seed + number,
        ).assign(measured=name)
        for number, (name, gain) in enumerate(moved.items())
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _neutral(seed: int) -> pd.DataFrame:
    """Plain text gets more surprising with the strength."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "layers": "" if strength == 0 else str(layer), "strength": strength, "text": text,
            "nll": 3 + 0.1 * text + 0.3 * strength**2 + rng.normal(0, 0.02),
        }
        for layer in range(LAYERS)
        for strength in ((0.0, -1.0, -0.5, 0.5, 1.0) if layer == 0 else (-1.0, -0.5, 0.5, 1.0))
        for text in range(8)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _replies(layer: int, seed: int) -> pd.DataFrame:
    """Replies in the best cell that are twice as long as those of the unsteered model."""
    said, _, _ = spoken(LAYERS, strengths=(-1.0, 1.0), seed=seed, finalists=())
    kept = said[(said["split"] == "select") & ((said["strength"] == 0) | (said["layer"] == layer))]
    long = np.where(kept["strength"] == 0, kept["words"], 2 * kept["words"])
    written = kept[[name for name in kept.columns if name in WRITTEN_REPLIES]]
    return written.assign(words=long, language="en")


def _random(model: str, behavior: str, size: float, layer: int, seed: int) -> pd.DataFrame:
    kinds = {"vector": (1, 1.0), "isotropic": (9, 0.1), "shuffled pairs": (9, 0.4)}
    frames = [
        _at(
            layer, {behavior: gain * size * (draw / count if count > 1 else 1)}, prompts=10, model=model, seed=seed
        ).assign(kind=kind, draw=draw if count > 1 else 0)
        for kind, (count, gain) in kinds.items()
        for draw in range(1, count + 1)
    ]
    return pd.concat(frames, ignore_index=True)


def _tasks(layer: int) -> pd.DataFrame:
    """A task of a harness that steering spoils for every second question."""
    before = [1.0, 1.0, 1.0, 0.0] * 10
    found = task_samples(before, [0.0, *before[1:20]] * 2)
    steered = found["strength"] != 0
    layers = np.where(steered, layer, -1)
    return found.assign(
        layer=layers, layers=np.where(steered, str(layer), ""), depth=np.where(steered, layers / (LAYERS - 1), 0.0),
        positions="all",
    )  # fmt: skip


def _variants(model: str, behavior: str, size: float, layer: int, seed: int) -> pd.DataFrame:
    frames = [
        _at(layer, {behavior: share * size}, prompts=24, model=model, seed=seed).assign(
            kind=variant.split(":")[0], variant=variant
        )
        for variant, share in VARIANTS.items()
    ]
    return pd.concat(frames, ignore_index=True)


def _at(layer: int, sizes: dict[str, float], *, prompts: int, model: str, seed: int) -> pd.DataFrame:
    """Samples of one layer, on test prompts."""
    every = synthetic_samples(sizes, layers=LAYERS, prompts=prompts, model=model, splits=("test",), orders=1, seed=seed)
    return every[every["layer"].isin([-1, layer])]
