"""Serving: a chat whose steering changes as you go."""

from trimtab.serve.chat import Chat

__all__ = ["Chat"]
