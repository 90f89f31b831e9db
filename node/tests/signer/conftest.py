"""A journal's storage in memory whose world can end at any operation, a key that remembers what it signed, and one
validator under a real engine whose signer is a process that can be killed.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gchain_node.keys import Key, PublicKey, cometbft_address, cometbft_bytes, open_key

DEADLINE = 120.0
_JSON_TYPES = {"ed25519": "tendermint/PubKeyEd25519", "secp256k1": "tendermint/PubKeySecp256k1"}


class PowerFailure(BaseException):
    """The process or the machine ended here; nothing after it runs."""


@dataclass
class _File:
    data: bytes = b""
    durable: bytes = b""


@dataclass
class CrashingStorage:
    """Implements `Storage`. After `operations` more operations, the next one ends the world, half done.

    `restart(power)` gives what a new start finds: after the death of the process alone, everything that was written;
    after a power failure, the durable part and any prefix of the rest, and names as the directory was synced or as
    they are.
    """

    choose: random.Random
    operations: int | None = None
    files: dict[str, _File] = field(default_factory=dict)
    synced_names: dict[str, _File] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def restart(self, *, power: bool) -> CrashingStorage:
        names = self.files
        if power and self.choose.random() < 0.5:
            names = self.synced_names
        files = {}
        for name, file in names.items():
            data = self._surviving(file) if power else file.data
            files[name] = _File(data, data)
        return CrashingStorage(self.choose, None, files, dict(files))

    def _surviving(self, file: _File) -> bytes:
        if file.data.startswith(file.durable):
            kept = self.choose.randint(len(file.durable), len(file.data))
            return file.data[:kept]
        return self.choose.choice([file.durable, file.data])

    def read(self, name: str) -> bytes | None:
        return self.files[name].data if name in self.files else None

    def append(self, name: str, data: bytes) -> None:
        file = self.files.setdefault(name, _File())
        if self._ends(f"append {name}"):
            file.data += data[: self.choose.randint(0, len(data))]
            raise PowerFailure
        file.data += data

    def overwrite(self, name: str, offset: int, data: bytes) -> None:
        file = self.files.setdefault(name, _File())
        if self._ends(f"overwrite {name}"):
            data = data[: self.choose.randint(0, len(data))]
            file.data = file.data[:offset].ljust(offset, b"\0") + data + file.data[offset + len(data) :]
            raise PowerFailure
        file.data = file.data[:offset].ljust(offset, b"\0") + data + file.data[offset + len(data) :]

    def truncate(self, name: str, size: int) -> None:
        self._end_before(f"truncate {name}")
        self.files[name].data = self.files[name].data[:size]

    def sync(self, name: str) -> None:
        self._end_before(f"sync {name}")
        self.files[name].durable = self.files[name].data

    def rename(self, old: str, new: str) -> None:
        self._end_before(f"rename {old} {new}")
        self.files[new] = self.files.pop(old)

    def remove(self, name: str) -> None:
        self._end_before(f"remove {name}")
        self.files.pop(name, None)

    def sync_directory(self) -> None:
        self._end_before("sync_directory")
        self.synced_names = dict(self.files)

    def _end_before(self, operation: str) -> None:
        if self._ends(operation):
            raise PowerFailure

    def _ends(self, operation: str) -> bool:
        self.log.append(operation)
        if self.operations is None:
            return False
        self.operations -= 1
        return self.operations < 0


class RecordingKey(Key):
    """An Ed25519 key that records every message it was asked to sign; `fail` makes it fail after recording."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        self.asked: list[bytes] = []
        self.before: Callable[[], None] = lambda: None

    @property
    def public_key(self) -> PublicKey:
        return self._private.public_key()

    def sign(self, message: bytes) -> bytes:
        self.before()
        self.asked.append(message)
        return self._private.sign(message)


@pytest.fixture
def crashing_storage() -> Callable[[int], CrashingStorage]:
    return lambda seed: CrashingStorage(random.Random(seed))  # noqa: S311 -- repeatable, not secret


@pytest.fixture
def power_failure() -> type[BaseException]:
    return PowerFailure


@pytest.fixture
def recording_key() -> RecordingKey:
    return RecordingKey()


