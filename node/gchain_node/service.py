"""`gchain-node run`: the node's process under CometBFT.

Order: bind the ports (a taken one ends the start before anything is touched), open the store, serve ABCI, serve HTTP,
tell systemd READY. The engine dials in when it likes; `/readyz` says when the node may get traffic. An exception while
the engine asks ends the process: the engine has stopped by then, and the units start again together.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

import cbor2

from gchain_node.anchored import AnchoredReports
from gchain_node.api.application import api_application, status_application
from gchain_node.api.edge import EdgeLimits
from gchain_node.api.feed import BlockFeed
from gchain_node.api.light import Light
from gchain_node.api.limits import RateLimit
from gchain_node.api.listeners import Listener, bind
from gchain_node.api.tls import LeafStore
from gchain_node.api.view import LedgerView
from gchain_node.app import VALIDATOR_CHANGES, App
from gchain_node.archive import Archive
from gchain_node.config import (
    ARCHIVE,
    COSIGNED,
    DATABASE,
    REPORTS,
    SNAPSHOTS,
    HttpConfig,
    KeysConfig,
    NodeConfig,
    parse_listen,
)
from gchain_node.engine.cometbft.adapter import AbciAdapter
from gchain_node.engine.cometbft.archivist import Archivist
from gchain_node.engine.cometbft.engine import CometEngine
from gchain_node.engine.cometbft.rpc import EngineRpc
from gchain_node.engine.cometbft.server import AbciServer
from gchain_node.engine.interface import CommittedBlock
from gchain_node.errors import ConfigurationError, GenesisError, StateError
from gchain_node.keys import Key, open_key
from gchain_node.keys.followed import FollowedKey
from gchain_node.messages import InitChain
from gchain_node.metrics import Metrics
from gchain_node.signer_view import SignerView
from gchain_node.snapshots import Snapshots
from gchain_node.store import Store
from gchain_node.supervisor import Supervisor, collect_rarely
from gchain_node.tlog.log import TransparencyLog
from gchain_node.tlog.note import VerifierKey

__all__ = ["check_genesis", "open_store", "run"]

_ABCI_CONNECTIONS: Final = 4
_LIGHT_RATE: Final = (20.0, 200)  # a second, at once: a light client that bisects asks for two dozen headers


def run(config: NodeConfig) -> None:
    """Run the node until SIGTERM or SIGINT.

    Raises:
        NodeError: it cannot start, or could not go on.
    """
    collect_rarely()
    asyncio.run(_run(config))


async def _run(config: NodeConfig) -> None:
    with contextlib.ExitStack() as stack:
        status_socket = stack.enter_context(bind("http.status", parse_listen(config.http.status)))
        api_socket = stack.enter_context(bind("http.api", parse_listen(config.http.api)))
        store = stack.enter_context(contextlib.closing(open_store(config)))
        snapshots = stack.enter_context(contextlib.closing(_snapshots(config, store)))
        app = App(store, snapshots)
        rpc = stack.enter_context(contextlib.closing(EngineRpc(config.engine.rpc)))
        feed, metrics, leaf = BlockFeed(), Metrics(), LeafStore(config.http.tls_dir)

        archive = stack.enter_context(contextlib.closing(kept)) if (kept := open_archive(config)) else None
        engine = CometEngine(rpc, lambda: validator_changes(app), archive)
        archivist = _archivist(config, archive, rpc, engine, feed)

        def on_block(block: CommittedBlock) -> None:
            feed.publish(block)
            metrics.count_block(block)
            if archivist is not None:
                archivist.committed(block.height)

        signer_view = _signer_view(config, app)
        adapter = AbciAdapter(
            app,
            on_commit=signer_view.committed if signer_view else lambda block: None,
            on_block=on_block,
            on_init_chain=lambda request: check_genesis(config, request),
            retain_height=lambda height: snapshots.needed_from(archivist.retain_height(height)) if archivist else 0,
        )
        server = AbciServer(config.abci.socket, adapter, on_failure=lambda error: supervisor.fail(error))
        view = LedgerView(
            app,
            engine,
            feed,
            chain_id=config.chain_id,
            member=config.member,
            leaf=leaf,
            log=open_log(config, store),
            genesis=config.genesis.read_bytes,
            engine_connected=lambda: server.connections >= _ABCI_CONNECTIONS,
            stalled_after=config.engine.stalled_after,
            reports=AnchoredReports(config.home / REPORTS),
        )
        metrics.watch(view)
        listeners = _listeners(config.http, view, metrics, leaf, rpc, (status_socket, api_socket))
        supervisor = Supervisor(listeners, lambda: _keep_house(view, leaf))
        stack.enter_context(contextlib.closing(server))
        server.start()
        if archivist is not None:
            stack.enter_context(contextlib.closing(archivist)).start()
        await supervisor.run()


def _listeners(
    http: HttpConfig,
    view: LedgerView,
    metrics: Metrics,
    leaf: LeafStore,
    rpc: EngineRpc,
    sockets: tuple[socket.socket, socket.socket],
) -> list[Listener]:
    """Both listeners, which share the count of each client's reads."""
    reads = RateLimit(http.read_rate, http.read_burst)
    edge = EdgeLimits(http.request_seconds, http.unread_seconds, http.connections_per_client)
    status = status_application(view, metrics, public=http.public, reads=reads)
    api = api_application(
        view,
        metrics,
        RateLimit(http.submit_rate, http.submit_burst),
        leaf=leaf,
        max_body=http.max_body,
        light=Light(rpc.forward, RateLimit(*_LIGHT_RATE)),
        public=http.public,
        reads=reads,
        request_seconds=http.request_seconds,
    )
    return [
        Listener("status", status, sockets[0], limits=edge),
        Listener("api", api, sockets[1], leaf, edge),
    ]


