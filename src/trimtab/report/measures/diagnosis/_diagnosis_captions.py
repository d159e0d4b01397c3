"""How to read the figures and tables about pairs, layers and methods, and their terms."""

from __future__ import annotations

from trimtab.analysis.diagnosis import COMPONENTS

PAIRS = (
    "Computed from the pairs alone, with the answer letters cancelled out: how much the pairs agree, what else they "
    "differ in, and advice. Of two lists without pairs, what can be known without pairs."
)
SURFACE = (
    "Two lists can differ in what no model has to understand. The share of couples, one text of each list, in which "
    "the positive one scores higher, by its length, or by its words as they are distributed over the other texts; 50% "
    "is chance, and of length less than 50% means that the negative texts are longer. Then what it rests on: the "
    "length, and the share of texts that have the positive list’s most common first or last word."
)
LAYERS = (
    "Over depth, each with its 95% band. Consistency: mean cosine between the differences of two pairs. Stability: "
    "cosine of the vectors from two halves of the pairs; the orange line, where it departs from the blue one, is the "
    "stability of random halves that have each pair in one option order only. Normalization: cosine of the vector with "
    "the one of unit-length differences; low where a few long pairs dominate. Signal to noise: length of the mean "
    "difference over the spread of their lengths. Higher is better in all four. Of two lists there is the stability "
    "only: both are halved, each on its own."
)
NUMBER = (
    "At the most stable layer from a third of the depth on. Blue: cosine of the vectors from two disjoint sets of this "
    "many pairs; the band holds the middle 95% of draws. Green: the expected cosine with the vector of infinitely many "
    "such pairs. Filled dots are measured; from the vertical line, all pairs there are, the broken part is "
    "extrapolated to twice and four times as many."
)
FLAGS = (
    "Flagged by rules, for a person to read: pairs that disagree with the rest, repeat another, differ much in length, "
    "or outweigh the others."
)
HEURISTICS = (
    "Heuristics of the field for choosing a layer, from the pairs that made the vector. A diamond marks the layer a "
    "heuristic picks, the broken line the chosen layer of the sweep. Relative magnitude: length of the vector over "
    "that of the states. Probe: share of held-out pairs (of two lists: of couples, one text of each) classified "
    "correctly, with its 95% band; grey, the same with "
    f"random labels, up to the 95th percentile. Components: shares of the first {COMPONENTS} principal components, the "
    "first at the bottom. In the table, in brackets: Δ at the layer picked as a share of that at the chosen one, at "
    "the same strength. Where that layer was not swept, the pick among the swept layers follows. There is no share "
    "where the interval of the chosen layer’s Δ does not lie above 0."
)
METHODS = (
    "Vectors made from the same pairs by other methods, all pushed equally far, each at the layer that suits it best; "
    "lines are 95% intervals, and the broken line is the mean difference, the usual method. Pale bars run from the "
    "smallest to the largest of several draws. A difference is shown where its interval excludes 0."
)
COSINES = "Cosine of each of these vectors with the mean of the differences; thin lines are single draws."

GLOSSARY = (
    ("consistency", "Mean cosine between the differences (positive minus negative state) of two pairs. 1: all point "
     "the same way; 0: they have nothing in common."),
    ("stability", "Mean cosine of the vectors from two halves of the pairs, over random splits with as many positive "
     "answers of each letter on both sides."),
    ("signal to noise", "Length of the mean difference divided by the standard deviation of the differences’ "
     "lengths."),
    ("normalization", "Cosine of the mean difference with the mean of the unit-length differences: how little the "
     "vector depends on a few long ones."),
    ("relative magnitude", "Length of the vector over the mean norm of the residual stream at that layer."),
    ("probe accuracy", "Share of held-out pairs that a linear probe, fitted on the others, classifies correctly. "
     "50% by guessing; on few pairs in many dimensions only held-out accuracy means anything."),
)  # fmt: skip