def _cometbft() -> str:
    cached = Path(os.environ.get("GCHAIN_CACHE", "/var/cache/gchain")) / "bin/cometbft"
    found = str(cached) if cached.is_file() else shutil.which("cometbft")
    if found is None:
        pytest.skip(f"CometBFT is neither at {cached} nor on PATH")
    return found


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("engine", timeout=30)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass
class Validator:
    """One validator: an engine with CometBFT's own key-value app, and a signer process that can be killed."""

    home: Path
    config: Path
    rpc_socket: Path
    engine: subprocess.Popen[bytes] | None = None
    signer: subprocess.Popen[str] | None = None
    outputs: list[Any] = field(default_factory=list)

    def ask_signer(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command of `gchain-node signer` with this validator's configuration, to its end."""
        command = [sys.executable, "-m", "gchain_node.cli", "signer", *arguments, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def start_signer(self) -> None:
        """Start it and wait until it is ready, as the engine's unit waits for the signer's."""
        command = [sys.executable, "-m", "gchain_node.cli", "signer", "run", "--config", str(self.config)]
        self.signer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.signer.stderr is not None
        assert "ready" in self.signer.stderr.readline()

    def kill_signer(self) -> None:
        if self.signer is not None:
            self.signer.kill()
            self.signer.communicate()
            self.signer = None

    def kill_engine(self) -> None:
        if self.engine is not None:
            self.engine.kill()
            self.engine.wait()
            self.engine = None

    def start_engine(self) -> None:
        self.rpc_socket.unlink(missing_ok=True)
        output = (self.home / "log").open("wb")
        self.outputs.append(output)
        self.engine = subprocess.Popen([_cometbft(), "start", "--home", str(self.home)], stdout=output, stderr=output)

    def rpc(self, path: str) -> Any:
        connection = _UnixConnection(self.rpc_socket)
        try:
            connection.request("GET", f"/{path}", headers={"Connection": "close"})
            return json.loads(connection.getresponse().read())["result"]
        finally:
            connection.close()

    def height(self) -> int:
        try:
            return int(self.rpc("status")["sync_info"]["latest_block_height"])
        except (OSError, http.client.HTTPException, KeyError):
            return 0

    def wait_for_height(self, height: int) -> None:
        deadline = time.monotonic() + DEADLINE
        while self.height() < height:
            assert time.monotonic() < deadline, f"height {height} was not reached, but {self.height()}"
            assert self.engine is not None
            assert self.engine.poll() is None, "the engine ended"
            time.sleep(0.05)

    def stop(self) -> None:
        self.kill_engine()
        self.kill_signer()
        for output in self.outputs:
            output.close()


def _configure(home: Path, socket_path: Path, rpc: Path) -> None:
    """RPC on a unix socket and no fixed peer port: nothing of the machine's is shared with other tests."""
    path = home / "config/config.toml"
    text = path.read_text()
    for old, new in {
        'priv_validator_laddr = ""': f'priv_validator_laddr = "unix://{socket_path}"',
        'proxy_app = "tcp://127.0.0.1:26658"': 'proxy_app = "kvstore"',
        "tcp://127.0.0.1:26657": f"unix://{rpc}",
        "tcp://0.0.0.0:26656": "tcp://127.0.0.1:0",
        'pprof_laddr = "localhost:6060"': 'pprof_laddr = ""',
        'timeout_commit = "1s"': 'timeout_commit = "50ms"',
    }.items():
        text = text.replace(old, new)
    path.write_text(text)


@pytest.fixture
def new_validator(token: Any, tmp_path: Path) -> Iterator[Callable[..., Validator]]:
    made: list[Validator] = []

    def make(key_type: str, uri: str | None = None) -> Validator:
        home, rpc = tmp_path / "engine", tmp_path / "rpc.sock"
        uri = uri or token.add("consensus", key_type)
        subprocess.run([_cometbft(), "init", "--home", str(home)], check=True, capture_output=True)
        _configure(home, tmp_path / "privval.sock", rpc)
        public = open_key(uri).public_key
        genesis = json.loads((home / "config/genesis.json").read_text())
        value = base64.b64encode(cometbft_bytes(public)).decode()
        validator = {"address": cometbft_address(public).hex().upper(), "power": "10", "name": ""}
        genesis["chain_id"], genesis["validators"] = (
            "signer-test",
            [validator | {"pub_key": {"type": _JSON_TYPES[key_type], "value": value}}],
        )
        genesis["consensus_params"]["validator"]["pub_key_types"] = [key_type]
        (home / "config/genesis.json").write_text(json.dumps(genesis))
        (home / "config/priv_validator_key.json").unlink()
        config = tmp_path / "signer.toml"
        config.write_text(
            f'chain_id = "signer-test"\nkey = "{uri}"\nkey_type = "{key_type}"\n'
            f'socket = "unix://{tmp_path / "privval.sock"}"\njournal = "{tmp_path / "journal"}"\n'
        )
        made.append(Validator(home, config, rpc))
        return made[-1]

    yield make
    for validator in made:
        validator.stop()
