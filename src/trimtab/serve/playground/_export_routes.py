"""Settings out of the page: as a GGUF file, as a folder for the hub, and as a model whose weights hold the push."""

from __future__ import annotations

import asyncio
import base64
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trimtab.errors import JobCancelled, QueueFull, TrimtabError
from trimtab.models import shareable_name
from trimtab.serve.http.bodies import Fields, read_object
from trimtab.serve.http.request_refusals import Refusal
from trimtab.serve.http.service import Service, client_of
from trimtab.serve.http.streams import EventStream, unless_gone
from trimtab.serve.http.zip_stream import zip_stream
from trimtab.serve.openai.reply_fields import steering_of
from trimtab.serve.playground._export_folders import (
    ExportedFolder,
    baked_folder,
    only_push,
    require_unconditional,
    shared_folder,
)
from trimtab.serve.steering.steering_request import RequestedSteering
from trimtab.vectors.exports.exported_vectors import export_vector

MAX_EXPORTS = 2
"""Folders that are made and sent at the same time: each takes room on the disk."""
STALL_SECONDS = 60.0
"""In which a client has to take the next piece of a folder."""
_RETRY_SECONDS = 10.0
_FORMS = ("folder", "model")


async def gguf(request: Request) -> Response:
    """A request's steering as a control vector of llama.cpp, in base64, and what is lost in it."""
    steering, _ = await _asked(request)
    require_unconditional(steering, only_push(steering), "a GGUF file")
    return JSONResponse(await unless_gone(request, asyncio.to_thread(_control_vector, steering)))


def _control_vector(steering: RequestedSteering) -> dict[str, Any]:
    push = only_push(steering)
    vector = steering.library.get(push.vector).vector
    # The file names the model, which may be a folder of this machine.
    vector = replace(vector, provenance=replace(vector.provenance, model=shareable_name(vector.provenance.model)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{push.vector}.gguf"
        try:
            made = export_vector(
                vector, path, layer=push.layers, strength=push.strength, scale=push.scale,
                positions=steering.positions, first_token=steering.first_token,
            )  # fmt: skip
        except TrimtabError as error:
            raise Refusal(400, str(error).replace(f"{path}: ", ""), "steering") from None
        content = path.read_bytes()
    return {"name": path.name, "content": base64.b64encode(content).decode(), "losses": list(made.losses)}


async def export(request: Request) -> Response:
    """A request's steering as a ZIP archive of a folder: what `trimtab hub push` or `trimtab bake` writes."""
    service: Service = request.app.state.service
    steering, form = await _asked(request, _FORMS)
    only_push(steering)
    if service.exports >= MAX_EXPORTS:
        raise QueueFull("other folders are being sent; try again", _RETRY_SECONDS)
    service.exports += 1
    stop = Event()
    try:
        make = partial(shared_folder, steering) if form == "folder" else partial(baked_folder, service, steering)
        made = await unless_gone(
            request, service.side_work.run(partial(_unless_stopped, make, stop), client_of(request), stop)
        )
    except BaseException:
        service.exports -= 1
        raise

    def sent() -> None:
        service.exports -= 1
        made.delete()

    attached = {"content-disposition": f'attachment; filename="{made.name}.zip"'}
    return EventStream(zip_stream(made.files), "application/zip", sent, headers=attached, stall_seconds=STALL_SECONDS)


def _unless_stopped(make: partial[ExportedFolder], stop: Event) -> ExportedFolder:
    made = make()
    if stop.is_set():
        made.delete()
        raise JobCancelled("nobody waits for it any more")
    return made


async def _asked(request: Request, forms: tuple[str, ...] = ()) -> tuple[RequestedSteering, str]:
    """What to export, and as what, the first of `forms` where nothing says."""
    service: Service = request.app.state.service
    fields = Fields(await read_object(request))
    steering = steering_of(fields, service, fields.text("model", service.models.name))
    form = fields.text("as", forms[0]) if forms else ""
    if forms and form not in forms:
        raise fields.refusal("as", f"{form[:40]!r} is none of {', '.join(forms)}")
    fields.done()
    if steering is None:
        raise Refusal(400, "steering: give the setting to export", "steering")
    return steering, form
