"""One of the processes that torchrun starts: reads a divided model in every way, and writes what it saw to a file."""

from __future__ import annotations

import sys
import traceback
import warnings
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

import trimtab as tt
from readings import readings
from trimtab.errors import TrimtabError


def main() -> None:
    """Arguments: a folder for results, then folders of models."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    results, models = Path(sys.argv[1]), sys.argv[2:]
    found: dict[str, object] = {}
    for model in models:
        try:
            loaded = tt.load(model, dtype="float32", tensor_parallel=True)
            whole = sum(p.numel() for p in loaded.backbone.model.parameters())  # type: ignore[attr-defined]
            here = sum(
                p.to_local().numel() if hasattr(p, "to_local") else p.numel()
                for p in loaded.backbone.model.parameters()  # type: ignore[attr-defined]
            )
            found[Path(model).name] = {
                "readings": readings(loaded), "fingerprint": loaded.fingerprint, "facts": loaded.facts,
                "share": here / whole, "place": loaded.backbone.place,
                "exact logits": loaded.backbone.anatomy.head_weight is not None,  # type: ignore[attr-defined]
            }  # fmt: skip
        except TrimtabError as error:
            found[Path(model).name] = f"{type(error).__name__}: {error}"
        except Exception:
            found[Path(model).name] = traceback.format_exc()
    torch.save(found, results / f"{torch.distributed.get_rank()}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
