"""Model cards, as the hub reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def header_of(folder: Path) -> tuple[dict[str, Any], str]:
    """The header and the text of a folder's card."""
    _, header, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(header), text
