"""GGUF control vectors: `direction.N` is added behind block N, counted from 0, to every token of prompts and replies.

llama.cpp (common/common.cpp, src/llama-adapter.cpp) refuses N = 0, takes float32 of one dimension only, and knows no
relative strengths. Keys it does not know are ignored, so the file says what it is.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from trimtab._util.atomic_files import write_whole
from trimtab.errors import SettingError, VectorError
from trimtab.vectors.exports.base import Pushes, VectorExport
from trimtab.vectors.formats.published.control_vectors import BEHAVIOR_KEY, MODEL_KEY, SITE_KEY

ARCHITECTURE = "controlvector"


class ControlVector(VectorExport):
    """For llama.cpp and what is built on it."""

    title: ClassVar[str] = "a GGUF control vector"
    suffixes: ClassVar[tuple[str, ...]] = (".gguf",)
    is_typed: ClassVar[bool] = True

    def fitting(self, pushes: Pushes) -> tuple[Mapping[int, Tensor], tuple[str, ...]]:
        """All layers but 0.

        Raises:
            SettingError: When there is no other.
        """
        rows = {layer: row for layer, row in pushes.rows.items() if layer}
        if not rows:
            raise SettingError("layer 0 cannot be written as a control vector: llama.cpp refuses direction.0")
        lost = ("layer 0 is left out: llama.cpp refuses direction.0",) if len(rows) < len(pushes.rows) else ()
        return rows, lost

    def write(self, path: Path, pushes: Pushes) -> None:
        """Keys and tensors as llama.cpp reads them, and keys of trimtab beside them."""
        from gguf import GGUFWriter

        made = pushes.vector.provenance
        with tempfile.TemporaryDirectory() as folder:  # the writer wants a file; ours appears whole
            draft = Path(folder) / "vector.gguf"
            writer = GGUFWriter(draft, ARCHITECTURE)
            writer.add_string(f"{ARCHITECTURE}.model_hint", made.model or "unknown")
            writer.add_uint32(f"{ARCHITECTURE}.layer_count", len(pushes.rows))
            for key, text in (
                (SITE_KEY, "resid_post"), (BEHAVIOR_KEY, made.behavior), (MODEL_KEY, made.model),
                ("trimtab.fingerprint", made.fingerprint), ("trimtab.method", made.method),
                ("trimtab.operation", "add"),
                ("trimtab.strength", "1 is the strength to use" if pushes.is_setting else "as extracted"),
            ):  # fmt: skip
                if text:
                    writer.add_string(key, text)
            for layer, row in sorted(pushes.rows.items()):
                writer.add_tensor(f"direction.{layer}", row.contiguous().numpy())
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            write_whole(path, draft.read_bytes(), what="the control vector", error=VectorError)

    def usage(self, path: Path, pushes: Pushes) -> tuple[str, ...]:
        """Today's flags and those of builds before they changed."""
        first, last = min(pushes.rows), max(pushes.rows)
        layers = f"--control-vector-layer-range {first} {last}"
        scaled = "llama-server -m MODEL.gguf --control-vector-scaled"
        return (
            f"{scaled} {shlex.quote(f'{path}:1.0')} {layers}",
            f"{scaled} {shlex.quote(str(path))} 1.0 {layers}  # older builds",
        )


class EasySteer(ControlVector):
    """The same file, for EasySteer's build of vLLM."""

    title: ClassVar[str] = "a GGUF control vector for EasySteer"
    is_typed: ClassVar[bool] = False

    def usage(self, path: Path, pushes: Pushes) -> tuple[str, ...]:
        """What a request to its server holds, and the object of its older releases."""
        layers, everywhere = sorted(pushes.rows), '"apply": {"prompt": "all", "generation": "all"}'
        return (
            f'"steering": {{"vectors": [{{"source": "{path}", "scale": 1.0, "layers": {layers}, {everywhere}}}]}}',
            f'SteerVectorRequest("{path.stem}", 1, steer_vector_local_path="{path}", scale=1.0, '
            f"target_layers={layers}, prefill_trigger_tokens=[-1], generate_trigger_tokens=[-1])   (older releases)",
        )


GGUF, EASYSTEER = ControlVector(), EasySteer()
