"""A new key proves itself, a replaced one is destroyed, and nothing else is."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from gchain_node.errors import KeyAccessError, VerificationError
from gchain_node.keys import load_public_key, open_key
from gchain_node.keys.possession import verify_possession
from gchain_node.keys.token import as_key_type, destroy, generate, list_keys


@pytest.mark.parametrize("key_type", ["p256", "secp256k1", "ed25519"])
def test_a_destroyed_key_is_gone_with_its_public_half_and_signs_no_more(token: Any, key_type: str) -> None:
    old = generate(token.uri.with_object("old"), token.pin, as_key_type(key_type))
    new = generate(token.uri.with_object("new"), token.pin, as_key_type(key_type))
    held = open_key(str(token.uri.with_object("old")))
    assert held.sign(b"before")
    report = destroy(token.uri.with_object("old"), token.pin, old["public_key"])
    assert (report["destroyed"], report["remaining"]) == (True, ["new"])
    with pytest.raises(KeyAccessError):
        held.sign(b"after")
    with pytest.raises(KeyAccessError, match="0 private keys match"):
        open_key(str(token.uri.with_object("old")))
    assert [row["public_key"] for row in list_keys(token.uri, token.pin)] == [new["public_key"]]
    assert open_key(str(token.uri.with_object("new"))).sign(b"after")


def test_destroying_a_key_that_is_gone_is_no_error(token: Any) -> None:
    made = generate(token.uri.with_object("k"), token.pin, "p256")
    assert destroy(token.uri.with_object("k"), token.pin, made["public_key"])["destroyed"]
    assert not destroy(token.uri.with_object("k"), token.pin, made["public_key"])["destroyed"]


def test_a_key_with_another_public_key_than_named_stays(token: Any) -> None:
    used = generate(token.uri.with_object("used"), token.pin, "p256")
    other = generate(token.uri.with_object("other"), token.pin, "p256")
    with pytest.raises(KeyAccessError, match="it stays"):
        destroy(token.uri.with_object("used"), token.pin, other["public_key"])
    assert {row["public_key"] for row in list_keys(token.uri, token.pin)} == {used["public_key"], other["public_key"]}


def test_a_key_proves_possession_for_its_purpose_and_no_other(token: Any) -> None:
    uri = token.add("next", "secp256k1")
    line = [sys.executable, "-m", "gchain_node.keys", "prove", "--uri", uri, "--consortium", "c", "--member", "m"]
    done = subprocess.run([*line, "--purpose", "validator", "--json"], capture_output=True, text=True, check=True)
    proof = json.loads(done.stdout)
    key = load_public_key(proof["public_key"])
    verify_possession(key, proof["pop"], consortium="c", member="m", purpose="validator")
    assert proof["attributes"]["never_extractable"] is True
    assert len(bytes.fromhex(proof["address"])) == 20
    with pytest.raises(VerificationError):
        verify_possession(key, proof["pop"], consortium="c", member="m", purpose="receipt")
