from __future__ import annotations

import json
from pathlib import Path

import pytest

from gchain.consortium.officers import label, make_officers, officer_key
from gchain.environment import load
from gchain.workspace import Workspace
from gchain_node.officer import verify_public_file


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Helene Brandt", "helene-brandt"),
        ("Adèle Fontanel", "adele-fontanel"),
        ("  O'Neil, Jr. ", "o-neil-jr"),
        ("Maximiliane von und zu Hohenstein", "maximiliane-von-und-zu-h"),
    ],
)
def test_a_name_becomes_a_label_that_the_ledger_takes(name: str, written: str) -> None:
    assert label(name) == written


def test_officers_are_made_once_with_proofs_and_their_keys_sign(tmp_path: Path) -> None:
    environment, workspace = load("sandbox"), Workspace(tmp_path, "sandbox", "case")
    member = environment.member("treasury")
    labels = make_officers(environment, workspace, member)
    path = workspace.member("treasury").officer / "officers.json"
    first = path.read_text()
    assert [each["name"] for each in json.loads(first)] == labels
    for each in json.loads(first):
        verify_public_file(each)
    make_officers(environment, workspace, member)
    assert path.read_text() == first
    with officer_key(workspace, member) as (signer, key):
        assert signer == f"treasury/{labels[0]}"
        assert len(key.sign(b"message")) == 64
