"""How a rule reads a resource or a fact: typed, and never past what is known.

A getter returns the value, or None where it is not set. It raises `UnknownValue` where the value is unknown, has
another type than the rule expects, or is missing from a source that always states it (cloud API answers, host facts):
the engine turns that into *indeterminate*. So garbling or deleting an attribute cannot make a rule pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from policies.graph import Unknown

__all__ = ["UnknownValue", "View"]

_T = TypeVar("_T")


class UnknownValue(Exception):  # noqa: N818 (a signal to the engine, not an error)
    """A rule needed a value that is not known; the message says which and why."""


class View:
    """A mapping as a rule sees it. `total` sources state every attribute, so a missing one is unknown and not unset."""

    __slots__ = ("_path", "_properties", "_total")

    def __init__(self, properties: Mapping[str, Any], *, total: bool, path: str = "") -> None:
        self._properties = properties
        self._total = total
        self._path = path

    def names(self) -> list[str]:
        return sorted(self._properties)

    def value(self, name: str) -> Any:
        """The raw value; None where it is not set.

        Raises:
            UnknownValue: it is unknown, or missing from a total source.
        """
        if name not in self._properties:
            if self._total:
                raise UnknownValue(f"{self._at(name)} is missing from the evidence")
            return None
        found = self._properties[name]
        if isinstance(found, Unknown):
            raise UnknownValue(f"{self._at(name)} is not known yet")
        return found

    def flag(self, name: str) -> bool | None:
        found = self.value(name)
        if isinstance(found, str) and found in ("true", "false"):
            return found == "true"
        return self._typed(name, found, bool)

    def text(self, name: str) -> str | None:
        return self._typed(name, self.value(name), str)

    def required(self, name: str) -> str:
        """A text that the check cannot do without.

        Raises:
            UnknownValue: it is not set.
        """
        if not (found := self.text(name)):
            raise UnknownValue(f"{self._at(name)} is not set")
        return found

    def number(self, name: str) -> int | None:
        found = self.value(name)
        if isinstance(found, float) and found.is_integer():
            found = int(found)
        if isinstance(found, bool):
            raise UnknownValue(f"{self._at(name)}: expected a number, found a truth value")
        return self._typed(name, found, int)

    def texts(self, name: str) -> list[str]:
        """A list of strings; empty where not set."""
        return [self._entry(name, item, str) for item in self._items(name)]

    def child(self, name: str) -> View | None:
        """A nested object; None where not set. A list of one, as some API answers have it, is its element."""
        found = self.value(name)
        if isinstance(found, list) and len(found) <= 1:
            found = found[0] if found else None
        if found is None:
            return None
        if not isinstance(found, Mapping):
            raise UnknownValue(f"{self._at(name)}: expected an object, found {type(found).__name__}")
        return View(found, total=self._total, path=self._at(name))

    def need(self, name: str) -> View:
        """A nested object that must be there.

        Raises:
            UnknownValue: it is not.
        """
        found = self.child(name)
        if found is None:
            raise UnknownValue(f"{self._at(name)} is missing from the evidence")
        return found

    def children(self, name: str) -> Iterator[View]:
        """A list of objects; nothing where not set."""
        for index, item in enumerate(self._items(name)):
            mapping = self._entry(name, item, dict)
            yield View(mapping, total=self._total, path=f"{self._at(name)}[{index}]")

    def entries(self, name: str) -> Iterator[tuple[str, View]]:
        """Named objects under `name`, by key."""
        found = self._typed(name, self.value(name), dict)
        for key, item in (found or {}).items():
            yield key, View(self._entry(name, item, dict), total=self._total, path=f"{self._at(name)}.{key}")

    def mapping(self, name: str) -> dict[str, Any]:
        """A plain object, such as tags; empty where not set."""
        return self._typed(name, self.value(name), dict) or {}

    def _items(self, name: str) -> list[Any]:
        return self._typed(name, self.value(name), list) or []

    def _typed(self, name: str, found: Any, kind: type[_T]) -> _T | None:
        return None if found is None else self._entry(name, found, kind)

    def _entry(self, name: str, found: Any, kind: type[_T]) -> _T:
        if isinstance(found, Unknown):
            raise UnknownValue(f"{self._at(name)} is not known yet")
        if not isinstance(found, kind):
            raise UnknownValue(f"{self._at(name)}: expected {kind.__name__}, found {type(found).__name__}")
        return found

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name
