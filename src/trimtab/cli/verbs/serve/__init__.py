"""`trimtab serve`: a model over HTTP."""

from trimtab.cli.verbs.serve.serve_command import command

__all__ = ["command"]
