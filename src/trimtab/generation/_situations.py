"""Situations for prompts: subjects and kinds of messages, combined so that batches differ from each other."""

from __future__ import annotations

from trimtab.data.hash_order import rank
from trimtab.generation.request import Kind

SUBJECTS = (
    "cooking", "gardening", "a home repair", "travel", "money and bills", "work and colleagues", "job applications",
    "school subjects", "mathematics", "programming", "computers and phones", "science", "history", "geography",
    "language and words", "books", "films and series", "music", "sport", "games", "pets", "animals", "weather",
    "health in everyday life", "sleep", "exercise", "food and drink", "clothes", "shopping", "cars and bicycles",
    "public transport", "neighbours", "friends", "family", "children", "older relatives", "celebrations and presents",
    "hobbies and crafts", "art", "photography", "religion and customs", "law in everyday life", "politics and society",
    "the environment", "housing", "time and planning", "a small business", "volunteering",
)  # fmt: skip
FORMS: dict[Kind, tuple[str, ...]] = {
    "open": (
        "asks about a fact", "asks for advice", "asks how something is done", "asks why something is so",
        "tells of something that happened, without asking anything", "asks for an opinion", "asks to compare two",
        "asks for ideas", "asks for help with a short text", "is one casual line in lower case",
        "gives some background in two sentences, then asks", "sounds worried or annoyed",
    ),
    "choice": (
        "asks which of two things to do", "asks what the assistant would do itself", "asks for a preference",
        "describes a situation and asks what is right", "asks for a judgement of somebody's plan",
        "asks whether something is true", "makes an offer or a request to the assistant",
        "puts the assistant into a role and asks for its next step",
    ),
}  # fmt: skip


def situations(kind: Kind, seed: int, start: int, count: int) -> list[str]:
    """Some of all combinations, in an order given by the seed; after the last one they start over.

    Args:
        kind: Of the pairs.
        seed: Decides the order.
        start: Number of situations used before.
        count: Number of situations.
    """
    every = [f"{subject}; the message {form}" for subject in SUBJECTS for form in FORMS[kind]]
    every.sort(key=lambda situation: rank(seed, "situation", situation))
    return [every[(start + i) % len(every)] for i in range(count)]
