"""Everything a report says, computed from the samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from trimtab import analysis
from trimtab.analysis.choice import OWNER
from trimtab.analysis.comparison_findings import comparison_findings
from trimtab.analysis.samples import present
from trimtab.report.checked import Checked, checked_of
from trimtab.report.runs import RunTables, gathered, rates_together, together
from trimtab.report.spoken import Spoken, doses, spoken_of

ALIKE = 3
"""A caution that more behaviors share than this is told once for all of them."""


@dataclass(frozen=True)
class Comparison:
    """What differs between models; empty tables where there is one only."""

    models: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Facts and groups of the models."""
    by_model: pd.DataFrame = field(default_factory=pd.DataFrame)
    groups: pd.DataFrame = field(default_factory=pd.DataFrame)
    contrasts: pd.DataFrame = field(default_factory=pd.DataFrame)
    correlations: pd.DataFrame = field(default_factory=pd.DataFrame)
    left_out: Sequence[str] = ()
    """Why models are not compared, where they are not."""


@dataclass(frozen=True)
class Results:
    """Everything computed from the samples."""

    samples: pd.DataFrame
    effects: pd.DataFrame
    best: pd.DataFrame
    """Best cells, with steerability and the effects by option order beside them."""
    choice: pd.DataFrame
    tails: pd.DataFrame
    blindness: pd.DataFrame
    comparison: Comparison
    answer_curves: pd.DataFrame
    answer_agreement: pd.DataFrame
    denominator: analysis.Denominator
    findings: Sequence[analysis.Finding]
    spoken: Spoken | None = None
    """What was said to open prompts; None where nothing was."""
    reply_agreement: pd.DataFrame = field(default_factory=pd.DataFrame)
    """How well scores foretell replies, layer by layer."""
    dose: pd.DataFrame | None = None
    """How far each cell moves the model, in several units; None where it was not measured."""
    checked: Checked | None = None
    """What the checks found; None where none was made."""


def analysed(runs: Sequence[RunTables], denominator: analysis.Denominator = "unsteered") -> Results:
    """Effects, best cells, checks, comparisons and findings of the runs."""
    samples = together(runs)
    spoken = spoken_of(runs)
    effects = analysis.effects(samples, denominator=denominator)
    best = analysis.best_cells(effects)
    orders = analysis.order_effects(samples, best)
    steady = analysis.steerability(samples, best)
    blindness = analysis.option_blindness(samples)
    choice = analysis.layer_choice(samples, best)
    tails = analysis.tails(samples, best)
    models = gathered(runs, "models")
    comparison = compared(best, analysis.models_frame(models))
    curves, agreement, unread = _answers(effects, best, rates_together(runs))
    replied = pd.DataFrame()
    if spoken is not None:
        replied = analysis.reply_agreement(effects, best, analysis.first_judged(spoken.cells))
    checked = checked_of(runs, effects, best)
    said = [
        *(spoken.findings if spoken else ()),
        *comparison_findings(
            best, comparison.by_model, comparison.groups, comparison.contrasts, comparison.correlations, choice, tails
        ),
        *(
            # A run may ask open questions or diagnose only; that no score was measured is no finding then.
            analysis.findings(effects, best, blindness=blindness, orders=orders, steerability=steady)
            if len(samples) or (spoken is None and checked is None)
            else ()
        ),
        *(finding for _, finding in (checked.findings if checked else ())),
        *analysis.engine_agreement(samples, models),
        *analysis.audit(samples),
        *(analysis.Finding("caution", text) for text in (*comparison.left_out, *unread)),
    ]
    owner = present(best, OWNER)
    best = best.merge(steady[[*owner, "slope", "anti", "anti_low", "anti_high"]], on=owner, how="left")
    by_order = ["delta_given", "delta_swapped", "difference", "difference_low", "difference_high"]
    best = best.merge(orders[[*owner, *by_order]], on=owner, how="left")
    return Results(
        samples=samples, effects=effects, best=best, choice=choice, tails=tails, blindness=blindness,
        comparison=comparison, answer_curves=curves, answer_agreement=agreement, denominator=denominator,
        findings=condensed(ordered(said)), spoken=spoken, reply_agreement=replied,
        dose=doses(runs), checked=checked,
    )  # fmt: skip


