"""A served setting as a folder for others: shared with what was measured of it, or baked into the model's weights."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from trimtab.baking import bake
from trimtab.engines import Model
from trimtab.engines.vllm.wire.spec import Push
from trimtab.errors import TrimtabError, VectorError
from trimtab.models import Backbone
from trimtab.serve.http.request_refusals import Refusal
from trimtab.serve.http.service import Service
from trimtab.serve.http.zip_stream import files_below
from trimtab.serve.steering.steering_request import RequestedSteering
from trimtab.serve.steering.vector_library import NamedVector
from trimtab.sharing import share_run, share_vector
from trimtab.sharing.hub_repository import to_upload
from trimtab.steering import Gate, PromptGate

MAX_BAKED_BYTES = 1 << 30
"""Of a baked model that is sent: it is written to this machine's disk, and held in the browser's memory."""
_FLOAT32_BYTES = 4


@dataclass(frozen=True)
class ExportedFolder:
    """A folder that waits to be sent."""

    name: str
    """Without the ending of an archive."""
    files: Mapping[str, Path]
    """By their names in the archive."""
    workplace: TemporaryDirectory[str] | None = None
    """What to delete when it has been sent."""

    def delete(self) -> None:
        """Delete what was made for it."""
        if self.workplace is not None:
            self.workplace.cleanup()


def shared_folder(steering: RequestedSteering) -> ExportedFolder:
    """The folder that `trimtab hub push` writes.

    With what was measured, where the setting is the one that a run or a shared folder recommends; else the card says
    that nothing was.

    Raises:
        Refusal: for a setting that no such folder can say.
    """
    push = only_push(steering)
    one = steering.library.get(push.vector)
    name = f"{one.name}-vector"
    if one.place is not None and not one.place.model and _is_recommended(push, steering, one):
        # A folder of the hub's cache holds links and no card: it is written anew, and says that nothing was measured.
        with suppress(VectorError):
            return _as_it_is(one, name)
    workplace: TemporaryDirectory[str] = TemporaryDirectory(prefix="trimtab-export-")
    out = Path(workplace.name) / name
    try:
        _share(steering, push, one, Path(workplace.name), out)
    except TrimtabError as error:
        workplace.cleanup()
        places = [out] if one.place is None else [out, one.place.path]
        raise Refusal(400, _without(str(error), *places), "steering") from None
    except BaseException:
        workplace.cleanup()
        raise
    return ExportedFolder(name, files_below(out, name), workplace)


def _as_it_is(one: NamedVector, name: str) -> ExportedFolder:
    """The folder that the vector was read from.

    Raises:
        VectorError: where it could not be uploaded.
    """
    assert one.place is not None
    files = [file for file, _ in to_upload(one.place.path)]
    return ExportedFolder(name, {f"{name}/{file}": one.place.path / file for file in files})


def _share(steering: RequestedSteering, push: Push, one: NamedVector, workplace: Path, out: Path) -> None:
    """Write the folder, from the run if it still recommends this setting."""
    if one.place is not None and one.place.model and _is_recommended(push, steering, one):
        measured = workplace / "measured"
        found = share_run(one.place.path, measured, model=one.place.model, behavior=one.place.behavior)
        use = found.steering.setting
        if (tuple(sorted(use.layers)), use.strength, use.positions) == (push.layers, push.strength, steering.positions):
            measured.rename(out)
            return
    require_unconditional(steering, push, "a folder of a setting that no run recommends")
    share_vector(
        one.vector, out, layer=push.layers, strength=push.strength, scale=push.scale, positions=steering.positions,
        first_token=steering.first_token,
    )  # fmt: skip


def _is_recommended(push: Push, steering: RequestedSteering, one: NamedVector) -> bool:
    use = one.recommended
    if use is None:
        return False
    how, asked = (
        use.setting,
        (push.layers, push.scale, steering.positions, steering.first_token, _condition(steering.gate)),
    )
    each = how.strength_of_each(use.strength, len(use.layers))
    recommended = (tuple(sorted(use.layers)), how.scale, how.positions, how.first_token, _condition(how.gate))
    return asked == recommended and push.strength == each and push.vector_layer == how.vector_layer


def _condition(gate: Gate | PromptGate | None) -> str:
    """What tells conditions on the prompt apart; empty without one."""
    return gate.content_hash if isinstance(gate, PromptGate) else ""


def baked_folder(service: Service, steering: RequestedSteering) -> ExportedFolder:
    """The folder that `trimtab bake` writes; replies wait meanwhile, for the model is edited and compared.

    Raises:
        Refusal: for what cannot be baked, and for a model that is not made here; with the command that does it.
    """
    push, model = only_push(steering), service.model
    require_unconditional(steering, push, "a baked model")
    how = f"type this where the vector's file is:\n{bake_command(service, steering, push)}"
    if not service.gives_weights:
        raise Refusal(403, f"weights are given to this machine's own address only; {how}", code="no_weights")
    if isinstance(model.backbone, Backbone) and (size := model.facts.parameters * _FLOAT32_BYTES) > MAX_BAKED_BYTES:
        raise Refusal(
            413, f"a baked model may have {size:,} bytes, and {MAX_BAKED_BYTES:,} are the most that is sent; {how}",
            code="too_large",
        )  # fmt: skip
    workplace: TemporaryDirectory[str] = TemporaryDirectory(prefix="trimtab-export-")
    name = f"{service.name.rpartition('/')[2]}-{push.vector}"
    out = Path(workplace.name) / name
    try:
        list(model.in_turns(_baked(model, steering, push, out)))
    except TrimtabError as error:
        workplace.cleanup()
        # A name without a slash is no path, and may be a part of any word.
        text = str(error).replace(model.name, service.name) if "/" in model.name else str(error)
        reason = _without(text, out)
        raise Refusal(400, f"{reason}; {how}", "steering", "not_baked") from None
    except BaseException:
        workplace.cleanup()
        raise
    return ExportedFolder(name, files_below(out, name), workplace)


def _baked(model: Model, steering: RequestedSteering, push: Push, out: Path) -> Iterator[None]:
    vector = steering.library.get(push.vector).vector
    bake(
        model, vector, out, layer=push.layers, strength=push.strength, scale=push.scale,
        positions=steering.positions, first_token=steering.first_token,
    )  # fmt: skip
    yield


def bake_command(service: Service, steering: RequestedSteering, push: Push) -> str:
    """What to type to bake a setting; the vector's file is called by its name, for clients learn no paths."""
    layers = [word for layer in push.layers for word in ("--layer", str(layer))]
    return shlex.join(
        [
            "trimtab", "bake", "--model", service.name, "--vectors", f"{push.vector}.safetensors", *layers,
            "--strength", repr(push.strength), "--scale", push.scale, "--positions", steering.positions,
            "--out", f"{push.vector}-model",
        ]
    )  # fmt: skip


