"""What the pages and `GET /v1/status` say: the ledger's own state, the engine's view of itself, the latest blocks.

The state is read from the application as committed; nothing here is provable (queries with proof and receipts are).
"""

from __future__ import annotations

import datetime as dt
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import cbor2

import gchain_node
from gchain_node.anchored import AnchoredReports
from gchain_node.api.feed import BlockFeed
from gchain_node.api.progress import Progress
from gchain_node.api.rendering import code_name, describe_tx, json_value
from gchain_node.api.tls import LeafStore
from gchain_node.app import App
from gchain_node.engine.interface import CommittedBlock, CommittedTx, Engine, Network
from gchain_node.errors import EngineError, VerificationError
from gchain_node.messages import QueryResult
from gchain_node.modules.compliance import standing
from gchain_node.proof.rpc_json import text_time
from gchain_node.proof.state import StateProof
from gchain_node.tlog.log import TransparencyLog

__all__ = ["LedgerView", "Names", "block_row"]

_NETWORK_AGE: Final = 2.0  # seconds for which the engine's view of itself is used again
_SHOWN: Final = 10  # blocks, and transactions
_RECENT: Final = 20  # blocks recalled at the start


class LedgerView:
    """Reads for the listeners. May be used by several threads at a time.

    Args:
        member: whose node this is.
        log: the transparency log, where the node serves it.
        genesis: gives the genesis document, as its file has it.
        engine_connected: whether the engine is connected to the application; None where both are one process.
        stalled_after: seconds without a block after which the node is not ready; None where blocks come on demand.
    """

    def __init__(
        self,
        app: App,
        engine: Engine,
        feed: BlockFeed,
        *,
        chain_id: str,
        member: str,
        leaf: LeafStore | None = None,
        log: TransparencyLog | None = None,
        genesis: Callable[[], bytes] | None = None,
        engine_connected: Callable[[], bool] = lambda: True,
        stalled_after: float | None = None,
        reports: AnchoredReports | None = None,
    ) -> None:
        self.app = app
        self.engine = engine
        self.feed = feed
        self.chain_id = chain_id
        self.member = member
        self.leaf = leaf
        self.log = log
        self.genesis = genesis
        self.reports = reports or AnchoredReports(None)
        self._engine_connected = engine_connected
        self._stalled_after = stalled_after
        self._progress = Progress()
        self._recalled = False
        self._lock = threading.Lock()
        self._network: Network | None = None
        self._network_problem = ""
        self._network_read = float("-inf")

    def query(self, path: str, height: int = 0, *, prove: bool = False) -> QueryResult:
        return self.app.query(path, b"", height, prove)

    def proving_header(self, result: QueryResult) -> int:
        """The height of the first committed, or next, header whose app hash proves this answer: the one after the state
        that was read, or the state's own when that block changed nothing and so its state is the one before, too.
        """
        if not result.proof:
            return result.height + 1
        own = self.engine.source.signed_header(result.height)
        try:
            if own is not None:
                StateProof.decode(result.proof).verify(own[0].app_hash)
                return result.height
        except VerificationError:
            pass
        return result.height + 1

    def state(self, path: str) -> Any:
        """The committed value at `path`, decoded; None when absent."""
        answer = self.query(path)
        return cbor2.loads(answer.value) if answer.code == 0 and answer.value else None

    def block(self, height: int) -> CommittedBlock | None:
        return self.feed.block(height) or self.engine.block(height)

    def recall(self) -> str:
        """Put the blocks from before this process into the feed, newest first and once, when the engine answers. A
        line for the service manager.
        """
        height = self.app.info().last_block_height
        self.seconds_without_block()
        if not self._recalled and self.network() is not None:
            oldest = min((block.height for block in self.feed.blocks()), default=height + 1)
            for block in map(self.engine.block, range(oldest - 1, max(0, height - _RECENT), -1)):
                if block is None or not self.feed.backfill(block):
                    break
            self._recalled = True
        return f"height {height}, {self.phase()}"

    def transaction(self, hash_: bytes) -> CommittedTx | None:
        """A committed transaction, from memory or from the engine's index."""
        return self.feed.transaction(hash_) or self.engine.transaction(hash_)

    def network(self) -> Network | None:
        """The engine's view of itself, at most two seconds old; None while it does not answer."""
        with self._lock:
            now = time.monotonic()
            if now - self._network_read >= _NETWORK_AGE:
                try:
                    self._network, self._network_problem = self.engine.network(), ""
                except EngineError as error:
                    self._network, self._network_problem = None, str(error)
                self._network_read = now
            return self._network

    def seconds_without_block(self) -> float:
        """How long the application has been at its height, since this process first looked."""
        return self._progress.seconds(self.app.info().last_block_height)

    def not_ready(self) -> list[str]:
        """Why this node should get no traffic, one sentence each; empty when it should."""
        network, still = self.network(), self.seconds_without_block()
        checks = [
            (not self._engine_connected(), "The engine is not connected to the node."),
            (network is None, f"The engine does not answer: {self._network_problem}."),
            (network is not None and network.catching_up, "The node is catching up with the ledger."),
            (self.app.info().last_block_height == 0, "The ledger has no block yet."),
            (
                self._stalled_after is not None and still > self._stalled_after,
                f"The ledger stands still: no block for {still:.0f} seconds.",
            ),
            (
                self.leaf is not None and self.leaf.problem is not None,
                f"The API has no valid TLS certificate: {self.leaf.problem if self.leaf else ''}.",
            ),
        ]
        return [sentence for failed, sentence in checks if failed]

    def phase(self) -> str:
        """`forming`, `live`, or `not-started` before the ledger has its genesis."""
        return str((self.state("consortium") or {}).get("phase", "not-started"))

    def issuers(self) -> dict[str, str]:
        """TLS-issuing certificates (PEM) of the active members, by member."""
        return {m["name"]: m["tls_ca"] for m in self.members() if m["status"] == "active"}

    def members(self) -> list[dict[str, Any]]:
        """The full entries of the membership module, by name."""
        index = self.state("members") or {"members": []}
        entries = [self.state(f"members/{row['name']}") for row in index["members"]]
        return [entry for entry in entries if entry is not None]

    def status(self) -> dict[str, Any]:
        """The document of `GET /v1/status`; its stable keys are in docs/node-facts.md."""
        info, network = self.app.info(), self.network()
        consortium = self.state("consortium") or {}
        members = self.members()
        names = Names(members)
        latest = self.feed.blocks()
        validators = [
            {"member": names.of_validator(v.address), "address": v.address.hex(), "power": v.power}
            for v in (network.validators if network else ())
        ]
        return {
            "version": 1,
            "chain_id": self.chain_id,
            "phase": consortium.get("phase", "not-started"),
            "height": info.last_block_height,
            "app_hash": info.last_block_app_hash.hex(),
            "block_time": text_time(latest[0].time_ns) if latest else None,
            "member": self.member,
            "node_id": network.node_id if network else None,
            "catching_up": bool(network and network.catching_up),
            "not_ready": self.not_ready(),
            "software": {"name": "gchain-node", "version": gchain_node.__version__},
            "engine": {
                "name": network.engine if network else "unreachable",
                "version": network.version if network else "",
            },
            "tls": self._tls(),
            "consortium": json_value(consortium),
            "validators": validators,
            "voting_power": _voting_power([v.power for v in network.validators] if network else []),
            "members": [_member(member) for member in members],
            "compliance": {m["name"]: self._standing(m["name"], info.last_block_height) for m in members},
            "peers": [
                {"id": peer.id, "address": peer.address, "member": names.of_peer(peer.id)}
                for peer in (network.peers if network else ())
            ],
            "blocks": [block_row(block, names) for block in latest[:_SHOWN]],
            "transactions": _transactions(latest),
        }

    def leaf_not_after(self) -> dt.datetime | None:
        """When the API's certificate ends; None without TLS, or before there is one."""
        return self.leaf.not_after if self.leaf is not None else None

    def _standing(self, member: str, height: int) -> dict[str, str]:
        """What the member's own hosts have recorded of themselves."""
        verdict, why = standing(self.state(f"compliance/members/{member}"), height)
        return {"verdict": verdict, "why": why}

    def _tls(self) -> dict[str, Any]:
        not_after = self.leaf_not_after()
        return {
            "not_after": not_after and f"{not_after:%Y-%m-%dT%H:%M:%SZ}",
            "problem": self.leaf.problem if self.leaf is not None else None,
        }


