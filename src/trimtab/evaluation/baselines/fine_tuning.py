"""Fine-tuning as a baseline: a LoRA adapter trained on the pairs of the vector, and gone again afterwards."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from trimtab._util.callbacks import Noted, Progress
from trimtab.data import Balance, Behavior
from trimtab.engines import Model, Scoring
from trimtab.errors import SettingError
from trimtab.evaluation.sweeping import form_of, shown_rows
from trimtab.models import Backbone, EncodedPair
from trimtab.models.eager import eager

LEARNING_RATE = 1e-3
BATCH = 4
"""Rows of one step."""
BETA = 2.0
"""How steeply the loss falls with the score: that of SimPO (Meng et al. 2024, section 2.3)."""


@dataclass(frozen=True)
class LoraSettings:
    """The size of an adapter and its training."""

    rank: int = 4
    steps: int = 30


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A model that has an adapter."""

    loss: float
    """The mean of the last quarter of the steps."""
    at_rest: Callable[[], AbstractContextManager[Any]]
    """Makes a context within which the adapter rests, so that the model is the plain one."""


def require_peft() -> Any:
    """The package `peft`.

    Raises:
        SettingError: when it is not installed, with the line that installs it.
    """
    require_installed()
    import peft

    return peft


def require_installed() -> None:
    """Refuse where `peft` is not installed, without importing it.

    Raises:
        SettingError: with the line that installs it.
    """
    if importlib.util.find_spec("peft") is None:
        raise SettingError("fine-tuning needs the package peft: pip install 'trimtab[lora]'")


@contextmanager
def fine_tuned(
    model: Model,
    train: Behavior,
    side: str,
    scoring: Scoring,
    settings: LoraSettings,
    *,
    balance: Balance = "both_orders",
    seed: int = 0,
    progress: Progress | None = None,
) -> Iterator[FineTuned]:
    """Train a LoRA adapter for a behavior or against it; the model has it while the context lasts.

    Low-rank updates (Hu et al. 2021, section 4.1) of every linear layer but the unembedding. The loss of a row is
    −log σ(β·s), s its score as the sweep scores it, its sign turned to train against the behavior: for completions
    that is SimPO without a margin (Meng et al. 2024, section 2), for choices the same of the logit difference, every
    pair in both option orders so that no letter is learnt. AdamW, rows drawn with the seed, dropout off. Parameters,
    modules, hooks and random state are as before when the context ends, also after an error.

    Args:
        model: from `trimtab.load`, on the engine `transformers`.
        train: the pairs, none of those that choose or report.
        side: `for` or `against`.
        scoring: how pairs are scored.
        settings: rank of the adapter and steps of its training.
        balance: option orders of choice pairs.
        seed: of the adapter's first weights and of the order of rows.
        progress: called with (steps done, steps in all).

    Yields:
        The trained model.

    Raises:
        SettingError: when peft is not installed, the engine has no weights here, or peft cannot adapt the model.
        PromptError: when the model cannot be asked the pairs.
    """
    peft = require_peft()
    backbone = model.backbone
    if not isinstance(backbone, Backbone) or model.engine.name != "transformers":
        raise SettingError(f"{model.name}: the engine {model.engine.name} does not train; use engine: transformers")
    backbone.require_in_memory("fine-tuning")
    rows = [row.shown for row in shown_rows([("train", train)], scoring, balance, seed)]
    encoded = model.encode([shown.pair for shown in rows], form_of(scoring))
    weights = torch.tensor([shown.weight for shown in rows], dtype=torch.float64)
    network = backbone.model
    before = _Before(network)
    wrapped = None
    try:
        with torch.random.fork_rng(devices=_devices(network)), warnings.catch_warnings(), eager():
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            try:
                wrapped = peft.get_peft_model(
                    network,
                    peft.LoraConfig(
                        r=settings.rank, lora_alpha=2 * settings.rank, lora_dropout=0.0, bias="none",
                        target_modules="all-linear", task_type="CAUSAL_LM",
                    ),
                )  # fmt: skip
            except (ValueError, TypeError, RuntimeError, NotImplementedError) as error:
                raise SettingError(f"{model.name}: peft cannot put an adapter into this model: {error}") from error
            network.eval()
            sign = 1.0 if side == "for" else -1.0
            loss = _train(backbone, encoded, weights, scoring, sign, settings.steps, seed, progress)
        yield FineTuned(loss, wrapped.disable_adapter)
    finally:
        if wrapped is not None:
            wrapped.unload()
        before.restore()


