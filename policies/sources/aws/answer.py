"""How a collector reads what the cloud answered: what is always sent must be there, or nobody knows.

A path is names joined by dots. A name that ends in `?` may be left out, where absence has a meaning of its own ("not
set"); every other one must be there. So a member that an answer lost is never taken for a setting that is off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.errors import SourceError

__all__ = ["Answer"]

_MISSING = "is missing from the answer"


class Answer:
    """One structure of an answer; `where` names the operation and the way to the structure, for messages.

    Raises:
        SourceError: a member that must be there is not, or is of another type than asked for.
    """

    __slots__ = ("_found", "_where")

    def __init__(self, found: Mapping[str, Any], where: str) -> None:
        self._found = found
        self._where = where

    def __getitem__(self, path: str) -> Any:
        """The value at `path`: text, number, truth value, list or `Answer`; None where one that may lack does.

        A text that must be there is not empty either.
        """
        at: Any = self
        for name in path.split("."):
            if not isinstance(at, Answer):
                raise SourceError(f"{self._where}: {path.replace('?', '')} is not what this service sends")
            at = at._member(name)
            if at is None:
                return None
        return self._fail(path, "is empty") if at == "" and not path.endswith("?") else at

    def __contains__(self, name: str) -> bool:
        return self._found.get(name) is not None

    def text(self, path: str) -> str:
        """A text; "" where one that may lack does."""
        found = self[path]
        return "" if found is None else str(self._typed(path, found, str))

    def words(self, name: str) -> str:
        """A text for people, which must be there and may be empty."""
        found = self._found.get(name)
        return str(self._typed(name, found, str)) if found is not None else str(self._fail(name, _MISSING))

    def flag(self, path: str) -> bool:
        """A truth value; False where one that may lack does."""
        found = self[path]
        return found is not None and bool(self._typed(path, found, bool))

    def each(self, path: str) -> list[Answer]:
        """A list of structures; empty where one that may lack does."""
        return [self._typed(path, item, Answer) for item in self.values(path)]

    def values(self, path: str) -> list[Any]:
        """A list of whatever; empty where one that may lack does."""
        found = self[path]
        return [] if found is None else self._typed(path, found, list)

    def texts(self, path: str) -> list[str]:
        """A list of texts; empty where one that may lack does."""
        return [self._typed(path, item, str) for item in self.values(path)]

    def members(self) -> dict[str, Any]:
        """Everything in it, by name."""
        return {name: self._member(name) for name, value in self._found.items() if value is not None}

    def said(self) -> Answer:
        """Itself, for a structure that always holds something."""
        if not self.members():
            operation, _, way = self._where.partition(".")
            raise SourceError(f"{operation}: {way} is empty")
        return self

    @property
    def plain(self) -> dict[str, Any]:
        """As it was received, for documents that rules read as they are."""
        return dict(self._found)

    def _member(self, name: str) -> Any:
        asked = name.removesuffix("?")
        found = self._found.get(asked)
        if found is None and not name.endswith("?"):
            self._fail(asked, _MISSING)
        return _wrapped(found, f"{self._where}.{asked}")

    def _typed(self, path: str, found: Any, kind: type[Any]) -> Any:
        return found if isinstance(found, kind) else self._fail(path, f"is a {type(found).__name__}")

    def _fail(self, path: str, problem: str) -> Any:
        operation, _, way = f"{self._where}.{path.replace('?', '')}".partition(".")
        raise SourceError(f"{operation}: {way} {problem}")


def _wrapped(found: Any, where: str) -> Any:
    if isinstance(found, Mapping):
        return Answer(found, where)
    return [_wrapped(item, where) for item in found] if isinstance(found, list) else found
