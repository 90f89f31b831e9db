"""A consortium of four with real keys, and its ledger: the state machine alone, driven block by block."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cbor2
import pytest
import rfc8785

from gchain.hosts import wheelhouse
from gchain_node import contribution, genesis
from gchain_node.app import App
from gchain_node.development import DevelopmentConsortium, DevelopmentMember
from gchain_node.keys import Key, encode_public_key
from gchain_node.keys.possession import prove
from gchain_node.messages import Block, BlockResult, InitChain, TxResult, ValidatorUpdate
from gchain_node.modules.judgement import subject_bytes, table_bytes
from gchain_node.proof.rpc_json import parse_time, validators_from_json
from gchain_node.store import Store
from gchain_node.tls import make_authority
from gchain_node.tx import Tx, sign, sign_sign1

NAMES = ("finance", "interior", "justice", "treasury")
RULES = [
    {"id": "LED-001", "severity": "critical", "stages": ["node", "attest"]},
    {"id": "RES-001", "severity": "critical", "stages": ["live", "state"]},
    {"id": "RES-009", "severity": "high", "stages": ["live"]},
]
EVIDENCE = "sha256:" + hashlib.sha256(b"evidence").hexdigest()


def digest(value: Any) -> str:
    return "sha256:" + hashlib.sha256(rfc8785.dumps(value)).hexdigest()


def settings(**changes: str) -> genesis.Settings:
    return replace(
        genesis.Settings(
            consortium="development",
            chain_id="gchain-test",
            convenor="treasury",
            environment="sandbox",
            zone_digest=digest("zone"),
            genesis_time="2026-05-01T10:00:00Z",
        ),
        **changes,
    )


@dataclass
class Ledger:
    """A state machine and the members who use it. Blocks come a second apart."""

    app: App
    members: dict[str, DevelopmentMember]
    genesis: dict[str, Any]
    nonces: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def start(self) -> bytes:
        validators = validators_from_json(self.genesis["validators"]).validators
        updates = tuple(ValidatorUpdate(v.key_type, v.public_key, v.power) for v in validators)
        time_ns = parse_time(self.genesis["genesis_time"])
        app_state = json.dumps(self.genesis["app_state"]).encode()
        return self.app.init_chain(InitChain(self.genesis["chain_id"], time_ns, 1, app_state, updates)).app_hash

    @property
    def height(self) -> int:
        return self.app.info().last_block_height

    def key(self, signer: str) -> Key:
        member, _, officer = signer.partition("/")
        return self.members[member].keys["officer" if officer else "member"]

    def tx(self, signer: str, call: str, args: dict[str, Any], **changes: Any) -> bytes:
        module, _, action = call.partition("/")
        known: dict[str, Any] = {
            "chain_id": self.genesis["chain_id"],
            "signer": signer,
            "nonce": 0,
            "expires_height": self.height + 100,
        }
        fields = known | changes
        key = fields.pop("key", None) or self.key(signer)
        fields["nonce"] = fields["nonce"] or next(self.nonces)
        return sign(Tx(module=module, action=action, args=args, **fields), key)

    def finalize(self, *txs: bytes) -> BlockResult:
        height = self.height + 1
        time_ns = parse_time(self.genesis["genesis_time"]) + height * 10**9
        return self.app.finalize_block(Block(height, time_ns, txs))

    def deliver(self, *txs: bytes) -> list[TxResult]:
        result = self.finalize(*txs)
        self.app.commit()
        return list(result.tx_results)

    def call(self, signer: str, call: str, args: dict[str, Any], **changes: Any) -> TxResult:
        """One transaction in a block of its own; check and deliver must agree."""
        raw = self.tx(signer, call, args, **changes)
        checked = self.app.check_tx(raw)
        delivered = self.deliver(raw)[0]
        assert (checked.code, checked.log) == (delivered.code, delivered.log)
        return delivered

    def read(self, path: str) -> Any:
        value = self.app.query(path).value
        return cbor2.loads(value) if value else None

    def rows(self) -> list[dict[str, Any]]:
        """A table in which everything passes."""
        return [
            {"member": member["name"], "rule": rule["id"], "stage": stage, "outcome": "pass", "evidence": EVIDENCE}
            for member in self.read("members")["members"]
            if member["status"] == "active"
            for rule in RULES
            for stage in sorted(rule["stages"])
        ]

    def approvals(self, subject: bytes, *names: str) -> list[bytes]:
        return [sign_sign1(subject, self.members[name].keys["officer"]) for name in names or self.members]

    def go_live_args(self, rows: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
        """Well-made arguments; `changes` replace what the subject takes from the ledger."""
        table = table_bytes(self.rows() if rows is None else rows)
        expires = changes.pop("expires_height", self.height + 50)
        subject = subject_bytes(self.read("consortium") | changes, table, expires)
        return {"table": table, "subject": subject, "approvals": self.approvals(subject)}

    def go_live(self) -> TxResult:
        return self.call("treasury/officer", "governance/go_live", self.go_live_args())


@pytest.fixture(scope="session")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentConsortium:
    return DevelopmentConsortium.open(tmp_path_factory.mktemp("consortium"), NAMES)


@pytest.fixture(scope="session")
def document(consortium: DevelopmentConsortium) -> dict[str, Any]:
    rules = {"digest": digest(RULES), "enforced": RULES}
    return genesis.build([m.contribution for m in consortium.members], settings(), rules)


@pytest.fixture
def make_ledger(consortium: DevelopmentConsortium, document: dict[str, Any]) -> Callable[[Path | None], Ledger]:
    def make(path: Path | None = None) -> Ledger:
        members = {member.name: member for member in consortium.members}
        return Ledger(App(Store(path)), members, document)

    return make


@pytest.fixture
def ledger(make_ledger: Callable[[], Ledger]) -> Ledger:
    """A ledger at height 0, forming."""
    made = make_ledger()
    made.start()
    return made


@pytest.fixture
def constitutional(consortium: DevelopmentConsortium) -> Ledger:
    """A ledger whose genesis lets a majority suspend a member with bad evidence."""
    rules = {"digest": digest(RULES), "enforced": RULES}
    terms = settings(noncompliance_threshold="majority")
    document = genesis.build([m.contribution for m in consortium.members], terms, rules)
    made = Ledger(App(Store(None)), {member.name: member for member in consortium.members}, document)
    made.start()
    return made


@pytest.fixture
def live(ledger: Ledger) -> Ledger:
    """A ledger that is live."""
    assert ledger.go_live().code == 0
    return ledger


def signed_again(member: DevelopmentMember, **changes: Any) -> dict[str, Any]:
    """The member's contribution with other facts, properly signed."""
    payload = member.contribution["payload"] | changes
    facts = contribution.Facts(**{name: payload[name] for name in contribution.Facts.model_fields})
    keys = {kind: changes.get(f"key_{kind}", key) for kind, key in member.keys.items()}
    words = {"consortium": facts.consortium, "member": facts.member}
    officer = {
        "name": "officer",
        "public_key": encode_public_key(keys["officer"].public_key),
        "pop": prove(keys["officer"], **words, purpose="officer/officer"),
    }
    return contribution.make(
        facts,
        validator=contribution.prove_validator(keys["validator"], **words),
        officers=[officer],
        tls_ca=make_authority(keys["tls"], member=facts.member, now=dt.datetime.now(dt.UTC)).decode(),
        member_key=keys["member"],
        receipt_key=keys["receipt"],
    )


@pytest.fixture(scope="session")
def sign_again() -> Callable[..., dict[str, Any]]:
    return signed_again


@pytest.fixture(scope="session")
def compiled_node() -> Path:
    """A directory with the package `gchain_node` as hosts install it, its state path compiled."""
    return wheelhouse.installed_node(wheelhouse.build())
