"""A development ledger in memory behind both HTTP applications, on real listeners of this process."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import queue
import shutil
import ssl
import threading
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette

from gchain_node import genesis, tx
from gchain_node.anchored import AnchoredReports
from gchain_node.api.application import api_application, status_application
from gchain_node.api.feed import BlockFeed
from gchain_node.api.limits import RateLimit
from gchain_node.api.listeners import Listener, bind
from gchain_node.api.view import LedgerView
from gchain_node.app import App
from gchain_node.config import Listen
from gchain_node.dev_service import open_ledger
from gchain_node.development import DevelopmentConsortium, DevelopmentMember
from gchain_node.engine.embedded.engine import EmbeddedEngine
from gchain_node.engine.interface import CommittedBlock
from gchain_node.keys.file_key import FileKey
from gchain_node.metrics import Metrics
from gchain_node.proof.trust import Trust, from_genesis
from gchain_node.store import Store
from gchain_node.tlog.log import TransparencyLog
from gchain_node.tlog.signing import cosigner_key
from node.tests.browser import Browser
from node.tests.openapi_contract import Contract


@dataclass
class Served:
    """A running ledger of one member, live, and clients of its two listeners, whose every answer is held to the
    published description of the API.
    """

    consortium: DevelopmentConsortium
    view: LedgerView
    engine: EmbeddedEngine
    api: httpx.Client
    status: httpx.Client
    log: TransparencyLog
    witness: FileKey
    contract: Contract
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def member(self) -> DevelopmentMember:
        return self.consortium.members[0]

    @property
    def trust(self) -> Trust:
        return from_genesis(self.consortium.genesis, genesis.digest(self.consortium.genesis))

    def signed(self, record: str, **changes: Any) -> bytes:
        """A transaction that commits a record, signed by the member; `changes` replace fields of it."""
        fields: dict[str, Any] = {
            "chain_id": "gchain-dev",
            "module": "records",
            "action": "commit",
            "args": {"id": record, "commitment": hashlib.sha256(record.encode()).digest()},
            "signer": self.member.name,
            "nonce": next(self.numbers),
            "expires_height": 10_000,
        }
        return tx.sign(tx.Tx(**fields | changes), self.member.keys["member"])

    def submit(self, raw: bytes, **params: Any) -> httpx.Response:
        return self.api.post("/v1/tx", content=raw, headers={"Content-Type": "application/cbor"}, params=params)

    def commit(self, record: str) -> dict[str, Any]:
        """Commit a record; the answer once a block has it."""
        answer = self.submit(self.signed(record), wait=1)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


@contextlib.contextmanager
def listening(application: Starlette) -> Iterator[httpx.Client]:
    """A client of the application, served on a port that the system chose."""
    with listening_all([application]) as (client,):
        yield client


@contextlib.contextmanager
def listening_all(applications: list[Starlette]) -> Iterator[list[httpx.Client]]:
    """A client of each application; they end together, since each takes a moment."""
    running = [_start(application) for application in applications]
    try:
        with contextlib.ExitStack() as clients:
            yield [clients.enter_context(_client(listener)) for listener, _ in running]
    finally:
        for listener, _ in running:
            listener.stop()
        for _, thread in running:
            thread.join(timeout=120)


def _start(application: Starlette) -> tuple[Listener, threading.Thread]:
    started: queue.Queue[Listener] = queue.Queue()

    async def serve() -> None:
        with bind("test", Listen("127.0.0.1", 0)) as bound:
            listener = Listener("test", application, bound)
            serving = asyncio.create_task(listener.serve())
            await listener.started.wait()
            started.put(listener)
            await serving

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    return started.get(timeout=120), thread


def _client(listener: Listener) -> httpx.Client:
    # Plain HTTP: a context that trusts nobody, since to read the authorities of the web takes longer than most tests.
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.Client(base_url=f"http://127.0.0.1:{listener.port}", timeout=120, trust_env=False, verify=nobody)


@contextlib.contextmanager
def ending_soon() -> Iterator[None]:
    """uvicorn looks ten times a second whether it shall end, and then waits a tenth more. Hundreds end here."""

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uvicorn.server.asyncio", types.SimpleNamespace(**{**vars(asyncio), "sleep": sleep}))
        yield


@pytest.fixture(scope="session", autouse=True)
def servers_end_soon() -> Iterator[None]:
    with ending_soon():
        yield


@pytest.fixture(name="listening")
def listening_fixture() -> Any:
    """For tests with a server of their own."""
    return listening


@pytest.fixture
def limit() -> RateLimit:
    return RateLimit(1000, 1000)


@pytest.fixture
def makes_blocks() -> bool:
    """Whether the engine makes blocks after the ledger was opened."""
    return True


@pytest.fixture
def names() -> tuple[str, ...]:
    """The members; the first is the one whose node is served."""
    return ("dev",)


@contextlib.contextmanager
def serving(
    directory: Path, names: tuple[str, ...] = ("dev",), limit: RateLimit | None = None, makes_blocks: bool = True
) -> Iterator[Served]:
    """A ledger of those members with its files in `directory`, and the first member's listeners."""
    consortium = DevelopmentConsortium.open(directory, names)
    store = Store(None)
    app, feed, metrics = App(store), BlockFeed(), Metrics()

    def on_block(block: CommittedBlock) -> None:
        feed.publish(block)
        metrics.count_block(block)

    keys = [member.keys["validator"] for member in consortium.members]
    engine = EmbeddedEngine(app, None, consortium.genesis, keys, on_block=on_block)
    witness = FileKey(Ed25519PrivateKey.generate())
    log = TransparencyLog(
        store,
        "gchain-dev",
        lambda: consortium.members[0].keys["receipt"],
        witnesses=[cosigner_key("witness.example", witness.public_key)],
    )
    genesis_file = (directory / "genesis.json").read_bytes
    kept = AnchoredReports(directory / "reports")
    view = LedgerView(
        app, engine, feed, chain_id="gchain-dev", member=names[0], log=log, genesis=genesis_file, reports=kept
    )
    metrics.watch(view)
    open_ledger(view, engine, consortium)
    if makes_blocks:
        engine.start()
    application = api_application(view, metrics, limit or RateLimit(1000, 1000), max_body=600_000)
    with listening_all([application, status_application(view, metrics)]) as (api, status):
        contract = Contract()
        for client in (api, status):
            client.event_hooks["response"].append(contract.check)
        yield Served(consortium, view, engine, api, status, log, witness, contract)
    engine.close()


