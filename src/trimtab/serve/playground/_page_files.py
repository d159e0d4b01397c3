"""The page's own files: read once, served with a policy that lets nothing else into it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from trimtab.serve.http.request_refusals import Refusal

FOLDER = "/playground/"
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Scripts and styles from files of this server only, none within the page; requests to this server only."""
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


async def page(request: Request) -> Response:
    """The page."""
    return _response("index.html")


async def page_file(request: Request) -> Response:
    """A script or a style of the page."""
    return _response(str(request.path_params["name"]))


def _response(name: str) -> Response:
    content = _contents().get(name)
    if content is None:
        raise Refusal(404, "there is nothing at this address")
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=_HEADERS)


@cache
def _contents() -> dict[str, bytes]:
    """The files by their names, so that no request names a path."""
    folder = files("trimtab.serve.playground").joinpath("static")
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.name.rpartition(".")[2] in _TYPES}
