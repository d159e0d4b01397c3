"""Bake a push into a checkpoint: a folder that steers wherever the model runs, without trimtab."""

from trimtab.baking._orthogonal_check import OrthogonalCheck
from trimtab.baking.baked_checkpoint import BAKED_SCALES, PROJECT_OUT, Baked, SaveDType, bake

__all__ = ["BAKED_SCALES", "PROJECT_OUT", "Baked", "OrthogonalCheck", "SaveDType", "bake"]
