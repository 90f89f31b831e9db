from __future__ import annotations

import copy
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from gchain_node.contribution import Facts, make, prove_validator, verify
from gchain_node.errors import GenesisError, NodeError, VerificationError
from gchain_node.keys import encode_public_key
from gchain_node.keys.possession import encode_signature, prove, verify_possession
from gchain_node.tls import make_authority

FACTS: dict[str, Any] = {
    "consortium": "gov",
    "member": "treasury",
    "jurisdiction": "DE",
    "account": "111111111111",
    "site": "euc1-az1",
    "roles": ["validator"],
    "peer": {"id": "ab" * 20, "host": "10.0.0.1", "port": 26656},
    "api": {"host": "h1.gov", "port": 8443},
}
WORDS = {"consortium": "gov", "member": "treasury"}


@pytest.fixture
def keys(token: Any) -> dict[str, Any]:
    kinds = {"validator": "ed25519", "member": "p256", "receipt": "p256", "tls": "p256", "alice": "p256"}
    return {name: token.key(name, kind) for name, kind in kinds.items()}


@pytest.fixture
def parts(keys: dict[str, Any]) -> dict[str, Any]:
    pop = prove(keys["alice"], **WORDS, purpose="officer/alice")
    alice = {"name": "alice", "public_key": encode_public_key(keys["alice"].public_key), "pop": pop, **WORDS}
    return {
        "validator": prove_validator(keys["validator"], **WORDS),
        "officers": [alice],
        "tls_ca": make_authority(keys["tls"], member="treasury", now=datetime.now(UTC)).decode(),
        "member_key": keys["member"],
        "receipt_key": keys["receipt"],
    }


@pytest.fixture
def contribution(parts: dict[str, Any]) -> dict[str, Any]:
    return make(Facts.model_validate(FACTS), **parts)


def test_a_contribution_that_was_made_verifies(contribution: dict[str, Any]) -> None:
    verify(contribution, consortium="gov")
    with pytest.raises(VerificationError, match="not 'other'"):
        verify(contribution, consortium="other")


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    return [path] if items is None else [found for key, inner in items for found in _paths(inner, (*path, key))]


def test_no_single_value_can_be_changed(contribution: dict[str, Any]) -> None:
    for path in _paths(contribution):
        changed = copy.deepcopy(contribution)
        holder = changed
        for step in path[:-1]:
            holder = holder[step]
        old = holder[path[-1]]
        holder[path[-1]] = old + 1 if isinstance(old, int) else old[:-1] + ("0" if old[-1] != "0" else "1")
        with pytest.raises(NodeError):
            verify(changed)


def _resign(contribution: dict[str, Any], member_key: Any) -> dict[str, Any]:
    signature = member_key.sign(rfc8785.dumps(contribution["payload"]))
    return {"payload": contribution["payload"], "signature": encode_signature(signature)}


def test_a_member_cannot_claim_a_key_that_it_does_not_hold(
    contribution: dict[str, Any], keys: dict[str, Any], token: Any
) -> None:
    stranger = token.key("stranger", "p256")
    for change in ("receipt_key", "officers"):
        forged = copy.deepcopy(contribution)
        if change == "receipt_key":
            forged["payload"]["receipt_key"] = encode_public_key(stranger.public_key)
        else:
            forged["payload"]["officers"][0]["public_key"] = encode_public_key(stranger.public_key)
        with pytest.raises(VerificationError, match="proof of possession"):
            verify(_resign(forged, keys["member"]))


def test_a_proof_for_another_purpose_member_or_consortium_does_not_count(keys: dict[str, Any]) -> None:
    key = keys["alice"]
    pop = prove(key, **WORDS, purpose="officer/alice")
    verify_possession(key.public_key, pop, **WORDS, purpose="officer/alice")
    for words in (
        WORDS | {"purpose": "officer/bob"},
        WORDS | {"purpose": "receipt"},
        {"consortium": "gov", "member": "health", "purpose": "officer/alice"},
        {"consortium": "go", "member": "vtreasury", "purpose": "officer/alice"},
    ):
        with pytest.raises(VerificationError, match="proof of possession"):
            verify_possession(key.public_key, pop, **words)


def test_one_key_for_two_purposes_is_refused(parts: dict[str, Any], keys: dict[str, Any]) -> None:
    with pytest.raises(VerificationError, match="two purposes"):
        make(Facts.model_validate(FACTS), **parts | {"receipt_key": keys["member"]})


def test_an_issuing_certificate_of_another_member_is_refused(parts: dict[str, Any], keys: dict[str, Any]) -> None:
    other = make_authority(keys["tls"], member="health", now=datetime.now(UTC)).decode()
    with pytest.raises(VerificationError, match="TLS issuing certificate"):
        make(Facts.model_validate(FACTS), **parts | {"tls_ca": other})


def test_an_officer_named_twice_is_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(VerificationError, match="twice"):
        make(Facts.model_validate(FACTS), **parts | {"officers": parts["officers"] * 2})


@pytest.mark.parametrize("broken", [None, {}, {"payload": {}, "signature": ""}, [], "text"])
def test_what_is_no_contribution_is_refused(broken: Any) -> None:
    with pytest.raises(GenesisError, match="malformed"):
        verify(broken)


def test_an_unknown_field_is_refused(contribution: dict[str, Any]) -> None:
    with pytest.raises(GenesisError, match="extra"):
        verify({**contribution, "extra": 1})


def test_the_commands_make_the_same_contribution(
    token: Any, keys: dict[str, Any], parts: dict[str, Any], tmp_path: Path
) -> None:
    uris = {name: str(token.uri.with_object(name)) for name in keys}
    signer = tmp_path / "signer.toml"
    signer.write_text(
        f'chain_id = "c"\nkey = "{uris["validator"]}"\nkey_type = "ed25519"\n'
        'socket = "unix:///run/p.sock"\njournal = "/nowhere"\n'
    )
    (tmp_path / "ca.pem").write_text(parts["tls_ca"])
    (tmp_path / "alice.json").write_bytes(rfc8785.dumps(parts["officers"][0]))
    (tmp_path / "contribution.toml").write_text(
        'consortium = "gov"\nmember = "treasury"\njurisdiction = "DE"\naccount = "111111111111"\nsite = "euc1-az1"\n'
        f'roles = ["validator"]\ntls_ca = "{tmp_path}/ca.pem"\nvalidator_pop = "{tmp_path}/pop.json"\n'
        f'officers = ["{tmp_path}/alice.json"]\n[peer]\nid = "{"ab" * 20}"\nhost = "10.0.0.1"\nport = 26656\n'
        f'[api]\nhost = "h1.gov"\nport = 8443\n[keys]\nmember = "{uris["member"]}"\nreceipt = "{uris["receipt"]}"\n'
    )
    pop = ("pop", "--config", signer, "--consortium", "gov", "--member", "treasury", "--out", tmp_path / "pop.json")
    make_it = ("make", "--config", tmp_path / "contribution.toml", "--out", tmp_path / "c.json")
    for arguments in (pop, make_it, ("verify", tmp_path / "c.json", "--consortium", "gov")):
        command = [sys.executable, "-m", "gchain_node.cli", "contribution", *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
