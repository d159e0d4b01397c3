"""A chat whose steering can be changed between messages: lines in, pieces of text out."""

from trimtab.serve.chat._beginnings import Beginning, beginning_of, of_run, usual_beginning
from trimtab.serve.chat._conversation import Chat, Piece

__all__ = ["Beginning", "Chat", "Piece", "beginning_of", "of_run", "usual_beginning"]
