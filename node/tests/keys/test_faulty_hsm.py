"""What happens when an HSM is away, locked, full, slow, wrong, or cannot do what genesis demands.

The HSM is SoftHSM behind a module that fails on demand (`tests/faulty_hsm.c`).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gchain_node.errors import KeyAccessError, KeyUnavailable
from gchain_node.keys import open_key, verify_signature
from gchain_node.keys import session as sessions
from gchain_node.keys.cli import app
from gchain_node.keys.token import generate, list_keys, probe


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "RECONNECT_SECONDS", 0.2)


@pytest.mark.parametrize("key_type", ["p256", "secp256k1", "ed25519"])
def test_an_hsm_without_faults_signs(faulty_hsm: Any, key_type: str) -> None:
    key = open_key(faulty_hsm.uri_of("k", key_type))
    verify_signature(key.public_key, b"m", key.sign(b"m"))


def test_an_hsm_without_read_only_sessions_signs_and_is_listed(faulty_hsm: Any) -> None:
    uri = faulty_hsm.uri_of("k", "p256")
    faulty_hsm.set("no-read-only")
    key = open_key(uri)
    verify_signature(key.public_key, b"m", key.sign(b"m"))
    assert [row["label"] for row in list_keys(faulty_hsm.uri, faulty_hsm.token.pin)] == ["k"]


def test_a_removed_hsm_is_unavailable_and_works_again_when_it_is_back(faulty_hsm: Any) -> None:
    key = open_key(faulty_hsm.uri_of("k", "ed25519"))
    before = key.sign(b"m")
    for _ in range(2):
        faulty_hsm.set("removed")
        with pytest.raises(KeyUnavailable, match="not available"):
            key.sign(b"m")
        faulty_hsm.set("")
        assert key.sign(b"m") == before


def test_an_hsm_that_is_away_at_the_start_is_unavailable_for_now(faulty_hsm: Any) -> None:
    uri = faulty_hsm.uri_of("k", "ed25519")
    faulty_hsm.set("removed")
    with pytest.raises(KeyUnavailable):
        open_key(uri)
    faulty_hsm.set("")
    assert open_key(uri).sign(b"m")


@pytest.mark.parametrize(("fault", "said"), [("locked", "is locked"), ("final-try", "one more wrong PIN locks")])
def test_a_token_that_is_or_would_be_locked_is_not_tried(faulty_hsm: Any, fault: str, said: str) -> None:
    uri = faulty_hsm.uri_of("k", "p256")
    faulty_hsm.set(fault)
    with pytest.raises(KeyAccessError, match=said) as caught:
        open_key(uri)
    assert not isinstance(caught.value, KeyUnavailable), "waiting does not help"
    assert faulty_hsm.token.pin() not in f"{caught.value!r}{caught.value.remedy}"


def test_a_token_that_is_locked_while_it_is_in_use_says_so_at_the_next_log_in(faulty_hsm: Any) -> None:
    key = open_key(faulty_hsm.uri_of("k", "p256"))
    faulty_hsm.set("locked")
    assert key.sign(b"m"), "an open session goes on"
    key._connection.run(lambda session: session.close())
    with pytest.raises(KeyAccessError, match="is locked"):
        key.sign(b"m")


@pytest.mark.parametrize(("fault", "status"), [("removed", 75), ("locked", 7), ("final-try", 7), ("", 0)])
def test_the_exit_status_says_whether_a_new_start_may_help(faulty_hsm: Any, fault: str, status: int) -> None:
    """A unit restarts after 75 and never after 7, where another try could lock the token."""
    uri = faulty_hsm.uri_of("k", "ed25519")
    faulty_hsm.set(fault)
    command = [sys.executable, "-m", "gchain_node.cli", "keys", "public", "--uri", uri]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert faulty_hsm.token.pin() not in done.stdout + done.stderr


def test_a_full_token_is_named_and_its_keys_go_on(faulty_hsm: Any) -> None:
    key = open_key(faulty_hsm.uri_of("k", "p256"))
    faulty_hsm.set("full")
    with pytest.raises(KeyAccessError, match="the token is full: no room for key 'more'"):
        generate(faulty_hsm.uri.with_object("more"), faulty_hsm.token.pin, "p256")
    assert key.sign(b"m")
    assert [row["label"] for row in list_keys(faulty_hsm.uri, faulty_hsm.token.pin)] == ["k"]


@pytest.mark.parametrize("key_type", ["p256", "secp256k1", "ed25519"])
def test_a_wrong_signature_never_leaves(faulty_hsm: Any, key_type: str) -> None:
    key = open_key(faulty_hsm.uri_of("k", key_type))
    faulty_hsm.set("bad-signature")
    with pytest.raises(KeyAccessError, match="does not verify"):
        key.sign(b"m")
    faulty_hsm.set("")
    assert key.sign(b"m")


def test_the_probe_of_an_hsm_without_ed25519_says_so_before_go_live(faulty_hsm: Any) -> None:
    faulty_hsm.set("no-ed25519")
    table = {row.key_type: row for row in probe(faulty_hsm.uri, faulty_hsm.token.pin)}
    assert (table["ed25519"].listed, table["ed25519"].works) == (False, False)
    assert "MechanismInvalid" in table["ed25519"].trial
    assert table["p256"].works
    assert table["secp256k1"].works


def test_an_hsm_without_ed25519_makes_no_such_key_and_a_table_says_what_it_can_do(faulty_hsm: Any) -> None:
    faulty_hsm.set("no-ed25519")
    with pytest.raises(KeyAccessError) as caught:
        generate(faulty_hsm.uri.with_object("k"), faulty_hsm.token.pin, "ed25519")
    lines = str(caught.value).splitlines()
    assert "cannot do what a key of type ed25519 needs" in lines[0]
    rows = {line.split()[0]: line for line in lines[2:]}
    assert rows["ed25519"].endswith("lacks CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA")
    assert rows["secp256k1"].endswith("offers it")
    assert "validator_key_type" in str(caught.value.remedy)
    assert list_keys(faulty_hsm.uri, faulty_hsm.token.pin) == []
    generate(faulty_hsm.uri.with_object("k"), faulty_hsm.token.pin, "secp256k1")


def test_a_signer_does_not_start_on_an_hsm_that_cannot_sign_with_its_key(faulty_hsm: Any, tmp_path: Path) -> None:
    """Status 7: the unit stays down until somebody looked."""
    uri = faulty_hsm.uri_of("k", "ed25519")
    config = tmp_path / "signer.toml"
    config.write_text(
        f'chain_id = "c"\nkey = "{uri}"\nkey_type = "ed25519"\nsocket = "unix://{tmp_path}/s"\n'
        f'journal = "{tmp_path}/journal"\n'
    )
    faulty_hsm.set("no-ed25519")
    for action in (["init", "--initial-height", "1"], ["run"], ["public-key"]):
        command = [sys.executable, "-m", "gchain_node", "signer", action[0], "--config", str(config), *action[1:]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 7, done.stderr
        assert "lacks CKM_EDDSA" in done.stderr
    assert not (tmp_path / "journal").exists() or not any((tmp_path / "journal").iterdir())


@pytest.mark.parametrize(("required", "works"), [("ed25519", False), ("secp256k1", True)])
def test_the_command_shows_the_table_and_fails_if_what_genesis_demands_is_missing(
    faulty_hsm: Any, required: str, works: bool
) -> None:
    faulty_hsm.set("no-ed25519")
    result = CliRunner().invoke(app, ["probe", "--uri", str(faulty_hsm.uri), "--require", required])
    rows = {line.split()[0]: line.split()[1:3] for line in result.stdout.splitlines()[1:4]}
    assert rows == {"p256": ["yes", "yes"], "secp256k1": ["yes", "yes"], "ed25519": ["no", "no"]}
    assert (result.exception is None) == works
    if not works:
        assert isinstance(result.exception, KeyAccessError)
        assert "cannot do ed25519" in str(result.exception)
        assert "validator_key_type" in (result.exception.remedy or "")
