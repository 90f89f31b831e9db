"""`gchain keys list`: every key of an agency, where it is, since when it is in use, and until when it should be.

Three sources that must agree: the agency's own record, its contribution to genesis, and the ledger. Where the ledger
cannot be asked the list says so and shows the rest.

Cryptoperiods: NIST SP 800-57 part 1 rev. 5, table 1, gives a private signature key 1 to 3 years of use; the default
here is two. A TLS-issuing key ends with its certificate.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from cryptography import x509

from gchain.consortium.ledger import contribution_of
from gchain.custody.record import PURPOSES, TOKENS, KeyInUse, KeyRecord, Purpose
from gchain.environment import Member
from gchain.workspace import Workspace
from gchain_node.keys import encode_public_key, load_public_key
from gchain_node.keys.public import algorithm_of, from_cometbft, key_id

__all__ = ["CRYPTOPERIOD_DAYS", "DUE_DAYS", "KeyRow", "inventory", "keys_of_genesis"]

CRYPTOPERIOD_DAYS = 730
DUE_DAYS = 60
State = Literal["in use", "next", "replaced", "destroyed", "lost"]
_TYPES = {"ES256": "p256", "ES256K": "secp256k1", "EdDSA": "ed25519"}


@dataclass(frozen=True)
class KeyRow:
    """One key. Times are UTC, `YYYY-MM-DDTHH:MM:SSZ`; empty where they are not known.

    `registered`: whether the ledger has this very key for this purpose; None where it was not asked. `due`: what the
    operator should do about it, or empty.
    """

    member: str
    purpose: str
    key_type: str
    token: str
    object: str
    kid: str
    public_key: str
    state: State
    since: str
    until: str
    registered: bool | None
    due: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def inventory(
    workspace: Workspace,
    member: Member,
    entry: Mapping[str, Any] | None,
    *,
    now: datetime,
    cryptoperiod: int = CRYPTOPERIOD_DAYS,
    due: int = DUE_DAYS,
) -> list[KeyRow]:
    """The keys of one member: in use, next, and replaced.

    Args:
        entry: the member's record on the ledger (`members/<member>`), or None if no node answers.
        cryptoperiod: days for which a key that signs should be used.
        due: days before its end from which a key is to be replaced.

    Raises:
        ConsortiumError: there is no contribution of the member.
        ConfigurationError: the record of its keys cannot be read.
    """
    record = KeyRecord.read(workspace, member.name)
    payload = contribution_of(workspace, member.name)["payload"]
    begun = _genesis_time(workspace)
    maker = _Maker(member.name, _registered(entry), now, timedelta(days=cryptoperiod), timedelta(days=due))
    rows = [row for purpose in PURPOSES for row in _of_purpose(maker, record, purpose, payload, begun)]
    registered = {officer["name"]: officer["public_key"] for officer in (entry or {}).get("officers", [])}
    for officer in payload["officers"]:
        name, known = officer["name"], record.officers.get(officer["name"]) or KeyInUse(object=officer["name"])
        key = known.public_key or officer["public_key"]
        if name in registered and not known.public_key:
            key = encode_public_key(load_public_key(registered[name]))
        since = known.since or (begun if key == officer["public_key"] else "")
        rows += _rows_of(maker, record, f"officer/{name}", "officer", known, key, since)
    return rows


def _of_purpose(
    maker: _Maker, record: KeyRecord, purpose: Purpose, payload: Mapping[str, Any], begun: str
) -> Iterator[KeyRow]:
    key = record.keys[purpose]
    public = key.public_key or _of_genesis(payload, purpose)
    certificate = key.certificate or (payload["tls_ca"] if purpose == "tls" else "")
    yield from _rows_of(maker, record, purpose, TOKENS[purpose], key, public, key.since or begun, certificate)


def _rows_of(
    maker: _Maker,
    record: KeyRecord,
    purpose: str,
    token: str,
    key: KeyInUse,
    public: str,
    since: str,
    certificate: str = "",
) -> Iterator[KeyRow]:
    """The key in use, the one that comes next, and those that were replaced."""
    state: State = "lost" if key.lost else "in use"
    yield maker.row(purpose, public, token, key.object, state, since, certificate)
    if key.next is not None:
        yield maker.row(purpose, key.next.public_key, token, key.next.object, "next", "", key.next.certificate)
    for retired in record.retired:
        if retired.purpose == purpose:
            ended: State = "destroyed" if retired.destroyed else "lost" if retired.lost else "replaced"
            yield maker.row(purpose, retired.public_key, token, retired.object, ended, "", "", retired.at)


@dataclass(frozen=True)
class _Maker:
    """What all rows of one member have in common."""

    member: str
    registered: Mapping[str, str] | None
    now: datetime
    cryptoperiod: timedelta
    notice: timedelta

    def row(
        self,
        purpose: str,
        public: str,
        token: str,
        name: str,
        state: State,
        since: str,
        certificate: str = "",
        ended: str = "",
    ) -> KeyRow:
        key = load_public_key(public) if public else None
        registered = None if self.registered is None else self.registered.get(purpose) == public
        until = ended or self._until(since, certificate)
        return KeyRow(
            member=self.member,
            purpose=purpose,
            key_type=_TYPES[algorithm_of(key)] if key is not None else "",
            token=token,
            object=name,
            kid=key_id(key).hex() if key is not None else "",
            public_key=public,
            state=state,
            since=since,
            until=until,
            registered=registered,
            due=self._due(purpose, state, until, registered),
        )

    def _until(self, since: str, certificate: str) -> str:
        if certificate:
            ends = [each.not_valid_after_utc for each in x509.load_pem_x509_certificates(certificate.encode())]
            return _text(min(ends))
        return _text(_time(since) + self.cryptoperiod) if since else ""

    def _due(self, purpose: str, state: State, until: str, registered: bool | None) -> str:
        if state == "replaced":
            return "destroy it: run the rotation again"
        if state == "next":
            return "finish the rotation: run it again"
        if state == "lost" and registered:
            return "lost, and the ledger still has it: rotate with --lost"
        if state != "in use":
            return ""
        if registered is False:
            return "the ledger has another key: see the member's record on the ledger"
        if until and _time(until) <= self.now:
            return "expired: rotate it now"
        if until and _time(until) <= self.now + self.notice:
            return f"rotate it within {(_time(until) - self.now).days} days"
        return ""


def _registered(entry: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Purpose -> public key (base64url DER) that the ledger has."""
    if entry is None:
        return None
    found = {name: _der(entry[f"{name}_key"]) for name in ("member", "receipt")}
    if validator := entry.get("validator"):
        found["consensus"] = encode_public_key(from_cometbft(validator["type"], validator["public_key"]))
    certificates = x509.load_pem_x509_certificates(entry["tls_ca"].encode())
    newest: Any = certificates[-1].public_key()
    found["tls"] = encode_public_key(newest)
    return found | {f"officer/{each['name']}": _der(each["public_key"]) for each in entry["officers"]}


def _der(raw: bytes) -> str:
    return encode_public_key(load_public_key(raw))


def _of_genesis(payload: Mapping[str, Any], purpose: Purpose) -> str:
    """The public key that the member brought into genesis."""
    if purpose == "tls":
        issuing: Any = x509.load_pem_x509_certificates(payload["tls_ca"].encode())[-1].public_key()
        return encode_public_key(issuing)
    if purpose == "consensus":
        return str((payload.get("validator") or {}).get("public_key", ""))
    return str(payload[f"{purpose}_key"])


def keys_of_genesis(payload: Mapping[str, Any]) -> dict[str, str]:
    """Purpose -> public key (base64url DER) of a contribution's payload."""
    return {purpose: _of_genesis(payload, purpose) for purpose in PURPOSES}


def _genesis_time(workspace: Workspace) -> str:
    try:
        return str(json.loads(workspace.genesis.read_text())["genesis_time"])[:19] + "Z"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _text(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
