"""Loading a model and its tokenizer, ready to be read and steered."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trimtab.errors import ModelError, TrimtabError
from trimtab.models.architecture import Anatomy, Facts, dissect, facts_of
from trimtab.models.bundled import BUNDLED, describe_source, resolve
from trimtab.models.precision import DType, choose_device, choose_dtype

_SIGNS_PER_TENSOR = 4096


@dataclass(frozen=True, eq=False)
class Backbone:
    """A transformers model taken apart: the weights, the tokenizer, and where things are."""

    name: str
    source: str
    model: Any
    tokenizer: Any
    anatomy: Anatomy
    facts: Facts
    fingerprint: str
    """Hash of the shape and of the signs of a sample of all weights: the same in every dtype."""

    @property
    def device(self) -> torch.device:
        """Where the embeddings live, and so where token ids go."""
        device: torch.device = self.model.get_input_embeddings().weight.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the weights."""
        dtype: torch.dtype = self.model.get_input_embeddings().weight.dtype
        return dtype

    def logits(self, hidden: Tensor) -> Tensor:
        """Unembed states of the residual stream behind the last layer: [n, d_model] → [n, vocabulary]."""
        logits: Tensor = self.anatomy.after_head(self.anatomy.head(self.anatomy.final_norm(hidden)))
        return logits

    def token_logits(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """Logits of single tokens in float32, whatever the model's dtype: [n, d_model], [n, k] → [n, k].

        A bfloat16 product would round logits to an eighth, far too coarse for their differences.
        """
        head = self.anatomy.head
        normed = self.anatomy.final_norm(hidden).float()
        logits = torch.einsum("nd,nkd->nk", normed, head.weight[tokens].float())
        if getattr(head, "bias", None) is not None:
            logits = logits + head.bias[tokens].float()
        return self.anatomy.after_head(logits)


def load_backbone(
    name: str = BUNDLED,
    *,
    dtype: DType | torch.dtype = "auto",
    device: str = "auto",
    trust_remote_code: bool = False,
) -> Backbone:
    """Load a model by the bundled name, hub id, folder or GGUF file.

    Raises:
        ModelError: when it cannot be found or read, or is not a causal language model trimtab understands.
        SettingError: for an unknown dtype or a device that is not there.
    """
    place = choose_device(device)
    number_format = choose_dtype(dtype, place)
    with _quiet(), _explained(name):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        path = resolve(name)
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=trust_remote_code)
        model = AutoModelForCausalLM.from_pretrained(path, dtype=number_format, trust_remote_code=trust_remote_code)
    return wrap(model.to(place), tokenizer, name=name, source=describe_source(name))


def wrap(model: Any, tokenizer: Any, *, name: str, source: str = "") -> Backbone:
    """Take apart a transformers model that is already in memory."""
    model.eval().requires_grad_(False)
    return Backbone(
        name=name,
        source=source or name,
        model=model,
        tokenizer=tokenizer,
        anatomy=dissect(model),
        facts=facts_of(model),
        fingerprint=_fingerprint(model),
    )


def peek(name: str, *, trust_remote_code: bool = False, offline: bool = False) -> tuple[Facts, Any]:
    """Architecture facts and tokenizer of a model, without loading its weights; `offline` asks the hub's cache only."""
    with _quiet(), _explained(name):
        from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

        path = resolve(name)
        options = {"trust_remote_code": trust_remote_code, "local_files_only": offline}
        config = AutoConfig.from_pretrained(path, **options)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)
        tokenizer = AutoTokenizer.from_pretrained(path, **options)
    return facts_of(model), tokenizer


def _fingerprint(model: Any) -> str:
    """Signs are what no rounding changes, and what even a light fine-tuning flips somewhere."""
    shape = {k: v for k, v in asdict(facts_of(model)).items() if k != "architecture"}
    digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode())
    for _, weight in sorted(model.named_parameters()):
        step = max(1, weight.numel() // _SIGNS_PER_TENSOR)
        digest.update(torch.signbit(weight.detach().flatten()[::step]).cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Translate what transformers and the hub raise, in this one place."""
    try:
        yield
    except TrimtabError:
        raise
    except Exception as error:  # transformers, tokenizers, safetensors and the hub raise whatever they like
        if isinstance(error, OSError) and not Path(name).expanduser().exists():
            raise ModelError(
                f"model {name!r}: neither a folder here nor a model that could be fetched from the hub. "
                f"The bundled one is called {BUNDLED!r}. ({_first_line(error)})"
            ) from error
        raise ModelError(f"model {name!r} cannot be loaded: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' progress bars and advice out of the user's terminal while loading."""
    from transformers.utils import logging as hf_logging

    before, bars = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    try:
        yield
    finally:
        hf_logging.set_verbosity(before)
        if bars:
            hf_logging.enable_progress_bar()
