"""The monitor: a linear probe for each layer, with its provenance, in a safetensors file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from trimtab.data import Message
from trimtab.engines import Model
from trimtab.errors import SettingError, VectorError
from trimtab.monitors._examples import token_logits
from trimtab.monitors._probes import Scaling, probability
from trimtab.monitors.conversations import TokenScores, conversation, scores
from trimtab.steering import Gate, PromptGate, require_same_model
from trimtab.vectors.tensor_file import NO_OTHER_FIELDS, naming, parsed, read_tensors, require_float32, write_tensors

_FORMAT = "trimtab-monitor-1"
_TENSORS = {"weight": 2, "bias": 1, "text_slope": 1, "text_offset": 1}
"""Each tensor's number of dimensions."""


@dataclass(frozen=True)
class MonitorProvenance:
    """The origin of a monitor, and its measured accuracy."""

    __pydantic_config__: ClassVar[Any] = NO_OTHER_FIELDS
    model: str
    fingerprint: str
    behavior: str
    pairs_hash: str
    """Of the pairs it was fitted on."""
    pairs: int
    token_position: str
    form: str
    balance: str
    template_hash: str
    layer: int
    """The layer whose `select_auroc` and `select_token_auroc` are largest together."""
    select_pairs: int
    select_auroc: tuple[float, ...]
    """Of every layer, on the texts of the selection pairs, which choose the layer: optimistic."""
    select_token_auroc: tuple[float, ...]
    """The same on their single tokens."""
    seen: tuple[str, ...]
    """Hashes of the prompts it was fitted, chosen and calibrated on, so that nothing is tested on them."""
    versions: dict[str, str] = field(default_factory=dict)
    held_out: dict[str, float] = field(default_factory=dict)
    """Results of `test_monitor` on held-out pairs."""


