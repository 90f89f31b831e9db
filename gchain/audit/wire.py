"""Hashes and sign bytes of CometBFT v0.38 blocks, straight from the JSON of its RPC: no code of the node.

Source: `proto/tendermint/types/types.proto`, `types/block.go`, `types/canonical.go`, `types/results.go`.
"""

from __future__ import annotations

import base64
import calendar
import re
import time
from collections.abc import Mapping, Sequence
from hashlib import new, sha256
from typing import Any

from gchain.audit.trees import merkle_root

__all__ = [
    "address_of", "commit_hash", "data_hash", "evidence_hash", "header_hash", "nanoseconds", "params_hash",
    "results_hash", "validators_hash", "vote_message",
]  # fmt: skip

_KINDS = {"tendermint/PubKeyEd25519": 1, "tendermint/PubKeySecp256k1": 2}
_ZERO_TIME = "0001-01-01T00:00:00Z"


def _number(value: int) -> bytes:
    out = b""
    value &= (1 << 64) - 1
    while True:
        low, value = value & 127, value >> 7
        out += bytes([low | (128 if value else 0)])
        if not value:
            return out


def _int(field: int, value: Any) -> bytes:
    return _number(field * 8) + _number(int(value)) if int(value) else b""


def _fixed(field: int, value: Any) -> bytes:
    return _number(field * 8 + 1) + int(value).to_bytes(8, "little", signed=True) if int(value) else b""


def _bytes(field: int, value: bytes) -> bytes:
    return _message(field, value) if value else b""


def _message(field: int, body: bytes) -> bytes:
    return _number(field * 8 + 2) + _number(len(body)) + body


def _hex(value: str | None) -> bytes:
    return bytes.fromhex(value or "")


def nanoseconds(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time in UTC. Raises `ValueError`."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is no RFC 3339 time in UTC")
    seconds = calendar.timegm(time.strptime(match[1], "%Y-%m-%dT%H:%M:%S"))
    return seconds * 10**9 + int((match[2] or "").ljust(9, "0"))


def _time(text: str | None) -> bytes:
    seconds, nanos = divmod(nanoseconds(text or _ZERO_TIME), 10**9)
    return _int(1, seconds) + _int(2, nanos)


def _block_id(value: Mapping[str, Any] | None) -> bytes:
    value = value or {}
    parts = value.get("parts") or {}
    body = _int(1, parts.get("total") or 0) + _bytes(2, _hex(parts.get("hash")))
    return _bytes(1, _hex(value.get("hash"))) + _message(2, body)


def header_hash(header: Mapping[str, Any]) -> bytes:
    """The hash of a header: what a commit is for."""
    version = header["version"]
    names = (
        "last_commit_hash", "data_hash", "validators_hash", "next_validators_hash", "consensus_hash", "app_hash",
        "last_results_hash", "evidence_hash", "proposer_address",
    )  # fmt: skip
    head = [
        _int(1, version["block"]) + _int(2, version.get("app") or 0),
        _bytes(1, header["chain_id"].encode()),
        _int(1, header["height"]),
        _time(header["time"]),
        _block_id(header["last_block_id"]),
    ]
    return merkle_root(head + [_bytes(1, _hex(header[name])) for name in names])


def commit_hash(commit: Mapping[str, Any]) -> bytes:
    """What the header of the block that holds a commit says of it."""
    return merkle_root(
        [
            _int(1, entry["block_id_flag"])
            + _bytes(2, _hex(entry["validator_address"]))
            + _message(3, _time(entry["timestamp"]))
            + _bytes(4, base64.b64decode(entry["signature"] or ""))
            for entry in commit["signatures"]
        ]
    )


def vote_message(chain_id: str, commit: Mapping[str, Any], entry: Mapping[str, Any]) -> bytes:
    """What a validator signed: the canonical precommit with its length in front."""
    body = _int(1, 2) + _fixed(2, commit["height"]) + _fixed(3, commit["round"])
    if entry["block_id_flag"] == 2:
        body += _message(4, _block_id(commit["block_id"]))
    body += _message(5, _time(entry["timestamp"])) + _bytes(6, chain_id.encode())
    return _number(len(body)) + body


def validators_hash(validators: Sequence[Mapping[str, Any]]) -> bytes:
    """The hash of a set that is in its order already."""
    rows = []
    for entry in validators:
        key = _bytes(_KINDS[entry["pub_key"]["type"]], base64.b64decode(entry["pub_key"]["value"]))
        rows.append(_message(1, key) + _int(2, entry["voting_power"]))
    return merkle_root(rows)


def address_of(kind: str, key: bytes) -> bytes:
    """20 bytes; `kind` is `ed25519` or `secp256k1`."""
    digest = sha256(key).digest()
    return digest[:20] if kind == "ed25519" else new("ripemd160", digest).digest()


def data_hash(txs: Sequence[bytes]) -> bytes:
    return merkle_root([sha256(raw).digest() for raw in txs])


def results_hash(results: Sequence[Sequence[Any]]) -> bytes:
    """Over `[code, data, gas wanted, gas used]` of each transaction."""
    return merkle_root([_int(1, c) + _bytes(2, d) + _int(5, wanted) + _int(6, used) for c, d, wanted, used in results])


def params_hash(params: Mapping[str, Any]) -> bytes:
    """The consensus hash of genesis' parameters (types/params.go, HashedParams)."""
    return sha256(_int(1, params["block"]["max_bytes"]) + _int(2, params["block"]["max_gas"])).digest()


def evidence_hash(evidence: Sequence[Mapping[str, Any]]) -> bytes:
    """Over duplicate votes; raises `ValueError` for evidence of another kind."""
    rows = []
    for entry in evidence:
        if entry["type"] != "tendermint/DuplicateVoteEvidence":
            raise ValueError(f"evidence of kind {entry['type']} cannot be recomputed by this program")
        value = entry["value"]
        rows.append(
            _message(1, _vote(value["vote_a"])) + _message(2, _vote(value["vote_b"]))
            + _int(3, value["TotalVotingPower"]) + _int(4, value["ValidatorPower"])
            + _message(5, _time(value["Timestamp"]))
        )  # fmt: skip
    return merkle_root(rows)


def _vote(vote: Mapping[str, Any]) -> bytes:
    signature = base64.b64decode(vote.get("signature") or "")
    extension = base64.b64decode(vote.get("extension") or "")
    return (
        _int(1, vote["type"]) + _int(2, vote["height"]) + _int(3, vote["round"])
        + _message(4, _block_id(vote["block_id"])) + _message(5, _time(vote["timestamp"]))
        + _bytes(6, _hex(vote["validator_address"]))
        + _int(7, vote["validator_index"]) + _bytes(8, signature) + _bytes(9, extension)
        + _bytes(10, base64.b64decode(vote.get("extension_signature") or ""))
    )  # fmt: skip
