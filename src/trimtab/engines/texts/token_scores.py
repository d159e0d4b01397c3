"""How likely each token of given texts is, and whether it is the model's own choice, steered or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trimtab.engines.model import Model
from trimtab.errors import ModelError, SettingError
from trimtab.models import Backbone, Text
from trimtab.models.overflow import not_finite
from trimtab.steering import Intervention

_LOGIT_BYTES = 1 << 26
"""Of the logits that are held at once."""


@dataclass(frozen=True, eq=False)
class TokenScores:
    """The tokens of one text behind its prompt."""

    log_prob: Tensor
    """Log-probability of each token given those before it, [tokens] float32, in nats."""
    greedy: Tensor
    """Whether each is the likeliest token of all there, [tokens] bool."""

    @property
    def total(self) -> float:
        """Log-probability of the text behind its prompt."""
        return float(self.log_prob.double().sum())

    @property
    def is_greedy(self) -> bool:
        """Whether greedy decoding would write it."""
        return bool(self.greedy.all())


def score_tokens(
    model: Model, texts: Sequence[Text], intervention: Intervention | None = None
) -> Iterator[tuple[int, TokenScores]]:
    """Stream (text, scores of its tokens behind its prompt), batch by batch; beginnings that texts share run once.

    Args:
        model: A model whose weights are in this process.
        texts: With the length of their prompt.
        intervention: Under which push; None: unsteered.

    Raises:
        SettingError: For an engine that keeps its states to itself, a layer that the model does not have, positions
            that cannot change what is read, a gate on a prompt of one token, or a push under which states overflow.
        ModelError: When the unsteered model's states overflow.
        DataError: For texts that are longer than the model takes.
    """
    backbone = model.backbone
    if not isinstance(backbone, Backbone):
        raise SettingError(
            f"{model.name}: the engine {model.engine.name} does not give the likelihood of every token; load the model "
            "with engine: transformers"
        )
    found = model.final_states(texts, [] if intervention is None else [intervention])
    return (
        (index, _scores(backbone, states[-1].to(backbone.device), texts[index], intervention))
        for index, states in found
    )


@torch.no_grad()
def _scores(backbone: Backbone, states: Tensor, text: Text, intervention: Intervention | None) -> TokenScores:
    """Scores from the states [tokens, d_model] that decide about each token."""
    tokens = torch.tensor(text.tokens[text.prompt_length :], device=states.device)
    step = max(1, _LOGIT_BYTES // (4 * backbone.anatomy.vocabulary))
    log_probs, greedy = [], []
    for part, here in zip(torch.split(states, step), torch.split(tokens, step), strict=True):
        logits = backbone.logits(part).float()
        chosen = here[:, None].to(logits.device)
        log_probs.append(logits.log_softmax(-1).gather(1, chosen)[:, 0].cpu())
        greedy.append((logits.argmax(-1) == chosen[:, 0]).cpu())
    log_prob = torch.cat(log_probs)
    if not bool(torch.isfinite(log_prob).all()):
        raise _overflow(backbone, intervention)
    return TokenScores(log_prob, torch.cat(greedy))


def _overflow(backbone: Backbone, intervention: Intervention | None) -> ModelError | SettingError:
    problem = not_finite(f"the logits of {backbone.name}", backbone.dtype)
    if intervention is None:
        return ModelError(problem)
    layers = ", ".join(map(str, intervention.layers))
    return SettingError(f"steered at layer {layers}, {problem}; or use a smaller strength")
