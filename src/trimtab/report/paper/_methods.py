"""The methods paragraph of a run, from its manifest and its tables; what was not measured is not mentioned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from trimtab._util.wording import listed, plural
from trimtab.analysis.cells import FULL
from trimtab.analysis.formatting import signed_strength
from trimtab.analysis.samples import records
from trimtab.report.paper._markup import Formula, Part, Sentence, cite
from trimtab.report.paper._measure_sentences import measured
from trimtab.report.paper._push_wording import SCALES, where_pushed
from trimtab.report.paper._references import VERSION
from trimtab.report.report_inputs import RunTables
from trimtab.report.results import Results

METHODS: dict[str, tuple[Part, ...]] = {
    "mean": ("the mean of these differences", cite("rimsky2024caa")),
    "pca": ("the first principal component of these differences", cite("zou2023repe")),
    "probe": ("the weights of a logistic regression on the positive and the negative states",),
    "lda": ("Fisher’s linear discriminant of the positive and the negative states",),
    "median": ("the geometric median of these differences",),
    "single": ("the difference of one pair drawn at random",),
    "random": ("a random direction as long as the mean difference",),
}
"""What a vector is, by the method."""
SETS: dict[str, tuple[Part, ...]] = {
    "mean": ("the difference of the lists’ means",),
    "lda": ("that difference, whitened by what varies within the lists",),
}
"""The same between two lists, where it is another thing."""
PLACES = {
    "answer": "read at the first token at which the two answers differ",
    "last": "read at the last token",
    "mean_completion": "averaged over the tokens of each answer",
    "mean_prompt": "averaged over the tokens of the prompt",
    "mean_thinking": "averaged over the tokens of the thinking in each reply",
    "mean_response": "averaged over the tokens behind the thinking in each reply",
    "each_token": "read at each token, every token counting alike",
}
CONTRASTS = {
    "prompts": (
        "For each pair of prompts we took the difference of the residual-stream states after a layer between the "
        "prompt that brings the behavior out and the other one"
    ),
    "sets": (
        "We compared the residual-stream states after a layer of two lists of texts without pairs, one that shows the "
        "behavior and one that does not"
    ),
}
"""What vectors are made of that are not made of pairs of answers, by the form of the vector."""
_PAIRS = (
    "For each pair we took the difference of the residual-stream states after a layer between its positive and its "
    "negative answer"
)
SCORES: dict[str, str] = {
    "choice": "the difference of the logits of the two answers at the first token where they differ",
    "text": "the difference of the mean log-probabilities per token of the two answers",
    "text_sum": "the difference of the log-probabilities of the two answers, summed over their tokens",
}
SPREADS = {
    "unsteered": "the standard deviation of the unsteered scores",
    "negative": "the standard deviation of the negatively steered scores",
    "pooled": "the pooled standard deviation of the positively and the negatively steered scores",
}


def methods(runs: Sequence[RunTables], results: Results) -> list[tuple[str, list[Sentence]]]:
    """The name of each run and the sentences of its paragraph."""
    return [(run.name, list(_sentences(run, results))) for run in runs]


def _sentences(run: RunTables, results: Results) -> Iterator[Sentence]:
    imported = run.manifest.get("sources") is not None
    yield from _models(run, imported)
    if not imported:
        yield from _vectors(run)
    if len(run.samples):
        yield from _sweep(run, imported)
        yield from _statistics(run, results)
    yield from measured(run, results)
    yield _software(run, imported)


def _models(run: RunTables, imported: bool) -> Iterator[Sentence]:
    models = [_model(entry) for entry in run.manifest.get("models", [])]
    behaviors = list(dict.fromkeys(str(entry["name"]) for entry in run.manifest.get("behaviors", [])))
    many = f"{len(behaviors)} behaviors ({listed(behaviors)})"
    about = "" if not behaviors else f" for the behavior {behaviors[0]}" if len(behaviors) == 1 else f" for {many}"
    if not models:
        return
    if imported:
        yield (f"The scores of {listed(models)}{about} were measured with another program and imported.",)
    elif any(found is not None and len(found) for found in (run.samples, run.replies, run.dose)):
        yield (f"We steered {listed(models)}{about}.",)
    else:
        yield (f"We made steering vectors in {listed(models)}{about}.",)


def _model(entry: Mapping[str, Any]) -> str:
    facts = entry.get("facts", {})
    name, known = str(entry["name"]), str(entry.get("id") or "").split(",")[0]
    known = known.rstrip("/").rsplit("/", 1)[-1] if known.startswith(("/", ".", "~")) or "\\" in known else known
    about = [known] if known and known != name else []
    about += [f"{facts['layers']} layers"] if facts.get("layers") else []
    about += [_size(facts["parameters"])] if facts.get("parameters") else []
    about += [str(entry["dtype"])] if entry.get("dtype") else []
    return f"{name} ({', '.join(about)})" if about else name


def _size(parameters: float) -> str:
    return f"{parameters / 1e9:.3g} B parameters" if parameters >= 1e9 else f"{parameters / 1e6:.3g} M parameters"


def _vectors(run: RunTables) -> Iterator[Sentence]:
    """Where the vectors come from; runs that were given vectors do not know it all."""
    if run.manifest.get("vectors_given"):
        makers = sorted({str(v["made_elsewhere"]) for v in run.manifest.get("vectors", []) if v.get("made_elsewhere")})
        made = f"made elsewhere ({listed(makers)}) and given" if makers else "given"
        yield (f"The steering vectors were {made}, not extracted in this run.",)
        return
    vectors, behaviors = (run.manifest.get(key, []) for key in ("vectors", "behaviors"))
    kinds = list(dict.fromkeys(_kind(v) for v in vectors))
    for method, place, form in kinds:
        if not method:
            continue
        mine = [v for v in vectors if _kind(v) == (method, place, form)]
        of = f" of {listed(list(dict.fromkeys(str(v['behavior']) for v in mine)))}" if len(kinds) > 1 else ""
        read = PLACES.get(place, f"read at the position “{place}”")
        what = METHODS.get(method, (f"what the aggregation “{method}” makes of these differences",))
        if form == "sets":
            what = SETS.get(method, what)
        yield (f"{CONTRASTS.get(form, _PAIRS)}, {read}; the vector{of} of the layer is ", *what, ".")
        if form in CONTRASTS:
            scored = {str(b["name"]) for b in behaviors if not _is_unscored(b)} & {str(v["behavior"]) for v in mine}
            apart = ", none of them among the pairs that were scored" if scored else ""
            yield (f"It was made of {_items(mine, form)}{apart}.",)
    pairs = _by_number((b for b in behaviors if not _is_unscored(b)), "n_train")
    if pairs:
        yield (f"Vectors were extracted from {pairs}.",)
    by_choice = {str(v.get("behavior")) for v in vectors if v.get("form") == "choice"}
    if any(b.get("balance") == "both_orders" and str(b.get("name")) in by_choice for b in behaviors):
        yield ("Choice pairs entered in both orders of their options.",)


def _is_unscored(behavior: Mapping[str, Any]) -> bool:
    """Whether it has no pairs of completions."""
    return bool(behavior.get("shape", "completions") != "completions")


def _kind(vector: Mapping[str, Any]) -> tuple[str, str, str]:
    """What vectors have in common that one sentence speaks of."""
    form = str(vector.get("form", ""))
    return str(vector.get("method", "")), str(vector.get("token_position", "")), form if form in CONTRASTS else ""


def _items(vectors: Sequence[Mapping[str, Any]], form: str) -> str:
    numbers = sorted({int(v["pairs"]) for v in vectors if v.get("pairs")})
    noun = "pairs of prompts" if form == "prompts" else "texts"
    return f"{' or '.join(map(str, numbers))} {noun}" if numbers else noun


def _by_number(behaviors: Iterable[Mapping[str, Any]], key: str) -> str:
    """The number of pairs of each behavior: 24 pairs, or 24 (a, b) and 30 (c) pairs."""
    numbers: dict[int, list[str]] = {}
    for behavior in behaviors:
        if behavior.get(key):
            numbers.setdefault(int(behavior[key]), []).append(str(behavior["name"]))
    if not numbers:
        return ""
    if len(numbers) == 1:
        [(number, names)] = numbers.items()
        return f"{plural(number, 'pair')}{' each' if len(names) > 1 else ''}"
    return f"{listed([f'{number} ({listed(names)})' for number, names in numbers.items()])} pairs"


def _sweep(run: RunTables, imported: bool) -> Iterator[Sentence]:
    samples = run.samples
    steered = samples[samples["strength"] != 0]
    if len(steered):
        strengths = _strengths(steered)
        if imported:
            yield (f"The table has {_layers(run, steered)}, at strengths {strengths}.",)
        else:
            for (scale, positions), table in steered.groupby(["scale", "positions"], sort=False):
                formula = SCALES.get(str(scale), (f"the scale “{scale}”",))
                where = _where(str(positions), run.manifest.get("settings", {}))
                gated = _condition(run)
                yield (
                    "Steering replaced the residual stream ", Formula("h"), f" after {_layers(run, table)} by ",
                    *formula, f", {where}, with ", Formula(r"\alpha"), f" in {{{_strengths(table)}}}",
                    *gated, ".",
                )  # fmt: skip
    scorings = list(dict.fromkeys(str(name) for name in samples["scoring"]))
    for scoring in scorings:
        mine = samples[samples["scoring"] == scoring]
        of = f" ({listed(list(dict.fromkeys(mine['behavior'].astype(str))))})" if len(scorings) > 1 else ""
        if imported:
            yield (f"Scores of prompts{of} are those of the imported table ({scoring} scoring).",)
            continue
        score = SCORES.get(scoring, f"its score by “{scoring}”")
        orders = ", averaged over both orders of the options" if mine["order"].nunique() > 1 else ""
        yield (f"The score of a prompt{of} is {score}, positive minus negative{orders}.",)


def _strengths(table: pd.DataFrame) -> str:
    return ", ".join(signed_strength(float(value)) for value in sorted(table["strength"].unique()))


def _layers(run: RunTables, table: pd.DataFrame) -> str:
    """The layers that were steered, of every model alike or model by model."""
    every = {str(m["name"]): m.get("facts", {}).get("layers") for m in run.manifest.get("models", [])}
    of = {str(model): rows["layers"].nunique() for model, rows in table.groupby("model", sort=False)}
    if table["layers"].astype(str).str.contains("+", regex=False).any():
        return listed(
            [f"{plural(n, 'layer or set of layers', 'layers or sets of layers')} of {m}" for m, n in of.items()]
        )
    if all(every.get(model) == n for model, n in of.items()):
        return "each layer" if len(of) == 1 else "each layer of each model"
    if len(of) == 1:
        [(model, n)] = of.items()
        known = f" of its {every[model]}" if every.get(model) else ""
        return f"{n} layers{known}, one at a time" if n > 1 else f"one layer{known}"
    return listed([f"{plural(n, 'layer')} of {model}" for model, n in of.items()]) + ", one at a time"


def _where(positions: str, settings: Mapping[str, Any]) -> str:
    """Which tokens are steered, and by which layer's vector where that is always the same."""
    where = where_pushed(positions)
    if positions == "all" and settings.get("first_token") is False:
        where = "at all tokens but the first"
    one = settings.get("vector_layer")
    return where if one is None else f"{where}, always with the vector of layer {one}"


