"""Verification of a receipt offline: the time of one, in this process, from the parsed file to the verdict."""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import quantiles

from bench.workload import Workload
from gchain_node import genesis, tx
from gchain_node.api.feed import BlockFeed
from gchain_node.api.view import LedgerView
from gchain_node.app import App
from gchain_node.dev_service import open_ledger
from gchain_node.development import DevelopmentConsortium
from gchain_node.engine.embedded.engine import EmbeddedEngine
from gchain_node.proof.receipt import build_receipt, verify_receipt
from gchain_node.proof.trust import from_genesis
from gchain_node.store import Store

__all__ = ["measure"]

_IN_BLOCK = 500  # transactions: the inclusion path is as long as under load
_ROUNDS = 200


def measure() -> dict[str, float]:
    """Milliseconds: `p50`, `p95`, `p99` of the verification, and of the bare P-256 signature in it (`signature`)."""
    with tempfile.TemporaryDirectory() as scratch:
        consortium = DevelopmentConsortium.open(Path(scratch))
        member = consortium.members[0]
        app = App(Store(None))
        with closing(EmbeddedEngine(app, None, consortium.genesis, [member.keys["validator"]])) as engine:
            view = LedgerView(app, engine, BlockFeed(), chain_id="gchain-dev", member=member.name)
            open_ledger(view, engine, consortium)
            for raw in Workload(consortium).take(_IN_BLOCK):
                engine.broadcast(raw)
            height = engine.make_block().height
            engine.make_block()
            text = json.dumps(build_receipt(engine.source, height, _IN_BLOCK // 2))
        anchor = from_genesis(consortium.genesis, genesis.digest(consortium.genesis))
    receipt = json.loads(text)
    whole = quantiles([_timed(lambda: verify_receipt(receipt, anchor)) for _ in range(_ROUNDS)], n=100)
    signed = tx.decode(raw)
    key = member.keys["officer" if "/" in signed.tx.signer else "member"].public_key
    bare = quantiles([_timed(lambda: tx.verify(signed.envelope, key)) for _ in range(_ROUNDS)], n=100)
    return {"p50": whole[49], "p95": whole[94], "p99": whole[98], "bytes": len(text), "signature": bare[49]}


def _timed(action: object) -> float:
    started = time.perf_counter()
    action()  # type: ignore[operator]
    return (time.perf_counter() - started) * 1000
