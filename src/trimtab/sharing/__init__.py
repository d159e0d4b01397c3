"""Vectors for others: a folder that is read without trimtab, with what was measured, and the hub that it is put on."""

from trimtab.sharing.received_vector import Received, receive_vector
from trimtab.sharing.shared_vector import Shared, share_run, share_vector

__all__ = ["Received", "Shared", "receive_vector", "share_run", "share_vector"]
