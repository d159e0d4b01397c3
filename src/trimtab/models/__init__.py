"""Models: loading them, finding their parts, speaking their templates."""

from trimtab.models.architecture import cache_name, hidden_of, with_hidden
from trimtab.models.backbone import Backbone, Identity
from trimtab.models.bundled import BUNDLED, hub_id, shareable_name
from trimtab.models.context import ContextLimit
from trimtab.models.facts import Facts
from trimtab.models.kinds.device_maps import Device, gpus_of, main_device
from trimtab.models.kinds.placement import is_divided
from trimtab.models.kinds.quantization import QUANTIZATIONS, Quantization, check_quantization
from trimtab.models.kinds.tensor_parallel import least_free
from trimtab.models.load import identify, load_backbone, peek, peek_stream, wrap
from trimtab.models.precision import DType, choose_dtype
from trimtab.models.prompting.asking import USUAL, Asking, SystemRole, Template, Thinking
from trimtab.models.prompting.encoded_examples import EncodedExample, ExamplePosition, Text, encode_examples
from trimtab.models.prompting.encoding import (
    EncodedPair,
    PromptError,
    TokenPosition,
    encode,
    encode_pair,
    encode_pairs,
    encode_prompt,
    template_hash,
    user_text,
)
from trimtab.models.prompting.rendering import gap_after, render_prompt
from trimtab.models.prompting.thinking_markers import (
    ThinkingMarkers,
    require_thinking_markers,
    response_start,
    thinking_span,
)
from trimtab.models.streaming.stream_plan import StreamPlan

__all__ = [
    "BUNDLED",
    "QUANTIZATIONS",
    "USUAL",
    "Asking",
    "Backbone",
    "ContextLimit",
    "DType",
    "Device",
    "EncodedExample",
    "EncodedPair",
    "ExamplePosition",
    "Facts",
    "Identity",
    "PromptError",
    "Quantization",
    "StreamPlan",
    "SystemRole",
    "Template",
    "Text",
    "Thinking",
    "ThinkingMarkers",
    "TokenPosition",
    "cache_name",
    "check_quantization",
    "choose_dtype",
    "encode",
    "encode_examples",
    "encode_pair",
    "encode_pairs",
    "encode_prompt",
    "gap_after",
    "gpus_of",
    "hidden_of",
    "hub_id",
    "identify",
    "is_divided",
    "least_free",
    "load_backbone",
    "main_device",
    "peek",
    "peek_stream",
    "render_prompt",
    "require_thinking_markers",
    "response_start",
    "shareable_name",
    "template_hash",
    "thinking_span",
    "user_text",
    "with_hidden",
    "wrap",
]
