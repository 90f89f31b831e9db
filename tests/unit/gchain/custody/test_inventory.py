"""The inventory of an agency's keys: what is in use, replaced or due, and whether the ledger agrees."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from gchain.custody import cli
from gchain.custody.inventory import inventory
from gchain.custody.record import KeyInUse, KeyRecord, NextKey, RetiredKey
from gchain.environment import load
from gchain.workspace import Workspace
from gchain_node.keys import encode_public_key
from gchain_node.keys.public import cometbft_address, cometbft_bytes, public_der

BEGUN = datetime(2026, 1, 10, 12, tzinfo=UTC)


class Agency:
    """Keys of treasury, its contribution and genesis in a workspace, and its record on the ledger."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root, "sandbox", "unit")
        self.member = load("sandbox").member("treasury")
        self.validator = Ed25519PrivateKey.generate().public_key()
        self.keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("member", "receipt", "officer", "tls")}
        self.tls_ca = self._certificate(BEGUN + timedelta(days=365))
        payload = {
            "member": "treasury",
            "validator": {"type": "ed25519", "public_key": encode_public_key(self.validator)},
            "member_key": self.public("member"),
            "receipt_key": self.public("receipt"),
            "tls_ca": self.tls_ca,
            "officers": [{"name": "t-officer", "public_key": self.public("officer")}],
        }
        self.workspace.contributions.mkdir(parents=True)
        (self.workspace.contributions / "treasury.json").write_text(json.dumps({"payload": payload}))
        self.workspace.genesis.write_text(json.dumps({"genesis_time": f"{BEGUN:%Y-%m-%dT%H:%M:%S}.000000Z"}))
        self.workspace.member("treasury").root.mkdir(parents=True)
        self.entry: dict[str, Any] = {
            "name": "treasury",
            "validator": {
                "type": "ed25519",
                "public_key": cometbft_bytes(self.validator),
                "address": cometbft_address(self.validator),
            },
            "member_key": public_der(self.keys["member"].public_key()),
            "receipt_key": public_der(self.keys["receipt"].public_key()),
            "tls_ca": self.tls_ca,
            "officers": [{"name": "t-officer", "public_key": public_der(self.keys["officer"].public_key())}],
        }

    def public(self, name: str) -> str:
        return encode_public_key(self.keys[name].public_key())

    def _certificate(self, until: datetime) -> str:
        name, key = x509.Name([]), self.keys["tls"]
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(1).not_valid_before(BEGUN).not_valid_after(until)
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def rows(self, days: int = 1, **more: Any) -> dict[tuple[str, str], Any]:
        entry = more.pop("entry", self.entry)
        found = inventory(self.workspace, self.member, entry, now=BEGUN + timedelta(days=days), **more)
        return {(row.purpose, row.state): row for row in found}


@pytest.fixture
def agency(tmp_path: Path) -> Agency:
    return Agency(tmp_path)


def test_the_keys_of_genesis_are_listed_with_their_end_and_the_ledger_has_them(agency: Agency) -> None:
    rows = agency.rows()
    assert {purpose for purpose, _ in rows} == {"consensus", "member", "receipt", "tls", "officer/t-officer"}
    assert all(row.state == "in use" and row.registered and not row.due for row in rows.values())
    consensus = rows["consensus", "in use"]
    assert (consensus.key_type, consensus.token, consensus.object) == ("ed25519", "validator", "consensus")
    assert (consensus.since, consensus.until) == ("2026-01-10T12:00:00Z", "2028-01-10T12:00:00Z")
    assert rows["tls", "in use"].until == "2027-01-10T12:00:00Z", "that of the certificate"


@pytest.mark.parametrize(
    ("days", "said"), [(0, ""), (669, ""), (671, "rotate it within 59 days"), (731, "expired: rotate it now")]
)
def test_a_key_is_due_before_its_end(agency: Agency, days: int, said: str) -> None:
    assert agency.rows(days)["member", "in use"].due == said


def test_a_certificate_ends_its_key_before_the_cryptoperiod(agency: Agency) -> None:
    assert agency.rows(340)["tls", "in use"].due == "rotate it within 25 days"
    assert agency.rows(340)["member", "in use"].due == ""
    assert agency.rows(340, cryptoperiod=350)["member", "in use"].due == "rotate it within 10 days"


def test_a_ledger_that_has_another_key_is_seen(agency: Agency) -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    row = agency.rows(entry=agency.entry | {"receipt_key": public_der(other)})["receipt", "in use"]
    assert row.registered is False
    assert "another key" in row.due


def test_without_a_ledger_the_rest_is_listed(agency: Agency) -> None:
    rows = agency.rows(entry=None)
    assert {row.registered for row in rows.values()} == {None}
    assert rows["officer/t-officer", "in use"].public_key == agency.public("officer")


def test_a_rotation_shows_what_comes_what_is_gone_and_what_is_left_to_do(agency: Agency) -> None:
    new = encode_public_key(Ed25519PrivateKey.generate().public_key())
    record = KeyRecord()
    record.keys["consensus"].next = NextKey(object="consensus-2", public_key=new)
    record.keys["member"] = KeyInUse(
        object="member-3", public_key=agency.public("member"), since="2026-03-01T00:00:00Z"
    )
    past = {"purpose": "member", "replaced_by": agency.public("member"), "last_height": 7, "at": "2026-03-01T00:00:00Z"}
    for name, destroyed in (("member", True), ("member-2", False)):
        gone = encode_public_key(ec.generate_private_key(ec.SECP256R1()).public_key())
        record.retired.append(RetiredKey(object=name, public_key=gone, destroyed=destroyed, **past))
    record.write(agency.workspace, "treasury")
    rows = agency.rows(100)
    assert rows["consensus", "next"].due.startswith("finish the rotation")
    assert rows["consensus", "in use"].due == ""
    assert rows["member", "in use"].until == "2028-02-29T00:00:00Z"
    assert rows["member", "destroyed"].due == ""
    assert rows["member", "replaced"].due.startswith("destroy it")


def test_a_lost_key_that_the_ledger_still_has_is_to_be_replaced(agency: Agency) -> None:
    record = KeyRecord()
    record.keys["receipt"] = KeyInUse(object="receipt", public_key=agency.public("receipt"), lost=True)
    record.write(agency.workspace, "treasury")
    assert "--lost" in agency.rows()["receipt", "lost"].due


def test_the_command_says_what_was_not_asked_and_fails_a_check(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "workspace_of", lambda *_: agency.workspace)
    monkeypatch.setattr(cli, "nodes", lambda *_: [])
    done = CliRunner().invoke(cli.app, ["list", "-m", "treasury", "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.output)
    assert len(document["keys"]) == 5
    assert "treasury" in document["ledger_not_asked"]
    shown = CliRunner().invoke(cli.app, ["list", "-m", "treasury", "--check"])
    assert shown.exit_code == 10
    assert "the ledger was not asked" in shown.output
    assert base64.urlsafe_b64decode(document["keys"][0]["public_key"] + "==")