class Names:
    """Which member a validator address or a peer id belongs to."""

    def __init__(self, members: Iterable[Mapping[str, Any]]) -> None:
        self._validators: dict[bytes, str] = {}
        self._peers: dict[str, str] = {}
        for member in members:
            self._peers[member["peer"]["id"]] = member["name"]
            if member["validator"]:
                self._validators[member["validator"]["address"]] = member["name"]

    def of_validator(self, address_: bytes) -> str | None:
        return self._validators.get(address_)

    def of_peer(self, id_: str) -> str | None:
        return self._peers.get(id_)


def _member(member: Mapping[str, Any]) -> dict[str, Any]:
    shown = ("status", "role", "power", "jurisdiction", "site", "since")
    return {"member": member["name"]} | {key: member[key] for key in shown}


def _voting_power(powers: list[int]) -> dict[str, int]:
    """A block needs more than two thirds of the whole."""
    total = sum(powers)
    return {"total": total, "quorum_above": total * 2 // 3}


def block_row(block: CommittedBlock, names: Names) -> dict[str, Any]:
    """A block in lists: height, time, proposer, number of transactions."""
    return {
        "height": block.height,
        "time": text_time(block.time_ns),
        "proposer": names.of_validator(block.proposer) or block.proposer.hex(),
        "transactions": len(block.txs),
    }


def _transactions(blocks: Iterable[CommittedBlock]) -> list[dict[str, Any]]:
    """The last transactions of the blocks given newest first, newest first."""
    newest = itertools.islice((tx for block in blocks for tx in reversed(block.txs)), _SHOWN)
    return [
        {
            "hash": tx.hash.hex(),
            "height": tx.height,
            "time": text_time(tx.time_ns),
            "code": tx.result.code,
            "result": code_name(tx.result.code),
            **describe_tx(tx.raw),
        }
        for tx in newest
    ]
