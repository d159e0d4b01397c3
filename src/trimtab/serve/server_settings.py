"""Where a server listens, whom it serves, and how much of it one request can have."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from trimtab.errors import SettingError

KEY_VARIABLE = "TRIMTAB_SERVE_KEY"
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8017
MIN_KEY_CHARACTERS = 16
"""Of a key: shorter ones can be guessed."""


@dataclass(frozen=True)
class ServerSettings:
    """Where a server listens, whom it serves, and how much of it one request can have.

    Raises:
        SettingError: for an address of other machines without a key, and for a key or an origin that is none.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    key: str = field(default="", repr=False)
    """What clients have to send; empty: nothing."""
    origins: tuple[str, ...] = ()
    """Pages that may call the server from a browser, as https://chat.example."""
    max_waiting: int = 256
    """Requests that wait at most; more are refused."""
    max_tokens: int = 2048
    """Of a reply."""
    max_context: int = 8192
    """Tokens that prompt and reply have together at most; the model's own context where that is shorter."""
    seconds: float | None = None
    """The longest that a request may take; None: no limit."""

    def __post_init__(self) -> None:
        """Refuse what would not be safe."""
        if self.key and (len(self.key) < MIN_KEY_CHARACTERS or not self.key.isascii() or not self.key.isprintable()):
            raise SettingError(f"the key needs {MIN_KEY_CHARACTERS} characters or more, printable and ASCII")
        if not self.key and not is_loopback(self.host):
            raise SettingError(
                f"{self.host} is reached from other machines, and without a key everybody there can use the model; "
                f'give one: export {KEY_VARIABLE}="$(openssl rand -hex 24)"'
            )
        for origin in self.origins:
            if not _is_page(origin):
                raise SettingError(f"origin {origin!r}: write it as https://chat.example or http://localhost:3000")


def _is_page(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        named = bool(parts.hostname)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and named and f"{parts.scheme}://{parts.netloc}" == origin


def address_of(host: str, port: int) -> str:
    """What clients call."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
