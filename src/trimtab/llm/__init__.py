"""Language models as services: chat calls with retries, a cache and a running cost, and JSON from replies."""

from trimtab.llm.cache import request_key
from trimtab.llm.client import ChatClient, KeyedCompletion
from trimtab.llm.cost import CHARACTERS_PER_TOKEN, Cost, estimate_tokens
from trimtab.llm.fencing import fenced
from trimtab.llm.json_extract import objects_in, without_thinking
from trimtab.llm.services import Completion, Service, require_service_settings

__all__ = [
    "CHARACTERS_PER_TOKEN",
    "ChatClient",
    "Completion",
    "Cost",
    "KeyedCompletion",
    "Service",
    "estimate_tokens",
    "fenced",
    "objects_in",
    "request_key",
    "require_service_settings",
    "without_thinking",
]
