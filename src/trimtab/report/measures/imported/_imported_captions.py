"""How to read the sections about imported probabilities and conditions."""

from __future__ import annotations

SCORES = (
    "Mean probability of the matching answer, of the two answers together, at each strength (columns) under each "
    "condition (rows). Published tables count a prompt whose matching answer has no column as 0 (Rimsky et al. 2024), "
    "and so does the first table; the second leaves out what cannot be scored and has 95% intervals over prompts, the "
    "mean log-odds in logits, and how much of the probability the two answers hold."
)
FIGURE = " In the figures bars are the intervals of the second table; the dashed line is at one half."
ARMS = (
    "Neither: no prompt, unsteered. Prompt: the condition, unsteered. Vector: steered, without a prompt. Both: the "
    "condition, steered. Differences are paired over the prompts that have a score in all four arms, with 95% "
    "bootstrap intervals and p-values corrected for all differences of the behavior. The last is the interaction: "
    "below 0, the two do less together than the sum of what they do alone."
)
CHOICE = (
    "Delta of the setting that was chosen on the same prompts that report it, and what is left of it. Held out: the "
    "prompts are split into random halves, one chooses, the other reports. Half of the prompts choose worse than all "
    "of them do, so the optimism of the choice on all prompts is estimated by resampling (Efron & Gong 1983) and "
    "subtracted in the last column. Own: the setting with the largest delta of the behavior. Joint: of all behaviors "
    "on average."
)
LETTERS = (
    "A score is the mean over prompts whose answer is the first letter and prompts whose answer is the second. With "
    "as many keys of each a preference for a letter cancels: that is the balanced score. The rest is what the "
    "preference adds, because the keys are not balanced; the two add up to the score. Steering that moves the letter "
    "alone changes the score by as much as the keys are unbalanced. Intervals draw "
    "the prompts of each key apart."
)
UNSCORED = "Prompts without a score, with the reason; they are left out of all other tables except where stated."
GLOSSARY = (
    ("condition", "What prompts were asked under, such as a system prompt, as the imported table names it."),
    ("share of the matching answer", "Probability of the matching answer, of the two answers together: "
     "p(matching) ÷ (p(first) + p(second))."),
    ("balanced score", "Mean of the score over prompts whose answer is the first letter and of that over prompts whose "
     "answer is the second."),
)  # fmt: skip
