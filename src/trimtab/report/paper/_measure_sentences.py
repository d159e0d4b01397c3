"""Sentences about replies, doses, side effects, robustness and pairs, each only where it was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from trimtab._util.wording import listed, plural
from trimtab.analysis.formatting import percent, plain, signed_strength
from trimtab.analysis.side_effects import EASY, THE_VECTOR
from trimtab.report.paper._markup import Sentence, cite
from trimtab.report.report_inputs import RunTables
from trimtab.report.results import Results

JUDGES = {
    "classifier": "a text classifier trained on the completions of the pairs",
    "language model": "a language model",
    "pattern": "a pattern",
}


def measured(run: RunTables, results: Results) -> Iterator[Sentence]:
    """What else was measured than scores."""
    if run.replies is not None and len(run.replies):
        yield from _replies(run, run.replies, results)
    if run.dose is not None and len(run.dose):
        yield (
            "The dose of a setting is the Kullback–Leibler divergence of its next-token distributions from the "
            "unsteered ones on neutral prompts, in nats per token", cite("kullback1951"), ".",
        )  # fmt: skip
    if run.rates is not None and len(run.rates):
        yield ("Answers were also read from generated text; we report the share that matches the behavior.",)
    yield from _projection(run.of("projection"))
    yield from _side_effects(run.of("side_effects"))
    yield from _robustness(run.of("robustness"))


def _replies(run: RunTables, replies: pd.DataFrame, results: Results) -> Iterator[Sentence]:
    steered = replies[replies["strength"] != 0]
    settings: Mapping[str, Any] = run.manifest.get("settings", {}).get("replies") or {}
    tokens = f", up to {settings['max_new_tokens']} tokens" if settings.get("max_new_tokens") else ""
    counts = {str(split): rows["prompt_id"].nunique() for split, rows in replies.groupby("split", sort=False)}
    chose, held = counts.get("select", 0), counts.get("test", 0)
    prompts = f"{plural(chose, 'open prompt')}" if chose else plural(held, "open prompt")
    if len(steered):
        strengths = ", ".join(signed_strength(float(value)) for value in sorted(steered["strength"].unique()))
        scales = listed([str(scale) for scale in dict.fromkeys(steered["scale"])])
        where = f"at {plural(steered['layers'].nunique(), 'layer')} (strengths {strengths}, {scales} scale)"
        yield (f"The steered models also replied to {prompts} {where}, by greedy decoding{tokens}.",)
    judges = [entry for entry in run.manifest.get("judges", []) if not entry.get("declined")]
    if run.judgements is None or not len(run.judgements) or not judges:
        return
    by = list(dict.fromkeys(_judge(entry) for entry in judges))
    yield (
        f"Each reply was compared with the unsteered reply to the same prompt by {listed(by)}; the change is the "
        "difference of its scores, from −10 to 10.",
    )
    found = results.measures.get("replies")
    mine = found.settings[found.settings["run"] == run.name] if found is not None else pd.DataFrame()
    if len(mine):
        floor = listed([plain(value) for value in dict.fromkeys(mine["floor"])])
        held_out = (
            ", and is reported on " + f"{plural(held, 'other prompt')}" if held and mine["held_out"].any() else ""
        )
        yield (
            "In each direction the recommended setting is the one with the largest mean change among those that keep "
            f"the floor of {floor} of 10 in the quality of their replies{held_out}.",
        )


def _judge(entry: Mapping[str, Any]) -> str:
    kind = str(entry.get("kind") or "")
    name = JUDGES.get(kind, f"the judge “{entry['name']}”")
    named = f" ({entry['name']})" if kind == "language model" else ""
    accuracy = entry.get("accuracy")
    right = "" if accuracy is None else f" (right on {percent(accuracy)} of completions that it had not seen)"
    return f"{name}{named}{right}"


def _projection(tables: Mapping[str, pd.DataFrame]) -> Iterator[Sentence]:
    if "examples" not in tables or not len(tables["examples"]):
        return
    yield (
        "Without steering we projected held-out examples on the vector of each layer; AUROC is the probability that a "
        "positive example lies further along it than a negative one, at the layer that other held-out examples chose, "
        "with 95% bootstrap intervals over prompts. It tells whether the vector reads the behavior, not whether it "
        "steers.",
    )


def _side_effects(tables: Mapping[str, pd.DataFrame]) -> Iterator[Sentence]:
    shifts, random = tables.get("shifts"), tables.get("random")
    if shifts is not None and len(shifts):
        others = shifts.loc[(shifts["measured"] != shifts["behavior"]) & (shifts["measured"] != EASY), "measured"]
        yield (
            "The side effect of a setting is the root mean square of its shifts of the scores of "
            f"{plural(others.nunique(), 'other behavior')}, in standard deviations of their unsteered scores, less "
            "what the standard errors of the shifts explain.",
        )
    if random is not None and len(random):
        drawn = random[random["kind"] != THE_VECTOR].groupby("kind", sort=False)["draw"].nunique()
        each = listed([f"{n} {NULLS.get(str(kind), str(kind))}" for kind, n in drawn.items()])
        yield (
            f"We compared the effect at the chosen setting with that of directions of the same length ({each}); p is "
            "the share of directions, the vector among them, that move the scores at least as far.",
        )


NULLS = {
    "isotropic": "drawn from all directions alike",
    "shuffled pairs": "made from the training pairs with the sign of each drawn at random",
}


def _robustness(tables: Mapping[str, pd.DataFrame]) -> Iterator[Sentence]:
    if "samples" not in tables or not len(tables["samples"]):
        return
    table = tables["samples"]
    variants = table.loc[table["kind"] != "plain", ["kind", "variant"]].drop_duplicates()
    kinds = listed([str(kind) for kind in dict.fromkeys(variants["kind"])])
    yield (
        f"Robustness is the share of the effect that is left under {plural(len(variants), 'variant')} of the prompts "
        f"({kinds}), with intervals that resample the prompts of both together.",
    )
