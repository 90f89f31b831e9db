"""Real ledgers on loopback: each validator is a node process and a CometBFT process in a directory of its own."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from gchain_node.client import Client
from gchain_node.development import DevelopmentConsortium, DevelopmentMember, go_live_args
from gchain_node.keys import cometbft_address, cometbft_bytes
from gchain_node.tls import Leaf, issue_leaf, read_authority

DEADLINE = 60.0


def find_cometbft() -> Path | None:
    cached = Path(os.environ.get("GCHAIN_CACHE", "/var/cache/gchain")) / "bin" / "cometbft"
    if cached.is_file():
        return cached
    on_path = shutil.which("cometbft")
    return Path(on_path) if on_path else None


def wait_until(what: str, condition: Callable[[], Any], deadline: float = DEADLINE) -> Any:
    """The condition's first true value; fails after `deadline` seconds and says what was waited for."""
    end = time.monotonic() + deadline
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            pytest.fail(f"waited {deadline:g} s for {what}")
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Ports that nobody has at the moment. They lie below those that the system gives to outgoing connections, one of
    which could take a port between the look and the start.
    """
    found: list[int] = []
    while len(found) < count:
        port = secrets.randbelow(12_000) + 20_000
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found


@dataclass
class Process:
    """One process whose output goes to a file."""

    command: list[str]
    log: Path
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def alive(self) -> bool:
        """True; fails with what the process said if it has ended."""
        assert self.running is not None
        status = self.running.poll()
        if status is not None:
            pytest.fail(f"{self.command[0]} ended with status {status}: {self.log.read_text()[-2000:]}")
        return True

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Send a signal and wait for the end; the exit status."""
        assert self.running is not None
        if self.running.poll() is None:
            self.running.send_signal(number)
        return self.running.wait(DEADLINE)


