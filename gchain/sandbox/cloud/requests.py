"""What an AWS request says about itself: who signed it, for which service and region, and which action it asks for."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

__all__ = ["Call", "body_of", "describe"]

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]*)/([^/]*)/aws4_request")
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Call:
    """One request: fields are empty where an unsigned request does not say."""

    access_key: str
    region: str
    service: str
    action: str
    method: str
    path: str

    @property
    def mutating(self) -> bool:
        """Whether it may change the cloud's state; reading verbs are the same in all of AWS's interfaces."""
        if self.action:
            return not self.action.startswith(("Describe", "Get", "List", "Lookup", "Search", "Head", "Batch Get"))
        return self.method not in ("GET", "HEAD", "OPTIONS")


def body_of(environ: dict[str, Any]) -> bytes:
    """The request's body, put back for whoever reads next."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def describe(environ: dict[str, Any]) -> Call:
    """Read a request without judging it."""
    query = parse_qs(environ.get("QUERY_STRING", ""))
    source = environ.get("HTTP_AUTHORIZATION", "") or "Credential=" + query.get("X-Amz-Credential", [""])[0]
    match = _CREDENTIAL.search(source)
    key, region, service = match.groups() if match else ("", "", "")
    return Call(
        access_key=key or query.get("AWSAccessKeyId", [""])[0],
        region=region,
        service=service,
        action=_action(environ, query),
        method=environ.get("REQUEST_METHOD", "GET"),
        path=environ.get("PATH_INFO", "/"),
    )


def _action(environ: dict[str, Any], query: dict[str, list[str]]) -> str:
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return str(target).rpartition(".")[2]
    if str(environ.get("CONTENT_TYPE", "")).startswith(_FORM):
        query = {**query, **parse_qs(body_of(environ).decode(errors="replace"))}
    return query.get("Action", [""])[0]
