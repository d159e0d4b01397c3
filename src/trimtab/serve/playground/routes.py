"""The addresses of the playground."""

from __future__ import annotations

from starlette.routing import Route

from trimtab.serve.playground import columns_route, comparison_route, page_files


def playground_routes() -> list[Route]:
    """The page, its files, and what it asks beside chats."""
    return [
        Route("/", page_files.page, methods=["GET"]),
        Route(page_files.FOLDER + "{name}", page_files.page_file, methods=["GET"]),
        Route("/v1/steering/compare", comparison_route.compare, methods=["POST"]),
        Route("/v1/steering/replies", columns_route.replies, methods=["POST"]),
    ]
