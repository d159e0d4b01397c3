"""Tiny random models of many families, a tokenizer, and pairs by hand: no network, no downloads.

The weights are drawn so that every part of a layer matters and logits are of order 1 to 10: a mistake shows.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from trimtab.models import Backbone, EncodedPair, Identity, wrap
from trimtab.vectors import Provenance, SteeringVector

torch.set_num_threads(1)  # threads only get in each other's way at this size

WINDOW = 8
"""Sliding windows are shorter than the sequences."""

_WIDTH, _LAYERS, _VOCABULARY = 48, 4, 300

_GROUPED = {
    "vocab_size": _VOCABULARY,
    "hidden_size": _WIDTH,
    "intermediate_size": 96,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 12,
    "max_position_embeddings": 256,
}
_ROPE_100 = {"rope_type": "default", "rope_theta": 100.0}
_SLIDING_THEN_FULL = ["sliding_attention", "full_attention"] * (_LAYERS // 2)
_SLIDING = {"sliding_window": WINDOW, "layer_types": _SLIDING_THEN_FULL}

CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {**_GROUPED, "rope_parameters": _ROPE_100}),
    "qwen2": ("Qwen2", {**_GROUPED, "use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 2}),
    "qwen3": ("Qwen3", {**_GROUPED, "tie_word_embeddings": True}),
    "qwen3_moe": (
        "Qwen3Moe",
        {**_GROUPED, "num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 40},
    ),
    "qwen3_5": (
        "Qwen3_5Text",
        {
            **_GROUPED,
            "layer_types": ["linear_attention", "full_attention"] * 2,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
        },
    ),
    "gemma2": (
        "Gemma2",
        {
            **_GROUPED,
            "sliding_window": WINDOW,
            "query_pre_attn_scalar": 12,
            "tie_word_embeddings": False,
            "final_logit_softcapping": 20.0,
            "attn_logit_softcapping": 10.0,
        },
    ),
    "gemma3": (
        "Gemma3Text",
        {**_GROUPED, "tie_word_embeddings": False, "sliding_window": WINDOW, "layer_types": _SLIDING_THEN_FULL},
    ),
    "mistral": ("Mistral", {**_GROUPED, "sliding_window": WINDOW}),
    "phi3": ("Phi3", {**_GROUPED, "pad_token_id": 0, "sliding_window": WINDOW}),
    "gpt2": (
        "GPT2",
        {"vocab_size": _VOCABULARY, "n_embd": _WIDTH, "n_layer": _LAYERS, "n_head": 4, "n_positions": 256},
    ),
    "gpt_neox": ("GPTNeoX", {**_GROUPED, "rope_parameters": {**_ROPE_100, "partial_rotary_factor": 0.5}}),
    "olmo2": ("Olmo2", _GROUPED),
    "exaone4": ("Exaone4", {**_GROUPED, "sliding_window": WINDOW, "layer_types": _SLIDING_THEN_FULL}),
    "gpt_oss": (
        "GptOss",
        {
            **_GROUPED,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "sliding_window": WINDOW,
            "layer_types": _SLIDING_THEN_FULL,
            "rope_parameters": _ROPE_100,
        },
    ),
}

HYBRID = "qwen3_5"


def tiny_config(name: str, **changes: Any) -> Any:
    kind, fields = CONFIGS[name]
    special = {"bos_token_id": 1, "eos_token_id": 2}
    return getattr(transformers, f"{kind}Config")(**{**special, **fields, **changes})


def tiny_model(name: str, seed: int = 0, **changes: Any) -> Any:
    """A random causal language model of one family."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # some parameters keep the values they are made with
        model = transformers.AutoModelForCausalLM.from_config(tiny_config(name, **changes), dtype=torch.float32)
    return randomize(model, seed)


@torch.no_grad()
def randomize(model: nn.Module, seed: int = 0) -> nn.Module:
    source = torch.Generator().manual_seed(seed)
    embedding = model.get_input_embeddings().weight
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=source)
        if parameter is embedding:
            parameter.copy_(0.7 * noise)
        elif parameter.dim() >= 2:
            parameter.copy_(1.5 * noise / _WIDTH**0.5)
        else:
            parameter.add_(0.1 * noise)
    return model.eval()


@functools.cache
def tiny(name: str) -> Backbone:
    """The backbone of one family, made once."""
    made = wrap(tiny_model(name), tiny_tokenizer(), name=f"tiny-{name}")
    SHARED.append(made)
    return made


SHARED: list[Backbone] = []
"""What `tiny` has made: used by all tests of a process, so that no test may leave a hook on them."""


CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tiny_tokenizer(template: str | None = None, *, merges: tuple[str, ...] = ()) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer; `merges` are texts of two or more bytes that become one token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<pad>", "<s>", "</s>"]
    vocabulary = {token: i for i, token in enumerate([*special, *alphabet])}
    steps = []
    for text in merges:
        whole = text[0].replace(" ", "Ġ")
        for byte in text[1:].replace(" ", "Ġ"):
            steps.append((whole, byte))
            whole += byte
            vocabulary.setdefault(whole, len(vocabulary))
    core = Tokenizer(models.BPE(vocabulary, list(dict.fromkeys(steps))))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = template
    return tokenizer


def save_tiny(folder: Path, name: str = "llama") -> Path:
    """Write a tiny model with its tokenizer into a folder, as one downloads it."""
    tiny_model(name).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def random_pairs(count: int = 6, seed: int = 0, *, head: int = 5, vocabulary: int = _VOCABULARY) -> list[EncodedPair]:
    """Pairs of different lengths that share a head; answers part at their first, second or third token."""
    source = torch.Generator().manual_seed(seed)

    def tokens(n: int) -> list[int]:
        return torch.randint(3, vocabulary, (n,), generator=source).tolist()

    start, pairs = tokens(head), []
    for index in range(count):
        prompt = start + tokens(4 + 5 * index % 17)
        together, positive, negative = tokens(index % 3), tokens(1 + index % 4), tokens(1 + index % 2)
        negative[0] = positive[0] % (vocabulary - 1) + 1
        shared = [*prompt, *together]
        pairs.append(EncodedPair(f"p{index}", (*shared, *positive), (*shared, *negative), len(prompt), len(shared)))
    return pairs


def random_directions(backbone: Identity, seed: int = 0) -> Tensor:
    """[n_layers, d_model], norms near those of the residual stream."""
    source = torch.Generator().manual_seed(seed)
    return torch.randn(backbone.facts.layers, backbone.facts.width, generator=source)


def vector_for(backbone: Identity, *, fingerprint: str | None = None, layers: int = 4) -> SteeringVector:
    """A vector in random directions, as if taken from this model."""
    made = Provenance(
        model=backbone.name,
        fingerprint=fingerprint or backbone.fingerprint,
        behavior="kind",
        pairs_hash="",
        pairs=2,
        method="mean",
        token_position="last",
        form="text",
        balance="none",
        template_hash="",
    )
    return SteeringVector(random_directions(backbone)[:layers], torch.ones(layers), made)
