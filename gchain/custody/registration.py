"""What the ledger has of a member's keys, read at the member's own node; the officer's transactions that change it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from gchain.consortium.ledger import Node, open_client
from gchain.consortium.officers import officer_key
from gchain.consortium.register import publish_officers
from gchain.environment import Member
from gchain.errors import ConsortiumError
from gchain.workspace import Workspace
from gchain_node.client import Outcome
from gchain_node.errors import NodeError
from gchain_node.keys.public import cometbft_address, from_cometbft
from gchain_node.proof.rpc_json import parse_time

__all__ = ["Registration"]

T = TypeVar("T")
_WAIT_SECONDS = 600
_PACE_BLOCKS = 20


class Registration:
    """One member at its own node, with its own officer's key."""

    def __init__(self, workspace: Workspace, member: Member, node: Node) -> None:
        self._workspace, self._member, self._node = workspace, member, node

    @property
    def height(self) -> int:
        return int(self._node.status()["height"])

    def blocks_within(self, seconds: float) -> int:
        """How many blocks the ledger makes in that time, at the pace of the latest ones."""
        last = self.height - 1
        first = max(1, last - _PACE_BLOCKS)
        with open_client(self._workspace, self._node) as client:
            times = [parse_time(client.get(f"/v1/headers/{height}")["header"]["time"]) for height in (first, last)]
        return int((last - first) * seconds * 1e9 / max(1, times[1] - times[0]))

    def entry(self) -> dict[str, Any]:
        """The member's record on the ledger. Raises `ConsortiumError` if the ledger does not know the member."""
        found = self.read(f"members/{self._member.name}")
        if not isinstance(found, dict):
            raise ConsortiumError(f"{self._node.name} knows no member {self._member.name}")
        return found

    def read(self, path: str) -> Any:
        with open_client(self._workspace, self._node) as client:
            return client.query(path).value

    def rotation(self) -> dict[str, Any] | None:
        """The member's open rotation of its consensus key, if there is one."""
        open_ = (self.read("governance/rotations") or {"open": []})["open"]
        return next((each for each in open_ if each["member"] == self._member.name), None)

    def missing_votes(self) -> list[str]:
        """Addresses, in lower-case hex, of validators whose vote for a newest provable block is missing.

        A commit names no address where a vote is absent, so the ledger's own validator set says who should be there.
        """
        with open_client(self._workspace, self._node) as client:
            commit = client.get(f"/v1/headers/{self.height - 1}")["commit"]
        voted = {str(each["validator_address"]).lower() for each in commit["signatures"] if each["block_id_flag"] == 2}
        validators = self.read("governance/validators")["validators"]
        keys = [from_cometbft(each["type"], each["public_key"]) for each in validators]
        return sorted({cometbft_address(key).hex() for key in keys} - voted)

    def transact(self, action: str, args: dict[str, Any], officer: str = "") -> Outcome:
        """A transaction of the membership module, signed by the named officer, else by the member's first one.

        Raises `ConsortiumError` if it is refused or not seen in a block.
        """
        signing = officer_key(self._workspace, self._member, officer)
        with signing as (signer, key), open_client(self._workspace, self._node) as c:
            outcome = c.transact("membership", action, args, key=key, signer=signer)
        if outcome.code != 0 or not outcome.committed:
            raise ConsortiumError(f"the ledger refused membership/{action}: code {outcome.code}: {outcome.log}")
        return outcome

    def publish(self) -> None:
        """Put the ledger's proof of who the member's officers are among the public files."""
        with open_client(self._workspace, self._node) as client:
            publish_officers(self._workspace, self._member.name, client)

    def wait(self, what: str, condition: Callable[[], T]) -> T:
        """The first true answer; a node that starts again meanwhile is waited for. Raises `ConsortiumError`."""
        end, seen = time.monotonic() + _WAIT_SECONDS, "no answer that fits yet"
        while time.monotonic() < end:
            try:
                if found := condition():
                    return found
            except (OSError, httpx.HTTPError, NodeError) as error:
                seen = str(error)
            time.sleep(0.5)
        raise ConsortiumError(
            f"waited {_WAIT_SECONDS} s for {what}; last seen: {seen}",
            remedy="see what the node says, then run the same command again",
        )
