"""Side effects of a vector: on other behaviors, plain text, easy questions and replies to neutral prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor

from trimtab.analysis import COUPLE, EASY, THE_VECTOR
from trimtab.data import NEUTRAL_PROMPTS, NEUTRAL_TEXTS, Balance, Behavior, easy_questions
from trimtab.engines import Model, Scoring
from trimtab.evaluation.grid import Grid
from trimtab.evaluation.replies import ReplyTask, prompt_pairs, reply_batches
from trimtab.evaluation.reply_measures import language, plain_text
from trimtab.evaluation.sweeping import resolve_scoring, shown_rows, sweep_batches, vectors_batches
from trimtab.steering import UNSTEERED, Cell, require_fit
from trimtab.vectors import SteeringVector


def shifted_samples(
    model: Model,
    vectors: SteeringVector,
    grid: Grid,
    behavior: str,
    measured: Behavior,
    *,
    scoring: Scoring | None = None,
    balance: Balance = "both_orders",
    seed: int = 0,
) -> pd.DataFrame:
    """Scores of another behavior's prompts, or of the same, in every cell that these vectors steer.

    Args:
        model: from `trimtab.load`.
        vectors: of `behavior`.
        grid: the cells.
        behavior: whose vectors steer.
        measured: whose prompts are scored.
        scoring: how; as suits the pairs by default.
        balance: option orders of choice pairs.
        seed: for `balance="subsample"`.

    Returns:
        The samples table with the column `measured`.
    """
    how = scoring or resolve_scoring(measured, "auto")
    rows = shown_rows([("test", measured)], how, balance, seed)
    frames = [frame for _, frame in sweep_batches(model, vectors, rows, grid, how, behavior)]
    table: pd.DataFrame = pd.concat(frames, ignore_index=True).assign(measured=measured.name)
    return table


def easy_samples(model: Model, vectors: SteeringVector, grid: Grid, behavior: str) -> pd.DataFrame:
    """`shifted_samples` of the bundled easy questions: the score is above 0 where the right answer is likelier.

    The column `couple` names the two answers, which are the right and the wrong one of one question and the wrong and
    the right one of another.
    """
    questions = replace(easy_questions(), name=EASY)
    couples = {pair.id: " ".join(sorted((pair.positive, pair.negative))) for pair in questions}
    samples = shifted_samples(model, vectors, grid, behavior, questions)
    samples[COUPLE] = samples["prompt_id"].map(couples)
    return samples


def neutral_surprise(
    model: Model, vectors: SteeringVector, grid: Grid, behavior: str, texts: Sequence[str] = NEUTRAL_TEXTS
) -> pd.DataFrame:
    """Surprise of plain text in every cell.

    Returns:
        Columns model, behavior, layers, strength (0 unsteered), text (its number), nll: mean nats per token.
    """
    vectors = require_fit(vectors, model.backbone)
    plain = [plain_text(model, text) for text in texts]
    cells = [UNSTEERED, *grid.steered]
    found = torch.empty(len(cells), len(texts))
    for batch in model.score_texts(plain, grid.interventions(vectors)):
        found[:, batch.indices] = -batch.log_prob
    rows = [
        {
            "model": model.name, "behavior": behavior, "layers": cell.layers_label, "strength": cell.strength,
            "text": number, "nll": nll,
        }
        for cell, values in zip(cells, found.tolist(), strict=True)
        for number, nll in enumerate(values)
    ]  # fmt: skip
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def neutral_replies(
    model: Model,
    vectors: SteeringVector,
    grid: Grid,
    cells: Sequence[Cell],
    behavior: str,
    *,
    max_new_tokens: int = 48,
    prompts: Sequence[str] = NEUTRAL_PROMPTS,
) -> pd.DataFrame:
    """Replies to neutral prompts, unsteered and in these cells: the columns of `REPLIES` and `language`."""
    tasks = [ReplyTask("neutral", pair, cell) for cell in (UNSTEERED, *cells) for pair in prompt_pairs(prompts)]
    frames = list(reply_batches(model, vectors, grid, tasks, behavior, max_new_tokens=max_new_tokens))
    replies = pd.concat(frames, ignore_index=True)
    table: pd.DataFrame = replies.assign(language=[language(text) for text in replies["reply"]])
    return table


def random_vectors(vector: SteeringVector, differences: Tensor, draws: int, seed: int) -> dict[str, SteeringVector]:
    """Directions to compare a vector with, each as long as it at every layer.

    Two kinds, `draws` of each. `isotropic`: any direction alike. `shuffled pairs`: the mean of the pairs' differences
    with the sign of each drawn at random, so that they point where the pairs' states differ anyway, as the vector would
    if the behavior were in none of them. The second is the harder comparison: few of all directions are of any use to
    a model.

    Args:
        vector: the vector.
        differences: positive minus negative states of the pairs it was made from, [pairs, n_layers, d_model].
        draws: how many of each kind.
        seed: of the draws.
    """
    rng = torch.Generator().manual_seed(seed)
    norm = vector.norm[:, None]
    found = {}
    for draw in range(1, draws + 1):
        direction = torch.randn(vector.direction.shape, generator=rng)
        found[f"isotropic {draw}"] = _of_length(vector, direction, norm)
        signs = 1.0 - 2.0 * torch.randint(2, (len(differences),), generator=rng)
        found[f"shuffled pairs {draw}"] = _of_length(vector, torch.einsum("p,pld->ld", signs, differences), norm)
    return found


def random_samples(
    model: Model,
    vector: SteeringVector,
    others: Mapping[str, SteeringVector],
    grid: Grid,
    measured: Behavior,
    scoring: Scoring,
    *,
    balance: Balance = "both_orders",
    seed: int = 0,
) -> Iterator[pd.DataFrame]:
    """Stream the samples of a vector and of random directions at the same cells and prompts.

    Yields:
        Samples tables with the columns `kind` (`vector`, `isotropic`, `shuffled pairs`) and `draw`, 0 for the vector.
    """
    rows = shown_rows([("test", measured)], scoring, balance, seed)
    every = {f"{THE_VECTOR} 0": vector, **others}
    for name, samples in vectors_batches(model, every, rows, grid, scoring, measured.name):
        kind, _, draw = name.rpartition(" ")
        yield samples.assign(kind=kind, draw=int(draw))


def _of_length(vector: SteeringVector, direction: Tensor, norm: Tensor) -> SteeringVector:
    unit = direction / direction.norm(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    return SteeringVector(unit * norm, vector.residual_norm, vector.provenance, vector.statistics)
