"""The fields of Ollama's requests: those that change a reply are taken or refused, those of its machine ignored."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from trimtab.serve.http.bodies import Fields
from trimtab.serve.http.request_refusals import Refusal
from trimtab.serve.http.service import Service
from trimtab.serve.openai.reply_fields import MAX_STOPS, steering_of
from trimtab.serve.steering.steering_request import RequestedSteering

TEMPERATURE, TOP_P = 0.8, 0.9
"""Ollama's own defaults."""
_NEUTRAL_OPTIONS: dict[str, tuple[Any, ...]] = {
    "top_k": (0, -1),
    "min_p": (0,),
    "typical_p": (1,),
    "tfs_z": (1,),
    "repeat_penalty": (1,),
    "repeat_last_n": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "mirostat": (0,),
    "mirostat_eta": (),
    "mirostat_tau": (),
    "penalize_newline": (),
    "logit_bias": ({},),
}
_OF_THE_MACHINE = (
    "num_ctx",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "num_keep",
    "numa",
    "low_vram",
    "use_mmap",
    "use_mlock",
    "vocab_only",
    "f16_kv",
    "logits_all",
)
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "format": ("",),
    "suffix": ("",),
    "template": ("",),
    "images": ([],),
    "context": ([],),
    "logprobs": (False,),
    "top_logprobs": (0,),
}
_UNLOAD = (0, "0", "0s", "0m")
"""Values of `keep_alive` by which Ollama's clients unload a model."""
_WHY = "not supported by this server, and left unheeded it would change the reply"


@dataclass(frozen=True)
class OllamaFields:
    """What a request asks for, beside its prompt."""

    model: str
    steering: RequestedSteering | None
    max_tokens: int | None
    temperature: float
    top_p: float
    seed: int
    stops: tuple[str, ...]
    stream: bool
    unloads: bool
    """Whether `keep_alive` is 0: the client has no more use for the model."""


def ollama_fields(fields: Fields, service: Service) -> OllamaFields:
    """Read what chats and prompts share.

    Raises:
        Refusal: for a value out of range, a field that this server does not have, an unknown model or vector.
    """
    model = fields.text("model")
    if not model:
        raise fields.refusal("model", f"which model? this server has {service.models.name}")
    options = Fields(fields.object("options"), "options.")
    steer = options.raw("steer")
    if steer is not None and "steering" in fields:
        raise Refusal(400, "steering and options.steer both say how to steer; give one of them", "options.steer")
    given = {"steering": fields.raw("steering") if steer is None else steer, "vllm_xargs": fields.raw("vllm_xargs")}
    top_p = options.number("top_p", TOP_P, 0, 1)
    if top_p == 0:
        raise options.refusal("top_p", "0 leaves no token to draw; for the likeliest token give temperature 0")
    found = OllamaFields(
        model=model,
        steering=steering_of(Fields(given), service, model),
        max_tokens=_max_tokens(options, service),
        temperature=options.number("temperature", TEMPERATURE, 0, 10),
        top_p=top_p,
        seed=_seed(options),
        stops=options.texts("stop", MAX_STOPS),
        stream=fields.flag("stream", True),
        unloads=fields.raw("keep_alive") in _UNLOAD,
    )
    options.only(_NEUTRAL_OPTIONS, _WHY)
    options.ignore(*_OF_THE_MACHINE)
    options.done()
    fields.only(_NEUTRAL, _WHY)
    thinks = service.model.asking.thinking == "on"
    fields.only({"think": (thinks,)}, f"this server was started with thinking {service.model.asking.thinking}")
    return found


def _max_tokens(options: Fields, service: Service) -> int | None:
    most = service.max_tokens
    wanted = options.integer("num_predict", -1, -2, 1 << 31)
    if wanted == 0:
        raise options.refusal("num_predict", "0 writes nothing; leave it out, or give at least 1")
    if wanted > most:
        raise options.refusal("num_predict", f"{wanted} is more than the {most} tokens that this server writes")
    return wanted if wanted > 0 else None


def _seed(options: Fields) -> int:
    given = options.integer("seed", -1, -(1 << 63), (1 << 63) - 1)
    return secrets.randbelow(1 << 31) if given == -1 else given % (1 << 63)