@dataclass
class Validator:
    """One member's node and engine."""

    member: DevelopmentMember
    home: Path
    p2p: int
    rpc: int
    status: int
    api: int
    node: Process = field(init=False)
    engine: Process = field(init=False)

    def configure(self, cometbft: Path, genesis: dict[str, Any]) -> None:
        self.home.mkdir()
        for name in ("node", "tls"):
            (self.home / name).mkdir()
        engine_home = self.home / "engine"
        subprocess.run([cometbft, "init", "--home", engine_home], check=True, capture_output=True)
        (engine_home / "config" / "genesis.json").write_text(json.dumps(genesis))
        (engine_home / "config" / "priv_validator_key.json").write_text(json.dumps(self._validator_key()))
        (self.home / "genesis.json").write_text(json.dumps(genesis))
        (self.home / "node.toml").write_text(self._node_toml(genesis))
        self.node = Process(
            [sys.executable, "-m", "gchain_node", "run", "--config", str(self.home / "node.toml")],
            self.home / "node.log",
        )
        self.engine = Process([str(cometbft), "start", "--home", str(engine_home)], self.home / "engine.log")

    def connect(self, others: list[Validator]) -> None:
        peers = ",".join(f"{other.node_id}@127.0.0.1:{other.p2p}" for other in others if other is not self)
        self._edit_engine(
            ("proxy_app", f"unix://{self.home}/abci.sock"),
            ("laddr", f"tcp://127.0.0.1:{self.rpc}"),
            ("laddr", f"tcp://127.0.0.1:{self.p2p}"),
            ("persistent_peers", peers),
            ("timeout_commit", "200ms"),
        )
        text = (self.home / "engine" / "config" / "config.toml").read_text()
        for name, value in (("addr_book_strict", "false"), ("allow_duplicate_ip", "true"), ("pex", "false")):
            text = re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
        (self.home / "engine" / "config" / "config.toml").write_text(text)

    def issue_leaf(self, *, client: bool = False) -> Leaf:
        """A leaf of this member for 127.0.0.1."""
        return issue_leaf(
            self.member.keys["tls"],
            read_authority(self.authority, self.member.name),
            hostname="localhost",
            addresses=["127.0.0.1"],
            hours=1,
            now=dt.datetime.now(dt.UTC),
            client=client,
        )

    @property
    def authority(self) -> str:
        """The member's TLS-issuing certificate."""
        return str(self.member.contribution["payload"]["tls_ca"])

    def put_leaf(self) -> None:
        """Issue a leaf and put it where the node looks, as the renewing timer does."""
        leaf = self.issue_leaf()
        for name, content in (("key.pem", leaf.private_key), ("cert.pem", leaf.certificate)):
            fresh = self.home / "tls" / f".{name}"
            fresh.write_bytes(content)
            fresh.rename(self.home / "tls" / name)

    def tls(self) -> ssl.SSLContext:
        """A client's context that trusts this member's TLS-issuing certificate alone."""
        return ssl.create_default_context(cadata=self.authority)

    def client(self) -> Client:
        return Client(f"https://127.0.0.1:{self.api}", verify=self.tls())

    @property
    def node_id(self) -> str:
        """SHA-256 of the peer key's public part, cut to 20 bytes (CometBFT v0.38 p2p/key.go)."""
        document = json.loads((self.home / "engine" / "config" / "node_key.json").read_text())
        return hashlib.sha256(base64.b64decode(document["priv_key"]["value"])[32:]).hexdigest()[:40]

    def start(self) -> None:
        self.put_leaf()
        self.start_node()
        self.engine.start()

    def start_node(self) -> None:
        self.node.start()
        wait_until("the node's ABCI socket", lambda: self.node.alive() and (self.home / "abci.sock").is_socket())

    def stop(self) -> None:
        for process in (self.engine, self.node):
            if process.running is not None:
                process.kill(signal.SIGKILL)

    def get(self, path: str) -> dict[str, Any] | None:
        """A read of the status listener; None while it does not answer."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.status}{path}", timeout=5)
        except httpx.TransportError:
            return None
        body: dict[str, Any] = answer.json()
        return body

    def height(self) -> int:
        status = self.get("/v1/status")
        return int(status["height"]) if status else 0

    def has_reached(self, height: int) -> bool:
        """Fails if the node or the engine has ended."""
        return self.node.alive() and self.engine.alive() and self.height() >= height

    def _edit_engine(self, *changes: tuple[str, str]) -> None:
        path = self.home / "engine" / "config" / "config.toml"
        lines = path.read_text().splitlines()
        for name, value in changes:
            place = next(n for n, line in enumerate(lines) if re.match(rf"{name} = ", line) and "#edited" not in line)
            lines[place] = f'{name} = "{value}" #edited'
        path.write_text("\n".join(lines) + "\n")

    def _validator_key(self) -> dict[str, Any]:
        key = self.member.keys["validator"]
        pem = (self.home.parent / "members" / self.member.name / "validator.pem").read_bytes()
        raw = load_pem_private_key(pem, None).private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        public = cometbft_bytes(key.public_key)
        return {
            "address": cometbft_address(key.public_key).hex().upper(),
            "pub_key": {"type": "tendermint/PubKeyEd25519", "value": base64.b64encode(public).decode()},
            "priv_key": {"type": "tendermint/PrivKeyEd25519", "value": base64.b64encode(raw + public).decode()},
        }

    def _node_toml(self, genesis: dict[str, Any]) -> str:
        return (
            f'chain_id = "{genesis["chain_id"]}"\nhome = "{self.home}/node"\ngenesis = "{self.home}/genesis.json"\n'
            f'member = "{self.member.name}"\n[abci]\nsocket = "unix://{self.home}/abci.sock"\n'
            f'[engine]\nrpc = "http://127.0.0.1:{self.rpc}"\n[http]\nstatus = "127.0.0.1:{self.status}"\n'
            f'api = "127.0.0.1:{self.api}"\ntls_dir = "{self.home}/tls"\n'
        )


@dataclass
class Ledger:
    """A running ledger of some validators."""

    consortium: DevelopmentConsortium
    validators: list[Validator]

    def start(self) -> None:
        for validator in self.validators:
            validator.start()
        self.wait_height(2)

    def wait_height(self, height: int) -> None:
        for validator in self.validators:
            wait_until(f"height {height} at {validator.member.name}", lambda v=validator: v.has_reached(height))

    def go_live(self) -> None:
        """Open the ledger with the approval of every officer."""
        first = self.validators[0]
        with first.client() as client:
            consortium = client.query("consortium").value
            args = go_live_args(consortium, self.consortium.members, expires_height=1_000_000)
            officer = first.member.keys["officer"]
            client.transact("governance", "go_live", args, key=officer, signer=first.member.officer).raise_for_code()

    def app_hash(self, validator: Validator, height: int) -> str:
        """The app hash after `height`, as the header of the next block at this validator's engine has it."""
        answer = httpx.get(f"http://127.0.0.1:{validator.rpc}/block?height={height + 1}", timeout=5).json()
        return str(answer["result"]["block"]["header"]["app_hash"])

    def stop(self) -> None:
        for validator in self.validators:
            validator.stop()


class Ledgers:
    """Makes ledgers in one directory, and ends all their processes."""

    wait_until = staticmethod(wait_until)

    def __init__(self, directory: Path, cometbft: Path) -> None:
        self._directory = directory
        self._cometbft = cometbft
        self._made: list[Ledger] = []

    def start(self, count: int) -> Ledger:
        """A ledger of so many validators that has made its first blocks."""
        ledger = self.make(count)
        ledger.start()
        return ledger

    def make(self, count: int) -> Ledger:
        names = [f"agency{number}" for number in range(1, count + 1)]
        consortium = DevelopmentConsortium.open(self._directory, names, chain_id="gchain-test")
        ports = iter(free_ports(4 * count))
        validators = [
            Validator(member, self._directory / member.name, next(ports), next(ports), next(ports), next(ports))
            for member in consortium.members
        ]
        for validator in validators:
            validator.configure(self._cometbft, consortium.genesis)
        for validator in validators:
            validator.connect(validators)
        self._made.append(Ledger(consortium, validators))
        return self._made[-1]

    def stop(self) -> None:
        for ledger in self._made:
            ledger.stop()


@pytest.fixture
def ledgers(tmp_path: Path) -> Iterator[Ledgers]:
    cometbft = find_cometbft()
    if cometbft is None:
        pytest.skip("cometbft is neither in $GCHAIN_CACHE/bin nor on PATH: `gchain toolchain install` builds it")
    made = Ledgers(tmp_path, cometbft)
    yield made
    made.stop()
