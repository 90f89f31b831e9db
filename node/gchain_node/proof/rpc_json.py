"""Headers, commits and validator sets as the engine's RPC writes them in JSON, read strictly."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from gchain_node.errors import VerificationError
from gchain_node.proof.block import BlockId, Commit, CommitSig, Header, PartSetHeader, Validator, ValidatorSet
from gchain_node.proof.wire import ZERO_TIME_NS

__all__ = [
    "commit_from_json",
    "commit_to_json",
    "header_from_json",
    "header_to_json",
    "parse_time",
    "reading",
    "text_time",
    "validators_from_json",
    "validators_to_json",
]

T = TypeVar("T")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")
_KEY_JSON = {"tendermint/PubKeyEd25519": ("ed25519", 32), "tendermint/PubKeySecp256k1": ("secp256k1", 33)}
_KEY_NAME = {name: text for text, (name, _) in _KEY_JSON.items()}
_HASHES = (
    "last_commit_hash",
    "data_hash",
    "validators_hash",
    "next_validators_hash",
    "consensus_hash",
    "app_hash",
    "last_results_hash",
    "evidence_hash",
    "proposer_address",
)


def reading(what: str, read: Callable[[], T]) -> T:
    """Run `read`, turning what malformed JSON causes into a `VerificationError` that names `what`."""
    try:
        return read()
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise VerificationError(f"{what} is malformed: {type(error).__name__}: {str(error)[:120]}") from error


def parse_time(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time in UTC. Raises `ValueError`."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"time {text[:40]!r} is not RFC 3339 in UTC")
    moment = datetime.fromisoformat(match[1]).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (moment.days * 86400 + moment.seconds) * 10**9 + int((match[2] or "0").ljust(9, "0"))


def text_time(time_ns: int) -> str:
    """RFC 3339 with as many digits of a second as it needs, as the engine writes it."""
    seconds, nanos = divmod(time_ns, 10**9)
    days, rest = divmod(seconds, 86400)
    day = datetime.fromordinal(719163 + days)
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    date = f"{day.year:04d}-{day.month:02d}-{day.day:02d}"
    return f"{date}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}{fraction}Z"


def header_from_json(value: Mapping[str, Any]) -> Header:
    """Raises `VerificationError`."""
    return reading("the header", lambda: _header(value))


def _header(value: Mapping[str, Any]) -> Header:
    version = value["version"]
    return Header(
        version_block=int(version["block"]),
        version_app=int(version.get("app", 0)),
        chain_id=_text(value["chain_id"]),
        height=int(value["height"]),
        time_ns=parse_time(value["time"]),
        last_block_id=_block_id(value.get("last_block_id")),
        **{name: bytes.fromhex(value[name] or "") for name in _HASHES},
    )


def header_to_json(header: Header) -> dict[str, Any]:
    return {
        "version": {"block": str(header.version_block), "app": str(header.version_app)},
        "chain_id": header.chain_id,
        "height": str(header.height),
        "time": text_time(header.time_ns),
        "last_block_id": _block_id_json(header.last_block_id),
        **{name: getattr(header, name).hex().upper() for name in _HASHES},
    }


def commit_from_json(value: Mapping[str, Any]) -> Commit:
    """Raises `VerificationError`."""
    return reading("the commit", lambda: _commit(value))


def _commit(value: Mapping[str, Any]) -> Commit:
    signatures = tuple(_commit_sig(entry) for entry in value["signatures"] or ())
    return Commit(int(value["height"]), int(value["round"]), _block_id(value["block_id"]), signatures)


def _commit_sig(value: Mapping[str, Any]) -> CommitSig:
    time = value.get("timestamp")
    signature = base64.b64decode(value.get("signature") or "", validate=True)
    address = bytes.fromhex(value.get("validator_address") or "")
    return CommitSig(int(value["block_id_flag"]), address, parse_time(time) if time else ZERO_TIME_NS, signature)


def commit_to_json(commit: Commit) -> dict[str, Any]:
    return {
        "height": str(commit.height),
        "round": commit.round,
        "block_id": _block_id_json(commit.block_id),
        "signatures": [
            {
                "block_id_flag": entry.flag,
                "validator_address": entry.address.hex().upper(),
                "timestamp": text_time(entry.time_ns),
                "signature": base64.b64encode(entry.signature).decode() or None,
            }
            for entry in commit.signatures
        ],
    }


def validators_from_json(value: Any) -> ValidatorSet:
    """A list of validators in any order; an address, if given, must be its key's. Raises `VerificationError`."""
    return reading("the validator set", lambda: ValidatorSet.of(_validator(entry) for entry in value or ()))


def _validator(value: Mapping[str, Any]) -> Validator:
    kind, size = _KEY_JSON[value["pub_key"]["type"]]
    key = base64.b64decode(value["pub_key"]["value"], validate=True)
    power = int(value["voting_power"] if "voting_power" in value else value["power"])
    if len(key) != size or not 0 < power < 2**60:
        raise ValueError(f"a validator has a key of {len(key)} bytes and power {power}")
    validator = Validator(kind, key, power)
    if value.get("address") and bytes.fromhex(value["address"]) != validator.address:
        raise ValueError(f"validator address {value['address']} is not its key's")
    return validator


def validators_to_json(validators: ValidatorSet) -> list[dict[str, Any]]:
    return [
        {
            "address": v.address.hex().upper(),
            "pub_key": {"type": _KEY_NAME[v.key_type], "value": base64.b64encode(v.public_key).decode()},
            "voting_power": str(v.power),
        }
        for v in validators.validators
    ]


def _block_id(value: Mapping[str, Any] | None) -> BlockId:
    if value is None:
        return BlockId()
    parts = value.get("parts") or value.get("part_set_header") or {}
    header = PartSetHeader(int(parts.get("total") or 0), bytes.fromhex(parts.get("hash") or ""))
    return BlockId(bytes.fromhex(value.get("hash") or ""), header)


def _block_id_json(value: BlockId) -> dict[str, Any]:
    return {
        "hash": value.hash.hex().upper(),
        "parts": {"total": value.parts.total, "hash": value.parts.hash.hex().upper()},
    }


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text was expected")
    return value
