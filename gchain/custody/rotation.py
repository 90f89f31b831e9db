"""`gchain keys rotate`: a new key in the token, its registration, the change-over, the old key's end, the evidence.

Every step is written down in the record of the member's keys before the next one begins, and each finds out whether it
was done: after an interruption the same command goes on. One rotation of a purpose at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gchain.consortium.officers import officer_key
from gchain.consortium.trust import trust_log_key
from gchain.custody.hosts import Hosts
from gchain.custody.record import KeyInUse, KeyRecord, NextKey, Purpose, RetiredKey
from gchain.custody.registration import Registration
from gchain.environment import Member
from gchain.errors import ConsortiumError
from gchain.workspace import Workspace
from gchain_node.dsse import sign_dsse
from gchain_node.keys import Key, encode_public_key, load_public_key
from gchain_node.keys.public import from_cometbft

__all__ = ["EVIDENCE_TYPE", "SETTLED", "Rotation", "refuse_weak", "write_evidence"]

SETTLED = timedelta(days=1)
"""Within it, the command that ended a rotation is taken for a repetition of itself."""
EVIDENCE_TYPE = "application/vnd.gchain.rotation+json"
_LEAD_BLOCKS = 60
_LEAD_SECONDS = 60.0
_LEAD_OF_LOST = 10


@dataclass
class Rotation:
    """One member's rotation of one purpose.

    Args:
        lead: blocks between registration and the new consensus key's first vote; time for the signer to be told.
            Without it as many as the ledger makes in a minute, and at least 60; 10 where the key is lost.
        overlap: blocks for which a replaced member key still signs.
        lost: the key in use is gone with its token, so that there is nothing to hand over from or to destroy.
        again: replace a key that was itself brought by a rotation less than `SETTLED` ago.
    """

    workspace: Workspace
    member: Member
    purpose: Purpose
    ledger: Registration
    hosts: Hosts
    progress: Callable[[str], None]
    lead: int | None = None
    overlap: int = 30
    lost: bool = False
    again: bool = False

    def run(self) -> RetiredKey:
        """Rotate, or go on with a rotation that was interrupted; one that just ended is not followed by another.

        Returns what is known of the replaced key.

        Raises:
            GchainError: a step failed; the same command goes on from there.
        """
        record = self._begin()
        if (ended := self._just_ended(record)) is not None:
            self.progress(f"{record.keys[self.purpose].object} is in use since {ended.at}: nothing to do")
            return ended
        if record.keys[self.purpose].next is not None:
            self._make(record)
            self._register(record)
            self._hand_over(record)
        leaving = self._leaving(record)
        self._retire(record, leaving)
        return leaving

    def _begin(self) -> KeyRecord:
        record = KeyRecord.read(self.workspace, self.member.name)
        key = record.keys[self.purpose]
        if self.lost and not key.lost:
            self._note_loss(record)
        if key.next is None and self._unfinished(record) is None and self._just_ended(record) is None:
            self._refuse_missing_votes()
            key.next = NextKey(object=record.next_object(self.purpose))
            key.public_key = key.public_key or self._registered_now()
            key.lost = self.lost
            record.write(self.workspace, self.member.name)
        return record

    def _just_ended(self, record: KeyRecord) -> RetiredKey | None:
        """The key that a rotation replaced so recently that the same command is a repetition of it."""
        mine = [each for each in record.retired if each.purpose == self.purpose]
        idle = record.keys[self.purpose].next is None and self._unfinished(record) is None
        if not mine or not idle or self.again or self.lost:
            return None
        return mine[-1] if datetime.now(UTC) - datetime.fromisoformat(mine[-1].at) < SETTLED else None

    def _note_loss(self, record: KeyRecord) -> None:
        """The token went while a rotation of this key was under way: with it the key that was to follow, too.

        Raises `ConsortiumError` where the ledger counts on that key already.
        """
        key, leaving = record.keys[self.purpose], self._unfinished(record)
        if leaving is not None:
            leaving.lost = True
            self._write_evidence(record, leaving, {"destroyed": False, "lost": True})
        if key.next is None:
            return
        if key.next.first_height or (self.purpose == "consensus" and self._is_scheduled(key.next)):
            raise ConsortiumError(
                f"the ledger has {key.next.object} registered, and it went with the token",
                remedy="for a consensus key: let an officer send membership/cancel_rotation, run the command without "
                "--lost once, and then again with --lost; for another key, run it without --lost and then with it",
            )
        key.lost, key.next = True, NextKey(object=key.next.object)
        record.write(self.workspace, self.member.name)

    def _is_scheduled(self, coming: NextKey) -> bool:
        return bool(coming.address) and self.ledger.read(f"governance/rotated/{coming.address}") is not None

    def _refuse_missing_votes(self) -> None:
        """Another validator that is silent now, and this one in rotation, could be one too many."""
        if self.purpose != "consensus":
            return
        own = self.ledger.entry()["validator"]["address"].hex()
        silent = [address for address in self.ledger.missing_votes() if address != own]
        if silent:
            raise ConsortiumError(
                f"{len(silent)} other validator(s) did not vote for the last block: a rotation could cost the quorum",
                remedy="wait until all validators vote (gchain status), then run the same command",
            )

    def _make(self, record: KeyRecord) -> None:
        coming = _next(record, self.purpose)
        if coming.public_key:
            return
        self.progress(f"make {coming.object} inside the token")
        made = self.hosts.make(self.purpose)
        coming.public_key, coming.pop, coming.attributes = made["public_key"], made["pop"], made["attributes"]
        coming.certificate, coming.address = made["certificate"], made.get("address", "")
        refuse_weak(coming)
        record.write(self.workspace, self.member.name)

    def _register(self, record: KeyRecord) -> None:
        coming = _next(record, self.purpose)
        if coming.first_height:
            return
        self.progress(f"register {coming.object} on the ledger")
        first = self._first_height(record, coming)
        if self.purpose != "consensus" and self._registered_now() != coming.public_key:
            action, args = self._action(record, coming)
            record.write(self.workspace, self.member.name)  # what `_action` read of the ledger is gone afterwards
            first = self.ledger.transact(action, args).height or self.ledger.height
        coming.first_height = first
        record.write(self.workspace, self.member.name)

    def _first_height(self, record: KeyRecord, coming: NextKey) -> int:
        """Where the ledger lets the new key begin; a consensus key is registered here if it is not there yet."""
        if self.purpose != "consensus":
            return self.ledger.height
        known = self.ledger.read(f"governance/rotated/{coming.address}")
        if known is None:
            height = self.ledger.height + (self.lead or self._blocks_ahead(record))
            args = {"public_key": coming.public_key, "pop": coming.pop, "height": height}
            self.ledger.transact("rotate_validator_key", args)
            known = self.ledger.read(f"governance/rotated/{coming.address}")
        if known["status"] in ("dropped", "cancelled"):
            record.keys["consensus"].next = None
            record.write(self.workspace, self.member.name)
            raise ConsortiumError(
                f"the ledger says that the rotation to {coming.object} was {known['status']}",
                remedy="run the same command again: it begins with a new key",
            )
        return int(known["since"])

    def _blocks_ahead(self, record: KeyRecord) -> int:
        if record.keys["consensus"].lost:  # nobody signs until then
            return _LEAD_OF_LOST
        return max(_LEAD_BLOCKS, self.ledger.blocks_within(_LEAD_SECONDS))

    def _action(self, record: KeyRecord, coming: NextKey) -> tuple[str, dict[str, Any]]:
        proof = {"public_key": coming.public_key, "pop": coming.pop}
        if self.purpose == "member":
            return "rotate_member_key", proof | {"until": self.ledger.height + self.overlap}
        if self.purpose == "receipt":
            return "rotate_receipt_key", proof
        old = self.ledger.entry()["tls_ca"]
        record.keys["tls"].certificate = old
        return "set_tls_ca", {"tls_ca": old + coming.certificate}

    def _hand_over(self, record: KeyRecord) -> None:
        key, coming = record.keys[self.purpose], _next(record, self.purpose)
        if self.purpose == "consensus" and not key.lost:
            self.progress(f"tell the signer: {coming.object} from height {coming.first_height}")
            self.hosts.switch()
            self.ledger.wait(f"height {coming.first_height + 1}", lambda: self.ledger.height > coming.first_height)
        if self.purpose == "receipt":
            trust_log_key(self.workspace, self.member.name, load_public_key(coming.public_key))
        retired = RetiredKey(
            purpose=self.purpose,
            object=key.object,
            public_key=key.public_key,
            replaced_by=coming.public_key,
            last_height=coming.first_height - 1,
            at=_now(),
            lost=key.lost,
            certificate=key.certificate,
        )
        record.keys[self.purpose] = KeyInUse(
            object=coming.object, public_key=coming.public_key, certificate=coming.certificate, since=_now()
        )
        record.retired.append(retired)
        record.write(self.workspace, self.member.name)

    def _leaving(self, record: KeyRecord) -> RetiredKey:
        """The replaced key; the hosts use the new one alone from here on."""
        leaving = self._unfinished(record)
        if leaving is None:
            raise ConsortiumError(f"the record of {self.member.name}'s keys names no replaced {self.purpose} key")
        self.progress(f"use {record.keys[self.purpose].object} alone")
        self.hosts.switch(leaving.last_height + 1)
        return leaving

    def _retire(self, record: KeyRecord, leaving: RetiredKey) -> None:
        if self.purpose == "consensus":
            self.ledger.wait("a vote of the new key", lambda: self.ledger.rotation() is None)
        if self.purpose == "member":
            over = leaving.last_height + self.overlap + 1
            self.ledger.wait(f"the end of the overlap, height {over}", lambda: self.ledger.height >= over)
        if self.purpose == "tls":
            self.ledger.transact("set_tls_ca", {"tls_ca": record.keys["tls"].certificate})
        report: dict[str, Any] = {"destroyed": False, "lost": True}
        if not leaving.lost:
            self.progress(f"destroy {leaving.object} in its token")
            report = self.hosts.destroy(leaving)
        leaving.destroyed = not leaving.lost
        self._write_evidence(record, leaving, report)
        record.write(self.workspace, self.member.name)

    def _write_evidence(self, record: KeyRecord, leaving: RetiredKey, report: dict[str, Any]) -> None:
        with officer_key(self.workspace, self.member) as (_, key):
            write_evidence(
                self.workspace, self.member.name, leaving, record.keys[self.purpose], report, self.ledger.height, key
            )

    def _unfinished(self, record: KeyRecord) -> RetiredKey | None:
        """The replaced key of this purpose that is neither destroyed nor known as lost and written down.

        Destroying and writing down can be repeated: only the record's own word that it is done ends them.
        """
        mine = [each for each in record.retired if each.purpose == self.purpose]
        if not mine or mine[-1].destroyed:
            return None
        if not mine[-1].lost:
            return mine[-1]
        path = self.workspace.member(self.member.name).evidence / "rotations" / f"{mine[-1].object}.dsse.json"
        return None if path.exists() else mine[-1]

    def _registered_now(self) -> str:
        """The public key that the ledger has, base64url DER; of the TLS purpose that of the newest certificate."""
        entry = self.ledger.entry()
        if self.purpose == "consensus":
            return encode_public_key(from_cometbft(entry["validator"]["type"], entry["validator"]["public_key"]))
        if self.purpose == "tls":
            return _issuing_key(entry["tls_ca"])
        return encode_public_key(load_public_key(entry[f"{self.purpose}_key"]))


def write_evidence(
    workspace: Workspace,
    member: str,
    leaving: RetiredKey,
    in_use: KeyInUse,
    report: dict[str, Any],
    height: int,
    officer: Key,
) -> None:
    """`evidence/rotations/<object>.dsse.json`, signed by an officer of the member."""
    statement = {
        "version": 1,
        "member": member,
        "purpose": leaving.purpose,
        "replaced": leaving.model_dump(mode="json"),
        "in_use": in_use.model_dump(mode="json"),
        "report": report,
        "height": height,
        "at": _now(),
    }
    envelope = sign_dsse(EVIDENCE_TYPE, json.dumps(statement, sort_keys=True).encode(), officer)
    directory = workspace.member(member).evidence / "rotations"
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{leaving.object}.dsse.json"
    path.write_text(json.dumps(envelope, indent=2, sort_keys=True) + "\n")


def _issuing_key(pem: str) -> str:
    from cryptography import x509

    newest: Any = x509.load_pem_x509_certificates(pem.encode())[-1].public_key()
    return encode_public_key(newest)


def _next(record: KeyRecord, purpose: Purpose) -> NextKey:
    coming = record.keys[purpose].next
    if coming is None:
        raise ConsortiumError(f"no rotation of the {purpose} key is under way")
    return coming


def refuse_weak(coming: NextKey) -> None:
    """A key that could ever leave its token, or was not made in it, is not registered."""
    wanted = {"never_extractable": True, "always_sensitive": True, "local": True, "extractable": False}
    wrong = {
        name: coming.attributes.get(name) for name, value in wanted.items() if coming.attributes.get(name) != value
    }
    if wrong:
        raise ConsortiumError(
            f"{coming.object} is not bound to its token: {wrong}", remedy="see `gchain-node keys probe`"
        )


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
