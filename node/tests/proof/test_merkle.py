"""RFC 6962 trees against the vectors of transparency-dev/merkle."""

from __future__ import annotations

import base64
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from gchain_node.errors import VerificationError
from gchain_node.proof import merkle

CASES = Path(__file__).parent.parent / "cases"


def cases(name: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in json.loads((CASES / "merkle" / name).read_text())["cases"]]


def decoded(values: list[str] | None) -> list[bytes]:
    return [base64.b64decode(value) for value in values or []]


@pytest.mark.parametrize("case", cases("tree_roots.json"))
def test_a_root_is_the_published_one(case: dict[str, Any]) -> None:
    assert merkle.root([bytes.fromhex(leaf) for leaf in case["leaves"]]).hex() == case["root"]


@pytest.mark.parametrize("case", cases("inclusion.json"))
def test_an_inclusion_proof_is_judged_as_published(case: dict[str, Any]) -> None:
    leaf, root = decoded([case["leafHash"], case["root"]])

    def verify() -> None:
        merkle.verify_inclusion(leaf, case["leafIdx"], case["treeSize"], decoded(case["proof"]), root)

    if case["wantErr"]:
        with pytest.raises(VerificationError):
            verify()
    else:
        verify()


@pytest.mark.parametrize("case", cases("consistency.json"))
def test_a_consistency_proof_is_judged_as_published(case: dict[str, Any]) -> None:
    root1, root2 = decoded([case["root1"], case["root2"]])

    def verify() -> None:
        merkle.verify_consistency(case["size1"], case["size2"], decoded(case["proof"]), root1, root2)

    if case["wantErr"]:
        with pytest.raises(VerificationError):
            verify()
    else:
        verify()


@pytest.mark.parametrize("case", cases("subtree_inclusion.json"))
def test_an_inclusion_proof_in_a_subtree_is_judged_as_published(case: dict[str, Any]) -> None:
    leaf, root = decoded([case["leafHash"], case["root"]])
    with pytest.raises(VerificationError) if case["wantErr"] else nullcontext():
        merkle.verify_subtree_inclusion(leaf, case["leafIdx"], case["start"], case["end"], decoded(case["proof"]), root)


@pytest.mark.parametrize("case", cases("subtree_consistency.json"))
def test_a_subtree_is_judged_to_be_part_of_a_tree_as_published(case: dict[str, Any]) -> None:
    root1, root2 = decoded([case["root1"], case["root2"]])
    with pytest.raises(VerificationError) if case["wantErr"] else nullcontext():
        merkle.verify_subtree_consistency(
            case["start"], case["end"], case["size"], decoded(case["proof"]), root1, root2
        )


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 21])
def test_every_path_made_verifies_and_verifies_nowhere_else(size: int) -> None:
    leaves = [bytes([number]) for number in range(size)]
    root = merkle.root(leaves)
    for index, leaf in enumerate(leaves):
        path = merkle.inclusion_path(leaves, index)
        merkle.verify_inclusion(merkle.leaf_hash(leaf), index, size, path, root)
        with pytest.raises(VerificationError):
            merkle.verify_inclusion(merkle.leaf_hash(leaf), index + 1, size, path, root)
        with pytest.raises(VerificationError):
            merkle.verify_inclusion(merkle.leaf_hash(b"other"), index, size, path, root)
