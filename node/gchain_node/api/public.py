"""Which reads are for everyone, and which only for clients with a member's certificate (`[http] public`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gchain_node.api.answers import Refusal
from gchain_node.config import ReadGroup

__all__ = ["guarded"]


def guarded(groups: Mapping[ReadGroup, Sequence[BaseRoute]], public: Collection[ReadGroup]) -> list[BaseRoute]:
    """All routes; those of a group that is not in `public` refuse whom `Identify` has not found to be a member."""
    for group, routes in groups.items():
        if group in public:
            continue
        for route in routes:
            if not isinstance(route, Route):
                raise TypeError(f"cannot guard {route!r} of the private group {group}: expected a Route")
            route.app = _MembersOnly(route.app, group)
    return [route for routes in groups.values() for route in routes]


class _MembersOnly:
    def __init__(self, app: ASGIApp, group: ReadGroup) -> None:
        self._app = app
        self._group = group

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("gchain.member") is None:
            raise Refusal(
                403,
                f"reads of the group {self._group} are for members here: ask at the API's TLS listener, with a client "
                "certificate that a registered member's TLS key issued",
            )
        await self._app(scope, receive, send)
