"""IAM policy documents as rules read them (IAM User Guide, "IAM JSON policy elements reference").

Elements may be one value or a list; names of actions, condition operators and condition keys ignore case.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from policies.view import UnknownValue

__all__ = ["Statement", "json_object", "statements"]


@dataclass(frozen=True)
class Statement:
    """One statement; every list is a list, however the document wrote it."""

    effect: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_resources: tuple[str, ...]
    principals: tuple[tuple[str, str], ...]
    not_principals: tuple[tuple[str, str], ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    @property
    def allows(self) -> bool:
        return self.effect == "Allow"

    @property
    def denies(self) -> bool:
        return self.effect == "Deny"

    def covers(self, action: str) -> bool:
        """Whether the statement speaks of an action such as `kms:Decrypt`; a pattern is covered by a wider one."""
        action = action.lower()
        if self.not_actions:
            return not any(fnmatchcase(action, pattern.lower()) for pattern in self.not_actions)
        return any(fnmatchcase(action, pattern.lower()) for pattern in self.actions)

    def condition(self, key: str, *operators: str) -> tuple[str, ...] | None:
        """The values that a condition key is compared with; None without such a condition.

        `operators` are compared without case and without the suffix IfExists; none given means any.
        """
        wanted = {operator.lower() for operator in operators}
        for operator, name, values in self.conditions:
            plain = operator.lower().removeprefix("forallvalues:").removeprefix("foranyvalue:").removesuffix("ifexists")
            if name.lower() == key.lower() and (not wanted or plain in wanted):
                return values
        return None


def json_object(text: Any, what: str) -> Mapping[str, Any]:
    """A JSON object given as text or as an object, such as a manifest.

    Raises:
        UnknownValue: it is neither.
    """
    try:
        parsed = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        raise UnknownValue(f"{what} is not JSON") from None
    if not isinstance(parsed, Mapping):
        raise UnknownValue(f"{what} is not a JSON object")
    return parsed


def statements(document: Any, what: str) -> list[Statement]:
    """The statements of a policy document given as JSON text or as an object.

    Raises:
        UnknownValue: it is not set, not JSON, or not a policy.
    """
    if isinstance(document, str):
        return list(_from_text(document, what))
    return _from_object(document, what)


@lru_cache(maxsize=4096)
def _from_text(document: str, what: str) -> tuple[Statement, ...]:
    # The same text is read by several rules, and often belongs to several resources.
    try:
        parsed = json.loads(document)
    except ValueError:
        raise UnknownValue(f"{what} is not JSON") from None
    return tuple(_from_object(parsed, what))


def _from_object(document: Any, what: str) -> list[Statement]:
    if not isinstance(document, Mapping) or "Statement" not in document:
        raise UnknownValue(f"{what} is not a policy document")
    raw = document["Statement"]
    return [_statement(each, what) for each in ([raw] if isinstance(raw, Mapping) else raw)]


def _statement(raw: Any, what: str) -> Statement:
    if not isinstance(raw, Mapping) or raw.get("Effect") not in ("Allow", "Deny"):
        raise UnknownValue(f"{what} has a statement without an effect")
    return Statement(
        effect=raw["Effect"],
        actions=_strings(raw.get("Action"), what),
        not_actions=_strings(raw.get("NotAction"), what),
        resources=_strings(raw.get("Resource"), what),
        not_resources=_strings(raw.get("NotResource"), what),
        principals=tuple(_principals(raw.get("Principal"), what)),
        not_principals=tuple(_principals(raw.get("NotPrincipal"), what)),
        conditions=tuple(_conditions(raw.get("Condition"), what)),
    )


def _strings(value: Any, what: str) -> tuple[str, ...]:
    items = [] if value is None else value if isinstance(value, list) else [value]
    if any(isinstance(item, bool) for item in items):
        items = [str(item).lower() if isinstance(item, bool) else item for item in items]
    if not all(isinstance(item, str | int) for item in items):
        raise UnknownValue(f"{what} has a value that is not known yet")
    return tuple(map(str, items))


def _principals(value: Any, what: str) -> Iterator[tuple[str, str]]:
    """(kind, name) pairs; `*` alone is ("AWS", "*")."""
    if value is None:
        return
    if value == "*":
        yield ("AWS", "*")
        return
    if not isinstance(value, Mapping):
        raise UnknownValue(f"{what} has a principal that is not known yet")
    for kind, names in value.items():
        for name in _strings(names, what):
            yield (kind, name)


def _conditions(value: Any, what: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    if value is None:
        return
    if not isinstance(value, Mapping) or not all(isinstance(keys, Mapping) for keys in value.values()):
        raise UnknownValue(f"{what} has a condition that is not known yet")
    for operator, keys in value.items():
        for key, compared in keys.items():
            yield operator, key, _strings(compared, what)
