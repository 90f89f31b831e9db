"""Put a method of ours in place of one of moto's, once in a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["add", "override"]

_MARK = "gchain_override"


def override(target: Any, name: str, wrap: Callable[[Any], Any]) -> None:
    """Set `target.name` to `wrap(what was there)`; `None` is handed over where moto has no such method."""
    original = getattr(target, name, None)
    if getattr(original, _MARK, False):
        return
    replacement = wrap(original)
    setattr(replacement, _MARK, True)
    setattr(target, name, replacement)


def add(target: Any, actions: dict[str, Callable[..., Any]]) -> None:
    """Set methods whatever was there."""
    for name, action in actions.items():
        setattr(target, name, action)
