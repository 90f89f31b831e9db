"""The published JSON Schemas of the reports (`schema/`), and documents checked against them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from policies.errors import ReportError

__all__ = ["check_consortium", "check_member", "schema"]

_HERE = Path(__file__).parent / "schema"


@cache
def schema(name: str) -> dict[str, Any]:
    """`consortium-report` or `member-report` (JSON Schema 2020-12)."""
    found: dict[str, Any] = json.loads((_HERE / f"{name}.schema.json").read_text())
    return found


def check_consortium(document: Any, what: str) -> None:
    """Raises `ReportError` unless `document` has the shape of a consortium report; `what` names it in the message."""
    _check(document, "consortium-report", what)


def check_member(document: Any, what: str) -> None:
    """Raises `ReportError` unless `document` has the shape of a member report."""
    _check(document, "member-report", what)


def _check(document: Any, name: str, what: str) -> None:
    try:
        jsonschema.validate(document, schema(name), cls=jsonschema.Draft202012Validator)
    except jsonschema.ValidationError as error:
        raise ReportError(f"{what}: not a {name}: {error.json_path}: {error.message[:200]}") from None
