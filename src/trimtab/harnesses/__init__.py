"""Models steered inside of evaluation harnesses: a model provider of inspect_ai, and a model of lm-eval."""

from trimtab.harnesses.steered_model import SteeredModel

__all__ = ["SteeredModel"]
