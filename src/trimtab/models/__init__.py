"""Models: loading them, finding their parts, speaking their templates."""

from trimtab.models.architecture import Anatomy, Facts, cache_name, hidden_of, with_hidden
from trimtab.models.bundled import BUNDLED
from trimtab.models.load import Backbone, Identity, identify, load_backbone, peek, wrap
from trimtab.models.precision import DType, choose_device, choose_dtype
from trimtab.models.prompts import (
    EncodedPair,
    TokenPosition,
    encode,
    encode_pair,
    render_prompt,
    template_hash,
    user_text,
)

__all__ = [
    "BUNDLED",
    "Anatomy",
    "Backbone",
    "DType",
    "EncodedPair",
    "Facts",
    "Identity",
    "TokenPosition",
    "cache_name",
    "choose_device",
    "choose_dtype",
    "encode",
    "encode_pair",
    "hidden_of",
    "identify",
    "load_backbone",
    "peek",
    "render_prompt",
    "template_hash",
    "user_text",
    "with_hidden",
    "wrap",
]