def _signer_view(config: NodeConfig, app: App) -> SignerView | None:
    if config.signer.view is None:
        return None

    def member() -> dict[str, Any] | None:
        found = app.query(f"members/{config.member}")
        return cbor2.loads(found.value) if found.code == 0 else None

    view = SignerView(config.signer.view, config.chain_id, member)
    view.start(app.info().last_block_height)
    return view


def open_store(config: NodeConfig) -> Store:
    """The node's database, of the ledger that the configuration names.

    Raises:
        ConfigurationError: `home` is not a directory.
        StateError: the database cannot be used, or is of another ledger.
    """
    if not config.home.is_dir():
        raise ConfigurationError(
            f"home: {config.home} is not a directory", remedy="create it, owned by the user that runs the node"
        )
    store = Store(config.home / DATABASE)
    found = (store.meta("chain_id") or b"").decode()
    if found not in ("", config.chain_id):
        store.close()
        raise StateError(
            f"{config.home / DATABASE} holds the ledger {found!r}, the configuration names {config.chain_id!r}",
            remedy="give each ledger a home of its own",
        )
    return store


def open_log(config: NodeConfig, store: Store) -> TransparencyLog:
    """The ledger's transparency log, whose checkpoints the member's receipt key signs if there is one."""
    return TransparencyLog(
        store,
        config.chain_id,
        _receipt_key(config.keys),
        witnesses=[VerifierKey.parse(text) for text in config.log.witnesses],
        cosigned=config.home / COSIGNED,
    )


def _receipt_key(keys: KeysConfig) -> Callable[[], Key] | None:
    if keys.receipt_file is not None:
        return FollowedKey(keys.receipt_file)
    uri = keys.receipt
    return None if uri is None else functools.cache(lambda: open_key(uri))


def _snapshots(config: NodeConfig, store: Store) -> Snapshots:
    settings = config.snapshots
    return Snapshots(store, config.home / SNAPSHOTS, interval=settings.interval, keep=settings.keep)


def open_archive(config: NodeConfig) -> Archive | None:
    """The archive, where blocks are pruned or were; None where the engine has kept all. Raises `StateError`."""
    path = config.home / ARCHIVE
    return Archive(path) if config.storage.retain_blocks or path.exists() else None


def _archivist(
    config: NodeConfig, archive: Archive | None, rpc: EngineRpc, engine: CometEngine, feed: BlockFeed
) -> Archivist | None:
    if archive is None or not config.storage.retain_blocks:
        return None
    return Archivist(archive, rpc, engine.source, config.storage.retain_blocks, feed.block)


def check_genesis(config: NodeConfig, request: InitChain) -> None:
    """The engine must start the ledger that this node was told to take part in.

    Raises:
        GenesisError: chain id or application state is not that of the configuration and its genesis file.
    """
    if request.chain_id != config.chain_id:
        raise GenesisError(
            f"the engine starts the ledger {request.chain_id!r}; chain_id in the configuration is {config.chain_id!r}"
        )
    try:
        expected = json.loads(config.genesis.read_text())["app_state"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GenesisError(f"{config.genesis}: cannot be read as a genesis document: {error}") from error
    if json.loads(request.app_state) != expected:
        raise GenesisError(
            f"the engine's genesis document differs from {config.genesis}",
            remedy="give the engine and the node the same genesis.json, the one whose digest the members signed",
        )


def validator_changes(app: App) -> Sequence[int]:
    """Heights whose header names another validator set for the next."""
    answer = app.query(VALIDATOR_CHANGES)
    return cbor2.loads(answer.value)["heights"] if answer.value else []


def _keep_house(view: LedgerView, leaf: LeafStore) -> str:
    """Follow the TLS files and the membership."""
    leaf.set_issuers(view.issuers())
    leaf.refresh()
    return view.recall()
