"""CometBFT as the node's engine: `gchain_node.engine.interface.Engine` over its RPC."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Final

from gchain_node.archive import Archive, ArchivedBlock
from gchain_node.engine.cometbft.rpc import EngineRpc, RpcError, tx_result
from gchain_node.engine.cometbft.source import CometSource
from gchain_node.engine.interface import CommittedBlock, CommittedTx, Network, Peer, Validator
from gchain_node.messages import Block, BlockResult, TxResult
from gchain_node.proof.rpc_json import parse_time
from gchain_node.tx import tx_hash

__all__ = ["CometEngine"]

_ALREADY_THERE: Final = "tx already exists in cache"
_NOT_THERE: Final = (
    "must be less than or equal to the current blockchain height",
    "is not available",
    "could not find",
)


class CometEngine:
    """Calls of the engine's RPC in the words of the node.

    Args:
        validator_changes, archive: as for `CometSource`.
    """

    def __init__(
        self, rpc: EngineRpc, validator_changes: Callable[[], Sequence[int]], archive: Archive | None = None
    ) -> None:
        self._rpc = rpc
        self._archive = archive
        self.source = CometSource(rpc, validator_changes, archive)

    def broadcast(self, raw: bytes) -> TxResult:
        try:
            answer = self._rpc.broadcast_tx_sync(raw)
        except RpcError as error:
            if _ALREADY_THERE in error.data:  # it waits in the mempool, or a block has it: the caller looks there
                return TxResult(0)
            raise
        return TxResult(int(answer["code"]), bytes.fromhex(answer.get("data") or ""), str(answer.get("log", "")))

    def block(self, height: int) -> CommittedBlock | None:
        if (kept := self.source.archived(height)) is not None:
            return _committed(kept)
        found, results = self._rpc.block(height), self._rpc.block_results(height)
        if found is None or results is None:
            return None
        block = found["block"]
        time_ns = parse_time(block["header"]["time"])
        raws = [base64.b64decode(raw) for raw in block["data"]["txs"] or []]
        txs = tuple(
            CommittedTx(tx_hash(raw), height, index, time_ns, raw, tx_result(result))
            for index, (raw, result) in enumerate(zip(raws, results["txs_results"] or [], strict=True))
        )
        proposer = bytes.fromhex(block["header"]["proposer_address"])
        return CommittedBlock(height, time_ns, proposer, txs, base64.b64decode(results.get("app_hash") or ""))

    def transaction(self, tx_hash: bytes) -> CommittedTx | None:
        place = None if self._archive is None else self._archive.locate(tx_hash)
        kept = self.block(place[0]) if place else None
        if place and kept:
            return kept.txs[place[1]]
        found = self._rpc.tx(tx_hash)
        if found is None:
            return None
        height = int(found["height"])
        block = self._rpc.block(height)
        if block is None:
            return None
        time_ns = parse_time(block["block"]["header"]["time"])
        raw = base64.b64decode(found["tx"])
        return CommittedTx(tx_hash, height, int(found["index"]), time_ns, raw, tx_result(found["tx_result"]))

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


def _committed(kept: ArchivedBlock) -> CommittedBlock:
    header = kept.header
    block = Block(header.height, header.time_ns, kept.txs, header.proposer_address)
    return CommittedBlock.of(block, BlockResult(kept.results, (), kept.app_hash))
