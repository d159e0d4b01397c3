"""Shares: the part of a manifest that belongs to one model, taken out for its worker and merged again.

Ownership is a field of each entry (`OWNERS`), never read out of a text: a model may be named `llama, base` beside one
named `base`.
"""

from __future__ import annotations

from typing import Any

from trimtab.store.manifest.manifest import OWNERS, Manifest, ShareManifest


def share_of(manifest: Manifest, model: str) -> ShareManifest:
    """The share of one model to begin with. Warnings stay in the manifest of the run."""
    own: dict[str, Any] = {
        field: tuple(entry for entry in getattr(manifest, field) if getattr(entry, owner) == model)
        for field, owner in OWNERS.items()
    }
    return ShareManifest(model=model, behaviors=manifest.behaviors, warnings=(), **own)


def merged(manifest: Manifest, share: ShareManifest) -> Manifest:
    """A run's manifest in which the entries of one model are those of its share.

    Merging twice is the same as merging once.
    """
    changes: dict[str, Any] = {
        field: (
            *(entry for entry in getattr(manifest, field) if getattr(entry, owner) != share.model),
            *getattr(share, field),
        )
        for field, owner in OWNERS.items()
    }
    known = {entry.name for entry in share.behaviors}
    changes["behaviors"] = (*(entry for entry in manifest.behaviors if entry.name not in known), *share.behaviors)
    if share.vectors_given:
        changes["vectors_given"] = True
    return manifest.replace(**changes).with_warnings(share.warnings)
