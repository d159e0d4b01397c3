"""A model's own replies to both prompts of a contrast, as persona vectors are made (Chen et al. 2025, section 2.2)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from trimtab._util.callbacks import Progress
from trimtab._util.progress_bars import progress_of
from trimtab._util.wording import plural
from trimtab.data import PromptContrast, PromptPair
from trimtab.engines import Model, Request, Sampling
from trimtab.errors import DataError, SettingError, TrimtabWarning
from trimtab.evaluation.replies import conversation_text
from trimtab.judges import Exchange, Judge

MIN_CHANGE = 1.0
"""Points of 10 by which a judge has to prefer the positive reply."""


def own_replies(
    model: Model,
    contrast: PromptContrast,
    *,
    max_new_tokens: int = 64,
    temperature: float = 0.0,
    seed: int = 0,
    judge: Judge | None = None,
    min_change: float = MIN_CHANGE,
    progress: Progress | bool = True,
) -> PromptContrast:
    """Let the model reply to both prompts of every item; the vector is then the mean over the replies' tokens.

    Items with an empty reply are left out, and with a judge those whose positive reply does not show the behavior
    more than the negative one; how many is a warning.

    Args:
        model: from `trimtab.load`, unsteered.
        contrast: prompts without completions.
        max_new_tokens: of each reply.
        temperature: 0 for the likeliest token each time.
        seed: of the sampling.
        judge: of the pairs; see `trimtab.judges`.
        min_change: by how many points of 10 it has to score the positive reply above the negative one.
        progress: True: a bar where somebody watches; False: none; or what is called with (replies, replies in all).

    Returns:
        The contrast with the replies as completions. Its `as_pairs` are pairs that can be scored.

    Raises:
        DataError: when the contrast has completions already or is raw text, or no item is left.
        SettingError: for a `min_change` below 0.
    """
    if contrast.has_completions:
        raise DataError(f"{contrast.name}: it has completions already, so there is nothing to reply to")
    if min_change < 0:
        raise SettingError(f"min_change {min_change:g}: it is a number of points from 0 to 10")
    sides = [*contrast.positive, *contrast.negative]
    requests = [
        Request(
            model.tokens(one.prompt), None, max_new_tokens, Sampling(seed + i, temperature) if temperature else None
        )
        for i, one in enumerate(sides)
    ]
    texts = [""] * len(sides)
    with progress_of(progress, f"replies of {model.name} to {contrast.name}") as advance:
        for index, reply in model.replies(requests, progress=advance):
            texts[index] = reply.text  # as it is: a begun answer goes on with its space
    found = list(zip(texts[: len(contrast)], texts[len(contrast) :], strict=True))
    reasons = _reasons(contrast.pairs, found, judge, min_change)
    kept = [("", "") if reason else pair for pair, reason in zip(found, reasons, strict=True)]
    if not any(one for one, _ in kept):
        raise DataError(f"{contrast.name}: no pair of replies is left: {_counted(reasons)}")
    if any(reasons):
        warnings.warn(f"{contrast.name}: {_counted(reasons)}", TrimtabWarning, stacklevel=2)
    return contrast.with_replies(kept)


def _reasons(
    pairs: Sequence[PromptPair], found: Sequence[tuple[str, str]], judge: Judge | None, min_change: float
) -> list[str]:
    """Why each pair of replies is left out; "" where it is not."""
    reasons = ["a reply is empty" if not (one.strip() and other.strip()) else "" for one, other in found]
    if judge is None:
        return reasons
    judge.check()
    left = [i for i, reason in enumerate(reasons) if not reason]
    exchanges = [Exchange(conversation_text(pairs[i].question), *found[i]) for i in left]
    for place, judgement in judge.judge(exchanges):
        if judgement.failure:
            reasons[left[place]] = f"{judge.name} gave no judgement"
        elif not judgement.change >= min_change:
            reasons[left[place]] = f"{judge.name} does not find the positive one {min_change:g} points above the other"
    return reasons


def _counted(reasons: Sequence[str]) -> str:
    counts = {reason: reasons.count(reason) for reason in dict.fromkeys(reasons) if reason}
    return "; ".join(
        f"{n} of {plural(len(reasons), 'pair')} of replies left out, as {reason}" for reason, n in counts.items()
    )
