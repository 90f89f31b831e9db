"""Protobuf by hand, for what of an answer grows with a block: its events and the results of its transactions.

Making message objects for each result and its events takes the time that a node has for a transaction several times
over. Numbers of fields are read from the generated messages, and a test holds every answer to what they would encode.

Source: Protocol Buffers, "Encoding"; CometBFT v0.38, abci/types.proto.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from gchain_node._proto import abci_pb2 as abci
from gchain_node.engine.cometbft.framing import encode_uvarint
from gchain_node.messages import Event, TxResult

__all__ = ["finalize_block_response"]

_VARINT, _LENGTH = 0, 2  # wire types


def _tag(message: Any, field: str, wire_type: int) -> bytes:
    return encode_uvarint(message.DESCRIPTOR.fields_by_name[field].number << 3 | wire_type)


_FINALIZE_BLOCK: Final = _tag(abci.Response, "finalize_block", _LENGTH)
_BLOCK_EVENTS: Final = _tag(abci.ResponseFinalizeBlock, "events", _LENGTH)
_TX_RESULTS: Final = _tag(abci.ResponseFinalizeBlock, "tx_results", _LENGTH)
_CODE: Final = _tag(abci.ExecTxResult, "code", _VARINT)
_DATA: Final = _tag(abci.ExecTxResult, "data", _LENGTH)
_LOG: Final = _tag(abci.ExecTxResult, "log", _LENGTH)
_GAS_WANTED: Final = _tag(abci.ExecTxResult, "gas_wanted", _VARINT)
_GAS_USED: Final = _tag(abci.ExecTxResult, "gas_used", _VARINT)
_EVENTS: Final = _tag(abci.ExecTxResult, "events", _LENGTH)
_TYPE: Final = _tag(abci.Event, "type", _LENGTH)
_ATTRIBUTES: Final = _tag(abci.Event, "attributes", _LENGTH)
_KEY: Final = _tag(abci.EventAttribute, "key", _LENGTH)
_VALUE: Final = _tag(abci.EventAttribute, "value", _LENGTH)
_INDEXED: Final = _tag(abci.EventAttribute, "index", _VARINT) + b"\x01"


def finalize_block_response(
    rest: abci.ResponseFinalizeBlock, events: Iterable[Event], results: Iterable[TxResult]
) -> bytes:
    """A `Response` with `rest`, the block's own events and the results of its transactions, encoded.

    `rest` has neither events nor results, so that every field comes in the order of its number.
    """
    parts = _messages(_BLOCK_EVENTS, map(_event, events))
    parts += _messages(_TX_RESULTS, map(_result, results))
    parts.append(rest.SerializeToString())
    content = b"".join(parts)
    return b"".join((_FINALIZE_BLOCK, _size(len(content)), content))


def _messages(tag: bytes, encoded: Iterable[bytes]) -> list[bytes]:
    """A repeated field of messages."""
    parts: list[bytes] = []
    for each in encoded:
        parts += (tag, _size(len(each)), each)
    return parts


def _result(result: TxResult) -> bytes:
    """An `ExecTxResult`. What is zero or empty is left out, as everywhere in proto3."""
    parts: list[bytes] = []
    if result.code:
        parts += (_CODE, _size(result.code))
    if result.data:
        parts += (_DATA, _size(len(result.data)), result.data)
    if result.log:
        parts.append(_text(_LOG, result.log))
    if result.gas_wanted:
        parts += (_GAS_WANTED, _size(result.gas_wanted))
    if result.gas_used:
        parts += (_GAS_USED, _size(result.gas_used))
    if result.events:
        parts += _messages(_EVENTS, map(_event, result.events))
    return b"".join(parts)


def _event(event: Event) -> bytes:
    parts = [_short(_TYPE, event.type)] if event.type else []
    for attribute in event.attributes:
        encoded = _short(_KEY, attribute.key) if attribute.key else b""
        if attribute.value:
            encoded += _text(_VALUE, attribute.value)
        if attribute.indexed:
            encoded += _INDEXED
        parts += (_ATTRIBUTES, _size(len(encoded)), encoded)
    return b"".join(parts)


def _text(tag: bytes, text: str) -> bytes:
    data = text.encode()
    return b"".join((tag, _size(len(data)), data))


@lru_cache(maxsize=1024)
def _short(tag: bytes, name: str) -> bytes:
    """`_text`, remembered: names of event types and attributes are few."""
    return _text(tag, name)


@lru_cache(maxsize=16_384)
def _size(value: int) -> bytes:
    return encode_uvarint(value)
