"""The vector where it is used: a chat with it under the hand."""

from trimtab.serve.chat import Chat

__all__ = ["Chat"]
