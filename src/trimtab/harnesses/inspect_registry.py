"""What inspect_ai finds by the entry point `trimtab` of its group: the model provider of the same name."""

from __future__ import annotations

from inspect_ai.model import ModelAPI, modelapi


@modelapi(name="trimtab")  # type: ignore[untyped-decorator]  # inspect_ai is not followed
def trimtab() -> type[ModelAPI]:
    """Models of trimtab, imported when one is asked for: `--model trimtab/smollm2-135m`."""
    from trimtab.harnesses._inspect_provider import SteeredAPI

    return SteeredAPI
