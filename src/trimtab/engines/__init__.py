"""Engines: what runs a model, behind one small contract."""

from trimtab.engines.base import BatchClaims, Engine, Scored
from trimtab.engines.loading import load
from trimtab.engines.model import Model
from trimtab.engines.queries import Scoring
from trimtab.engines.registry import DEFAULT_ENGINE, ENGINES, EngineType
from trimtab.engines.requests import Finish, Reply, Request, Sampling, TokenLogprob, Watch
from trimtab.engines.side_by_side import one_at_a_time, run_side_by_side, seconds_of, shares_streams
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
    "one_at_a_time",
    "run_side_by_side",
    "score_tokens",
    "seconds_of",
    "shares_streams",
    "stream_texts",
]
