"""Writing contrastive pairs with a language model, checking them, and taking bad ones out."""

from trimtab.generation.checks import About, Fault, faults
from trimtab.generation.estimate import cost
from trimtab.generation.generating import Generated, count_there, generate
from trimtab.generation.notes import Notes
from trimtab.generation.reviewing import Review, review
from trimtab.generation.striking import Struck, pair_key, read_decisions, strike
from trimtab.generation.wanted import Draft, Kind, Wanted
from trimtab.generation.writers import LocalWriter, Manner, ServiceWriter, Writer

__all__ = [
    "About",
    "Draft",
    "Fault",
    "Generated",
    "Kind",
    "LocalWriter",
    "Manner",
    "Notes",
    "Review",
    "ServiceWriter",
    "Struck",
    "Wanted",
    "Writer",
    "cost",
    "count_there",
    "faults",
    "generate",
    "pair_key",
    "read_decisions",
    "review",
    "strike",
]
