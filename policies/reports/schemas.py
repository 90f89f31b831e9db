"""The published JSON Schemas of the reports (`schema/`), and documents checked against them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

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
    error = best_match(_validator(name).iter_errors(document))
    if error is not None:
        raise ReportError(f"{what}: not a {name}: {error.json_path}: {error.message[:200]}")


@cache
def _validator(name: str) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema(name))
    return Draft202012Validator(schema(name))
