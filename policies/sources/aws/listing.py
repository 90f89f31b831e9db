"""A listing as data: which call answers for a type, under which key, and where each property is in an item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from policies.graph import Resource
from policies.sources.aws.account import Account
from policies.sources.aws.answer import Answer

__all__ = ["Listing"]

Source = str | Callable[[Answer], Any]


@dataclass(frozen=True)
class Listing:
    """One call that lists resources of one type in one region.

    `properties` maps a property of the graph to a path in the item (`policies.sources.aws.answer`: what a path is), or
    to a function of the item. `place` overrides the region that is asked, for services with one endpoint in a
    partition; what they list has no region of its own.
    """

    kind: str
    service: str
    operation: str
    key: str
    identifier: Source
    properties: Mapping[str, Source] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    only: Callable[[Answer], bool] = lambda item: True
    place: str | None = None

    def __call__(self, account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
        asked = self.place or region
        for item in account.pages(self.service, asked, self.operation, self.key, **self.arguments):
            if self.only(item):
                yield self.resource(account, None if self.place else region, item)

    def resource(self, account: Account, region: str | None, item: Answer) -> Resource:
        properties = {name: _read(item, source) for name, source in self.properties.items()}
        return account.resource(self.kind, str(_read(item, self.identifier)), region, properties)


def _read(item: Answer, source: Source) -> Any:
    return source(item) if callable(source) else item[source]
