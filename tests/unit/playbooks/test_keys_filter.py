"""A token is asked for the keys that the record of the member's keys names, and for no other."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import pytest

from gchain.custody.record import KeyInUse, KeyRecord, NextKey
from gchain.workspace import REPOSITORY
from gchain_node.keys import Pkcs11Uri


def _filters() -> ModuleType:
    path = REPOSITORY / "playbooks" / "filter_plugins" / "keys.py"
    specification = importlib.util.spec_from_file_location("gchain_keys_filters", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


FILTERS = _filters()


def wanted(record: KeyRecord, token: str) -> list[dict[str, Any]]:
    found = record.to_variables()
    return list(FILTERS.key_objects(found["objects"], token, found["next_objects"], found["lost"], "secp256k1"))


def in_rotation(*, lost: bool) -> KeyRecord:
    record = KeyRecord()
    record.keys["consensus"] = KeyInUse(object="consensus", lost=lost, next=NextKey(object="consensus-2"))
    return record


def test_without_rotations_the_tokens_hold_the_keys_of_genesis() -> None:
    assert wanted(KeyRecord(), "validator") == [{"name": "consensus", "type": "secp256k1"}]
    assert wanted(KeyRecord(), "member") == [{"name": name, "type": "p256"} for name in ("member", "receipt", "tls")]


@pytest.mark.parametrize(("lost", "names"), [(False, ["consensus", "consensus-2"]), (True, ["consensus-2"])])
def test_a_rotation_adds_the_next_key_and_asks_for_none_that_is_lost(lost: bool, names: list[str]) -> None:
    assert [key["name"] for key in wanted(in_rotation(lost=lost), "validator")] == names
    assert len(wanted(in_rotation(lost=lost), "member")) == 3


@pytest.mark.parametrize(("name", "found"), [("member", "member"), ("", None)])
def test_a_uri_names_the_tokens_own_label_and_the_pin_of_the_unit(name: str, found: str | None) -> None:
    labels = {"validator": "one", "member": "Agency HSM; 50% = é"}
    uri = Pkcs11Uri.parse(FILTERS.key_uri(name, "member", labels, "/opt/vendor.so", "gchain-gate"))
    assert (uri.token, uri.object, uri.module_path) == (labels["member"], found, "/opt/vendor.so")
    assert str(uri.pin_source) == "/run/credentials/gchain-gate.service/member-pin"


def test_every_consensus_key_has_a_journal_of_its_own() -> None:
    assert FILTERS.journal("consensus") == "journal"
    assert len({FILTERS.journal(name) for name in ("consensus", "consensus-2", "consensus-3")}) == 3
