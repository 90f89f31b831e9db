"""`GET /gchain-api/changes`: how many calls may have changed the cloud, so that nobody need poll its resources.

The answer is `{"changes": N, "boot": id, "scopes": {"<account>/<region>/<service>": n}}`. A call is counted after it
was answered: whoever sees the number finds its effect. `boot` names this process: another id means lost memory.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from collections.abc import Iterable
from typing import Any

from gchain.sandbox.cloud.requests import describe

__all__ = ["ChangeCounter"]

PATH = "/gchain-api/changes"


class ChangeCounter:
    """WSGI middleware."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._scopes: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._boot = uuid.uuid4().hex

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == PATH:
            return self._answer(start_response)
        call = describe(environ)
        if not call.mutating:
            return list(self._app(environ, start_response))
        try:
            return list(self._app(environ, start_response))
        finally:
            self._count(f"{environ.get('gchain.account', '')}/{call.region}/{call.service}")

    def _count(self, scope: str) -> None:
        with self._lock:
            self._scopes[scope] += 1

    def _answer(self, start_response: Any) -> list[bytes]:
        with self._lock:
            document = {"changes": self._scopes.total(), "boot": self._boot, "scopes": dict(self._scopes)}
        body = json.dumps(document).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]
