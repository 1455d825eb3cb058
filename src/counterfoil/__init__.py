"""Counterfoil: invoices in, checked data out, and a manifest that loses nothing.

`Manifest` and `open_register` are the plain Python API for everybody whose tasks, processes or machines update one
shared file; the command line is `counterfoil`. Names are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .commit import Register
    from .errors import CounterfoilError
    from .manifest import Manifest
    from .register import open_register

__all__ = ["CounterfoilError", "Manifest", "Register", "open_register"]

_HOMES = {"CounterfoilError": "errors", "Manifest": "manifest", "Register": "commit", "open_register": "register"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
