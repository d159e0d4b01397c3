"""Loading a model and its tokenizer, ready to be read and steered."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trimtab.errors import ModelError, TrimtabError
from trimtab.models.architecture import Anatomy, Facts, dissect, facts_of
from trimtab.models.bundled import BUNDLED, describe_source, resolve
from trimtab.models.checkpoint import checkpoint_fingerprint
from trimtab.models.fingerprint import fingerprint_of, sampled
from trimtab.models.precision import DType, choose_device, choose_dtype


@dataclass(frozen=True, eq=False, kw_only=True)
class Identity:
    """What a model is, wherever its weights are."""

    name: str
    source: str
    tokenizer: Any
    facts: Facts
    fingerprint: str
    """Hash of the shape and of the signs of a sample of all weights: the same in every dtype."""
    device: torch.device
    """Where the embeddings live, and so where token ids go."""
    dtype: torch.dtype
    """Number format of the weights."""
    ends: frozenset[int]
    """Tokens that end a text, by the model's own settings."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Backbone(Identity):
    """A transformers model taken apart: the weights, the tokenizer, and where things are."""

    model: Any
    anatomy: Anatomy

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
    facts = facts_of(model)
    samples = (sampled(weight) for _, weight in sorted(model.named_parameters()))
    embeddings = model.get_input_embeddings().weight
    return Backbone(
        name=name,
        source=source or name,
        model=model,
        tokenizer=tokenizer,
        anatomy=dissect(model),
        facts=facts,
        fingerprint=fingerprint_of(facts, samples),
        device=embeddings.device,
        dtype=embeddings.dtype,
        ends=_ends(tokenizer, getattr(model, "generation_config", None)),
    )


def peek(name: str, *, trust_remote_code: bool = False, offline: bool = False) -> tuple[Facts, Any]:
    """Architecture facts and tokenizer of a model, without loading its weights; `offline` asks the hub's cache only."""
    with _quiet(), _explained(name):
        model, tokenizer = _without_weights(resolve(name), trust_remote_code, offline)
    return facts_of(model), tokenizer


def identify(name: str, *, dtype: torch.dtype, device: torch.device, trust_remote_code: bool = False) -> Identity:
    """What a model is, for an engine that holds its weights; they are on this machine's disk already.

    Raises:
        ModelError: when it cannot be found or read.
    """
    with _quiet(), _explained(name):
        from huggingface_hub import snapshot_download
        from transformers import GenerationConfig

        path = resolve(name)
        model, tokenizer = _without_weights(path, trust_remote_code, offline=False)
        wanted = ["*.safetensors", "*.json"]
        folder = path if Path(path).is_dir() else snapshot_download(path, local_files_only=True, allow_patterns=wanted)
        generation = None
        if (Path(folder) / "generation_config.json").is_file():
            generation = GenerationConfig.from_pretrained(folder)
        return Identity(
            name=name,
            source=describe_source(name),
            tokenizer=tokenizer,
            facts=facts_of(model),
            fingerprint=checkpoint_fingerprint(Path(folder), model),
            device=device,
            dtype=dtype,
            ends=_ends(tokenizer, generation),
        )


def _without_weights(path: str, trust_remote_code: bool, offline: bool) -> tuple[Any, Any]:
    """A transformers model on the meta device, and its tokenizer."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    options = {"trust_remote_code": trust_remote_code, "local_files_only": offline}
    config = AutoConfig.from_pretrained(path, **options)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)
    return model, AutoTokenizer.from_pretrained(path, **options)


def _ends(tokenizer: Any, generation_config: Any) -> frozenset[int]:
    """Tokens that end a text: the tokenizer's, and those of the model's settings for generation."""
    given = getattr(generation_config, "eos_token_id", None)
    ends = [tokenizer.eos_token_id, *(given if isinstance(given, list) else [given])]
    return frozenset(int(token) for token in ends if token is not None)


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