class _Before:
    """What peft changes of a model, for putting it back."""

    def __init__(self, network: nn.Module):
        self._network = network
        self._trained = {name: parameter.requires_grad for name, parameter in network.named_parameters()}
        self._training = {name: module.training for name, module in network.named_modules()}
        self._attributes = dict(vars(network))
        self._config = dict(vars(network.config)) if hasattr(network, "config") else {}

    def restore(self) -> None:
        """Set gradients, modes and attributes as they were."""
        network = self._network
        for name in set(vars(network)) - set(self._attributes):
            delattr(network, name)
        for name, value in self._attributes.items():
            vars(network)[name] = value
        if self._config:
            config = vars(network.config)
            for name in set(config) - set(self._config):
                del config[name]
            config.update(self._config)
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(self._trained[name])
            parameter.grad = None
        for name, module in network.named_modules():
            module.training = self._training[name]


def _devices(network: nn.Module) -> list[torch.device]:
    """The accelerators that the model is on: their random states are set apart, too."""
    return sorted({p.device for p in network.parameters() if p.device.type == "cuda"}, key=str)


def _train(
    backbone: Backbone,
    pairs: Sequence[EncodedPair],
    weights: Tensor,
    scoring: Scoring,
    sign: float,
    steps: int,
    seed: int,
    progress: Progress | None,
) -> float:
    """Train what is trainable; the mean loss of the last quarter of the steps."""
    rng = torch.Generator().manual_seed(seed)
    trained = [parameter for parameter in backbone.model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=0.0)
    losses: list[float] = []
    with torch.enable_grad():
        for step in range(steps):
            drawn = torch.multinomial(weights, min(BATCH, len(pairs)), generator=rng).tolist()
            optimizer.zero_grad()
            total = 0.0
            for index in drawn:
                loss = -logsigmoid(BETA * sign * _score(backbone, pairs[index], scoring)) / len(drawn)
                torch.autograd.backward(loss)
                total += float(loss.detach())
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            losses.append(total)
            if progress:
                progress(Noted(step + 1, f"loss {total:.3g}"), steps)
    last = losses[-max(1, steps // 4) :]
    return sum(last) / len(last)


def _score(backbone: Backbone, pair: EncodedPair, scoring: Scoring) -> Tensor:
    """The score of one pair with gradients, as `trimtab.engines.queries.read_scores` has it without."""
    if scoring == "choice":
        logits = _logits(backbone, pair.positive[: pair.shared])[-1]
        return logits[pair.positive[pair.shared]] - logits[pair.negative[pair.shared]]
    positive, negative = (
        _log_prob(backbone, text, pair.prompt_length, per_token=scoring == "text")
        for text in (pair.positive, pair.negative)
    )
    return positive - negative


def _log_prob(backbone: Backbone, text: Sequence[int], start: int, *, per_token: bool) -> Tensor:
    """Log-probability of what stands behind a prompt."""
    log_probs = _logits(backbone, text[:-1])[start - 1 :].log_softmax(-1)
    found = log_probs.gather(1, torch.tensor(text[start:], device=log_probs.device)[:, None])
    return found.mean() if per_token else found.sum()


def _logits(backbone: Backbone, tokens: Sequence[int]) -> Tensor:
    """Logits behind every token of one text [tokens, vocabulary] in float32."""
    ids = torch.tensor([list(tokens)], device=backbone.device)
    logits: Tensor = backbone.model(input_ids=ids, use_cache=False).logits[0].float()
    return logits
