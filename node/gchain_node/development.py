"""A consortium on one machine, for application developers and for tests: keys in files, one rule, opened at once.

Nothing here is of value: keys are files that anyone on the machine may copy, and the one enforced rule, DEV-001, says
just that. A real consortium is made by the kit; its ledger is reached by the same client and behaves alike.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gchain_node import contribution, genesis
from gchain_node.errors import ConfigurationError
from gchain_node.keys import encode_public_key
from gchain_node.keys.file_key import FileKey
from gchain_node.keys.possession import prove
from gchain_node.modules.judgement import subject_bytes, table_bytes
from gchain_node.proof.trust import from_genesis
from gchain_node.tls import make_authority
from gchain_node.tx import sign_sign1

__all__ = ["DevelopmentConsortium", "DevelopmentMember", "go_live_args"]

CONSORTIUM: Final = "development"
OFFICER: Final = "officer"
_RULE: Final = {"id": "DEV-001", "severity": "low", "stages": ["attest"]}
_STATEMENT: Final = b"This is a development ledger: its keys are files, and nothing on it is of value."
_KEYS: Final = ("member", "receipt", "tls", "officer", "validator")


@dataclass(frozen=True)
class DevelopmentMember:
    """One member and its keys. `keys` has `member`, `receipt`, `tls`, `officer` (P-256) and `validator` (Ed25519)."""

    name: str
    keys: dict[str, FileKey]
    contribution: dict[str, Any]

    @property
    def officer(self) -> str:
        """The officer's name as a transaction's signer."""
        return f"{self.name}/{OFFICER}"


@dataclass(frozen=True)
class DevelopmentConsortium:
    """Members and the genesis document that they make."""

    members: tuple[DevelopmentMember, ...]
    genesis: dict[str, Any]

    @classmethod
    def open(
        cls, directory: Path, names: Sequence[str] = ("dev",), *, chain_id: str = "gchain-dev"
    ) -> DevelopmentConsortium:
        """The consortium in `directory`, made there if there is none.

        Raises:
            ConfigurationError: the directory holds another ledger, or cannot be written.
        """
        path = directory / "genesis.json"
        try:
            if not path.exists():
                members = [
                    _make_member(directory / "members" / name, name, number) for number, name in enumerate(names)
                ]
                document = genesis.build([m.contribution for m in members], _settings(chain_id, names[0]), _rules())
                path.write_text(json.dumps(document, indent=2) + "\n")
                anchor = from_genesis(document, genesis.digest(document))
                (directory / "trust.json").write_text(json.dumps(anchor.to_json(), indent=2) + "\n")
            document = json.loads(path.read_text())
        except OSError as error:
            raise ConfigurationError(f"{error.filename}: {error.strerror}") from error
        if document["chain_id"] != chain_id:
            raise ConfigurationError(
                f"{path} is of ledger {document['chain_id']!r}, not {chain_id!r}", remedy="choose another directory"
            )
        contributions = document["app_state"]["contributions"]
        members = [_read_member(directory / "members", entry) for entry in contributions]
        return cls(tuple(members), document)


def go_live_args(
    consortium: dict[str, Any], members: Sequence[DevelopmentMember], expires_height: int
) -> dict[str, Any]:
    """Arguments of `governance/go_live`: what DEV-001 states, approved by each member's officer.

    Args:
        consortium: the ledger's answer to the query `consortium`.
    """
    evidence = "sha256:" + hashlib.sha256(_STATEMENT).hexdigest()
    rows = [
        {"member": m.name, "rule": str(_RULE["id"]), "stage": "attest", "outcome": "pass", "evidence": evidence}
        for m in members
    ]
    table = table_bytes(rows)
    subject = subject_bytes(consortium, table, expires_height)
    approvals = [sign_sign1(subject, member.keys["officer"]) for member in members]
    return {"table": table, "subject": subject, "approvals": approvals}


def _settings(chain_id: str, convenor: str) -> genesis.Settings:
    return genesis.Settings(
        consortium=CONSORTIUM,
        chain_id=chain_id,
        convenor=convenor,
        environment="development",
        zone_digest="sha256:" + hashlib.sha256(b"one machine").hexdigest(),
        genesis_time=f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
    )


def _rules() -> dict[str, Any]:
    enforced = [_RULE]
    return {"digest": "sha256:" + hashlib.sha256(rfc8785.dumps(enforced)).hexdigest(), "enforced": enforced}


def _make_member(directory: Path, name: str, number: int) -> DevelopmentMember:
    keys = {}
    directory.mkdir(parents=True, mode=0o700)
    for kind in _KEYS:
        private = Ed25519PrivateKey.generate() if kind == "validator" else ec.generate_private_key(ec.SECP256R1())
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path = directory / f"{kind}.pem"
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(pem)
        keys[kind] = FileKey(private)
    return DevelopmentMember(name, keys, _contribution(name, number, keys))


def _read_member(directory: Path, entry: dict[str, Any]) -> DevelopmentMember:
    name = str(entry["payload"]["member"])
    keys = {}
    for kind in _KEYS:
        private = load_pem_private_key((directory / name / f"{kind}.pem").read_bytes(), password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey | Ed25519PrivateKey):
            raise ConfigurationError(f"{directory / name / kind}.pem is of a kind that the ledger does not use")
        keys[kind] = FileKey(private)
    return DevelopmentMember(name, keys, entry)


def _contribution(name: str, number: int, keys: dict[str, FileKey]) -> dict[str, Any]:
    words = {"consortium": CONSORTIUM, "member": name}
    facts = contribution.Facts(
        consortium=CONSORTIUM,
        member=name,
        jurisdiction="XX",
        account="000000000000",
        site=f"development-{number}",
        roles=["validator"],
        peer=contribution.Peer(id=hashlib.sha256(name.encode()).hexdigest()[:40], host="127.0.0.1", port=26656),
        api=contribution.Endpoint(host="127.0.0.1", port=8443),
    )
    officer = {
        "name": OFFICER,
        "public_key": encode_public_key(keys["officer"].public_key),
        "pop": prove(keys["officer"], **words, purpose=f"officer/{OFFICER}"),
    }
    return contribution.make(
        facts,
        validator=contribution.prove_validator(keys["validator"], **words),
        officers=[officer],
        tls_ca=make_authority(keys["tls"], member=name, now=dt.datetime.now(dt.UTC)).decode(),
        member_key=keys["member"],
        receipt_key=keys["receipt"],
    )
