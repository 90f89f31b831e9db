"""Holds real answers to the published description of the API, `openapi.json`.

An object that the description lists properties for may have no others here, so that a field that is added to an answer
and not to the description is found. Clients must not be as strict.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any, Final

import httpx
from jsonschema import Draft202012Validator

__all__ = ["DESCRIPTION", "Contract", "closed"]

DESCRIPTION: Final[dict[str, Any]] = json.loads(files("gchain_node.api").joinpath("openapi.json").read_bytes())
_STREAMS: Final = {"text/event-stream", "application/cbor-seq"}


def closed(schema: Any) -> Any:
    """The schema with `additionalProperties: false` wherever properties are listed and nothing is said of others."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if isinstance(found.get("properties"), dict) and found.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


_CLOSED: Final = closed(DESCRIPTION["components"])


class Contract:
    """`check` is an event hook of `httpx.Client`; `seen` collects (method, path, status) of what was checked."""

    def __init__(self, description: dict[str, Any] = DESCRIPTION) -> None:
        self._paths = description["paths"]
        self._components = _CLOSED if description is DESCRIPTION else closed(description["components"])
        self._patterns = [(template, _pattern(template)) for template in sorted(self._paths, key=_specific)]
        self.seen: set[tuple[str, str, str]] = set()

    def check(self, answer: httpx.Response) -> None:
        """Raises `AssertionError` when the description does not have this answer."""
        method, path = answer.request.method, answer.request.url.path
        template = next((name for name, pattern in self._patterns if pattern.fullmatch(path)), None)
        if template is None:
            assert not path.startswith("/v1/") or answer.status_code in {307, 404, 405}, f"{path} has no description"
            return
        operation = self._paths[template].get(method.lower())
        if operation is None or answer.status_code == 405:
            assert answer.status_code == 405 or method == "HEAD", f"{method} {template} has no description"
            return
        described = self._described(operation, answer.status_code)
        assert described is not None, f"{method} {template}: status {answer.status_code} has no description"
        self._check_body(f"{method} {template} {answer.status_code}", described["content"], answer)
        self.seen.add((method, template, str(answer.status_code)))

    def _described(self, operation: dict[str, Any], status: int) -> Any:
        responses = operation["responses"]
        found = responses.get(str(status), responses.get(f"{status // 100}XX"))
        if found is not None and "$ref" in found:
            return self._components["responses"][found["$ref"].rpartition("/")[2]]
        return found

    def _check_body(self, what: str, content: dict[str, Any], answer: httpx.Response) -> None:
        kind = answer.headers.get("content-type", "").partition(";")[0]
        assert kind in content, f"{what}: content type {kind!r} has no description"
        if kind in _STREAMS:
            return
        answer.read()
        if kind == "application/json":
            self._hold(what, content[kind]["schema"], answer.json())

    def check_event(self, event: str, data: Any) -> None:
        """The same for the `data` of a server-sent event of `/v1/events`."""
        stream = self._paths["/v1/events"]["get"]["responses"]["200"]["content"]["text/event-stream"]
        assert event in stream["x-events"], f"event {event} has no description"
        self._hold(f"event {event}", stream["x-events"][event], data)

    def _hold(self, what: str, schema: dict[str, Any], value: Any) -> None:
        whole = closed(schema) | {"components": self._components}
        problems = [f"{e.json_path}: {e.message}" for e in Draft202012Validator(whole).iter_errors(value)]
        assert not problems, f"{what}: " + "; ".join(problems)


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\})", template)
    free = {"{path}": ".*"}
    return re.compile("".join(free.get(p, "[^/]+") if p.startswith("{") else re.escape(p) for p in parts), re.DOTALL)


def _specific(template: str) -> tuple[bool, int]:
    """Templates that match less come first."""
    return "{path}" in template, template.count("{")
