"""Settings as models: `smollm2-135m:cheerful@recommended` is a name that every client can choose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trimtab._util.suggest import nearest_words
from trimtab.errors import SettingError
from trimtab.serve.steering.steering_request import RequestedSteering, parse_steering
from trimtab.serve.steering.vector_library import VectorLibrary

_PLAIN_TAGS = ("latest",)
"""What Ollama's clients put behind a name that has nothing there: the model as it is."""


class UnknownModel(SettingError):
    """A request names a model that is not served."""


@dataclass(frozen=True)
class ServedModels:
    """The model that is served, by its name and by those of its settings."""

    name: str
    library: VectorLibrary

    def names(self) -> Iterator[str]:
        """The plain model, then each vector's recommended setting."""
        yield self.name
        yield from (f"{self.name}:{one.name}@recommended" for one in self.library if one.recommended is not None)

    def steering_of(self, name: str) -> RequestedSteering | None:
        """The steering that a model's name stands for; None for the plain model.

        Raises:
            UnknownModel: for a name of another model, or of a setting that cannot be read.
        """
        if name == self.name:
            return None
        base, colon, setting = self._parts(name)
        if not colon or base != self.name:
            near = nearest_words(name, list(self.names()))
            known = near or list(self.names())[:10]
            raise UnknownModel(f"no model {name[:200]!r} here; did you mean {', '.join(known)}?")
        if setting in _PLAIN_TAGS and setting not in self.library:
            return None
        try:
            return parse_steering(setting, self.library)
        except SettingError as error:
            raise UnknownModel(f"no model {name[:200]!r} here: {error}") from None

    def _parts(self, name: str) -> tuple[str, str, str]:
        """The served name and what stands behind it: a name may hold a colon itself."""
        if name.startswith(f"{self.name}:"):
            return self.name, ":", name[len(self.name) + 1 :].removesuffix(":latest")
        return name.partition(":")


def served_name(model: str) -> str:
    """How a model is called by clients: its name, and of a folder or a file the last part, never the path."""
    bare = model.rstrip("/\\")
    is_hub_id = bare.count("/") == 1 and not bare.startswith((".", "/", "~"))
    return bare if is_hub_id else bare.replace("\\", "/").rpartition("/")[2].removesuffix(".gguf") or "model"
