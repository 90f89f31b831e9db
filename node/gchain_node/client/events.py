"""Live events of a ledger (`GET /v1/events`), read from a stream of server-sent events."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Literal

import httpx

from gchain_node.errors import ApiError

__all__ = ["STREAM_TIMEOUT", "EventReader", "LedgerEvent", "check_stream", "pause_before", "wanted"]

STREAM_TIMEOUT: Final = httpx.Timeout(10.0, read=60.0)  # a stream sends something every 15 s
_ATTEMPTS: Final = 6


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """A `block` (`data`: height, time, transactions), or a `gap`: blocks `first` to `last` that were left out."""

    kind: Literal["block", "gap"]
    height: int
    data: dict[str, Any]


class EventReader:
    """Takes the lines of a stream (HTML Living Standard, section 9.2.6) and gives events; knows where to resume."""

    def __init__(self, after: int | None = None) -> None:
        self.last = after
        self.failures = 0  # streams that ended before they gave a line
        self._fields: dict[str, str] = {}

    def headers(self) -> dict[str, str]:
        """What a new stream is asked with, so that it begins after the last event."""
        return {} if self.last is None else {"Last-Event-ID": str(self.last)}

    def interrupted(self) -> None:
        """The stream ended: what was half read comes again."""
        self._fields.clear()
        self.failures += 1

    def line(self, line: str) -> LedgerEvent | None:
        """The event that this line ends, if it ends one. Raises `ApiError` for what is no event of a ledger."""
        self.failures = 0
        if line:
            name, _, value = line.partition(":")
            if name:
                self._fields[name] = value.removeprefix(" ")
            return None
        fields, self._fields = self._fields, {}
        try:
            if "id" in fields:
                self.last = int(fields["id"])
            if "data" not in fields or self.last is None:
                return None
            kind: Literal["block", "gap"] = "gap" if fields.get("event") == "gap" else "block"
            data = json.loads(fields["data"])
            if not isinstance(data, dict):
                raise ValueError(f"{fields['data'][:40]!r} is not the object of an event")
            return LedgerEvent(kind, self.last, data)
        except (ValueError, RecursionError) as error:
            raise ApiError(f"the node's stream holds what is no event: {error}") from error


def check_stream(answer: httpx.Response) -> None:
    """Raises `ApiError` for a success that is no stream of events, such as a proxy's page: it would never give one."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "text/event-stream":
        raise ApiError(f"{answer.request.url} answered {kind or 'without a content type'}, text/event-stream expected")


def pause_before(failures: int, why: str) -> float:
    """Seconds to wait before a stream is asked for again. Raises `ApiError` after six that gave nothing."""
    if failures >= _ATTEMPTS:
        raise ApiError(
            f"no live events in {failures} attempts: {why}", remedy="see whether a node runs and gives events to you"
        )
    return min(5.0, 0.1 * 2.0**failures)


def wanted(module: str | None, member: str | None) -> dict[str, str]:
    """The filters of a stream, as its query."""
    return {name: value for name, value in (("module", module), ("member", member)) if value is not None}
