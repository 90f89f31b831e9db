"""The signer as a process, with its key in a token, under a real CometBFT."""

from __future__ import annotations

import base64
import http.client
import json
import os
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

from gchain_node.keys import cometbft_address, cometbft_bytes, open_key
from gchain_node.signer.journal import JOURNAL

pytestmark = pytest.mark.slow

DEADLINE = 120.0
_JSON_TYPES = {"ed25519": "tendermint/PubKeyEd25519", "secp256k1": "tendermint/PubKeySecp256k1"}


def _cometbft() -> str:
    cached = Path(os.environ.get("GCHAIN_CACHE", "/var/cache/gchain")) / "bin/cometbft"
    found = str(cached) if cached.is_file() else shutil.which("cometbft")
    if found is None:
        pytest.skip(f"CometBFT is neither at {cached} nor on PATH")
    return found


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("engine", timeout=5)
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


def _signer(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gchain_node.cli", "signer", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def new_validator(token: Any, tmp_path: Path) -> Iterator[Callable[[str], Validator]]:
    made: list[Validator] = []

    def make(key_type: str) -> Validator:
        home, uri, rpc = tmp_path / "engine", token.add("consensus", key_type), tmp_path / "rpc.sock"
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


def _assert_one_content_a_position(journal: Path) -> None:
    """Over all that the journal recorded. Its own checks allow no second intent for a position; read it without
    them.
    """
    seen: dict[tuple[int, int, int], str] = {}
    for line in (journal / JOURNAL).read_text().splitlines():
        record = json.loads(line.partition(" ")[2])
        if record["kind"] == "intent":
            position = (record["height"], record["round"], record["step"])
            assert seen.setdefault(position, record["sign_bytes"]) == record["sign_bytes"]
    assert len(seen) > 10


@pytest.mark.parametrize("key_type", ["ed25519", "secp256k1"])
def test_a_chain_goes_on_while_its_signer_is_killed(new_validator: Callable[[str], Validator], key_type: str) -> None:
    validator = new_validator(key_type)
    assert _signer("init", "--config", str(validator.config), "--initial-height", "1").returncode == 0
    validator.start_signer()
    validator.start_engine()
    for _ in range(5):
        validator.wait_for_height(validator.height() + 6)
        validator.kill_signer()
        validator.start_signer()
    height = validator.height() + 3
    validator.wait_for_height(height)
    signatures = validator.rpc(f"commit?height={height - 1}")["signed_header"]["commit"]["signatures"]
    assert [entry["block_id_flag"] for entry in signatures] == [2]
    assert validator.rpc(f"block?height={height}")["block"]["evidence"]["evidence"] == []
    _assert_one_content_a_position(validator.config.parent / "journal")


def test_an_engine_that_was_killed_finds_its_signer_again(new_validator: Callable[[str], Validator]) -> None:
    validator = new_validator("ed25519")
    assert _signer("init", "--config", str(validator.config), "--initial-height", "1").returncode == 0
    validator.start_signer()
    validator.start_engine()
    validator.wait_for_height(4)
    reached = validator.height()
    validator.kill_engine()
    (validator.config.parent / "privval.sock").unlink()  # as the unit does before each start
    validator.start_engine()
    validator.wait_for_height(reached + 8)


def test_a_signer_without_journal_a_second_one_and_one_with_another_journal_refuse(
    new_validator: Callable[[str], Validator], tmp_path: Path
) -> None:
    validator = new_validator("ed25519")
    config = str(validator.config)
    missing = _signer("run", "--config", config)
    assert missing.returncode == 8
    assert "missing" in missing.stderr
    assert _signer("init", "--config", config, "--initial-height", "1").returncode == 0
    other = tmp_path / "other.toml"
    other.write_text(validator.config.read_text().replace("/journal", "/journal-2"))
    assert _signer("init", "--config", str(other), "--initial-height", "1").returncode == 0
    validator.start_signer()
    second = _signer("run", "--config", config)
    assert second.returncode == 8
    third = _signer("run", "--config", str(other))
    assert third.returncode == 8
    assert "another signer on this host" in third.stderr


def test_init_twice_changes_nothing_and_status_needs_no_key(new_validator: Callable[[str], Validator]) -> None:
    config = str(new_validator("ed25519").config)
    first = json.loads(_signer("init", "--config", config, "--initial-height", "7", "--json").stdout)
    again = json.loads(_signer("init", "--config", config, "--initial-height", "7", "--json").stdout)
    assert (first["created"], again["created"]) == (True, False)
    assert json.loads(_signer("status", "--config", config, "--json").stdout)["last"] is None


def test_init_without_a_height_is_refused(new_validator: Callable[[str], Validator]) -> None:
    result = _signer("init", "--config", str(new_validator("ed25519").config))
    assert result.returncode == 2
    assert "--initial-height" in result.stderr


def test_a_key_of_another_type_than_configured_is_refused(new_validator: Callable[[str], Validator]) -> None:
    validator = new_validator("ed25519")
    validator.config.write_text(validator.config.read_text().replace('"ed25519"', '"secp256k1"'))
    result = _signer("init", "--config", str(validator.config), "--initial-height", "1")
    assert result.returncode == 2
    assert "key_type is secp256k1" in result.stderr
