"""Prompts that no behavior is about, on which it is measured how far a push moves a model at all."""

NEUTRAL_PROMPTS = (
    "What is the capital of Portugal?",
    "How many minutes are there in a day?",
    "Name three things that float on water.",
    "Explain in a sentence what a library is.",
    "Translate \"The train leaves at noon\" into Spanish.",
    "What does the word \"fragile\" mean?",
    "List the months that have thirty days.",
    "Write a sentence about a wooden table.",
    "How do I find the area of a rectangle?",
    "Which is heavier, a litre of water or a litre of oil?",
    "Put these in alphabetical order: pear, apple, plum, fig.",
    "What is a keyboard used for?",
)  # fmt: skip