@dataclass(frozen=True, eq=False)
class Monitor:
    """A detector of one behavior in one model.

    At a token with state h behind layer ℓ its logit is w_ℓ·h + b_ℓ, and 1 / (1 + exp(−logit)) the probability that the
    token is from a positive text. The logit of a whole text is the mean logit of its tokens, rescaled so that
    its probability is calibrated: many tokens that lean one way are more certain than one.
    """

    weight: Tensor
    """w [n_layers, d_model] float32."""
    bias: Tensor
    """b [n_layers]."""
    text_slope: Tensor
    """[n_layers] The logit of a text is slope · mean logit of its tokens + offset."""
    text_offset: Tensor
    """[n_layers]."""
    provenance: MonitorProvenance

    def __post_init__(self) -> None:
        """Refuse shapes and values that no monitor can have."""
        for name in _TENSORS:
            require_float32(name, getattr(self, name))
        rows = self.weight.shape[:1]
        of_layers = (self.bias, self.text_slope, self.text_offset)
        if self.weight.dim() != 2 or 0 in self.weight.shape or any(t.shape != rows for t in of_layers):
            raise VectorError("a monitor needs a weight [n_layers, d_model] and a bias, slope and offset [n_layers]")
        if not all(bool(torch.isfinite(getattr(self, name)).all()) for name in _TENSORS):
            raise VectorError("the monitor's probes hold NaN or infinite values")
        if not 0 <= self.layer < len(self.weight):
            raise VectorError(f"the monitor reads layer {self.layer}, but has layers 0 to {len(self.weight) - 1}")
        if not bool(torch.isfinite(self.weight.norm(dim=1)).all()):
            raise VectorError("the monitor's probes are so long that their norm is infinite")
        if not bool(self.weight[self.layer].any()):
            raise VectorError(f"the monitor's probe at layer {self.layer} is zero: it gives every token the same score")
        for name in ("select_auroc", "select_token_auroc"):
            values = getattr(self.provenance, name)
            if len(values) != len(self.weight):
                raise VectorError(f"{name} has {len(values)} values for {len(self.weight)} layers")

    def __repr__(self) -> str:
        """Behavior, layer and model, without the numbers."""
        made = self.provenance
        return f"Monitor({made.behavior!r}, layer {self.layer} of {len(self.weight)}, from {made.model})"

    @property
    def layer(self) -> int:
        """The layer that is read."""
        return self.provenance.layer

    @property
    def scaling(self) -> Scaling:
        """From the mean logit of a text's tokens to its own, at the layer that is read."""
        return Scaling(float(self.text_slope[self.layer]), float(self.text_offset[self.layer]))

    def at(self, layer: int) -> Monitor:
        """The same monitor reading another layer.

        Raises:
            VectorError: for a layer it does not have.
        """
        return replace(self, provenance=replace(self.provenance, layer=layer, held_out={}))

    def gate(self, threshold: float = 0.5) -> Gate:
        """A gate that steers only the tokens that this monitor scores as positive, for `Model.steer`.

        At each pushed layer the probe of that same layer decides, so any layer can be pushed; how well each tells
        tokens apart is `provenance.select_token_auroc`.

        Args:
            threshold: probability of a token above which it is pushed.

        Raises:
            SettingError: for a threshold that is no probability.
        """
        rows = dict(enumerate(self.weight))
        return Gate(rows, {layer: float(self.bias[layer]) for layer in rows}, threshold)

    def prompt_gate(self, threshold: float = 0.5, *, read: Literal["mean", "last"] = "mean") -> PromptGate:
        """A gate that steers only texts whose prompt this monitor scores as positive, decided once at its layer.

        Args:
            threshold: probability above which a text is pushed, strictly between 0 and 1.
            read: what is scored: the mean state of the prompt's tokens behind the first, or the state of its last one.

        Raises:
            SettingError: for a threshold that is no such probability.
        """
        if not 0 < threshold < 1:
            raise SettingError(f"threshold {threshold} is not a probability between 0 and 1")
        layer = self.provenance.layer
        bar = math.log(threshold / (1 - threshold))
        words = f"scores above {threshold} for {self.provenance.behavior}"
        return PromptGate(layer, self.weight[layer], float(self.bias[layer]) - bar, read, words)

    def score(self, model: Model, messages: str | Sequence[Message]) -> TokenScores:
        """Score a text or a conversation token by token.

        Args:
            model: the model it was fitted on.
            messages: a conversation, from the first message on; or a text, scored as the reply to an empty message.

        Raises:
            VectorError: when the monitor is for a model of another shape.
            DataError: when there is nothing to score, or the chat template refuses the conversation.
            SettingError: when the model is being steered.
        """
        self.require_fit(model)
        read = conversation(model.backbone.tokenizer, messages, model.asking)
        _, logits = next(token_logits(model, [read.text], [self.layer], self.weight, self.bias))
        return scores(read, logits[:, 0], self.scaling)

    def token_logit(self, state: Tensor) -> float:
        """The logit of one token from its state behind `layer` [d_model] float32."""
        return float(torch.dot(self.weight[self.layer], state)) + float(self.bias[self.layer])

    def text_probability(self, logits: Sequence[float]) -> float:
        """The calibrated probability of a text from the logits of its tokens."""
        return float(self.scaling.probability(np.array(logits).mean(keepdims=True))[0])

    def require_fit(self, model: Model) -> None:
        """Refuse a model of another shape; warn about one with other weights.

        Raises:
            VectorError: when number of layers or width differ.
        """
        made = self.provenance
        require_same_model("monitor", self.weight, made.model, made.fingerprint, model.backbone)

    def save(self, path: str | Path) -> Path:
        """Write a safetensors file, whole or not at all.

        Raises:
            VectorError: when the folder is missing or not writable.
        """
        tensors = {name: getattr(self, name) for name in _TENSORS}
        return write_tensors(path, "monitor", _FORMAT, tensors, {"provenance": asdict(self.provenance)})

    @classmethod
    def load(cls, path: str | Path) -> Monitor:
        """Read a file that `save` wrote.

        Raises:
            VectorError: when the file is missing, truncated, changed since, or something else.
        """
        tensors, header = read_tensors(path, "monitor", _FORMAT, _TENSORS)
        made = parsed(path, header.get("provenance", ""), MonitorProvenance)
        with naming(path):
            return cls(**tensors, provenance=made)


def token_probability(logit: float) -> float:
    """The probability that a token of this logit is from a positive text."""
    return float(probability(np.float64(logit)))
