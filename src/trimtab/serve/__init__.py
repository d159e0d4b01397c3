"""Serving: a chat whose steering changes as you go."""

from trimtab.serve.chat import Beginning, Chat, Piece, beginning_of, usual_beginning

__all__ = ["Beginning", "Chat", "Piece", "beginning_of", "usual_beginning"]