def only_push(steering: RequestedSteering) -> Push:
    """The one push of a setting that files and weights can hold.

    Raises:
        Refusal: for several, and for one along the direction of one layer.
    """
    if len(steering.pushes) != 1 or steering.pushes[0].vector_layer is not None:
        raise Refusal(400, "steering: one vector, along its own directions, can be exported", "steering")
    return steering.pushes[0]


def require_unconditional(steering: RequestedSteering, push: Push, what: str) -> None:
    """Refuse a setting whose condition on the prompt would be lost.

    Raises:
        Refusal: with what to say instead.
    """
    if steering.gate is not None:
        raise Refusal(
            400, f'steering: {what} holds no condition on the prompt, and {push.vector} has one; say "when": "always"',
            "steering",
        )  # fmt: skip


def _without(text: str, *folders: Path) -> str:
    """A message for clients, who learn no paths: those in the folders are named from there on.

    Names of one part stay, `.` and `/` among them: they say no place, and stand in other words, too.
    """
    places = set()
    for folder in folders:
        whole = {folder.resolve(), Path(os.path.abspath(folder)), folder}
        places |= whole | {place.parent for place in whole}
    named = sorted((str(place) for place in places if _says_a_place(place)), key=len, reverse=True)
    for place in named:
        text = re.sub(rf"(?<![\w./~-]){re.escape(place)}(?:: |/)", "", text)
        text = re.sub(rf"(?<![\w./~-]){re.escape(place)}(?!\.?[\w-])", "the folder", text)
    return text


def _says_a_place(path: Path) -> bool:
    return len(path.parts) > 1
