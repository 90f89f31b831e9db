"""Preflight refuses what would open, lock or confuse a host, and says what it found; the usual settings pass."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Play

ROLES = ("hardening", "cometbft", "ledger_node", "monitoring")

BAD: list[tuple[str, dict[str, Any], str]] = [
    ("hardening", {"hardening_operator_cidrs": []}, "at least one of each of hardening_operator_cidrs"),
    ("hardening", {"hardening_operator_cidrs": ["0.0.0.0/0"]}, "no rule that opens 0.0.0.0/0"),
    ("hardening", {"hardening_admin_user": "root"}, "an admin user that is not root"),
    ("hardening", {"hardening_ntp_servers": []}, "hardening_ntp_servers"),
    ("cometbft", {"cometbft_sha256": "abc"}, 'sha256 "abc"'),
    ("cometbft", {"cometbft_rpc_address": "tcp://0.0.0.0:26657"}, "RPC tcp://0.0.0.0:26657"),
    ("cometbft", {"cometbft_peers": [{"id": "short", "host": "10.62.0.11", "port": 26656}]}, "distinct ids of 40"),
    ("ledger_node", {"ledger_node_member": ""}, 'found member ""'),
    ("ledger_node", {"ledger_node_zone_cidrs": ["0.0.0.0/0"]}, "0.0.0.0/0 is not one"),
    ("ledger_node", {"ledger_node_wheelhouse_digest": "latest"}, '"latest"'),
    ("monitoring", {"monitoring_tls_directory": "/etc/ssl"}, "a tmpfs below /run"),
]


def _preflight(role: str) -> list[dict[str, Any]]:
    return [{"ansible.builtin.include_role": {"name": role, "tasks_from": "preflight.yml"}}]


@pytest.mark.parametrize(("role", "extra", "said"), BAD)
def test_a_bad_combination_is_refused_with_what_was_found(
    play: Play, role: str, extra: dict[str, Any], said: str
) -> None:
    done = play(_preflight(role), **extra)
    assert done.returncode != 0
    assert said in " ".join(done.stdout.split())


def test_the_usual_settings_pass_every_preflight(play: Play) -> None:
    done = play([task for role in ROLES for task in _preflight(role)])
    assert done.returncode == 0, done.stdout


def test_an_hsm_without_ed25519_is_refused_for_an_ed25519_consortium(play: Play) -> None:
    cloudhsm = {"kind": "cloudhsm", "module_path": "/opt/cloudhsm/lib/libcloudhsm_pkcs11.so"}
    refused = play(_preflight("hsm"), gchain_hsm=cloudhsm, hsm_program="/bin/true")
    assert refused.returncode != 0
    assert "AWS CloudHSM has no Ed25519" in refused.stdout
    taken = play(_preflight("hsm"), gchain_hsm=cloudhsm, hsm_program="/bin/true", hsm_validator_key_type="secp256k1")
    assert taken.returncode == 0, taken.stdout


def test_a_missing_journal_of_a_registered_key_is_not_guessed_over(play: Play) -> None:
    """The height is 1 only while no ledger knows the key; afterwards the operator has to name one."""
    show = [{"ansible.builtin.debug": {"msg": "height {{ hsm_signer_initial_height }}"}}]
    agreed = {"document": "{}", "contributions": [], "registered": {}}
    assert "height 1" in play(show).stdout
    assert "height 0" in play(show, gchain_agreed=agreed).stdout
    assert "height 700" in play(show, gchain_agreed=agreed, gchain_signer_initial_height=700).stdout
