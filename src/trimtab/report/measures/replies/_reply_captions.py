"""How to read the figures and tables about replies, and their terms."""

from __future__ import annotations

from collections.abc import Sequence

REPLIES = (
    "Prompt by prompt, the steered reply beside the unsteered one. Choose a layer and a strength, or click a cell of a "
    "figure. Replies to held-out prompts come first, where there are any."
)
EXAMPLES = (
    "At the settings to use: the prompts whose changes, in each direction shown, are nearest to the means, not the "
    "best ones."
)
SCORES = (
    "The sweep of scores generates nothing and is cheap; replies cost tokens. Side by side over the layers that both "
    "have: delta at the strength of the chosen setting, and the change in replies between the strengths that the table "
    "names. With few layers the correlation is uncertain, and neighboring layers are not independent, so intervals are "
    "too narrow."
)
GLOSSARY = (
    ("change", "How far the steered reply differs from the unsteered one to the same prompt, in the verdict of a "
     "judge: from −10, away from the behavior, to 10."),
    ("fluency", "How well a reply reads, 0 to 10, whatever it is about: from how likely the unsteered model finds it, "
     "against ordinary passages, and how much it repeats itself."),
    ("on-topic", "How much a reply is about its own prompt, 0 to 10: how much likelier the unsteered model finds it "
     "behind that prompt than behind others of the same set, against its own unsteered replies."),
    ("coherence", "How well a reply reads and fits its prompt, 0 to 10: by the judge where it rates that, else the "
     "worse of fluency and on-topic; fluency alone where on-topic could not be measured."),
)  # fmt: skip


def settings(floor: str) -> str:
    """How to read the settings to use."""
    return (
        f"The setting with the largest change in judged replies, each way, at a coherence of at least {floor}: the "
        "judge's, where it rates that, else the worse of fluency and on-topic in each reply. "
        "It was chosen on some prompts and is reported on others where it says “held out”."
    )


def heatmaps(floor: str) -> str:
    """How to read the heatmaps of replies."""
    return (
        "Means over the prompts that choose. Change: blue toward the behavior, orange away from it. Coherence, the "
        "judge's or the worse of fluency and on-topic: green. "
        f"The more opaque, the larger; × marks a coherence below {floor}, a diamond the setting to use."
    )


def tradeoff(floor: str) -> str:
    """How to read the scatter plot of change and coherence."""
    return (
        "A dot is a layer and strength: blue at positive strengths, orange at negative ones. The lines join the Pareto "
        "front, the settings that no other one exceeds in both; the diamonds are the settings to use, the grey dot is "
        f"the unsteered model. Left of the broken line coherence is below {floor}."
    )


def usable(floor: str) -> str:
    """How to read the ranges of strength."""
    return (
        f"Thick: strengths up to which replies, at every smaller one too, have a coherence of at least {floor}, both "
        "fluent and on topic where no judge rates them. Thin: the strengths tried."
    )


def unmeasured(runs: Sequence[str]) -> str:
    """That runs of an earlier version did not measure fluency and on-topic; empty where all did."""
    if not runs:
        return ""
    return (
        f" Fluency and on-topic were not measured in {', '.join(runs)}: an earlier version made "
        f"{'it' if len(runs) == 1 else 'them'}. Run the study again, in another folder, to have them."
    )
