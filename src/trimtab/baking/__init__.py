"""Bake a push into a checkpoint: a folder that steers wherever the model runs, without trimtab."""

from trimtab.baking.baked_checkpoint import Baked, SaveDType, bake

__all__ = ["Baked", "SaveDType", "bake"]
