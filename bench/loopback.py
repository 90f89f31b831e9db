"""A ledger of four on loopback: a `gchain-node run` beside each CometBFT, opened, with keys in files and no hosts.

Everything else is as on hosts: unix socket, state with proofs, status page, metrics, every signature verified by every
node. What hosts add (networks, TLS files, remote signers) is measured on hosts.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2
import httpx
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from bench.network import Testnet, run_testnet
from gchain_node import tx
from gchain_node.development import DevelopmentConsortium, go_live_args
from gchain_node.keys import cometbft_address, cometbft_bytes

__all__ = ["LoopbackLedger", "run_ledger"]

_NAMES = ("customs", "health", "registry", "treasury")
_EXPIRES = 1_000_000


@dataclass(frozen=True)
class LoopbackLedger:
    """A live ledger. `consortium` has the members' keys; the officers' first two numbers are used."""

    network: Testnet
    consortium: DevelopmentConsortium

    def joining(self, directory: Path) -> dict[str, Any]:
        """What `catch_up` needs for one more node of this ledger, under `directory`."""
        home, port = directory / "net" / "joining", self.network.port + 60

        def prepare(home: Path) -> None:
            _write_node(home, self.consortium, 0, port)

        return {
            "home": home,
            "port": port,
            "proxy_app": f"unix://{home}/abci.sock",
            "app_command": _node_command(home),
            "prepare": prepare,
        }

    @property
    def chain_id(self) -> str:
        return str(self.consortium.genesis["chain_id"])


@contextmanager
def run_ledger(directory: Path, *, port: int = 18_500, timeout_commit: str = "500ms") -> Iterator[LoopbackLedger]:
    """Run it for the length of the `with` block.

    Args:
        directory: an empty directory.
        port: the first of 60 loopback ports.
    """
    consortium = DevelopmentConsortium.open(directory / "consortium", _NAMES, chain_id="gchain-bench")

    def prepare(number: int, home: Path) -> None:
        _prepare(home, consortium, number, port + 10 * number)

    with run_testnet(
        directory / "net",
        port=port,
        proxy_app=lambda home: f"unix://{home}/abci.sock",
        app_command=_node_command,
        prepare=prepare,
        genesis=lambda _: consortium.genesis,
        timeout_commit=timeout_commit,
    ) as network:
        ledger = LoopbackLedger(network, consortium)
        _go_live(ledger)
        yield ledger


def _node_command(home: Path) -> list[str]:
    return [sys.executable, "-m", "gchain_node", "run", "--config", str(home / "node.toml")]


def _prepare(home: Path, consortium: DevelopmentConsortium, number: int, port: int) -> None:
    member = consortium.members[number]
    _write_node(home, consortium, number, port)
    pem = home.parents[1] / "consortium" / "members" / member.name / "validator.pem"
    (home / "config" / "priv_validator_key.json").write_text(json.dumps(_validator_key(pem)))


def _write_node(home: Path, consortium: DevelopmentConsortium, number: int, port: int) -> None:
    member = consortium.members[number]
    (home / "node").mkdir()
    (home / "tls").mkdir()
    (home / "node.toml").write_text(
        f'chain_id = "{consortium.genesis["chain_id"]}"\nhome = "{home}/node"\nmember = "{member.name}"\n'
        f'genesis = "{home}/config/genesis.json"\n[abci]\nsocket = "unix://{home}/abci.sock"\n'
        f'[engine]\nrpc = "http://127.0.0.1:{port + 1}"\n'
        f'[http]\nstatus = "127.0.0.1:{port + 2}"\napi = "127.0.0.1:{port + 3}"\ntls_dir = "{home}/tls"\n'
    )


def _validator_key(pem: Path) -> dict[str, Any]:
    key = load_pem_private_key(pem.read_bytes(), None)
    raw = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public_key: Any = key.public_key()
    public = cometbft_bytes(public_key)
    return {
        "address": cometbft_address(public_key).hex().upper(),
        "pub_key": {"type": "tendermint/PubKeyEd25519", "value": base64.b64encode(public).decode()},
        "priv_key": {"type": "tendermint/PrivKeyEd25519", "value": base64.b64encode(raw + public).decode()},
    }


def _go_live(ledger: LoopbackLedger) -> None:
    rpc, members = ledger.network.rpcs[0], ledger.consortium.members
    found = httpx.get(f"{rpc}/abci_query", params={"path": '"consortium"'}).json()["result"]["response"]["value"]
    args = go_live_args(cbor2.loads(base64.b64decode(found)), members, _EXPIRES)
    member = members[0]
    asked = tx.Tx(ledger.chain_id, "governance", "go_live", args, member.officer, 1, _EXPIRES)
    raw = base64.b64encode(tx.sign(asked, member.keys["officer"])).decode()
    body = {"jsonrpc": "2.0", "id": 1, "method": "broadcast_tx_commit", "params": {"tx": raw}}
    answer = httpx.post(rpc, json=body, timeout=30).json()
    if answer.get("result", {}).get("tx_result", {}).get("code") != 0:
        raise RuntimeError(f"the ledger did not go live: {json.dumps(answer)[:500]}")
