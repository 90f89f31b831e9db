"""Four agencies on real hosts, as the end-to-end tests see them: their accounts, hosts, nodes and officers."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import boto3
import botocore.session
import httpx
import rfc8785
import testinfra.host
from botocore.config import Config
from testinfra.backend.ssh import SshBackend

from gchain.consortium import golive
from gchain.consortium.ledger import Node, nodes, open_client
from gchain.consortium.officers import officer_key
from gchain.consortium.records import Committed, commit_record
from gchain.environment import Environment, Member
from gchain.hosts import members
from gchain.progress import Stage, run_stages
from gchain.sandbox.opening import ledger_stages, opening_stages
from gchain.sandbox.rollout import Rollout, infrastructure_stages
from gchain.sandbox.sandbox import Sandbox
from gchain.workspace import Workspace
from gchain_node.client import Client, Outcome
from gchain_node.errors import NodeError
from gchain_node.modules.judgement import subject_bytes, table_bytes
from gchain_node.officer import approve

__all__ = ["Consortium", "OperatorSsh", "wait_until"]

T = TypeVar("T")
_FORMING_ENDS_WITH = "consortium report"


def wait_until(what: str, condition: Callable[[], T], deadline: float = 60.0, pause: float = 0.2) -> T:
    """The first true answer of `condition`; who cannot be reached or asked meanwhile counts as not yet."""
    end, seen = time.monotonic() + deadline, "nothing yet"
    while time.monotonic() < end:
        try:
            if found := condition():
                return found
            seen = repr(found)
        except (OSError, httpx.HTTPError, RuntimeError, NodeError, AssertionError) as error:
            seen = repr(error)[:200]
        time.sleep(pause)
    raise AssertionError(f"waited {deadline:.0f} s for {what}; last seen: {seen}")


class OperatorSsh(SshBackend):
    """testinfra's SSH, run in a member's own office network."""

    def __init__(self, prefix: Sequence[str], hostspec: str, **settings: Any) -> None:
        self._prefix = shlex.join(prefix)
        super().__init__(hostspec, controlpersist=0, **settings)

    def _build_ssh_command(self, command: str) -> tuple[list[str], list[str]]:
        line, arguments = super()._build_ssh_command(command)
        return [self._prefix, *line], arguments


@dataclass
class Consortium:
    """One sandbox with its four agencies. Nothing here uses two members' credentials for one step."""

    rollout: Rollout
    _hosts: dict[str, testinfra.host.Host] = field(default_factory=dict)

    @property
    def environment(self) -> Environment:
        return self.rollout.environment

    @property
    def sandbox(self) -> Sandbox:
        return self.rollout.sandbox

    @property
    def workspace(self) -> Workspace:
        return self.sandbox.workspace

    @property
    def names(self) -> list[str]:
        return [member.name for member in self.environment.consortium.members]

    @cached_property
    def nodes(self) -> dict[str, Node]:
        return {node.member: node for node in nodes(self.environment, self.workspace)}

    def member(self, name: str) -> Member:
        return self.environment.member(name)

    # ---- building it

    def build_forming(self) -> None:
        """Everything up to the consortium report: a running ledger that is judged and not open."""
        opening = opening_stages(self.rollout)
        last = [stage.name for stage in opening].index(_FORMING_ENDS_WITH)
        self._run([*infrastructure_stages(self.rollout), *ledger_stages(self.rollout), *opening[: last + 1]])

    def open(self) -> None:
        """Go-live and the first record, from reports made anew."""
        self._run(opening_stages(self.rollout))

    def _run(self, stages: list[Stage]) -> None:
        with self.sandbox.exclusive():
            run_stages(self.workspace, stages, resume="run the tests again")

    # ---- the ledger

    def phase(self) -> str:
        """`forming`, `live`, or empty where no node answers."""
        for node in self.nodes.values() if self.sandbox.exists else ():
            try:
                return str(node.status()["phase"])
            except httpx.HTTPError:
                continue
        return ""

    def status(self, member: str) -> dict[str, Any]:
        return self.nodes[member].status()

    def height(self, member: str) -> int:
        return int(self.status(member)["height"])

    @contextmanager
    def client(self, member: str) -> Iterator[Client]:
        with open_client(self.workspace, self.nodes[member]) as client:
            yield client

    def query(self, member: str, path: str) -> Any:
        with self.client(member) as client:
            return client.query(path).value

    def transact(self, member: str, module: str, action: str, args: dict[str, Any]) -> Outcome:
        """A transaction by the member's officer at the member's own node."""
        with officer_key(self.workspace, self.member(member)) as (signer, key), self.client(member) as client:
            return client.transact(module, action, args, key=key, signer=signer)

    def record(self, member: str, name: str) -> Committed:
        return commit_record(self.workspace, self.member(member), self.nodes[member], name, name.encode())

    @staticmethod
    def once(name: str) -> str:
        """A record's name that no earlier run has used in a sandbox that was kept."""
        return f"{name}-{os.getpid()}"

    def app_hash(self, member: str, height: int) -> str:
        """The app hash in the header of `height`, as the member's node has it; empty while it does not have it."""
        answer = httpx.get(f"{self.nodes[member].status_url}/v1/blocks/{height}", trust_env=False, timeout=30)
        return str(answer.json()["app_hash"]) if answer.status_code == 200 else ""

    def wait_for_blocks(self, member: str, count: int, deadline: float = 60.0) -> int:
        """Wait until the member's node has `count` more blocks than now; returns its height then."""
        target = self.height(member) + count
        return wait_until(f"block {target} at {member}", lambda: (h := self.height(member)) >= target and h, deadline)

    # ---- go-live past the CLI

    def table(self) -> list[dict[str, Any]]:
        return golive.read_table(self.workspace)

    def proposal(self, rows: list[dict[str, Any]], **subject: Any) -> golive.Proposal:
        """A proposal for these rows, with fields of the subject replaced."""
        consortium = self.query(self.names[0], "consortium")
        table = table_bytes(rows)
        made = json.loads(subject_bytes(consortium, table, self.height(self.names[0]) + 1_000))
        return golive.Proposal(table, rfc8785.dumps({**made, **subject}))

    def approvals(self, subject: bytes, approvers: Sequence[str] | None = None) -> list[bytes]:
        """The signatures of the members' officers under the subject; `golive.approve` would write files too."""
        signed = []
        for name in self.names if approvers is None else approvers:
            with officer_key(self.workspace, self.member(name)) as (_, key):
                signed.append(approve(subject, key))
        return signed

    def go_live(self, proposal: golive.Proposal, approvals: Sequence[bytes]) -> Outcome:
        node = self.nodes[self.environment.convenor.name]
        return golive.submit(self.environment, self.workspace, node, proposal, approvals)

    # ---- clouds and hosts

    def outputs(self, member: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.workspace.member(member).root / "outputs.json").read_text())
        return found

    def instance(self, member: str) -> str:
        return str(self.outputs(member)["hosts"][0]["instance_id"])

    def address(self, member: str) -> str:
        return str(self.outputs(member)["hosts"][0]["private_ip"])

    def session(self, member: str) -> Any:
        """A session with the member's own credentials, whatever the shell's environment says."""
        session = botocore.session.Session()
        session.set_config_variable("credentials_file", str(self.workspace.member(member).aws_credentials))
        session.set_config_variable("profile", "default")
        return boto3.Session(botocore_session=session)

    def cloud(self, member: str, service: str, region: str | None = None) -> Any:
        return self.client_of(self.session(member), service, region or self.member(member).region)

    def client_of(self, session: Any, service: str, region: str) -> Any:
        settings = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1})
        return session.client(service, region_name=region, endpoint_url=self.sandbox.layout.endpoint, config=settings)

    def host(self, member: str) -> testinfra.host.Host:
        """The member's host over SSH with the member's own key, known hosts and network."""
        if member not in self._hosts:
            self._hosts[member] = testinfra.host.Host(self._backend(member))
        return self._hosts[member]

    def _backend(self, member: str) -> OperatorSsh:
        inventory = members.load(self.environment.name, self.workspace.sandbox, member)
        variables = inventory["vars"]
        (host,) = inventory["hosts"].values()
        return OperatorSsh(
            self.sandbox.in_operator_network(member),
            f"{host['ansible_user']}@{host['ansible_host']}",
            ssh_identity_file=variables["ansible_ssh_private_key_file"],
            ssh_extra_args=variables["ansible_ssh_common_args"] + " -o BatchMode=yes",
        )

    def described(self, member: str) -> dict[str, Any]:
        """What the daemon says of the member's host."""
        status = self.sandbox.status()
        assert status is not None, "the daemon does not answer"
        return next(each for each in status["hosts"] if each["instance_id"] == self.instance(member))
