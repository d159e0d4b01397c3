"""The fields that chats and plain completions share: how long, how drawn, how steered, what else is wanted."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from trimtab.errors import SettingError
from trimtab.models import Backbone
from trimtab.serve.http.bodies import Fields
from trimtab.serve.http.request_refusals import Refusal, refusal_of
from trimtab.serve.http.service import Service
from trimtab.serve.steering.served_models import UnknownModel
from trimtab.serve.steering.steering_request import RequestedSteering, parse_steering, parse_xargs
from trimtab.steering.phases import markers_for

MAX_STOPS = 16
MAX_STOP_CHARACTERS = 256
MAX_CHOICES = 64
MAX_TOP_LOGPROBS = 20
_NEVER_SUPPORTED: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "repetition_penalty": (1,),
    "logit_bias": ({},),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "top_k": (0, -1),
    "min_p": (0,),
    "typical_p": (1,),
    "best_of": (1,),
    "ignore_eos": (False,),
    "min_tokens": (0,),
    "functions": ([],),
    "function_call": ("none",),
    "audio": (),
    "prediction": (),
    "reasoning_effort": (),
    "verbosity": (),
    "web_search_options": (),
    "guided_json": (),
    "guided_regex": (),
    "guided_choice": (),
    "guided_grammar": (),
    "structured_outputs": (),
    "stop_token_ids": ([],),
    "bad_words": ([],),
}
"""Field → values that change nothing."""
_CHANGE_NOTHING = (
    "user",
    "metadata",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
)


@dataclass(frozen=True)
class ReplyFields:
    """What a request asks for, beside its prompt."""

    model: str
    """As the client named it."""
    steering: RequestedSteering | None
    max_tokens: int | None
    temperature: float
    top_p: float
    seed: int
    choices: int
    stops: tuple[str, ...]
    stream: bool
    include_usage: bool
    monitors: tuple[str, ...]


def reply_fields(fields: Fields, service: Service) -> ReplyFields:
    """Read the fields that chats and plain completions share.

    Raises:
        Refusal: for a value out of range, a field that this server does not have, an unknown model or vector.
    """
    model = fields.text("model", service.models.name)
    steering = steering_of(fields, service, model)
    stream = fields.flag("stream")
    options = Fields(fields.object("stream_options"), "stream_options.")
    include_usage = options.flag("include_usage")
    options.ignore("include_obfuscation", "continuous_usage_stats")
    options.done()
    if "stream_options" in fields and not stream:
        raise fields.refusal("stream_options", "belongs to stream: true")
    stops = fields.texts("stop", MAX_STOPS)
    if any(len(stop) > MAX_STOP_CHARACTERS for stop in stops):
        raise fields.refusal("stop", f"a stop text has up to {MAX_STOP_CHARACTERS} characters")
    found = ReplyFields(
        model=model,
        steering=steering,
        max_tokens=_max_tokens(fields, service),
        temperature=fields.number("temperature", 1.0, 0, 10),
        top_p=_top_p(fields),
        seed=fields.integer("seed", secrets.randbelow(1 << 31), -(1 << 63), (1 << 63) - 1) % (1 << 63),
        choices=fields.integer("n", 1, 1, MAX_CHOICES),
        stops=stops,
        stream=stream,
        include_usage=include_usage,
        monitors=monitors_of(fields, service),
    )
    fields.only(_NEVER_SUPPORTED, "not supported by this server, and left unheeded it would change the reply")
    fields.only({"store": (False,)}, "this server stores no replies")
    fields.ignore(*_CHANGE_NOTHING)
    return found


def steering_of(fields: Fields, service: Service, model: str) -> RequestedSteering | None:
    """The steering of a request: that of its model's name, of `steering`, or of `vllm_xargs`.

    Raises:
        Refusal: for an unknown model, what is no steering, more than one of the three, and positions of thinking where
            the model has no marks of it.
    """
    try:
        ways = {"model": service.models.steering_of(model)}
    except UnknownModel as error:
        raise Refusal(404, str(error), "model", "model_not_found") from None
    for name, parse in (("steering", parse_steering), ("vllm_xargs", parse_xargs)):
        try:
            ways[name] = parse(fields.raw(name), service.library)
        except SettingError as error:
            raise refusal_of(error, name) from None
    given = [name for name, found in ways.items() if found is not None]
    if len(given) > 1:
        raise Refusal(400, f"{' and '.join(given)} both say how to steer; give one of them", given[-1])
    if not given:
        return None
    name, found = given[0], ways[given[0]]
    if found is not None and found.gate is not None and not isinstance(service.model.backbone, Backbone):
        raise Refusal(
            400, f"conditions on the prompt are not decided by the engine {service.model.engine.name} here", name
        )
    try:
        markers_for([None if found is None else found.intervention], service.model.backbone)
    except SettingError as error:
        raise refusal_of(error, name) from None
    return found


def monitors_of(fields: Fields, service: Service) -> tuple[str, ...]:
    """The monitors whose readings are wanted.

    Raises:
        Refusal: for those that the server does not have.
    """
    names = fields.texts("monitors", 16)
    for name in names:
        if name not in service.monitors:
            known = ", ".join(service.monitors) or "none; start it with --monitors"
            raise fields.refusal("monitors", f"no monitor {name[:80]!r}; this server has {known}")
    return tuple(dict.fromkeys(names))


def _max_tokens(fields: Fields, service: Service) -> int | None:
    """The most tokens of a reply; None: as many as the server allows."""
    most = service.max_tokens
    found: dict[str, int] = {}
    for name in ("max_tokens", "max_completion_tokens"):
        if name in fields:
            found[name] = fields.integer(name, most, 1, 1 << 31)
        else:
            fields.ignore(name)
    if len(set(found.values())) > 1:
        raise fields.refusal("max_tokens", "and max_completion_tokens contradict each other; keep one")
    for name, value in found.items():
        if value > most:
            raise fields.refusal(name, f"{value} is more than the {most} tokens that this server writes for a reply")
        return value
    return None


def _top_p(fields: Fields) -> float:
    found = fields.number("top_p", 1.0, 0, 1)
    if found == 0:
        raise fields.refusal("top_p", "0 leaves no token to draw; for the likeliest token give temperature 0")
    return found
