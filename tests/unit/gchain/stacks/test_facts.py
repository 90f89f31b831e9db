from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gchain.environment import Environment
from gchain.errors import ConsortiumError
from gchain.stacks import facts
from gchain.stacks.facts import PublicFacts


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def test_what_was_signed_is_read_back(told: PublicFacts, key: Ed25519PrivateKey, environment: Environment) -> None:
    found, _ = facts.decode(facts.encode(told, key), "treasury.json", environment)
    assert found == told


@pytest.mark.parametrize(
    ("name", "value"),
    [("vpc_id", "vpc-0bad0bad"), ("peerings", {"health": "pcx-other"}), ("member", "health")],
)
def test_a_changed_fact_breaks_the_signature(
    name: str, value: Any, told: PublicFacts, key: Ed25519PrivateKey, environment: Environment
) -> None:
    document = json.loads(facts.encode(told, key))
    document["facts"][name] = value
    with pytest.raises(ConsortiumError, match="the signature does not match"):
        facts.decode(json.dumps(document).encode(), "treasury.json", environment)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("account", "999988887777"),
        ("region", "us-east-1"),
        ("cidrs", ("0.0.0.0/0",)),
        ("zone", "elsewhere"),
        ("environment", "uk"),
    ],
)
def test_signed_facts_that_contradict_the_consortium_are_refused(
    name: str, value: Any, told: PublicFacts, key: Ed25519PrivateKey, environment: Environment
) -> None:
    lying = told.model_copy(update={name: value})
    with pytest.raises(ConsortiumError, match=f"{name} is"):
        facts.decode(facts.encode(lying, key), "treasury.json", environment)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("validator-1.health.gchain.internal", "10.61.0.10"),  # another member's name
        ("mirror.gchain.internal", "10.61.0.10"),  # a shared name
        ("validator-1.treasury.gchain.internal", "10.62.0.10"),  # another member's address
        ("validator-1.treasury.gchain.internal", "203.0.113.5"),
    ],
)
def test_a_member_names_only_its_own_hosts_and_addresses(
    host: str, address: str, told: PublicFacts, key: Ed25519PrivateKey, environment: Environment
) -> None:
    lying = told.model_copy(update={"hosts": {host: IPv4Address(address)}})
    with pytest.raises(ConsortiumError, match="is not treasury's to name"):
        facts.decode(facts.encode(lying, key), "treasury.json", environment)


def test_a_stranger_is_refused(told: PublicFacts, key: Ed25519PrivateKey, environment: Environment) -> None:
    stranger = told.model_copy(update={"member": "mallory"})
    with pytest.raises(ConsortiumError, match="'mallory' is not a member"):
        facts.decode(facts.encode(stranger, key), "mallory.json", environment)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"[1]", b'{"facts": {}, "public_key": "x", "signature": "%%"}', b'{"facts": 1, "signature": ""}'],
)
def test_another_kind_of_file_is_refused(raw: bytes, environment: Environment) -> None:
    with pytest.raises(ConsortiumError, match="not a file of signed facts"):
        facts.decode(raw, "treasury.json", environment)


def test_every_truncation_is_refused(told: PublicFacts, key: Ed25519PrivateKey, environment: Environment) -> None:
    whole = facts.encode(told, key).rstrip()
    for length in range(len(whole)):
        with pytest.raises(ConsortiumError):
            facts.decode(whole[:length], "treasury.json", environment)


def test_a_file_under_another_members_name_is_refused(
    told: PublicFacts, key: Ed25519PrivateKey, environment: Environment, tmp_path: Path
) -> None:
    facts.write(told, key, tmp_path).rename(tmp_path / "health.json")
    with pytest.raises(ConsortiumError, match="holds the facts of 'treasury'"):
        facts.read_all(tmp_path, environment)


def test_a_key_is_trusted_on_first_use_and_another_one_refused_later(
    told: PublicFacts, key: Ed25519PrivateKey, environment: Environment, tmp_path: Path
) -> None:
    pins = tmp_path / "known.json"
    facts.write(told, key, tmp_path / "facts")
    assert facts.read_all(tmp_path / "facts", environment, pins) == {"treasury": told}
    assert facts.read_all(tmp_path / "facts", environment, pins) == {"treasury": told}
    facts.write(told, Ed25519PrivateKey.generate(), tmp_path / "facts")
    with pytest.raises(ConsortiumError, match="signed by another key"):
        facts.read_all(tmp_path / "facts", environment, pins)
