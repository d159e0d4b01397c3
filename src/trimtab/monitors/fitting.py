"""Fitting a monitor: a probe at every layer, the best layer on other pairs, calibration."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trimtab._util.callbacks import NamedProgress
from trimtab.data import Balance, Behavior, Form
from trimtab.engines import Model
from trimtab.errors import DataError
from trimtab.models import TokenPosition
from trimtab.monitors._examples import Examples, by_text, by_token, examples, token_logits
from trimtab.monitors._probes import FOLDS, Probe, Scaling, fit_probe, platt
from trimtab.monitors.monitor import Monitor, MonitorProvenance
from trimtab.stats.detection import auroc
from trimtab.vectors import versions

MIN_PROMPTS = 2 * FOLDS
"""Different prompts to fit on: two to hold out with each fold."""
MAX_TOKENS = 16_384
"""Tokens that probes are fitted on; from longer texts, evenly spaced tokens are taken."""
MAX_STATE_BYTES = 1 << 30
"""Memory for states. If the states of all layers need more, they are read in several passes."""


def fit_monitor(
    model: Model,
    train: Behavior,
    select: Behavior,
    *,
    token_position: TokenPosition | None = None,
    form: Form | None = None,
    balance: Balance = "both_orders",
    seed: int = 0,
    progress: NamedProgress | None = None,
) -> Monitor:
    """Fit a probe at every layer, choose a layer, and calibrate.

    Probes are fitted on the states of single tokens, every text counting the same: what is scored later is tokens. (On
    the bundled model probes of the texts' mean states order whole texts alike, and tokens worse.) The mean logit of a
    text's tokens then becomes a probability by Platt scaling on the pairs of `select`, which also choose the layer: the
    largest mean of the AUROC of texts and that of tokens. (The first alone is often 1 at many layers, the second alone
    may choose a layer that spreads over all tokens what a few of them tell better.)

    Args:
        model: from `trimtab.load`.
        train: pairs to fit on.
        select: other pairs, to choose and calibrate on.
        token_position: which tokens are read: `answer` (the first differing token), `last`, or `mean_completion`, here
            every token of the completion. By default `answer` for choices, completions for texts.
        form: ask choice pairs with their options and answer by letter (`choice`), or answer by text (`text`).
        balance: how the answer letter is balanced out; see `trimtab.data.present`.
        seed: for `balance="subsample"`.
        progress: called with (what, done, in all).

    Raises:
        DataError: for too few pairs, or a pair whose completions become the same tokens.
        SettingError: for form `choice` of open pairs.
    """
    labelled = examples(model, train, token_position, form, balance, seed)
    chooser = examples(model, select, token_position, form, balance, seed)
    n_prompts = len(set(labelled.prompts))
    if n_prompts < MIN_PROMPTS:
        raise DataError(
            f"{train.name}: {n_prompts} different prompts are too few to fit a monitor on; give at least {MIN_PROMPTS} "
            f"to fit on, which takes {2 * MIN_PROMPTS} as half of them are held out"
        )
    facts = model.facts
    weight, bias = torch.zeros(facts.layers, facts.width), torch.zeros(facts.layers)
    scalings: list[Scaling] = []
    text_auroc: list[float] = []
    token_auroc: list[float] = []
    chosen = _fitted_tokens(labelled)
    for layers in _groups(facts.layers, sum(map(len, chosen)) * facts.width * 4):
        for layer, probe in _probes(model, labelled, chosen, layers, progress):
            weight[layer], bias[layer] = torch.from_numpy(probe.weight).float(), probe.bias
        rows = list(token_logits(model, chooser.texts, layers, weight, bias))
        means, tokens = by_text(rows), by_token(rows, chooser)
        for place in range(len(layers)):
            scalings.append(platt(means[:, place], chooser.positive, chooser.weight))
            text_auroc.append(auroc(means[:, place], chooser.positive, chooser.weight))
            token_auroc.append(auroc(tokens.logits[:, place], tokens.positive, tokens.weight))
    made = MonitorProvenance(
        model=model.name,
        fingerprint=model.fingerprint,
        behavior=train.name,
        pairs_hash=train.hash,
        pairs=len(train),
        token_position=labelled.token_position,
        form=labelled.form,
        balance=balance,
        template_hash=model.template_hash,
        layer=int(np.argmax(np.add(text_auroc, token_auroc))),
        select_pairs=len(select),
        select_auroc=tuple(text_auroc),
        select_token_auroc=tuple(token_auroc),
        seen=tuple(sorted({prompt_hash(prompt) for prompt in (*labelled.prompts, *chooser.prompts)})),
        versions=_versions(),
    )
    slopes, offsets = (torch.tensor(values) for values in zip(*scalings, strict=True))
    return Monitor(weight, bias, slopes, offsets, made)


def prompt_hash(prompt: str) -> str:
    """The hash of a prompt in a monitor's file."""
    return hashlib.sha256(prompt.encode()).hexdigest()[:16]


def _fitted_tokens(labelled: Examples) -> list[NDArray[np.int64]]:
    """Indices of the tokens of each text that probes are fitted on."""
    limit = max(1, MAX_TOKENS // len(labelled.texts))
    lengths = [len(text.tokens) - text.prompt_length for text in labelled.texts]
    return [np.linspace(0, n - 1, min(n, limit)).round().astype(np.int64) for n in lengths]


def _groups(n_layers: int, layer_bytes: int) -> Iterator[list[int]]:
    """Groups of layers, one for each pass."""
    size = max(1, MAX_STATE_BYTES // layer_bytes)
    for start in range(0, n_layers, size):
        yield list(range(start, min(start + size, n_layers)))


def _probes(
    model: Model,
    labelled: Examples,
    chosen: Sequence[NDArray[np.int64]],
    layers: list[int],
    progress: NamedProgress | None,
) -> Iterator[tuple[int, Probe]]:
    """Read the states behind some layers and fit a probe to each."""
    held: list[Tensor] = [torch.empty(0)] * len(chosen)
    for done, (index, states) in enumerate(model.states(labelled.texts, layers), start=1):
        held[index] = states[torch.from_numpy(chosen[index])]
        if progress:
            progress("reading", done, len(held))
    lengths = np.array([len(states) for states in held])
    every = torch.cat(held)
    positive = np.repeat(labelled.positive, lengths)
    weight = np.repeat(labelled.weight / lengths, lengths)
    fold = np.repeat(_folds(labelled.prompts), lengths)
    for place, layer in enumerate(layers):
        yield layer, fit_probe(every[:, place].numpy(), positive, weight, fold)
        if progress:
            progress("fitting layers", layer + 1, model.facts.layers)


def _folds(prompts: Sequence[str]) -> NDArray[np.int64]:
    """A fold for each text; those of one prompt share it. By hash: the order of the pairs does not matter."""
    order = sorted(set(prompts), key=prompt_hash)
    number = {prompt: place % FOLDS for place, prompt in enumerate(order)}
    return np.array([number[prompt] for prompt in prompts])


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return versions() | {"scikit-learn": version("scikit-learn")}
