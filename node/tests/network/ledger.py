"""Real ledgers on loopback, for tests: validators with processes of their own, and a network that can be cut.

ledger = ledgers.start(4)                        # four validators that have made their first blocks
ledger.go_live()
ledger.commit_record(ledger.validators[0], "a")  # through its API, until a block has it
ledger.validators[1].node.kill()                 # SIGKILL; `.start()` starts both its processes again
ledger.links.cut([(0, 2), (0, 3), (1, 2), (1, 3)])
ledger.links.heal()
late = ledgers.add_observer(ledger)              # a node that no genesis knows; `more=` are settings of config.toml
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from gchain_node.client import Outcome
from gchain_node.development import DevelopmentConsortium, go_live_args
from node.tests.network.links import Links
from node.tests.network.process import free_ports, wait_until
from node.tests.network.validator import Validator

__all__ = ["Ledger", "Ledgers"]


@dataclass
class Ledger:
    """A running ledger of some validators."""

    consortium: DevelopmentConsortium
    validators: list[Validator]
    links: Links
    observers: list[Validator] = field(default_factory=list)

    def __iter__(self) -> Iterator[Validator]:
        return iter([*self.validators, *self.observers])

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
        answer = httpx.get(f"http://127.0.0.1:{validator.rpc}/block?height={height + 1}", timeout=30).json()
        return str(answer["result"]["block"]["header"]["app_hash"])

    def commit_record(self, validator: Validator, name: str, key_of: Validator | None = None) -> Outcome:
        """Commit a record at one validator's API, signed by its own (or another's) member key; waits for its block."""
        member = (key_of or validator).member
        args = {"id": name, "commitment": hashlib.sha256(name.encode()).digest()}
        with validator.client() as client:
            return client.transact("records", "commit", args, key=member.keys["member"], signer=member.name)

    def agree(self, height: int) -> str:
        """The app hash after `height`, which is the same at every validator."""
        found = {self.app_hash(validator, height) for validator in self.validators}
        assert len(found) == 1, f"app hashes after height {height}: {found}"
        return found.pop()

    def stop(self) -> None:
        for machine in self:
            machine.stop()
        self.links.close()


class Ledgers:
    """Makes ledgers in one directory, and ends all their processes."""

    wait_until = staticmethod(wait_until)

    def __init__(self, directory: Path, cometbft: Path) -> None:
        self._directory = directory
        self._cometbft = cometbft
        self._made: list[Ledger] = []

    def start(self, count: int, **options: Any) -> Ledger:
        """A ledger of so many validators that has made its first blocks."""
        ledger = self.make(count, **options)
        ledger.start()
        return ledger

    def make(
        self,
        count: int,
        *,
        snapshots: tuple[int, int] = (1000, 2),
        stalled_after: float = 30.0,
        more: dict[str, dict[str, object]] | None = None,
        cometbft: Path | None = None,
    ) -> Ledger:
        """Configured, not started. `more` are settings of every engine's config.toml, by section."""
        names = [f"agency{number}" for number in range(1, count + 1)]
        consortium = DevelopmentConsortium.open(self._directory, names, chain_id="gchain-test")
        ports = iter(free_ports(4 * count))
        validators = [
            Validator(
                member,
                self._directory / member.name,
                *(next(ports) for _ in range(4)),
                snapshots=snapshots,
                stalled_after=stalled_after,
            )
            for member in consortium.members
        ]
        for validator in validators:
            validator.configure(cometbft or self._cometbft, consortium.genesis)
        links = Links([validator.p2p for validator in validators])
        for here, validator in enumerate(validators):
            others = [(there, other) for there, other in enumerate(validators) if there != here]
            validator.connect([f"{v.node_id}@127.0.0.1:{links.port(here, there)}" for there, v in others], more)
        self._made.append(Ledger(consortium, validators, links))
        return self._made[-1]

    def add_observer(self, ledger: Ledger, *, more: dict[str, dict[str, object]] | None = None) -> Validator:
        """A further node, configured and not started, that dials the validators and takes no part in consensus."""
        number = len(ledger.observers) + 1
        name = f"observer{number}"
        member = DevelopmentConsortium.open(self._directory / f"{name}-keys", [name], chain_id="gchain-other").members[
            0
        ]
        observer = Validator(member, self._directory / name, *free_ports(4), is_validator=False)
        observer.configure(self._cometbft, ledger.consortium.genesis)
        observer.connect([f"{v.node_id}@127.0.0.1:{v.p2p}" for v in ledger.validators], more)
        ledger.observers.append(observer)
        return observer

    def stop(self) -> None:
        for ledger in self._made:
            ledger.stop()
