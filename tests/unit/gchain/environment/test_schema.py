from __future__ import annotations

import json

import pytest

from gchain.environment.schema import schemas
from gchain.workspace import REPOSITORY


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_published_schema_is_the_models_schema(name: str) -> None:
    published = json.loads((REPOSITORY / "environments" / "schema" / name).read_text())
    assert published == schemas()[name], "run `gchain env schema`"


@pytest.mark.parametrize("name", sorted(schemas()))
def test_a_schema_refuses_unknown_keys(name: str) -> None:
    assert schemas()[name]["additionalProperties"] is False