def _condition(run: RunTables) -> tuple[Part, ...]:
    """When texts are steered at all, where that depends on their prompt."""
    words = {str(entry["words"]) for entry in run.manifest.get("conditions", [])}
    return () if not words else (f", {listed(sorted(words))}", cite("lee2024cast"))


def _statistics(run: RunTables, results: Results) -> Iterator[Sentence]:
    scores = results.measures.get("scores")
    if scores is None or scores.best.empty:
        return
    best = scores.best[scores.best["run"] == run.name] if "run" in scores.best.columns else scores.best
    if best.empty:
        return
    ends = (
        ("The effect (delta) is the mean score at ", Formula(r"+\alpha"), " minus that at ", Formula(r"-\alpha"))
        if bool((best["compared"] == FULL).all())
        else ("The effect (delta) is the difference between the mean steered and the mean unsteered score",)
    )
    spread = SPREADS[results.denominator]
    glass: tuple[Part, ...] = ()
    if best["glass"].notna().any():
        glass = (", and Glass’s ", Formula(r"\Delta"), f" is delta divided by {spread}", cite("glass1976"))
    yield (*ends, *glass, ".")
    yield (_choice(best, _prompts(run)),)
    yield (
        "Intervals are 95% bootstrap intervals over prompts (bias-corrected and accelerated, 2,000 resamples)",
        cite("efron1987"), ".",
    )  # fmt: skip
    correction: tuple[Part, ...] = ()
    if not best["held_out"].all():
        corrected = ", corrected for all settings by the maximum statistic"
        correction = (corrected, cite("westfall1993"), " where nothing was held out")
    yield (
        "Effects are tested by paired sign-flip permutation of the prompts’ differences (10,000 patterns, or all of "
        "them for up to 13 prompts)", *correction, ".",
    )  # fmt: skip


