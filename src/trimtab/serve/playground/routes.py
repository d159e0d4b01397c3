"""The addresses of the playground."""

from __future__ import annotations

from starlette.routing import Route

from trimtab.serve.playground import _columns_route, _comparison_route, _export_routes, _page_files, _vector_routes


def playground_routes() -> list[Route]:
    """The page, its files, and what it asks beside chats."""
    return [
        Route("/", _page_files.page, methods=["GET"]),
        Route(_page_files.FOLDER + "{name}", _page_files.page_file, methods=["GET"]),
        Route("/v1/steering/compare", _comparison_route.compare, methods=["POST"]),
        Route("/v1/steering/replies", _columns_route.replies, methods=["POST"]),
        Route("/v1/steering/gguf", _export_routes.gguf, methods=["POST"]),
        Route("/v1/steering/export", _export_routes.export, methods=["POST"]),
        Route("/v1/steering/vectors", _vector_routes.make, methods=["POST"]),
    ]
