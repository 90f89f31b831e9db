"""The genesis document that a member's hosts start from is the one whose digest was accepted, and no other."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from gchain.workspace import REPOSITORY
from gchain_node import genesis as node_genesis


def _filters() -> ModuleType:
    path = REPOSITORY / "playbooks" / "filter_plugins" / "genesis.py"
    specification = importlib.util.spec_from_file_location("gchain_genesis_filters", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _document(path: Path) -> dict[str, Any]:
    payload = {
        "member": "treasury",
        "member_key": "MEMBER",
        "receipt_key": "RECEIPT",
        "tls_ca": "PEM",
        "validator": {"public_key": "CONSENSUS"},
        "peer": {"id": "a" * 40, "host": "10.61.0.11", "port": 26656},
    }
    document = {"chain_id": "gchain-test-1", "app_state": {"contributions": [{"payload": payload, "signature": "s"}]}}
    path.write_text(json.dumps(document, indent=3))
    return document


def test_the_accepted_document_gives_peers_and_registered_keys(tmp_path: Path) -> None:
    path = tmp_path / "genesis.json"
    digest = node_genesis.digest(_document(path))
    agreed = _filters().agreed_genesis(str(path), digest)
    assert agreed["document"] == path.read_text()
    assert agreed["contributions"][0]["peer"]["host"] == "10.61.0.11"
    assert agreed["registered"]["treasury"] == {
        "member": "MEMBER", "receipt": "RECEIPT", "tls_ca": "PEM", "consensus": "CONSENSUS",
    }  # fmt: skip


def test_a_document_with_another_digest_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "genesis.json"
    _document(path)
    with pytest.raises(AnsibleFilterError, match=r"genesis\.json has digest sha256:.* but sha256:0000"):
        _filters().agreed_genesis(str(path), "sha256:" + "0" * 64)


def test_without_an_accepted_digest_there_is_no_ledger_yet(tmp_path: Path) -> None:
    assert _filters().agreed_genesis(str(tmp_path / "genesis.json"), "")["document"] == ""


def test_a_truncated_document_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "genesis.json"
    _document(path)
    path.write_text(path.read_text()[:40])
    with pytest.raises(AnsibleFilterError, match="not a genesis document"):
        _filters().agreed_genesis(str(path), "sha256:" + "0" * 64)


def test_a_list_of_officers_must_have_each_ones_key_and_proof(tmp_path: Path) -> None:
    path = tmp_path / "officers.json"
    path.write_text(json.dumps([{"name": "ada", "public_key": "K", "pop": "P"}]))
    assert _filters().officers(str(path))[0]["name"] == "ada"
    path.write_text(json.dumps([{"name": "ada"}]))
    with pytest.raises(AnsibleFilterError, match="public_key and pop"):
        _filters().officers(str(path))