def _choice(best: pd.DataFrame, counts: str) -> str:
    """How the reported settings were chosen, and on what."""
    by = "delta" if (best["chosen_by"] == "delta").all() else "Glass’s Δ"
    largest = f"For each behavior and model, the layer and strength with the largest {by}"
    held_out = best["held_out"].astype(bool)
    if not held_out.any():
        same = "were chosen on the prompts that they are reported on"
        return f"{largest} {same} ({counts}), so that reported effects are optimistic."
    other = f"{largest} on the selection prompts were chosen and are reported on other prompts"
    if held_out.all():
        return f"{other} ({counts})."
    here = listed([f"{row['behavior']} in {row['model']}" for row in records(best[~held_out])])
    return f"{other}, except for {here}, where the same prompts chose and report ({counts})."


def _prompts(run: RunTables) -> str:
    """The number of prompts by split, of each behavior where they differ."""
    words = {"select": "for selection", "test": "for reporting"}
    found: dict[str, list[str]] = {}
    for behavior, rows in run.samples.groupby("behavior", sort=False):
        numbers = {str(split): table["prompt_id"].nunique() for split, table in rows.groupby("split", sort=False)}
        each = [f"{n} {words.get(split, f'in the split “{split}”')}" for split, n in sorted(numbers.items())]
        text = f"prompts: {' and '.join(each)}" if len(numbers) > 1 else plural(next(iter(numbers.values())), "prompt")
        found.setdefault(text, []).append(str(behavior))
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{text} of {listed(names)}" for text, names in found.items())


def _software(run: RunTables, imported: bool) -> Sentence:
    made = str(run.manifest.get("trimtab_version") or "")
    versions = run.manifest.get("versions") or {}
    others = listed([f"{name} {versions[name]}" for name in ("torch", "transformers", "vllm") if versions.get(name)])
    by = f" {made}" if made else ""
    seed = run.manifest.get("settings", {}).get("seed")
    if imported:
        return (f"Scores were analysed with trimtab {VERSION}", cite("trimtab"), ".")
    using = f" ({others})" if others else ""
    analysed = f" and analysed with version {VERSION}" if made and made != VERSION else ""
    with_seed = f"; the seed is {seed}" if seed is not None else ""
    return (f"Everything was measured with trimtab{by}{using}{analysed}", cite("trimtab"), f"{with_seed}.")
