"""Generation of contrastive pairs by a language model, their checks, and the removal of bad ones."""

from trimtab.generation.checks.draft_checks import CheckContext
from trimtab.generation.estimate import cost
from trimtab.generation.generating import count_existing, generate
from trimtab.generation.record import PairRecord
from trimtab.generation.removal import pair_key, read_decisions, remove_pairs
from trimtab.generation.request import PairRequest
from trimtab.generation.reviewing import review
from trimtab.generation.writers import LocalWriter, ServiceWriter, Writer

__all__ = [
    "CheckContext",
    "LocalWriter",
    "PairRecord",
    "PairRequest",
    "ServiceWriter",
    "Writer",
    "cost",
    "count_existing",
    "generate",
    "pair_key",
    "read_decisions",
    "remove_pairs",
    "review",
]
