"""Packages that are functions too: `trimtab.report` holds the report's modules, and `trimtab.report(…)` writes one.

A package is an attribute of the package around it, so a function of the same name could not be reached there.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

_TARGETS: dict[str, str] = {}


class CallablePackage(ModuleType):
    """A package that passes on calls."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Call the function that stands for the package."""
        module, _, name = _TARGETS[self.__name__].partition(":")
        return getattr(importlib.import_module(module), name)(*args, **options)


def make_callable(package: str, target: str) -> None:
    """Let a package be called.

    Args:
        package: its `__name__`, from its own `__init__`.
        target: what is called, imported then: `"package.module:function"`.
    """
    _TARGETS[package] = target
    sys.modules[package].__class__ = CallablePackage
