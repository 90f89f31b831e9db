"""One member's part of a ledger on loopback: a node process and an engine process in a directory of their own."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import re
import signal
import ssl
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from gchain_node.client import Client
from gchain_node.development import DevelopmentMember
from gchain_node.keys import cometbft_address, cometbft_bytes
from gchain_node.tls import Leaf, issue_leaf, read_authority
from node.tests.network.process import Process, wait_until

__all__ = ["Validator", "edited"]


def edited(config: str, settings: dict[str, dict[str, object]]) -> str:
    """`config.toml` of the engine with values replaced, by section ("" is the head); each key must be there."""
    parts = re.split(r"(?m)^(?=\[)", config)
    for section, values in settings.items():
        place = next(n for n, part in enumerate(parts) if part.startswith(f"[{section}]") or (n == 0 and not section))
        for key, value in values.items():
            text = json.dumps(value)
            parts[place], count = re.subn(rf"(?m)^{key} = .*$", lambda _, k=key, t=text: f"{k} = {t}", parts[place])
            assert count == 1, f"[{section}] {key}"
    return "".join(parts)


@dataclass
class Validator:
    """One member's node and engine. One that genesis does not know is an observer: it follows, and signs nothing."""

    member: DevelopmentMember
    home: Path
    p2p: int
    rpc: int
    status: int
    api: int
    is_validator: bool = True
    snapshots: tuple[int, int] = (1000, 2)  # every so many heights, so many kept
    stalled_after: float = 30.0
    cometbft: Path = field(init=False)
    node: Process = field(init=False)
    engine: Process = field(init=False)

    def configure(self, cometbft: Path, genesis: dict[str, Any]) -> None:
        self.cometbft = cometbft
        self.home.mkdir()
        for name in ("node", "tls"):
            (self.home / name).mkdir()
        engine_home = self.home / "engine"
        subprocess.run([cometbft, "init", "--home", engine_home], check=True, capture_output=True)
        (engine_home / "config" / "genesis.json").write_text(json.dumps(genesis))
        if self.is_validator:
            (engine_home / "config" / "priv_validator_key.json").write_text(json.dumps(self.validator_key()))
        (self.home / "genesis.json").write_text(json.dumps(genesis))
        (self.home / "node.toml").write_text(self._node_toml(genesis))
        self.node = Process(
            [sys.executable, "-m", "gchain_node", "run", "--config", str(self.home / "node.toml")],
            self.home / "node.log",
        )
        self.engine = Process([str(cometbft), "start", "--home", str(engine_home)], self.home / "engine.log")

    def connect(self, peers: list[str], more: dict[str, dict[str, object]] | None = None) -> None:
        """Write the engine's configuration: whom it dials (`id@host:port`), and other settings by section."""
        settings: dict[str, dict[str, object]] = {
            "": {"proxy_app": f"unix://{self.home}/abci.sock"},
            "rpc": {"laddr": f"tcp://127.0.0.1:{self.rpc}", "pprof_laddr": ""},
            "p2p": {
                "laddr": f"tcp://127.0.0.1:{self.p2p}",
                "persistent_peers": ",".join(peers),
                "persistent_peers_max_dial_period": "1s",
                "addr_book_strict": False,
                "allow_duplicate_ip": True,
                "pex": False,
            },
            "consensus": {"timeout_commit": "200ms"},
        }
        for section, values in (more or {}).items():
            settings.setdefault(section, {}).update(values)
        self.set_engine(settings)

    def set_engine(self, settings: dict[str, dict[str, object]]) -> None:
        """Change settings of the engine's config.toml, by section ("" is the head); they hold from its next start."""
        path = self.home / "engine" / "config" / "config.toml"
        path.write_text(edited(path.read_text(), settings))

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

    def run_node_with(self, prelude: str) -> None:
        """From its next start on, the node's process runs these lines of Python before its own program."""
        script = self.home / "prelude.py"
        script.write_text(
            f"import sys\n{prelude}\nfrom gchain_node.cli import main\nsys.argv[0] = 'gchain-node'\nsys.exit(main())\n"
        )
        interpreter, *_ = self.node.command
        self.node.command = [interpreter, str(script), "run", "--config", str(self.home / "node.toml")]

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

    def ask(self, call: str) -> Any:
        """A call of the engine's RPC; None while it does not answer, or answers with an error."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.rpc}/{call}", timeout=30).json().get("result")
        except (httpx.TransportError, ValueError):
            return None

    def engine_height(self) -> int:
        status = self.ask("status")
        return int(status["sync_info"]["latest_block_height"]) if status else 0

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
            answer = httpx.get(f"http://127.0.0.1:{self.status}{path}", timeout=30)
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

    def validator_key(self) -> dict[str, Any]:
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
            f'[engine]\nrpc = "http://127.0.0.1:{self.rpc}"\nstalled_after = {self.stalled_after}\n'
            f'[http]\nstatus = "127.0.0.1:{self.status}"\n'
            f'api = "127.0.0.1:{self.api}"\ntls_dir = "{self.home}/tls"\n'
            f"[snapshots]\ninterval = {self.snapshots[0]}\nkeep = {self.snapshots[1]}\n"
        )
