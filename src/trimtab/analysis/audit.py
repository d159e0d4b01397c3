"""What a samples table lacks: stated, so that no number comes from less than it seems."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from trimtab.analysis.choice import OWNER
from trimtab.analysis.findings import Finding, subject
from trimtab.analysis.samples import BASELINE, checked, present, records

MOST_NAMED = 3


def audit(samples: pd.DataFrame) -> list[Finding]:
    """Omissions and oddities of the samples, as cautions for the report.

    Models without unsteered scores, cells that lack one sign of their strength, scores that are not finite, single
    prompts, scores that are all equal, several scales or position policies in one comparison, and unsteered scores that
    differ where they should be the same.
    """
    checked(samples)
    owner = present(samples, OWNER)
    owners = samples[owner].drop_duplicates()
    found = []
    for _, rows in samples.groupby(owner, sort=False, observed=True):
        about = subject(records(rows.head(1))[0], owners)
        found += [Finding("caution", f"{about}: {text}") for text in _remarks(rows)]
    return found


def _remarks(rows: pd.DataFrame) -> Iterator[str]:
    steered, still = rows[rows["strength"] != 0], rows[rows["strength"] == 0]
    if still.empty and len(steered):
        yield "no unsteered scores, so there is no Δ and cells are judged by delta alone."
    if steered.empty:
        yield "only unsteered scores; there is no effect to report."
    broken = rows[~np.isfinite(rows["score"])]
    if len(broken):
        prompts = broken["prompt_id"].nunique()
        yield (
            f"{len(broken)} of {len(rows)} scores are not finite numbers; the {prompts} prompt"
            f"{'' if prompts == 1 else 's'} they belong to {'is' if prompts == 1 else 'are'} left out of those cells."
        )
    yield from _one_sided(steered)
    for split, part in rows.groupby("split", observed=True):
        if part["prompt_id"].nunique() == 1:
            yield f"one prompt only in the split {split}: no interval and no test can be given."
    finite = rows["score"][np.isfinite(rows["score"])]
    if len(finite) > 1 and finite.nunique() == 1:
        yield f"all scores are equal ({finite.iloc[0]:g}); nothing was measured that could move."
    for name, word in (("scale", "scales"), ("positions", "position policies")):
        kinds = sorted(steered[name].astype(str).unique())
        if len(kinds) > 1:
            yield f"several {word} ({', '.join(kinds)}): they are different interventions, and the best cell is of one."
    yield from _unsteady(still)


def _one_sided(steered: pd.DataFrame) -> Iterator[str]:
    signs = steered.assign(size=steered["strength"].abs(), sign=np.sign(steered["strength"]))
    by_cell = signs.groupby(["layers", "size"], observed=True)["sign"].nunique()
    if len(by_cell) and (by_cell == 1).any() and (by_cell == 2).any():
        lacking = [f"layer {layers} at {size:g}" for layers, size in by_cell[by_cell == 1].index]
        more = f" and {len(lacking) - MOST_NAMED} more" if len(lacking) > MOST_NAMED else ""
        yield (
            f"one sign of the strength is missing in some cells ({', '.join(lacking[:MOST_NAMED])}{more}); there the "
            "unsteered mean stands in, which makes their delta smaller than that of the others."
        )


def _unsteady(still: pd.DataFrame) -> Iterator[str]:
    by = [*present(still, BASELINE), "prompt_id", "order"]
    scores = still.groupby(by, observed=True)["score"]
    apart = scores.max() - scores.min()
    if len(apart) and apart.max() > 1e-6 * max(1.0, float(still["score"].abs().max())):
        yield (
            f"unsteered scores of one prompt differ by up to {apart.max():.3g} where it was measured repeatedly; "
            "the first is used."
        )
