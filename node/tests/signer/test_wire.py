from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from gchain_node._proto import privval_pb2 as privval
from gchain_node.errors import SigningRefused
from gchain_node.signer.wire import MAX_MESSAGE, encode, read_message

BUNDLE = json.loads((Path(__file__).parent.parent / "cases/cometbft/privval_messages.json").read_text())
CASES = [pytest.param(case, id=case["id"]) for case in BUNDLE["cases"]]
_BYTES = {"hash", "validator_address", "extension", "signature", "extension_signature", "ed25519", "secp256k1"}


def _fill(message: Any, fields: dict[str, Any]) -> Any:
    message.SetInParent()
    for name, value in fields.items():
        if isinstance(value, dict):
            _fill(getattr(message, name), value)
        elif name in _BYTES:
            setattr(message, name, bytes.fromhex(value))
        elif isinstance(value, str) and name in ("height", "seconds"):
            setattr(message, name, int(value))
        else:
            setattr(message, name, value)
    return message


def _build(case: dict[str, Any]) -> privval.Message:
    message = privval.Message()
    _fill(getattr(message, case["kind"]), case["fields"])
    return message


@pytest.mark.parametrize("case", CASES)
def test_fields_give_cometbfts_bytes(case: dict[str, Any]) -> None:
    assert encode(_build(case)).hex() == case["framed"]


@pytest.mark.parametrize("case", CASES)
def test_cometbfts_bytes_give_the_fields(case: dict[str, Any]) -> None:
    raw = read_message(io.BytesIO(bytes.fromhex(case["framed"])).read)
    assert raw is not None
    assert raw.hex() == case["message"]
    expected = _build(case)
    encode(expected)  # makes what is mandatory present
    assert privval.Message.FromString(raw) == expected


def test_the_end_of_the_stream_is_no_message() -> None:
    assert read_message(io.BytesIO(b"").read) is None


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"\x80", "length"),
        (b"\x05abc", "within a message"),
        (b"\x80\x80\x80\x80\x80\x01", "more than"),
        (b"\x81\x50", "more"),
    ],
)
def test_a_cut_or_oversized_message_is_refused(raw: bytes, fault: str) -> None:
    with pytest.raises(SigningRefused, match=fault):
        read_message(io.BytesIO(raw).read)


def test_a_message_of_just_the_limit_is_read() -> None:
    raw = b"\x80\x50" + bytes(MAX_MESSAGE)
    assert read_message(io.BytesIO(raw).read) == bytes(MAX_MESSAGE)
