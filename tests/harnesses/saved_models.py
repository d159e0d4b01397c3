"""A tiny model and a vector for it on disk, as harnesses take them: by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from tokenizers.processors import TemplateProcessing

import trimtab as tt
from tiny import CHAT_TEMPLATE, tiny_model, tiny_tokenizer, vector_for
from trimtab.study.recommending.recommended_file import LAYOUT, RecommendedFile, write_recommended

LAYER, STRENGTH = 1, 0.6


class Saved(NamedTuple):
    """What a harness is given."""

    model: str
    vector: str

    @property
    def arguments(self) -> dict[str, Any]:
        return {"vector": self.vector, "layer": LAYER, "strength": STRENGTH, "dtype": "float32"}

    def load(self, **options: Any) -> tt.Model:
        return tt.load(self.model, dtype="float32", **options)


def saved(
    folder: Path, *, template: str | None = CHAT_TEMPLATE, endless: bool = False, begins: bool = False, **changes: Any
) -> Saved:
    """A tiny llama and its vector, in a folder.

    Args:
        folder: Where to put them.
        template: Of chats.
        endless: Whether it never likes the token that ends a text.
        begins: Whether the tokenizer puts a first token before every text.
        changes: Of the configuration.
    """
    model = folder / "model"
    made = tiny_model("llama", **changes)
    if endless:
        made.lm_head.weight.data[made.config.eos_token_id] = 0
    made.save_pretrained(model)
    tokenizer = tiny_tokenizer(template)
    if begins:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.save_pretrained(model)
    with_identity = tt.load(str(model))
    vector = vector_for(with_identity.backbone).save(folder / "kind.safetensors")
    return Saved(str(model), str(vector))


def recommending(folder: Path, files: Saved, **changes: Any) -> Path:
    """A folder with nothing but a vector and the setting that is recommended for it."""
    folder.mkdir(exist_ok=True)
    tt.SteeringVector.load(files.vector).save(folder / "kind.safetensors")
    setting: dict[str, Any] = {
        "behavior": "kind", "model": "tiny", "load": {"id": files.model, "dtype": "float32"},
        "vector": "kind.safetensors", "layers": [2, 3], "strength": 0.4, "scale": "relative",
        "positions": "after_prompt", "first_token": False, "share_strength": True, "vector_layer": None, **changes,
    }  # fmt: skip
    write_recommended(RecommendedFile.model_validate({"format": LAYOUT, "tables": "", "settings": [setting]}), folder)
    return folder
