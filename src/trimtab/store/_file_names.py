"""Names that users give, as parts of file names."""

from __future__ import annotations

import hashlib
import re


def safe_name(name: str) -> str:
    """Return a name as part of a file name; different names stay different."""
    safe = re.sub(r"-{2,}", "-", re.sub(r"[^A-Za-z0-9._-]+", "_", name)).strip("._-") or "unnamed"
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
