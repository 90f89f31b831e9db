"""CometBFT as the node's engine: `gchain_node.engine.interface.Engine` over its RPC."""

from __future__ import annotations

import base64
import calendar
import re
import time
from typing import Any, Final

from gchain_node.engine.cometbft.rpc import EngineRpc, RpcError
from gchain_node.engine.interface import CommittedBlock, CommittedTx, Network, Peer, Validator
from gchain_node.errors import EngineError
from gchain_node.messages import TxResult
from gchain_node.tx import tx_hash

__all__ = ["CometEngine", "parse_time"]

_TIME: Final = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?Z")
_ALREADY_THERE: Final = "tx already exists in cache"
_NOT_THERE: Final = (
    "must be less than or equal to the current blockchain height",
    "is not available",
    "could not find",
)


def parse_time(text: str) -> int:
    """Nanoseconds since 1970 of the engine's RFC 3339 time, which Python's own parser would cut to microseconds."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise EngineError(f"the engine wrote a time that is none: {text!r}")
    seconds = calendar.timegm(time.strptime(match[1], "%Y-%m-%dT%H:%M:%S"))
    return seconds * 1_000_000_000 + int((match[2] or "").ljust(9, "0"))


class CometEngine:
    """Calls of the engine's RPC in the words of the node."""

    def __init__(self, rpc: EngineRpc) -> None:
        self._rpc = rpc

    def broadcast(self, raw: bytes) -> TxResult:
        try:
            answer = self._rpc.broadcast_tx_sync(raw)
        except RpcError as error:
            if _ALREADY_THERE in error.data:  # it waits in the mempool, or a block has it: the caller looks there
                return TxResult(0)
            raise
        return TxResult(int(answer["code"]), bytes.fromhex(answer.get("data") or ""), str(answer.get("log", "")))

    def block(self, height: int) -> CommittedBlock | None:
        try:
            block = self._rpc.block(height)["block"]
            results = self._rpc.block_results(height)
        except RpcError as error:
            if any(phrase in error.data for phrase in _NOT_THERE):
                return None
            raise
        if block is None:
            return None
        time_ns = parse_time(block["header"]["time"])
        raws = [base64.b64decode(raw) for raw in block["data"]["txs"] or []]
        txs = tuple(
            CommittedTx(tx_hash(raw), height, index, time_ns, raw, _tx_result(result))
            for index, (raw, result) in enumerate(zip(raws, results["txs_results"] or [], strict=True))
        )
        proposer = bytes.fromhex(block["header"]["proposer_address"])
        return CommittedBlock(height, time_ns, proposer, txs, base64.b64decode(results.get("app_hash") or ""))

    def transaction(self, tx_hash: bytes) -> CommittedTx | None:
        found = self._rpc.tx(tx_hash)
        if found is None:
            return None
        height = int(found["height"])
        time_ns = parse_time(self._rpc.block(height)["block"]["header"]["time"])
        raw = base64.b64decode(found["tx"])
        return CommittedTx(tx_hash, height, int(found["index"]), time_ns, raw, _tx_result(found["tx_result"]))

    def network(self) -> Network:
        status, net_info = self._rpc.status(), self._rpc.net_info()
        height = int(status["sync_info"]["latest_block_height"])
        validators = self._rpc.validators(height) if height else []
        return Network(
            engine="cometbft",
            version=status["node_info"]["version"],
            node_id=status["node_info"]["id"],
            height=height,
            catching_up=bool(status["sync_info"]["catching_up"]),
            peers=tuple(Peer(p["node_info"]["id"], p["remote_ip"]) for p in net_info["peers"]),
            validators=tuple(Validator(bytes.fromhex(v["address"]), int(v["voting_power"])) for v in validators),
        )


def _tx_result(result: dict[str, Any]) -> TxResult:
    return TxResult(
        code=int(result["code"]),
        data=base64.b64decode(result.get("data") or ""),
        log=str(result.get("log", "")),
        gas_wanted=int(result.get("gas_wanted", 0)),
        gas_used=int(result.get("gas_used", 0)),
    )
