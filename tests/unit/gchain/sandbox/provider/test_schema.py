"""The types speak the vocabulary of pulumi-aws: each name they declare is one that its Python classes know."""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest

from gchain.sandbox.provider.registry import known_tokens, resource_type
from gchain.sandbox.provider.schema import as_set, covers, same_document, same_value

_PACKAGE = importlib.util.find_spec("pulumi_aws")


@cache
def _classes() -> dict[str, Path]:
    """The source file of every resource class by token; importing them all would take seconds and gigabytes."""
    assert _PACKAGE is not None
    assert _PACKAGE.origin is not None
    found = {}
    for module in {token.split(":")[1].split("/")[0] for token in known_tokens()}:
        for path in (Path(_PACKAGE.origin).parent / module).glob("*.py"):
            match = re.search(rf"'(aws:{module}/\w+:\w+)',\n\s+resource_name", path.read_text())
            if match:
                found[match[1]] = path
    return found


def _properties(path: Path) -> tuple[set[str], set[str]]:
    """The wire names of the properties of the classes `...Args` and `_...State` of one file."""
    names: dict[str, set[str]] = {"Args": set(), "State": set()}
    for node in ast.parse(path.read_text()).body:
        for suffix in names:
            if isinstance(node, ast.ClassDef) and node.name.endswith(suffix):
                for function in (item for item in node.body if isinstance(item, ast.FunctionDef)):
                    names[suffix] |= _wire_names(function)
    return names["Args"], names["State"]


def _wire_names(function: ast.FunctionDef) -> set[str]:
    decorators = [item for item in function.decorator_list if "getter" in ast.dump(item)]
    given = [word.value for item in decorators if isinstance(item, ast.Call) for word in item.keywords]
    names = {str(value.value) for value in given if isinstance(value, ast.Constant)}
    return names or ({function.name} if decorators else set())


@pytest.mark.parametrize("token", known_tokens())
def test_declares_only_properties_of_the_real_type(token: str) -> None:
    (arguments, state), kind = _properties(_classes()[token]), resource_type(token)
    assert {item.name for item in kind.inputs} - arguments == set()
    assert set(kind.outputs) - state == set()
    assert kind.taggable == ("tagsAll" in state)
    assert kind.regional == ("region" in arguments)


def test_a_policy_document_is_compared_by_meaning() -> None:
    spaced = '{"Statement": [{"Action": ["s3:GetObject"], "Resource": "*"}]}'
    dense = '{"Statement":{"Resource":"*","Action":"s3:GetObject"}}'
    assert same_document(spaced, dense)
    assert not same_document(spaced, dense.replace("GetObject", "PutObject"))
    assert not same_document(spaced, "no document")


def test_the_order_of_a_set_means_nothing_and_its_members_do() -> None:
    assert as_set(["a", {"b": 1}], [{"b": 1}, "a"])
    assert not as_set(["a"], ["a", "b"])


def test_what_the_cloud_adds_to_an_object_does_not_count_and_what_it_changes_does() -> None:
    assert covers({"status": "Enabled", "mfaDelete": "Disabled"}, {"status": "Enabled"})
    assert not covers({"status": "Suspended"}, {"status": "Enabled"})


def test_an_absent_list_is_an_empty_one_but_false_is_not_absent() -> None:
    assert same_value(None, [])
    assert not same_value(None, False)
