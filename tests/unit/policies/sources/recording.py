"""What a cloud answered, byte for byte, and a session that answers from it with one answer changed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import boto3
from botocore.awsrequest import AWSResponse

from policies.sources.aws.account import Account

__all__ = ["Call", "Raw", "Recording", "Replay"]


class Call(NamedTuple):
    """One question; `asked` is its arguments in a fixed form."""

    service: str
    region: str
    operation: str
    asked: str


@dataclass(frozen=True)
class Raw:
    status: int
    headers: dict[str, str]
    body: bytes


_UNKNOWN = Raw(404, {}, b"")
"""What is answered to a question that was not recorded: a garbled name leads to one."""


class _Body:
    """The body as the SDK's answer object wants it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._body


def _call(model: Any, params: Any, context: Any) -> Call:
    service = str(model.service_model.service_name)
    return Call(service, str(context["client_region"]), str(model.name), repr(sorted(params.items())))


@dataclass
class Recording:
    """Listens on a session of a real cloud."""

    answers: dict[Call, Raw] = field(default_factory=dict)
    models: dict[Call, Any] = field(default_factory=dict)

    def listen(self, session: boto3.Session) -> None:
        session.events.register("before-parameter-build", self._asked)
        session.events.register("after-call", self._answered)

    def _asked(self, params: Any, model: Any, context: Any, **_: Any) -> None:
        context["gchain_call"] = _call(model, params, context)

    def _answered(self, http_response: Any, model: Any, context: Any, **_: Any) -> None:
        call = context["gchain_call"]
        self.answers[call] = Raw(http_response.status_code, dict(http_response.headers), http_response.content)
        self.models[call] = model


class Replay:
    """A session without a cloud. `used` are the calls made since it was last emptied."""

    def __init__(self, recording: Recording, region: str) -> None:
        self._answers = recording.answers
        self._changed: dict[Call, Raw] = {}
        self._known: dict[Call, Any] = {}
        self._current = threading.local()
        self.used: set[Call] = set()
        self.session = boto3.Session("k", "s", region_name=region)
        self.session.events.register("before-parameter-build", self._asked)
        self.session.events.register("before-send", self._answer)

    def account(self) -> Account:
        made = Account(self.session, "http://recorded.invalid")
        real = made.client

        def client(service: str, region: str) -> Any:
            found = real(service, region)
            if not getattr(found, "gchain_recorded", False):
                found._make_api_call = self._remembering(found, found._make_api_call)
                found.gchain_recorded = True
            return found

        made.client = client  # type: ignore[method-assign]
        return made

    @contextmanager
    def changed(self, call: Call, body: bytes) -> Iterator[None]:
        """Within the block `call` is answered with `body`."""
        # Without the headers: one of them is a sum over the body.
        self._changed = {call: Raw(self._answers[call].status, {}, body)}
        try:
            yield
        finally:
            self._changed = {}

    def _remembering(self, client: Any, original: Any) -> Any:
        """What the SDK made of an answer that is not changed, it makes again: parsing it once is enough."""

        def make(operation: str, arguments: dict[str, Any]) -> Any:
            model = client.meta.service_model.operation_model(operation)
            call = _call(model, arguments, {"client_region": client.meta.region_name})
            self.used.add(call)
            if call in self._changed:
                return original(operation, arguments)
            if call not in self._known:
                try:
                    self._known[call] = original(operation, arguments)
                except Exception as error:
                    self._known[call] = error
            if isinstance(found := self._known[call], Exception):
                raise found
            return found

        return make

    def _asked(self, params: Any, model: Any, context: Any, **_: Any) -> None:
        self._current.call = _call(model, params, context)

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        call = self._current.call
        raw = self._changed.get(call) or self._answers.get(call, _UNKNOWN)
        return AWSResponse(request.url, raw.status, raw.headers, _Body(raw.body))
