"""Engines: what runs a model, behind one small contract."""

from trimtab.engines.base import Captured, Engine, Followed, Scored
from trimtab.engines.model import EngineName, Model, load
from trimtab.engines.queries import Scoring, Text
from trimtab.engines.requests import Reply, Request, Sampling
from trimtab.engines.transformers_engine import TransformersEngine

__all__ = [
    "Captured",
    "Engine",
    "EngineName",
    "Followed",
    "Model",
    "Reply",
    "Request",
    "Sampling",
    "Scored",
    "Scoring",
    "Text",
    "TransformersEngine",
    "load",
]
