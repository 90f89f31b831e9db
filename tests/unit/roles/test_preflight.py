"""Preflight refuses what would open, lock or confuse a host, and says what it found; the usual settings pass."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Play

pytestmark = pytest.mark.slow

ROLES = ("hardening", "cometbft", "ledger_node", "monitoring")

CLOUDHSM = {
    "gchain_hsm": {
        "kind": "cloudhsm",
        "module_path": "/opt/cloudhsm/lib/libcloudhsm_pkcs11.so",
        "environment": {},
        "token_labels": {"validator": "hsm1", "member": "hsm1"},
    },
    "hsm_program": "/bin/true",
}

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
    ("ledger_node", {"ledger_node_signer_id": "Host B"}, 'signer "Host B" of epoch 0'),
    ("ledger_node", {"ledger_node_signer_epoch": -1}, "of epoch -1"),
    ("hsm", CLOUDHSM, "AWS CloudHSM has no Ed25519"),
    ("hsm", {"hsm_token_labels": {"validator": "one", "member": "one"}}, "SoftHSM's tokens have two labels"),
    ("hsm", {"hsm_token_labels": {"validator": "", "member": "one"}}, "a label has 1 to 32 characters"),
    (
        "hsm",
        CLOUDHSM | {"hsm_validator_key_type": "secp256k1", "hsm_initialise_tokens": True},
        "hsm_initialise_tokens true do not fit",
    ),
    ("monitoring", {"monitoring_tls_directory": "/etc/ssl"}, "a tmpfs below /run"),
]


def _preflight(role: str) -> list[dict[str, Any]]:
    return [{"ansible.builtin.include_role": {"name": role, "tasks_from": "preflight.yml"}}]


@pytest.fixture(scope="module")
def refusals(play: Play, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each bad combination was answered, in one play; empty where it was taken."""
    place = tmp_path_factory.mktemp("refusals")
    tasks: list[dict[str, Any]] = [
        {
            "block": [{"ansible.builtin.include_role": {"name": role, "tasks_from": "preflight.yml"}, "vars": extra}],
            "rescue": [
                {
                    "ansible.builtin.copy": {
                        "dest": str(place / str(number)),
                        "content": "{{ ansible_failed_result.msg }}",
                    }
                }
            ],
        }
        for number, (role, extra, _) in enumerate(BAD)
    ]
    done = play(tasks)
    assert done.returncode == 0, done.stdout
    files = [place / str(number) for number in range(len(BAD))]
    return [" ".join(file.read_text().split()) if file.is_file() else "" for file in files]


@pytest.mark.parametrize("number", range(len(BAD)), ids=[f"{role}-{next(iter(extra))}" for role, extra, _ in BAD])
def test_a_bad_combination_is_refused_with_what_was_found(refusals: list[str], number: int) -> None:
    assert BAD[number][2] in refusals[number]


def test_the_usual_settings_pass_and_so_does_a_cloudhsm_with_a_key_type_it_has(play: Play) -> None:
    usual = [{"ansible.builtin.include_role": {"name": role, "tasks_from": "preflight.yml"}} for role in ROLES]
    cloudhsm = {"ansible.builtin.include_role": {"name": "hsm", "tasks_from": "preflight.yml"}}
    done = play([*usual, cloudhsm | {"vars": CLOUDHSM | {"hsm_validator_key_type": "secp256k1"}}])
    assert done.returncode == 0, done.stdout


def test_a_missing_journal_of_a_registered_key_is_not_guessed_over(play: Play) -> None:
    """The height is 1 only while no ledger knows the key; afterwards the operator has to name one."""
    agreed = {"gchain_agreed": {"document": "{}", "contributions": [], "registered": {}}}
    situations = {"new": {}, "registered": agreed, "named": agreed | {"gchain_signer_initial_height": 700}}
    message = "{{ hsm_signer_initial_height }}"
    said = play(
        [
            {"ansible.builtin.debug": {"msg": f"{name} begins at {message}"}, "vars": extra}
            for name, extra in situations.items()
        ]
    ).stdout
    assert "new begins at 1" in said
    assert "registered begins at 0" in said
    assert "named begins at 700" in said