@pytest.fixture(scope="session")
def consortia(tmp_path_factory: pytest.TempPathFactory) -> Callable[[tuple[str, ...]], Path]:
    """Directories of consortia, each made once, since keys and a genesis take longer than most tests."""
    made: dict[tuple[str, ...], Path] = {}

    def directory(names: tuple[str, ...]) -> Path:
        if names not in made:
            made[names] = tmp_path_factory.mktemp("consortium")
            DevelopmentConsortium.open(made[names], names)
        return made[names]

    return directory


@pytest.fixture
def served(
    tmp_path: Path,
    limit: RateLimit,
    makes_blocks: bool,
    names: tuple[str, ...],
    consortia: Callable[[tuple[str, ...]], Path],
) -> Iterator[Served]:
    shutil.copytree(consortia(names), tmp_path, dirs_exist_ok=True)
    with serving(tmp_path, names, limit, makes_blocks) as made:
        yield made


@pytest.fixture(scope="session", name="serving")
def serving_fixture() -> Any:
    """For tests that share a ledger, since they only read it."""
    return serving


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (Debian package chromium)")
    running = Browser(program, tmp_path_factory.mktemp("profile"))
    running.end()
    yield running
    running.close()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """A window that no other test had."""
    chromium.begin()
    yield chromium
    chromium.end()
