"""A consensus key is rotated under a real CometBFT: its member votes at every height but those in flight."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gchain_node.development import CONSORTIUM
from gchain_node.keys import cometbft_address, encode_public_key
from gchain_node.keys.file_key import DEVELOPMENT_SWITCH, FileKey
from gchain_node.keys.possession import prove

pytestmark = pytest.mark.slow

LEAD = 25


class RemoteSigner:
    """A validator's signer as a process, with keys in development files, in place of the engine's own."""

    def __init__(self, validator: Any, log: Path) -> None:
        self.validator, self.log = validator, log
        self.home: Path = validator.home
        self.process: subprocess.Popen[bytes] | None = None
        validator.set_engine({"": {"priv_validator_laddr": f"unix://{self.home}/privval.sock"}})
        (self.home / "engine/config/priv_validator_key.json").unlink()

    def write(self, key: Path, journal: str, following: str = "") -> None:
        (self.home / "signer.toml").write_text(
            f'chain_id = "gchain-test"\nkey = "file:{key}"\nkey_type = "ed25519"\n'
            f'socket = "unix://{self.home}/privval.sock"\njournal = "{self.home}/{journal}"\n{following}'
        )

    def run(self, *arguments: str) -> None:
        line = [sys.executable, "-m", "gchain_node.cli", "signer", *arguments, "--config", f"{self.home}/signer.toml"]
        subprocess.run(line, check=True, capture_output=True)

    def restart(self) -> None:
        self.stop()
        line = [sys.executable, "-m", "gchain_node.cli", "signer", "run", "--config", f"{self.home}/signer.toml"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(line, stdout=log, stderr=log)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(120)


@pytest.fixture
def signer(ledgers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv(DEVELOPMENT_SWITCH, "1")
    ledger = ledgers.make(4)
    made = RemoteSigner(ledger.validators[0], tmp_path / "signer.log")
    made.write(tmp_path / "members/agency1/validator.pem", "journal")
    made.run("init", "--initial-height", "1")
    made.restart()
    ledger.start()
    yield ledger, made
    made.stop()


def _new_key(path: Path) -> FileKey:
    private = Ed25519PrivateKey.generate()
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return FileKey(private)


def _votes(validator: Any, height: int) -> set[str]:
    """Addresses, in hex, whose votes for the block of `height` the next block keeps."""
    answer = httpx.get(f"http://127.0.0.1:{validator.rpc}/block?height={height + 1}", timeout=30).json()
    signatures = answer["result"]["block"]["last_commit"]["signatures"]
    return {each["validator_address"].lower() for each in signatures if each["block_id_flag"] == 2}


def test_the_vote_changes_from_the_old_key_to_the_new_one_at_the_height_that_the_ledger_names(
    signer: Any, tmp_path: Path
) -> None:
    ledger, remote = signer
    first, other = ledger.validators[:2]
    old = cometbft_address(first.member.keys["validator"].public_key).hex()
    new_key = _new_key(tmp_path / "next.pem")
    new = cometbft_address(new_key.public_key).hex()
    height = other.height() + LEAD
    pop = prove(new_key, consortium=CONSORTIUM, member=first.member.name, purpose="validator")
    args = {"public_key": encode_public_key(new_key.public_key), "pop": pop, "height": height}
    with first.client() as client:
        client.transact(
            "membership",
            "rotate_validator_key",
            args,
            key=first.member.keys["officer"],
            signer=first.member.officer,
        ).raise_for_code()
    table = f'[next]\nkey = "file:{tmp_path}/next.pem"\njournal = "{remote.home}/journal-2"\nfirst_height = {height}\n'
    remote.write(tmp_path / "members/agency1/validator.pem", "journal", table)
    remote.run("init", "--next")
    remote.restart()
    prepared = other.height() + 2
    assert prepared < height - 4, "the signer was prepared in time"
    ledger.wait_height(height + 8)
    votes = {each: _votes(other, each) & {old, new} for each in range(prepared, height + 6)}
    wrong = {each: found for each, found in votes.items() if found - {old if each < height else new}}
    missed = [each for each, found in votes.items() if not found]
    assert wrong == {}
    assert len(missed) <= 1, f"no vote at {missed}, first height of the new key {height}"
    assert votes[height - 1] | votes[height], "at most the round in flight"
    status = other.get("/v1/query/governance/rotations")
    assert status["value"] == {"open": []}, "the ledger saw the new key vote"

    remote.write(tmp_path / "next.pem", "journal-2")
    remote.restart()
    (tmp_path / "members/agency1/validator.pem").unlink()
    reached = other.height() + 3
    ledger.wait_height(reached + 4)
    late = [each for each in range(reached, reached + 3) if new not in _votes(other, each)]
    assert len(late) <= 1, f"with the new key alone no vote at {late}"
