"""Keys and passwords: found where they do not belong, and left out of output and files."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

HIDDEN = "[hidden]"

_SECRET_WORDS = frozenset(
    ("key", "apikey", "secret", "password", "passwd", "pwd", "credential", "credentials", "authorization", "bearer",
     "signature", "sig")
)  # fmt: skip
"""Last words of names whose values are secret, such as --api-key; "token" is one only behind the words below."""
_TOKEN_OWNERS = frozenset(["api", "access", "auth", "bearer", "hf", "hub", "huggingface", "id", "refresh", "session"])
_ENVIRONMENT_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
_MIN_SECRET = 6
"""Characters of a value from the environment that is looked for; shorter ones are found in any text."""

_KEY_SHAPES = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|nvapi|pplx)-(?=[\w-]*\d)[\w-]{16,}"
    r"|\b(?:hf|gsk|r8|fw|ghp|gho|ghs|glpat|github_pat|xox[abprs])[_-][A-Za-z0-9_-]{20,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*"
    r"|(?<=\bbearer )[\w.~+/-]{8,}=*",
    re.IGNORECASE,
)
"""What the keys of known services look like: long enough that no model, file or behavior is called so."""
_LOOSE_SHAPES = re.compile(r"\b(?:sk|pk|gsk|xai|hf|key)[-_][\w.*-]{6,}", re.IGNORECASE)
"""What services quote of a refused key, often shortened; for their messages only."""
_USER_IN_ADDRESS = re.compile(r"(?<=://)[^/?#@\s'\"]+(?=@)")
_PARAMETER = re.compile(r"(?<=[?&#;])([\w.\[\]-]+)=([^&#;\s'\"]+)")
_ASSIGNED = re.compile(r"^(-{0,2}[\w.-]+)([=:])(?=.)")
_ADDRESS = re.compile(r"https?://[^\s'\",;]+", re.IGNORECASE)
_OPAQUE = re.compile(
    r"(?<![A-Za-z0-9])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{20,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I
)
"""Letters and digits without a pause, or a UUID: no word, so perhaps a key."""


def why_no_address(text: str) -> str:
    """Why an address of a server may not be stored in a run or a report; empty if it may.

    An address has a scheme, a host and a path, nothing that could be a key: no name and password, parameters, fragment,
    or part that reads like one.
    """
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no address; write it as http://localhost:8000/v1"
    if parts.scheme not in ("http", "https") or not host or any(c.isspace() for c in text):
        return "is no address; write it as http://localhost:8000/v1"
    if "@" in parts.netloc:
        return _kept("holds a name or a password")
    if "?" in text or "#" in text:
        return _kept(f"has {'parameters' if '?' in text else 'a fragment'}, which may be a key")
    if _KEY_SHAPES.search(text) or _OPAQUE.search(parts.path):
        return _kept("has a part that reads like a key")
    return ""


def secret_in(text: str) -> str:
    """What in a setting is a key or a password, in words; empty if nothing is."""
    if _USER_IN_ADDRESS.search(text):
        return "an address with a name or a password"
    if any(is_secret_name(name) for name, _ in _PARAMETER.findall(text)):
        return "an address with a key as parameter"
    return "what looks like a key" if _KEY_SHAPES.search(text) else ""


def is_secret_name(name: str) -> bool:
    """Whether an option, a setting or a parameter of this name holds a key or a password."""
    *before, last = re.split(r"[-_.]+", name.lower())
    return last in _SECRET_WORDS or (last == "token" and _TOKEN_OWNERS.issuperset(before))


def without_secrets(text: str) -> str:
    """The same without keys: those of the environment, those in addresses, and those that look like one."""
    for name, value in os.environ.items():
        if len(value) >= _MIN_SECRET and _ENVIRONMENT_NAME.search(name):
            text = text.replace(value, HIDDEN)
        elif name.upper().endswith(("URL", "ENDPOINT")) and value in text:
            text = text.replace(value, _shown_address(value))
    text = _USER_IN_ADDRESS.sub(HIDDEN, text)
    text = _PARAMETER.sub(lambda p: f"{p[1]}={HIDDEN}" if is_secret_name(p[1]) else p[0], text)
    return _KEY_SHAPES.sub(HIDDEN, text)


def service_message_without_secrets(text: str) -> str:
    """The message of a service without keys, not even a shortened one that the service quotes."""
    return _LOOSE_SHAPES.sub(HIDDEN, without_secrets(text))


def command_line(arguments: Sequence[str] | None = None) -> str:
    """The command that started this process, as it may be stored in a manifest: without the values of secrets.

    Args:
        arguments: those behind the program's name; of this process by default.
    """
    public: list[str] = []
    hide_next = False
    for argument in sys.argv[1:] if arguments is None else arguments:
        assigned = _ASSIGNED.match(argument)
        if hide_next and not argument.startswith("--"):
            public.append(HIDDEN)
        elif assigned and is_secret_name(assigned[1].lstrip("-")):
            public.append(f"{assigned[1]}{assigned[2]}{HIDDEN}")
        else:
            public.append(_argument_without_secrets(argument))
        hide_next = argument.startswith("--") and "=" not in argument and is_secret_name(argument.lstrip("-"))
    # Names of files that are no text have ? for what cannot be written.
    return shlex.join(["trimtab", *public]).encode("utf-8", "replace").decode("utf-8")


def _argument_without_secrets(argument: str) -> str:
    return without_secrets(_ADDRESS.sub(lambda found: _shown_address(found[0]), argument))


def _shown_address(address: str) -> str:
    """An address that may be stored; of others scheme and host, as the rest may be a key."""
    if not why_no_address(address):
        return address
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{re.split('[/?#]', rest.rpartition('@')[2])[0]}/{HIDDEN}"


def _kept(what: str) -> str:
    return (
        f"{what}, and would be stored in the run and its report; put keys into the environment, as inspect_ai does, "
        "and if the address itself is secret that too (OPENAI_BASE_URL and the like)"
    )