def condensed(said: Sequence[analysis.Finding]) -> list[analysis.Finding]:
    """The findings, what is said alike of more than three behaviors said once, with their names behind it."""
    about: dict[tuple[str, str], list[str]] = {}
    for finding in said:
        subject, _, text = finding.text.partition(": ")
        about.setdefault((finding.kind, text), []).append(subject)
    kept = []
    for finding in said:
        subject, _, text = finding.text.partition(": ")
        subjects = about[finding.kind, text]
        if finding.kind != "caution" or len(subjects) <= ALIKE:
            kept.append(finding)
        elif subject == subjects[0]:
            more = f" and {len(subjects) - ALIKE} more" if len(subjects) > 2 * ALIKE else ""
            names = ", ".join(subjects[:ALIKE] if more else subjects)
            kept.append(analysis.Finding("caution", f"{names}{more}: {text}"))
    return kept


def ordered(said: Sequence[analysis.Finding]) -> list[analysis.Finding]:
    """Comparisons first, then what moved, what did not, and cautions, each as they came."""
    rank = {"comparison": 0, "effect": 1, "negative": 2, "caution": 3}
    return sorted(said, key=lambda finding: rank[finding.kind])


_COMPARISONS = {
    "groups": analysis.compare_groups,
    "contrasts": analysis.group_contrasts,
    "correlations": analysis.correlations,
}


def compared(best: pd.DataFrame, models: pd.DataFrame) -> Comparison:
    """Models side by side, each engine and scoring for itself: their numbers are not of one kind.

    A model that occurs in several runs would count twice among the groups, so those are left out then.
    """
    if best.empty or len(best.groupby([n for n in present(best, OWNER) if n != "behavior"])) < 2:
        return Comparison(models=models)
    parts: dict[str, list[pd.DataFrame]] = {"by_model": [], "groups": [], "contrasts": [], "correlations": []}
    left_out = []
    for (engine, scoring), cells in best.groupby(["engine", "scoring"], sort=False):
        table = analysis.compare_models(cells)
        parts["by_model"].append(table)
        again = table["model"][table["model"].duplicated()].unique()
        if len(again):
            left_out.append(
                f"Groups of models and their architecture are not compared: {', '.join(map(str, again))} "
                f"{'is' if len(again) == 1 else 'are'} in several runs and would count more than once."
            )
        elif len(table) > 1:
            parts["groups"].append(
                analysis.compare_groups(table, models).assign(engine=str(engine), scoring=str(scoring))
            )
            parts["contrasts"].append(
                analysis.group_contrasts(table, models).assign(engine=str(engine), scoring=str(scoring))
            )
            parts["correlations"].append(
                analysis.correlations(table, models).assign(engine=str(engine), scoring=str(scoring))
            )
    tables = {name: pd.concat(found, ignore_index=True) if found else pd.DataFrame() for name, found in parts.items()}
    return Comparison(models=models, left_out=list(dict.fromkeys(left_out)), **tables)


def _answers(
    effects: pd.DataFrame, best: pd.DataFrame, rates: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Logit against generation: curves, their agreement, and why there are none although answers were read."""
    if rates is None or rates.empty:
        return pd.DataFrame(), pd.DataFrame(), []
    if best.duplicated(["model", "behavior"]).any():
        reason = (
            "Generated answers are not set beside the logits: a model and behavior are in several runs, engines or "
            "scorings, and the answers do not say which they belong to."
        )
        return pd.DataFrame(), pd.DataFrame(), [reason]
    curves = analysis.answer_curves(effects, rates, best)
    return curves, analysis.answer_agreement(curves, best), []
