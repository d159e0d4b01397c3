"""Try every causal family of transformers and write docs/models.md.

python bench/models.py              all of them: takes some minutes
python bench/models.py llama gpt2   only the rows of these are made again
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from families import page
from families.examine import Examined, examine
from families.special import NOT_BUILT


def tell(found: Examined, seconds: float) -> None:
    """Print what came of a family as it is known."""
    print(f"{page.result_of(found):8} {found.family} ({found.architecture}) {found.mode} {seconds:.1f} s", flush=True)
    for outcome in found.outcomes:
        if outcome.kind != "exact":
            print(f"         {outcome.kind} {outcome.check}: {outcome.words}", flush=True)


def main(names: list[str]) -> None:
    """Try families, all of them without names, and write their rows of the page."""
    warnings.simplefilter("ignore")
    results = []
    for name in names or [name for name in page.NAMES if name not in NOT_BUILT]:
        start = time.monotonic()
        results.append(examine(name))
        tell(results[-1], time.monotonic() - start)
    before = page.PAGE.read_text(encoding="utf-8") if page.PAGE.is_file() else ""
    page.PAGE.write_text(page.updated(before, results), encoding="utf-8")
    print(f"written: {page.PAGE}")
    if any(found.faults for found in results):
        sys.exit("some families are neither exact nor refused in words")


if __name__ == "__main__":
    main(sys.argv[1:])
