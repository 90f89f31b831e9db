"""Genesis: the same document from the same files, and refusals that name the member."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gchain_node import genesis, genesis_cli
from gchain_node.development import DevelopmentConsortium
from gchain_node.errors import ConfigurationError, GenesisError
from gchain_node.keys.file_key import FileKey

RULES = [{"id": "LED-001", "severity": "critical", "stages": ["node"]}]


def rules(enforced: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    import hashlib

    chosen: Any = RULES if enforced is None else enforced
    return {"digest": "sha256:" + hashlib.sha256(rfc8785.dumps(chosen)).hexdigest(), "enforced": chosen}


SETTINGS = genesis.Settings(
    consortium="development",
    chain_id="gchain-test",
    convenor="treasury",
    environment="sandbox",
    zone_digest="sha256:" + "0" * 64,
    genesis_time="2026-05-01T10:00:00Z",
)


SignAgain = Callable[..., dict[str, Any]]


def changed(**changes: str) -> genesis.Settings:
    from dataclasses import replace

    return replace(SETTINGS, **changes)


@pytest.fixture(scope="session")
def contributions(consortium: DevelopmentConsortium) -> list[dict[str, Any]]:
    return [member.contribution for member in consortium.members]


def test_the_order_of_contributions_does_not_matter(contributions: list[dict[str, Any]]) -> None:
    shuffled = list(contributions)
    random.Random(3).shuffle(shuffled)  # noqa: S311 -- an order, not a secret
    first, second = (genesis.build(order, SETTINGS, rules()) for order in (contributions, shuffled))
    assert rfc8785.dumps(first) == rfc8785.dumps(second)
    assert genesis.digest(first) == genesis.digest(second)
    assert [entry["name"] for entry in first["validators"]] == ["finance", "interior", "justice", "treasury"]
    assert genesis.digest(first) != genesis.digest(genesis.build(contributions, changed(chain_id="other"), rules()))


def test_every_member_signs_and_a_missing_foreign_or_forged_signature_is_named(
    consortium: DevelopmentConsortium, contributions: list[dict[str, Any]]
) -> None:
    document = genesis.build(contributions, SETTINGS, rules())
    signatures = [genesis.sign(document, member.name, member.keys["member"]) for member in consortium.members]
    genesis.check_signatures(document, signatures)
    with pytest.raises(GenesisError, match="not signed by treasury"):
        genesis.check_signatures(document, signatures[:3])
    with pytest.raises(GenesisError, match="no member"):
        genesis.check_signatures(document, [*signatures, signatures[0]])
    with pytest.raises(GenesisError, match="no member"):
        genesis.check_signatures(document, [*signatures, signatures[0] | {"member": "elsewhere"}])
    with pytest.raises(GenesisError, match="signature of treasury"):
        genesis.check_signatures(document, [*signatures[:3], signatures[0] | {"member": "treasury"}])
    other = genesis.build(contributions, changed(chain_id="other"), rules())
    with pytest.raises(GenesisError, match="this genesis is"):
        genesis.check_signatures(other, signatures)


def test_a_changed_document_is_refused(contributions: list[dict[str, Any]]) -> None:
    document = genesis.build(contributions, SETTINGS, rules())
    genesis.check(document)
    weightier = copy.deepcopy(document)
    weightier["validators"][0]["power"] = "1000"
    fewer = copy.deepcopy(document)
    del fewer["app_state"]["contributions"][0]
    extra = copy.deepcopy(document)
    extra["app_state"]["backdoor"] = True
    rule = copy.deepcopy(document)
    rule["app_state"]["rules"]["enforced"][0]["severity"] = "low"
    forged = copy.deepcopy(document)
    forged["app_state"]["contributions"][1]["payload"]["site"] = "elsewhere"
    for bad, words in (
        (weightier, "validators are not those"),
        (fewer, "validators are not those"),
        (extra, "must hold exactly"),
        (rule, "rule set's digest"),
        (forged, "contribution of interior cannot be used"),
        ({}, "lacks 'app_state'"),
    ):
        with pytest.raises(GenesisError, match=words):
            genesis.check(bad)


def test_a_member_a_key_or_a_peer_may_stand_there_once(
    sign_again: SignAgain, consortium: DevelopmentConsortium, contributions: list[dict[str, Any]]
) -> None:
    finance, interior = consortium.members[:2]
    with pytest.raises(GenesisError, match="member finance exists"):
        genesis.build([*contributions, contributions[0]], SETTINGS, rules())
    peer = sign_again(interior, peer=finance.contribution["payload"]["peer"])
    with pytest.raises(GenesisError, match=r"peer [0-9a-f]{40} belongs to finance"):
        genesis.build([contributions[0], peer, *contributions[2:]], SETTINGS, rules())
    for kind, words in (
        ("validator", "validator key belongs to finance"),
        ("receipt", "receipt key belongs to finance"),
        ("officer", "a key of interior belongs to finance/officer already"),
        ("member", "a key of interior belongs to finance already"),
    ):
        shared = sign_again(interior, **{f"key_{kind}": finance.keys[kind]})
        with pytest.raises(GenesisError, match=words):
            genesis.build([contributions[0], shared, *contributions[2:]], SETTINGS, rules())


def test_a_contribution_for_another_consortium_is_refused(contributions: list[dict[str, Any]]) -> None:
    with pytest.raises(GenesisError, match="is for consortium 'development', not 'other'"):
        genesis.build(contributions, changed(consortium="other"), rules())


@pytest.mark.parametrize(
    ("settings", "enforced", "words"),
    [
        (changed(convenor="elsewhere"), RULES, "convenor elsewhere has made no contribution"),
        (changed(validator_key_type="rsa"), RULES, "validator_key_type is 'rsa'"),
        (changed(validator_key_type="secp256k1"), RULES, "genesis allows"),
        (changed(go_live_threshold="one"), RULES, "threshold go_live is 'one'"),
        (changed(chain_id="x" * 51), RULES, "chain id"),
        (SETTINGS, [], "at least one rule"),
        (SETTINGS, [RULES[0], RULES[0]], "enforced twice"),
        (SETTINGS, [RULES[0] | {"severity": "grave"}], "severity one of"),
        (SETTINGS, [RULES[0] | {"stages": []}], "has stages"),
        (SETTINGS, [RULES[0] | {"stages": ["node", "dream"]}], "has stages"),
    ],
)
def test_settings_or_rules_that_cannot_make_a_ledger_are_refused(
    contributions: list[dict[str, Any]], settings: genesis.Settings, enforced: list[dict[str, Any]], words: str
) -> None:
    with pytest.raises(GenesisError, match=words):
        genesis.build(contributions, settings, rules(enforced))


def test_without_a_validator_there_is_no_ledger(sign_again: SignAgain, consortium: DevelopmentConsortium) -> None:
    observers = [sign_again(member, roles=["observer"]) for member in consortium.members]
    with pytest.raises(GenesisError, match="no member is a validator"):
        genesis.build(observers, SETTINGS, rules())


def test_an_observer_in_genesis_has_no_power(sign_again: SignAgain, consortium: DevelopmentConsortium) -> None:
    members = consortium.members
    mixed = [sign_again(members[0], roles=["observer"]), *(m.contribution for m in members[1:])]
    document = genesis.build(mixed, SETTINGS, rules())
    assert [entry["name"] for entry in document["validators"]] == ["interior", "justice", "treasury"]


@pytest.mark.parametrize("key", [ec.SECP256K1, None])
def test_both_kinds_of_validator_key_make_a_genesis(
    sign_again: SignAgain, consortium: DevelopmentConsortium, key: Any
) -> None:
    kind = "secp256k1" if key else "ed25519"

    def fresh() -> FileKey:
        return FileKey(ec.generate_private_key(key()) if key else Ed25519PrivateKey.generate())

    documents = [sign_again(member, key_validator=fresh()) for member in consortium.members]
    document = genesis.build(documents, changed(validator_key_type=kind), rules())
    assert document["consensus_params"]["validator"]["pub_key_types"] == [kind]


JUNK = ["7", "null", "[]", "[" * 100_000, "{", '"x"', '{"a": 1e999}', '{"a": 123456789012345678901}', "{}"]


@pytest.mark.parametrize("text", JUNK, ids=lambda text: text[:20])
def test_a_file_that_is_no_genesis_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "genesis.json"
    path.write_text(text)
    commands: list[Callable[[], None]] = [
        lambda: genesis_cli.check(path),
        lambda: genesis_cli.build(path, path, tmp_path / "out", [path]),
        lambda: genesis_cli.write_trust(path, tmp_path / "out"),
    ]
    for command in commands if text == "{}" else [*commands, lambda: genesis_cli.digest(path)]:
        with pytest.raises((ConfigurationError, GenesisError)):
            command()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 2**64])
def test_rules_with_a_number_that_has_no_canonical_form_are_refused(
    contributions: list[dict[str, Any]], number: float
) -> None:
    enforced = [RULES[0] | {"weight": number}]
    with pytest.raises(GenesisError):
        genesis.build(contributions, SETTINGS, {"digest": "sha256:" + "0" * 64, "enforced": enforced})


@pytest.mark.parametrize("enforced", [7, "LED-001", {"id": "LED-001"}, [7], [None], [["id"]]], ids=repr)
def test_rules_of_another_shape_are_refused_though_their_digest_is_right(
    contributions: list[dict[str, Any]], enforced: Any
) -> None:
    with pytest.raises(GenesisError, match="must be a list"):
        genesis.build(contributions, SETTINGS, rules(enforced))
