"""Vectors out of the page and into it: a setting as a GGUF file, and a vector made from a few pairs."""

from __future__ import annotations

import asyncio
import base64
import tempfile
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trimtab.data import Behavior, Pair
from trimtab.errors import TrimtabError
from trimtab.serve.http.bodies import Fields, read_object
from trimtab.serve.http.request_refusals import Refusal, refusal_of
from trimtab.serve.http.service import Service, client_of
from trimtab.serve.http.side_work import stopping
from trimtab.serve.http.streams import unless_gone
from trimtab.serve.openai.reply_fields import steering_of
from trimtab.serve.steering.steering_request import RequestedSteering
from trimtab.serve.steering.vector_library import NamedVector
from trimtab.vectors import extract
from trimtab.vectors.exports.exported_vectors import export_vector

MIN_PAIRS, MAX_PAIRS = 2, 32
MAX_CHARACTERS = 2000
"""Of each text of a pair."""
MAX_MADE = 32
"""Vectors that a server keeps of those that were made in it."""
_UNCHECKED = "made in the playground from {} pairs: unchecked, nothing was measured of it"


async def gguf(request: Request) -> Response:
    """A request's steering as a control vector of llama.cpp, in base64, and what is lost in it."""
    service: Service = request.app.state.service
    fields = Fields(await read_object(request))
    steering = steering_of(fields, service, fields.text("model", service.models.name))
    fields.done()
    if steering is None or len(steering.pushes) != 1 or steering.pushes[0].vector_layer is not None:
        raise Refusal(400, "steering: one vector, along its own directions, fits into a GGUF file", "steering")
    if steering.gate is not None:
        raise Refusal(400, 'steering: a GGUF file has no condition on the prompt; say "when": "always"', "steering")
    return JSONResponse(await unless_gone(request, asyncio.to_thread(_exported, steering)))


def _exported(steering: RequestedSteering) -> dict[str, Any]:
    (push,) = steering.pushes
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{push.vector}.gguf"
        try:
            made = export_vector(
                steering.library.get(push.vector).vector, path, layer=push.layers, strength=push.strength,
                scale=push.scale, positions=steering.positions, first_token=steering.first_token,
            )  # fmt: skip
        except TrimtabError as error:
            raise Refusal(400, str(error).replace(f"{path}: ", ""), "steering") from None
        content = path.read_bytes()
    return {"name": path.name, "content": base64.b64encode(content).decode(), "losses": list(made.losses)}


async def make(request: Request) -> Response:
    """A vector from a few pairs, under a name that requests may use until the server stops."""
    service: Service = request.app.state.service
    if not service.make_vectors:
        raise Refusal(403, "this server makes no vectors; start it with --make-vectors")
    fields = Fields(await read_object(request))
    name, pairs = fields.text("name"), _pairs(fields)
    fields.done()
    made = sum(one.made_here for one in service.library)
    if made >= MAX_MADE:
        raise Refusal(400, f"{made} vectors were made here already, the most that this server keeps", "name")
    try:
        service.library.require_free(name)
    except TrimtabError as error:
        raise refusal_of(error, "name") from None
    behavior = Behavior(name, tuple(pairs))
    stop = Event()
    work = partial(extract, service.model, behavior, progress=stopping(stop))
    vector = await unless_gone(request, service.side_work.run(work, client_of(request), stop))
    named = NamedVector(name, vector, warnings=(_UNCHECKED.format(len(pairs)),), made_here=True)
    try:
        service.library.add(named)
    except TrimtabError as error:  # somebody else took the name meanwhile
        raise refusal_of(error, "name") from None
    return JSONResponse(named.description())


def _pairs(fields: Fields) -> list[Pair]:
    given = fields.objects("pairs", MAX_PAIRS)
    if len(given) < MIN_PAIRS:
        raise fields.refusal("pairs", f"{len(given)}; a vector takes {MIN_PAIRS} to {MAX_PAIRS}")
    found = []
    for place, one in enumerate(given):
        texts = Fields(one, f"pairs[{place}].")
        made = {name: texts.text(name) for name in ("prompt", "positive", "negative")}
        texts.done()
        for name, text in made.items():
            if not text.strip() or len(text) > MAX_CHARACTERS:
                raise texts.refusal(name, f"a text of up to {MAX_CHARACTERS} characters, not an empty one")
        if made["positive"] == made["negative"]:
            raise texts.refusal("negative", "is the positive text again, so there is nothing between them")
        found.append(Pair(f"pair-{place + 1}", made["prompt"], made["positive"], made["negative"]))
    return found
