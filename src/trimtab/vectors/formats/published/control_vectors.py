"""GGUF control vectors: one layout, `direction.N`, with three meanings of N.

llama.cpp adds `direction.N` behind block N, counted from 0, and refuses N = 0 (src/llama-adapter.cpp,
common/common.cpp).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from trimtab.vectors.formats.base import Container, Directions, Match, VectorFile, VectorFormat, Wanted, only

SITE_KEY = "trimtab.site"
"""Key of files that trimtab writes; its value is `resid_post`: direction.N is the output of block N."""
BEHAVIOR_KEY, MODEL_KEY = "trimtab.behavior", "trimtab.model"
_NAME = re.compile(r"direction\.(\d{1,6})")
_SAME_NORM = 1e-3
_BLOCK_N = "direction.N is the output of block N, layer N of trimtab"


class ControlVectors(VectorFormat):
    """Files that do not say who made them."""

    containers: ClassVar[frozenset[Container]] = frozenset({"gguf"})

    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        """A control vector of any maker but trimtab."""
        return Match.POSSIBLE if SITE_KEY not in file.entries else Match.NO

    def hints(self, file: VectorFile) -> list[str]:
        """Of what model, which directions, how long, and how alike neighbours are."""
        rows = _numbered(file)
        hint, count = file.entries.get("controlvector.model_hint"), file.entries.get("controlvector.layer_count")
        found = [f"model_hint {str(hint)[:40]!r}"] if hint is not None else []
        found += [f"layer_count {count}"] if isinstance(count, int) else []
        found.append(f"direction.{min(rows)} to direction.{max(rows)}")
        norms = torch.stack([row.norm() for row in rows.values()])
        if bool((norms - 1).abs().max() < _SAME_NORM):
            found.append("all norms are 1, as of llama.cpp's generator, or normalized")
        else:
            found.append(f"norms {float(norms.min()):.3g} to {float(norms.max()):.3g}")
        if (cosine := adjacent_cosine(rows)) is not None:
            found.append(f"mean cosine of neighbours {cosine:.2f}, which is low for differences, as jukofyork's are")
        return found


class OutputOfBlock(ControlVectors):
    """repeng and saklas: direction.N was read behind block N."""

    def __init__(self, title: str, last_is_normed: bool = False):
        """A maker; `last_is_normed`: its direction of the last layer was read behind the final norm."""
        self.title = title  # type: ignore[misc]  # an instance for each maker
        self._last_is_normed = last_is_normed

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """Layers as they are, without one that was read behind the final norm.

        Raises:
            VectorError: when that is the only one.
        """
        rows, notes = dict(_numbered(file)), []
        if self._last_is_normed:
            last = max(rows) if wanted.n_layers is None else wanted.n_layers - 1
            if rows.pop(last, None) is not None:
                unless = "" if wanted.n_layers else "; if the model has more layers than that, name it (--model)"
                notes.append(
                    f"direction.{last}, of the last layer, is left out: {self.title} reads it behind the final norm"
                    f"{unless}"
                )
            if not rows:
                raise file.fault(f"{notes[0]}; there is no other direction")
        return _found(file, only(rows, wanted), _BLOCK_N, tuple(notes))


class OneLate(ControlVectors):
    """llama.cpp's cvector-generator: direction.{i+1} holds the state behind block i."""

    title: ClassVar[str] = "llama.cpp's cvector-generator"

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """A layer lower each."""
        rows = {number - 1: row for number, row in _numbered(file).items()}
        note = "llama.cpp applies these directions one block later than it read them, trimtab where they were read"
        return _found(
            file, only(rows, wanted), "direction.N holds the state behind block N−1, layer N−1 of trimtab", (note,)
        )


class ConsecutiveDifferences(ControlVectors):
    """jukofyork/control-vectors: direction.{i+1} is what block i adds, to be applied at all layers together."""

    title: ClassVar[str] = "jukofyork/control-vectors"

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """Running sums, which are the differences of states that the pushes of all layers add up to.

        Raises:
            VectorError: when a layer is missing: a running sum over a gap is no sum.
        """
        rows = _numbered(file)
        if list(rows) != list(range(1, len(rows) + 1)):
            raise file.fault("directions of differences must begin at direction.1 and have no gap, to be added up")
        sums = dict(enumerate(torch.stack(list(rows.values())).cumsum(0)))
        return _found(
            file,
            only(sums, wanted),
            "direction.N is what block N−1 adds; layer L of trimtab is given the sum of directions 1 to L+1",
            ("its debias file is a vector of its own: import it, too, and add the two",),
        )


class StatedSite(VectorFormat):
    """Files that trimtab writes: the site stands in their keys."""

    title: ClassVar[str] = "trimtab's GGUF"
    containers: ClassVar[frozenset[Container]] = frozenset({"gguf"})

    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        """By the key."""
        return Match.CERTAIN if SITE_KEY in file.entries else Match.NO

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """Layers as they are.

        Raises:
            VectorError: for another site.
        """
        if (site := file.entries.get(SITE_KEY)) != "resid_post":
            raise file.fault(f"its directions are of the site {site!s:.40}, not of resid_post")
        return _found(file, only(_numbered(file), wanted), _BLOCK_N)


def adjacent_cosine(rows: Mapping[int, Tensor]) -> float | None:
    """Mean cosine between directions of neighbouring layers; None where there are no two."""
    pairs = [(rows[n], rows[n + 1]) for n in rows if n + 1 in rows]
    if not pairs:
        return None
    return float(torch.stack([torch.cosine_similarity(a, b, dim=0) for a, b in pairs]).mean())


def _found(file: VectorFile, rows: Mapping[int, Tensor], layer_map: str, notes: tuple[str, ...] = ()) -> Directions:
    behavior, model = (str(file.entries.get(key) or "") for key in (BEHAVIOR_KEY, MODEL_KEY))
    hint = str(file.entries.get("controlvector.model_hint") or "")
    if hint and not model:
        notes = (*notes, f"its model_hint is {hint[:80]!r}, a kind of model and not a model")
    return Directions(rows, layer_map, behavior=behavior, model=model, notes=notes)


def _numbered(file: VectorFile) -> dict[int, Tensor]:
    """Directions by their number, in order."""
    found: dict[int, Tensor] = {}
    for name, row in file.content.items():
        if not (match := _NAME.fullmatch(name)):
            raise file.fault(f"the tensor {name[:80]!r} is no direction.N; this is not a control vector of llama.cpp")
        found[int(match[1])] = row
    if not found:
        raise file.fault("the control vector holds no direction")
    if 0 in found:
        raise file.fault("direction.0 is none that llama.cpp takes: its control vectors begin at direction.1")
    if len({len(row) for row in found.values()}) > 1:
        raise file.fault("the directions differ in width")
    return dict(sorted(found.items()))


REPENG = OutputOfBlock("repeng", last_is_normed=True)
SAKLAS = OutputOfBlock("saklas")
LLAMA_CPP = OneLate()
JUKOFYORK = ConsecutiveDifferences()
TRIMTAB = StatedSite()
