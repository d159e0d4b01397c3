"""Cautions about a samples table: what it lacks, so that no number rests on less than it seems to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from trimtab._util.wording import listed, noun_for, plural, verb_for
from trimtab.analysis.cells import is_mirrored
from trimtab.analysis.findings import Finding, Sentence, Values, caution, subject_first
from trimtab.analysis.formatting import plain
from trimtab.analysis.samples import BASELINE, checked, present, records
from trimtab.analysis.scores.choice import OWNER
from trimtab.analysis.scores.score_findings import subject

MAX_NAMED = 3
"""Strengths that one sentence names."""


def audit(samples: pd.DataFrame) -> list[Finding]:
    """Omissions and oddities of the samples, as cautions for the report.

    Models without unsteered scores, cells that lack one sign of their strength, scores that are not finite, single
    prompts, scores that are all equal, several scales or position policies in one comparison, and unsteered scores that
    differ where they should be the same.
    """
    checked(samples)
    owner = present(samples, OWNER)
    owners = samples[owner].drop_duplicates()
    found = [Finding("caution", one_sided_strengths, values) for values in _one_sided(samples)]
    for _, rows in samples.groupby(owner, sort=False, observed=True):
        about = subject(records(rows.head(1))[0], owners)
        found += [caution(about, sentence, values, "data") for sentence, values in _remarks(rows)]
    return found


def _remarks(rows: pd.DataFrame) -> Iterator[tuple[Sentence, dict[str, Any]]]:
    steered, still = rows[rows["strength"] != 0], rows[rows["strength"] == 0]
    if still.empty and len(steered):
        yield no_unsteered_scores, {}
    if steered.empty:
        yield only_unsteered_scores, {}
    broken = rows[~np.isfinite(rows["score"])]
    if len(broken):
        prompts = broken["prompt_id"].nunique()
        yield scores_not_finite, {"broken": len(broken), "scores": len(rows), "prompts": prompts}
    for split, part in rows.groupby("split", observed=True):
        if part["prompt_id"].nunique() == 1:
            yield single_prompt, {"split": split}
    finite = rows["score"][np.isfinite(rows["score"])]
    if len(finite) > 1 and finite.nunique() == 1:
        yield equal_scores, {"score": finite.iloc[0]}
    for name, several in (("scale", several_scales), ("positions", several_positions)):
        kinds = sorted(steered[name].astype(str).unique())
        if len(kinds) > 1:
            yield several, {name: kinds}
    by = [*present(still, BASELINE), "prompt_id", "order"]
    scores = still.groupby(by, observed=True)["score"]
    apart = scores.max() - scores.min()
    if len(apart) and apart.max() > 1e-6 * max(1.0, float(still["score"].abs().max())):
        yield unequal_repeats, {"difference": apart.max()}


def _one_sided(samples: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The strengths that were run at one sign only."""
    if is_mirrored(samples):
        return
    steered = samples[samples["strength"] != 0]
    by = [*present(steered, [*OWNER, "scale", "positions"]), "layers"]
    signs = steered.assign(size=steered["strength"].abs(), up=steered["strength"] > 0)
    both = signs.groupby([*by, "size"], observed=True)["up"].transform("nunique") == 2
    yield {"strengths": [float(value) for value in sorted(steered["strength"][~both].unique(), key=abs)]}


def one_sided_strengths(_about: str, values: Values) -> str:
    """That deltas start at the unsteered scores, and because of which strengths."""
    alone = [plain(value) for value in values["strengths"]]
    named = f"{noun_for(len(alone), 'Strength')} {listed(alone, MAX_NAMED)} {verb_for(len(alone), 'were')}"
    return f"{named} run at one sign only, so every delta is measured against the unsteered scores, not from −α to +α."


@subject_first
def no_unsteered_scores(_values: Values) -> str:
    """That there is no baseline."""
    return "no unsteered scores, so there is no Δ and settings are judged by delta alone."


@subject_first
def only_unsteered_scores(_values: Values) -> str:
    """That nothing was steered."""
    return "only unsteered scores; there is no effect to report."


@subject_first
def scores_not_finite(values: Values) -> str:
    """That some scores are infinite or not a number."""
    return (
        f"{values['broken']} of {values['scores']} scores {verb_for(values['broken'], 'are')} not finite; the "
        f"{plural(values['prompts'], 'prompt')} concerned {verb_for(values['prompts'], 'are')} excluded from those "
        "settings."
    )


@subject_first
def single_prompt(values: Values) -> str:
    """That a split has one prompt."""
    return f"one prompt only in the split {values['split']}: no interval and no test can be given."


@subject_first
def equal_scores(values: Values) -> str:
    """That no score differs from another."""
    return f"all scores are equal ({plain(values['score'])}); nothing was measured that could move."


@subject_first
def several_scales(values: Values) -> str:
    """That strengths of several scales are compared."""
    return f"several scales ({', '.join(values['scale'])}): they are different interventions, {_CHOSEN_OF_ONE}"


@subject_first
def several_positions(values: Values) -> str:
    """That several position policies are compared."""
    kinds = ", ".join(values["positions"])
    return f"several position policies ({kinds}): they are different interventions, {_CHOSEN_OF_ONE}"


_CHOSEN_OF_ONE = "and the chosen setting is of one of them."


@subject_first
def unequal_repeats(values: Values) -> str:
    """That repeated measurements of one prompt differ."""
    return (
        f"unsteered scores of one prompt differ by up to {plain(values['difference'], 3)} where it was measured "
        "repeatedly; the first is used."
    )
