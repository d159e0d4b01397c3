"""Trained vectors: methods that are fitted on the model itself, and the training that fits them."""

from trimtab.vectors.training._held_back import divide
from trimtab.vectors.training.base import (
    CompletionScores,
    GradientPasses,
    Push,
    TrainedAggregation,
    TrainingItem,
    TrainingPart,
    add,
    remove,
)
from trimtab.vectors.training.settings import TrainingSettings
from trimtab.vectors.training.trainer import train, training_item

__all__ = [
    "CompletionScores",
    "GradientPasses",
    "Push",
    "TrainedAggregation",
    "TrainingItem",
    "TrainingPart",
    "TrainingSettings",
    "add",
    "divide",
    "remove",
    "train",
    "training_item",
]
