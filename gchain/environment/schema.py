"""JSON Schemas of the environment files, for editors and reviewers (`environments/schema/`)."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from gchain.environment.models import Consortium, StackSettings, Zone

__all__ = ["publish", "schemas"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, dict[str, object]]:
    """File name -> JSON Schema (draft 2020-12)."""
    return {
        "zone.schema.json": _schema(Zone),
        "consortium.schema.json": _schema(Consortium),
        "stack.schema.json": _stack_schema(),
    }


def publish(directory: Path) -> list[Path]:
    """Write every schema into `directory`; the files written."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, schema in schemas().items():
        path = directory / name
        path.write_text(json.dumps(schema, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        written.append(path)
    return written


def _schema(model: type[BaseModel]) -> dict[str, object]:
    return {"$schema": _DIALECT, **model.model_json_schema()}


def _stack_schema() -> dict[str, object]:
    """The file is Pulumi's own stack file, so the settings stand under `config` with the project's prefix."""
    settings = StackSettings.model_json_schema()
    prefixed = {f"gchain:{name}": value for name, value in settings["properties"].items()}
    config = {
        "type": "object",
        "additionalProperties": False,
        "properties": prefixed,
        "required": [f"gchain:{name}" for name in settings["required"]],
    }
    return {
        "$schema": _DIALECT,
        "title": "Pulumi.<environment>.yaml",
        "type": "object",
        "additionalProperties": False,
        "properties": {"config": config},
        "required": ["config"],
    }
