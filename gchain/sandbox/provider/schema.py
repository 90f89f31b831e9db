"""What a resource type declares: its inputs, its outputs, and how each lives in the cloud's API."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gchain.errors import CloudError
from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.wire import Properties

__all__ = [
    "Change",
    "Equality",
    "Input",
    "ResourceType",
    "as_set",
    "as_text",
    "covers",
    "member_name",
    "same_document",
    "same_value",
]

Equality = Callable[[Any, Any], bool]


def same_value(left: Any, right: Any) -> bool:
    """Plain equality, with an absent collection equal to an empty one."""
    return bool(left == right or (left in (None, [], {}) and right in (None, [], {})))


def as_set(left: Any, right: Any) -> bool:
    """Equality of lists whose order means nothing (sets, in the provider's schema)."""
    return sorted(_canonical(item) for item in left or []) == sorted(_canonical(item) for item in right or [])


def as_text(left: Any, right: Any) -> bool:
    """Equality of scalars that the protocol may carry as a number or as its text (ports, protocol numbers)."""
    return str(left) == str(right)


def covers(live: Any, given: Any) -> bool:
    """Whether `live` says what `given` says; what an object of the cloud holds besides does not count."""
    if isinstance(given, Mapping):
        return isinstance(live, Mapping) and all(covers(live.get(key), value) for key, value in given.items())
    if isinstance(given, list) and isinstance(live, list):
        return len(live) == len(given) and all(map(covers, live, given))
    return same_value(live, given)


def same_document(left: Any, right: Any) -> bool:
    """Equality of JSON policy documents: spacing, key order and one-element lists do not count."""
    try:
        return bool(_document(json.loads(left)) == _document(json.loads(right)))
    except (TypeError, ValueError):
        return bool(left == right)


def _document(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _document(item) for key, item in value.items()}
    if isinstance(value, list):
        items = sorted((_document(item) for item in value), key=_canonical)
        return items[0] if len(items) == 1 else items
    return value


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def member_name(name: str) -> str:
    """The usual name of a property in the cloud's API: `cidrBlock` is `CidrBlock`."""
    return name[:1].upper() + name[1:]


@dataclass(frozen=True)
class Input:
    """One input property of a type.

    `member` is its name in the API's create call and description; "" means the capitalised name, `None` that the
    type's own code handles it. `replace`: the cloud cannot change it in place. `computed`: the cloud chooses when it
    is absent, so absence is no change. `autoname`: made from the resource's logical name when absent. `write_only`:
    never read back. `fields` are the known keys of a nested object (or of each object of a list).
    """

    name: str
    member: str | None = ""
    required: bool = False
    default: Any = None
    replace: bool = False
    computed: bool = False
    autoname: bool = False
    write_only: bool = False
    when_given: bool = False
    equal: Equality = same_value
    fields: tuple[Input, ...] = ()

    @property
    def api(self) -> str | None:
        return member_name(self.name) if self.member == "" else self.member


@dataclass(frozen=True)
class Change:
    """An update: the inputs before, the state before, the inputs now, and the names of the inputs that differ."""

    before: Properties
    state: Properties
    now: Properties
    names: frozenset[str]

    def touches(self, *names: str) -> bool:
        return not self.names.isdisjoint(names)


class ResourceType(ABC):
    """One type of pulumi-aws and what its operations do in the cloud.

    `create` makes the resource and returns its id, nothing more; what must be set afterwards belongs in `settle`, so
    that a failure there leaves a resource that the state knows of. `read` returns the live value of every input and
    output, or `None` when the cloud itself says that the resource is gone. A missing implementation in the cloud is
    an error, never "gone".
    """

    type_name: ClassVar[str]
    inputs: ClassVar[tuple[Input, ...]]
    outputs: ClassVar[tuple[str, ...]] = ()
    taggable: ClassVar[bool] = False
    regional: ClassVar[bool] = True
    delete_before_replace: ClassVar[bool] = False

    def verify(self, inputs: Properties) -> dict[str, str]:
        """Refusals that need more than one property, by property name. Values may be unknown."""
        return {}

    def replacements(self, change: Change) -> frozenset[str]:
        """Names among `change.names` that force a replacement although their declaration does not say so."""
        return frozenset()

    @abstractmethod
    def create(self, op: Operation, new: Properties) -> str: ...

    def settle(self, op: Operation, identity: str, new: Properties) -> None:  # noqa: B027 - most types need nothing
        """Sets what the create call cannot."""

    @abstractmethod
    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None: ...

    def update(self, op: Operation, identity: str, change: Change) -> None:
        """Applies `change` in place; a type all of whose inputs force a replacement leaves this as it is."""
        raise CloudError(f"{self.type_name} {identity}: {', '.join(sorted(change.names))} cannot change in place")

    @abstractmethod
    def delete(self, op: Operation, identity: str, state: Properties) -> None: ...

    def retag(
        self, op: Operation, identity: str, state: Properties, tags: Mapping[str, str], removed: list[str]
    ) -> None:
        """Sets `tags` and takes away the keys `removed`."""
        raise NotImplementedError(f"{self.type_name} has no tags")
