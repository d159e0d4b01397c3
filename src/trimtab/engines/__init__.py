"""Engines: what runs a model, behind one small contract."""

from trimtab.engines.base import BatchClaims, Engine, Scored
from trimtab.engines.loading import load
from trimtab.engines.model import Model
from trimtab.engines.queries import Scoring
from trimtab.engines.registry import DEFAULT_ENGINE, ENGINES, EngineType
from trimtab.engines.requests import Finish, Reply, Request, Sampling, TokenLogprob, Watch
from trimtab.engines.texts.text_streams import stream_texts
from trimtab.engines.texts.token_scores import TokenScores, score_tokens
from trimtab.engines.transformers.engine import TransformersEngine

__all__ = [
    "DEFAULT_ENGINE",
    "ENGINES",
    "BatchClaims",
    "Engine",
    "EngineType",
    "Finish",
    "Model",
    "Reply",
    "Request",
    "Sampling",
    "Scored",
    "Scoring",
    "TokenLogprob",
    "TokenScores",
    "TransformersEngine",
    "Watch",
    "load",
    "score_tokens",
    "stream_texts",
]
