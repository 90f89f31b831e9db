"""`gchain-node dev`: the embedded engine and the API in one process on loopback, for application developers."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shlex
from pathlib import Path
from typing import Final

from gchain_node import tx
from gchain_node.anchored import AnchoredReports
from gchain_node.api.application import api_application
from gchain_node.api.edge import EdgeLimits
from gchain_node.api.feed import BlockFeed
from gchain_node.api.limits import RateLimit
from gchain_node.api.listeners import Listener, bind
from gchain_node.api.view import LedgerView
from gchain_node.app import App
from gchain_node.config import BLOCKS, COSIGNED, DATABASE, REPORTS, Listen
from gchain_node.development import DevelopmentConsortium, go_live_args
from gchain_node.engine.embedded.engine import EmbeddedEngine
from gchain_node.engine.interface import CommittedBlock
from gchain_node.errors import ConfigurationError, EngineError
from gchain_node.keys.file_key import DEVELOPMENT_SWITCH
from gchain_node.metrics import Metrics
from gchain_node.store import Store
from gchain_node.supervisor import Supervisor, collect_rarely
from gchain_node.tlog.log import TransparencyLog

__all__ = ["open_ledger", "run_dev"]

_CONNECTIONS: Final = 1_000  # of one address: it is the developer's own load
_OPENING_BLOCKS: Final = 1_000  # for which the approval of go-live holds


def run_dev(home: Path, port: int, *, live: bool = True) -> None:
    """Run until SIGTERM or SIGINT; the ledger in `home` is made at the first start and found again later.

    Raises:
        NodeError: it cannot start, or could not go on.
    """
    collect_rarely()
    asyncio.run(_run(home, port, live))


async def _run(home: Path, port: int, live: bool) -> None:
    with contextlib.ExitStack() as stack:
        bound = stack.enter_context(bind("--port", Listen("127.0.0.1", port)))
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"--home {home}: {error.strerror}") from error
        consortium = DevelopmentConsortium.open(home)
        member = consortium.members[0]
        store = stack.enter_context(contextlib.closing(Store(home / DATABASE)))
        app, chain_id = App(store), consortium.genesis["chain_id"]
        feed, metrics = BlockFeed(), Metrics()

        def on_block(block: CommittedBlock) -> None:
            feed.publish(block)
            metrics.count_block(block)

        keys = [member.keys["validator"]]
        engine = stack.enter_context(
            contextlib.closing(EmbeddedEngine(app, home / BLOCKS, consortium.genesis, keys, on_block=on_block))
        )
        log = TransparencyLog(store, chain_id, lambda: member.keys["receipt"], cosigned=home / COSIGNED)
        genesis = (home / "genesis.json").read_bytes
        reports = AnchoredReports(home / REPORTS)
        view = LedgerView(
            app, engine, feed, chain_id=chain_id, member=member.name, log=log, genesis=genesis, reports=reports
        )
        metrics.watch(view)
        if live:
            open_ledger(view, engine, consortium)
        engine.start()
        application = api_application(view, metrics, RateLimit(1e9, 1_000_000_000))
        listener = Listener("api", application, bound, limits=EdgeLimits(connections_per_client=_CONNECTIONS))
        url = f"http://127.0.0.1:{listener.port}"
        print(f"ledger {view.chain_id} ({view.phase()}) at {url}", flush=True)
        when = "try" if live else "once it is live, try"
        key = home.resolve() / "members" / member.name / "member.pem"
        print(f"{when}: {_first_record(url, member.name, key)}", flush=True)
        await Supervisor([listener], view.recall).run()


def _first_record(url: str, member: str, key: Path) -> str:
    """A command to paste: it commits a record, signed with the member's key."""
    args = json.dumps({"id": "first", "commitment": f"hex:{hashlib.sha256(b'first').hexdigest()}"})
    sent = ["gchain-node", "tx", "send", "records", "commit", "--url", url, "--signer", member]
    return f"{DEVELOPMENT_SWITCH}=1 {shlex.join([*sent, '--key', f'file:{key}', '--args', args])}"


def open_ledger(view: LedgerView, engine: EmbeddedEngine, consortium: DevelopmentConsortium) -> None:
    """Take the ledger live with the officer's key, once; before the engine makes blocks by itself."""
    if view.app.info().last_block_height == 0:
        engine.make_block()
    if view.phase() == "live":
        return
    member, height = consortium.members[0], view.app.info().last_block_height
    used = view.state(f"nonces/{member.officer}") or {"high": 0}
    asked = tx.Tx(
        chain_id=view.chain_id,
        module="governance",
        action="go_live",
        args=go_live_args(view.state("consortium"), consortium.members, height + _OPENING_BLOCKS),
        signer=member.officer,
        nonce=used["high"] + 1,
        expires_height=height + _OPENING_BLOCKS,
    )
    checked = engine.broadcast(tx.sign(asked, member.keys["officer"]))
    results = [committed.result for committed in engine.make_block().txs] or [checked]
    if not results[-1].ok:
        raise EngineError(f"the development ledger cannot be opened: {results[-1].log}")
