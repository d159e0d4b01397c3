"""Models that see or hear besides reading: their text decoder is what is read and steered, by text alone."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trimtab.errors import DataError, ModelError, SettingError
from trimtab.inputs.bounded_files import MIB, FileKind
from trimtab.inputs.json_text import read_json

_TEMPLATE = FileKind("chat template", 8 * MIB, ModelError)
_TEMPLATE_FILE = "chat_template.json"
NOT_TEXT = (
    "pixel_values", "pixel_values_videos", "pixel_values_images", "image_embeds", "image_features", "images",
    "input_features", "input_audio", "audio_values", "input_values", "audio_features",
)  # fmt: skip
"""What models call images, videos and sounds among the arguments of a pass."""


def require_text(arguments: Mapping[str, Any]) -> None:
    """Refuse a pass that brings more than text.

    Raises:
        SettingError: naming the argument.
    """
    for name in NOT_TEXT:
        if arguments.get(name) is not None:
            raise SettingError(
                f"a pass with {name} cannot be steered: trimtab steers text, and images, videos and sounds are not "
                "supported yet; leave them out, or run the pass outside of the steer context"
            )


def text_of(prompt: Any) -> Any:
    """A prompt whose messages are plain text: those that come as parts, as processors take them, are joined.

    Raises:
        DataError: naming a part that is no text.
    """
    if isinstance(prompt, str):
        return prompt
    return [
        {**message, "content": _joined(message["content"], f"message {number}")}
        if isinstance(message, Mapping) and isinstance(message.get("content"), list | tuple)
        else message
        for number, message in enumerate(prompt, start=1)
    ]


def _joined(parts: Sequence[Any], where: str) -> str:
    texts = []
    for part in parts:
        kind = part.get("type", "text") if isinstance(part, Mapping) else "text"
        text = part.get("text") if isinstance(part, Mapping) else part
        if kind != "text" or not isinstance(text, str):
            named = f"an {kind}" if str(kind)[:1] in "aeiou" else f"a {kind}"
            raise DataError(
                f"{where} holds {named if kind != 'text' else 'a part without text'}: trimtab steers text only, and "
                "images, videos and sounds are not supported yet; leave them out"
            )
        texts.append(text)
    return "\n".join(texts)


def class_for(config: Any) -> Any:
    """The auto class of transformers that makes a model of text from a configuration.

    Causal language models first; then those that read text beside images or sounds, which have a class of their own.
    """
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoModelForMultimodalLM
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING,
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
        MODEL_FOR_MULTIMODAL_LM_MAPPING,
    )

    own_code = getattr(config, "auto_map", None) or {}
    for known, kind in (
        (MODEL_FOR_CAUSAL_LM_MAPPING, AutoModelForCausalLM),
        (MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, AutoModelForImageTextToText),
        (MODEL_FOR_MULTIMODAL_LM_MAPPING, AutoModelForMultimodalLM),
    ):
        if type(config) in known or kind.__name__ in own_code:
            return kind
    return AutoModelForCausalLM  # it says best what it does not know


def text_tokenizer(given: Any) -> Any:
    """The tokenizer of what a user has: itself, or the one inside of a processor, which may hold the chat template."""
    inner = getattr(given, "tokenizer", None)
    if inner is None or not callable(inner):
        return given
    template = getattr(given, "chat_template", None)
    if template and not inner.chat_template:
        inner = copy.copy(inner)
        inner.chat_template = template
    return inner


def with_processor_template(tokenizer: Any, folder: Path) -> Any:
    """A tokenizer of a folder, with the chat template that earlier versions stored in the processor's own file."""
    file = folder / _TEMPLATE_FILE
    if tokenizer.chat_template or not file.is_file():
        return tokenizer
    content = read_json(file, _TEMPLATE)
    if isinstance(content, Mapping) and isinstance(template := content.get("chat_template"), str):
        tokenizer.chat_template = template
    return tokenizer
