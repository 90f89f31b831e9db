"""Two hosts that hold one consensus key (as of a clustered HSM), and a journal from a backup, under real engines.

The second host's signer runs in a network namespace of its own, as on another machine: nothing that the two share but
the key and the chain keeps them apart.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gchain_node.keys.file_key import DEVELOPMENT_SWITCH
from gchain_node.signer.chain_view import read_view
from node.tests.network.ledger import Ledger, Ledgers
from node.tests.network.process import Process, free_ports, wait_until
from node.tests.network.validator import Validator

pytestmark = pytest.mark.slow


@dataclass
class Signing:
    """A validator's signer process, with its key in the member's development file."""

    validator: Validator
    epoch: int
    elsewhere: bool = False

    @property
    def home(self) -> Path:
        return self.validator.home

    @property
    def view(self) -> Path:
        return self.home / "view.json"

    def configure(self) -> None:
        key = self.home.parent / "members" / self.validator.member.name / "validator.pem"
        (self.home / "signer.toml").write_text(
            f'chain_id = "gchain-test"\nkey = "file:{key}"\nkey_type = "ed25519"\n'
            f'socket = "unix://{self.home}/pv.sock"\njournal = "{self.home}/journal"\n'
            f'[fence]\nview = "{self.view}"\nid = "host-{self.epoch}"\nepoch = {self.epoch}\n'
        )
        space = ["unshare", "--net"] if self.elsewhere else []
        self.process = Process([*space, *self.command("run")], self.home / "signer.log")

    def show_the_chain(self) -> None:
        with (self.home / "node.toml").open("a") as file:
            file.write(f'[signer]\nview = "{self.view}"\n')

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "gchain_node", "signer", *words, "--config", str(self.home / "signer.toml")]

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*words), capture_output=True, text=True, check=False)

    def begin(self) -> None:
        """Start the signer, and let the engine use it from its next start on."""
        self.validator.set_engine({"": {"priv_validator_laddr": f"unix://{self.home}/pv.sock"}})
        self.process.start()

    def heights(self) -> set[int]:
        """Every height that the journal shows as asked of the key."""
        lines = (self.home / "journal" / "journal").read_text().splitlines()
        records = [json.loads(line.partition(" ")[2]) for line in lines]
        return {record["height"] for record in records if record["kind"] == "intent"}

    def shown(self) -> int:
        return read_view(self.view).height

    def signed(self) -> int:
        return max(read_view(self.view).signed.values(), default=0)


@pytest.fixture(autouse=True)
def _development(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEVELOPMENT_SWITCH, "1")


def _with_signer(ledgers: Ledgers, count: int) -> tuple[Ledger, Signing]:
    ledger = ledgers.make(count)
    first = Signing(ledger.validators[0], 0)
    first.configure()
    first.show_the_chain()
    assert first.ask("init", "--initial-height", "1").returncode == 0
    first.begin()
    ledger.start()
    return ledger, first


def _standby(ledgers: Ledgers, ledger: Ledger) -> Signing:
    """A second host of the first member: it follows the chain, and could sign with the same key."""
    member = ledger.validators[0].member
    host = Validator(member, ledger.validators[0].home.parent / "standby", *free_ports(4), is_validator=False)
    host.configure(ledger.validators[0].cometbft, ledger.consortium.genesis)
    host.connect([f"{v.node_id}@127.0.0.1:{v.p2p}" for v in ledger.validators])
    ledger.observers.append(host)
    signing = Signing(host, 1, elsewhere=True)
    signing.configure()
    signing.show_the_chain()
    host.start()
    return signing


def _register(ledger: Ledger, epoch: int) -> int:
    """The height whose block names `host-<epoch>` as the first member's signer."""
    member = ledger.validators[0].member
    args = {"id": f"host-{epoch}", "epoch": epoch}
    with ledger.validators[1].client() as client:
        outcome = client.transact(
            "membership", "register_signer", args, key=member.keys["officer"], signer=member.officer
        )
    outcome.raise_for_code()
    return int(outcome.height)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="root's `unshare` makes a namespace")
def test_a_take_over_fences_the_old_signer_and_no_height_is_signed_by_both(ledgers: Ledgers) -> None:
    ledger, old = _with_signer(ledgers, 4)
    new = _standby(ledgers, ledger)
    try:
        wait_until("the standby to follow", lambda: new.view.exists() and new.shown() >= 3)
        early = new.ask("take-over", "--initial-height", "1000")
        assert (early.returncode, "not_registered" in early.stderr) == (8, True)

        registered = _register(ledger, 1)
        wait_until("the old signer's refusal", lambda: "taken_over" in old.process.log.read_text())
        wait_until("the registration at the standby", lambda: new.shown() >= registered)
        too_low = new.ask("take-over", "--initial-height", str(registered))
        assert (too_low.returncode, "initial height must be" in too_low.stderr) == (8, True)
        begins = new.shown() + 10
        assert new.ask("take-over", "--initial-height", str(begins)).returncode == 0
        new.validator.engine.kill()
        new.begin()
        new.validator.engine.start()
        wait_until("the chain to hold the new signer's votes", lambda: new.signed() >= begins + 3)

        assert old.process.alive(), "it was left running all the time"
        assert max(old.heights()) <= registered
        assert min(new.heights()) >= begins > registered
        old.process.kill()
        again = old.ask("run")
        assert (again.returncode, "taken_over" in again.stderr) == (8, True)
        ledger.agree(begins)
        _assert_no_evidence(ledger)
    finally:
        _end(old, new)


def test_a_journal_from_a_backup_is_refused_until_told_a_height_above_the_chains(ledgers: Ledgers) -> None:
    ledger, signing = _with_signer(ledgers, 1)
    try:
        signing.process.kill()
        shutil.copytree(signing.home / "journal", signing.home / "backup")
        signing.process.start()
        copied = max(signing.heights())
        wait_until("signatures that the backup does not know", lambda: signing.signed() > copied + 2)
        signing.process.kill()
        shutil.rmtree(signing.home / "journal")
        shutil.copytree(signing.home / "backup", signing.home / "journal")

        refused = signing.ask("run")
        assert (refused.returncode, "old_journal" in refused.stderr) == (8, True)
        height = signing.shown()
        for lower, more in ((height, ("--halted",)), (height + 1, ())):
            assert signing.ask("init", "--initial-height", str(lower), *more).returncode == 8
        assert signing.ask("init", "--initial-height", str(height + 1), "--halted").returncode == 0
        signing.process.start()
        wait_until("the chain to go on", lambda: signing.signed() > height + 3)
        _assert_no_evidence(ledger)
    finally:
        _end(signing)


def _assert_no_evidence(ledger: Ledger) -> None:
    first = ledger.validators[-1]
    for height in range(1, first.engine_height() + 1):
        block: dict[str, Any] = first.ask(f"block?height={height}")["block"]
        assert block["evidence"]["evidence"] == []


def _end(*signers: Signing) -> None:
    for signing in signers:
        if signing.process.running is not None:
            signing.process.kill()
