"""The manifest of a run: what was run on what, with which settings, and what came of it besides the tables."""

from trimtab.store.manifest.entries import (
    AskedEntry,
    BehaviorEntry,
    BoundEntry,
    CachedTableEntry,
    ConditionEntry,
    Facts,
    JudgeDefinition,
    JudgeEntry,
    LetterEntry,
    ModelEntry,
    Source,
    TimingEntry,
    VectorEntry,
    WarningEntry,
    WorkerEntry,
)
from trimtab.store.manifest.manifest import SCHEMA_VERSION, Manifest, Records, ReusedJudgeName, ShareManifest
from trimtab.store.manifest.merge import merged, share_of

__all__ = [
    "SCHEMA_VERSION",
    "AskedEntry",
    "BehaviorEntry",
    "BoundEntry",
    "CachedTableEntry",
    "ConditionEntry",
    "Facts",
    "JudgeDefinition",
    "JudgeEntry",
    "LetterEntry",
    "Manifest",
    "ModelEntry",
    "Records",
    "ReusedJudgeName",
    "ShareManifest",
    "Source",
    "TimingEntry",
    "VectorEntry",
    "WarningEntry",
    "WorkerEntry",
    "merged",
    "share_of",
]
