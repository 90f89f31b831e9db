"""A document against its model: every finding names file, line, key, what was found and what was expected."""

from __future__ import annotations

import difflib
import typing
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gchain.environment.documents import Document, KeyPath
from gchain.errors import ConfigurationError

__all__ = ["validate"]

Model = TypeVar("Model", bound=BaseModel)


def validate(document: Document, model: type[Model], content: object, prefix: str = "") -> Model:
    """Build `model` from the part `content` of `document`.

    Args:
        prefix: text before each top-level key in the file (Pulumi writes `config.gchain:<key>`).

    Raises:
        ConfigurationError: one line for each finding.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        findings = [_finding(document, model, detail, prefix) for detail in error.errors()]
        raise ConfigurationError(
            "\n".join(findings), remedy="correct the file; `gchain env schema` describes it"
        ) from error


def _finding(document: Document, model: type[BaseModel], detail: ErrorDetails, prefix: str) -> str:
    key: KeyPath = tuple(part for part in detail["loc"] if part != "[key]")
    place = document.where(_in_file(key, prefix))
    if detail["type"] == "extra_forbidden":
        return f"{place}: unknown key{_near(str(key[-1]), _fields_at(model, key[:-1]))}"
    if detail["type"] == "missing":
        return f"{place}: this key is missing"
    return f"{place}: found {detail['input']!r}: {detail['msg']}"


def _in_file(key: KeyPath, prefix: str) -> KeyPath:
    return ("config", f"{prefix}{key[0]}", *key[1:]) if prefix and key else key


def _near(found: str, known: list[str]) -> str:
    matches = difflib.get_close_matches(found, known, n=1, cutoff=0.5)
    if matches:
        return f"; did you mean {matches[0]!r}?"
    return f"; known here: {', '.join(known)}" if known else ""


def _fields_at(model: type[BaseModel], key: KeyPath) -> list[str]:
    """The keys that `model` knows at `key`, following lists and nested models."""
    current: type[BaseModel] | None = model
    for part in key:
        if isinstance(part, int) or current is None:
            continue
        current = _model_in(current.model_fields[part].annotation) if part in current.model_fields else None
    return sorted(current.model_fields) if current else []


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_in(part))), None)
