"""`make sandbox`, stage by stage: from a bare machine to a live four-agency ledger.

Each stage is what people do in a real environment, with the same functions; the sandbox only does it for every member
on one machine, each with that member's own credentials. A stage that has been done is quick to do again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gchain.environment import Environment, Member
from gchain.hosts import wheelhouse
from gchain.progress import Stage, StageLog, each
from gchain.sandbox.hosts.base import ensure_base_image
from gchain.sandbox.sandbox import Sandbox
from gchain.stacks.automation import StackRun
from gchain.stacks.bootstrap import bootstrap
from gchain.stacks.cli import policy_pack as shipped_pack
from gchain.stacks.site import FOUNDATION, site
from gchain.toolchain import install
from gchain.workspace import cache_directory

__all__ = ["Rollout", "infrastructure_stages"]


@dataclass
class Rollout:
    """One run of the path: which sandbox, which environment."""

    environment: Environment
    sandbox: Sandbox
    policy_pack: Path = field(default_factory=shipped_pack)

    @property
    def members(self) -> tuple[Member, ...]:
        return self.environment.consortium.members

    def for_each(self, log: StageLog, work: Callable[[Member, Callable[[str], None]], None]) -> None:
        """Do `work` for every member side by side; its lines are logged under the member's name."""
        each(self.members, lambda member: work(member, lambda text: log.line(f"{member.name}: {text}")))

    def stack(self, name: str, progress: Callable[[str], None]) -> StackRun:
        return StackRun(self.environment, self.sandbox.workspace, name, policy_pack=self.policy_pack, progress=progress)


def infrastructure_stages(rollout: Rollout) -> list[Stage]:
    """From the toolchain to booted hosts."""
    return [
        Stage("toolchain", lambda log: _toolchain(log)),
        Stage("base image", lambda log: _base_image(log)),
        Stage("wheelhouse", lambda log: _wheelhouse(rollout, log)),
        Stage("local cloud", lambda log: _cloud(rollout, log)),
        Stage("bootstrap", lambda log: _bootstrap(rollout, log)),
        Stage("foundation stack", lambda log: _foundation(rollout, log)),
        Stage("networks: round 1", lambda log: _round_1(rollout, log)),
        Stage("networks: round 2", lambda log: _round_2(rollout, log)),
        Stage("hosts boot", lambda log: _hosts(rollout)),
    ]


def _toolchain(log: StageLog) -> str:
    built = install(cache_directory() / "toolchain.log", log.line)
    return f"built {', '.join(built)}" if built else "found"


def _base_image(log: StageLog) -> str:
    return f"Debian packages {ensure_base_image(log.line).packages_digest[:19]}"


def _wheelhouse(rollout: Rollout, log: StageLog) -> str:
    built = wheelhouse.build(log.line)
    wheelhouse.pin(rollout.sandbox.workspace, built)
    return f"sha256:{built.digest[:12]}"


def _cloud(rollout: Rollout, log: StageLog) -> str:
    status = rollout.sandbox.start(rollout.environment, progress=log.line)
    rollout.sandbox.publish("wheelhouse", cache_directory() / "wheelhouse")
    return str(status["cloud"]["endpoint"])


def _bootstrap(rollout: Rollout, log: StageLog) -> str:
    def make(member: Member, progress: Callable[[str], None]) -> None:
        bootstrap(site(rollout.environment, rollout.sandbox.workspace, member.name), progress)

    rollout.for_each(log, make)
    return "backend bucket and key in each account"


def _foundation(rollout: Rollout, log: StageLog) -> str:
    return str(rollout.stack(FOUNDATION, log.line).up())


def _round_1(rollout: Rollout, log: StageLog) -> str:
    """Networks and public facts. A member that is peered already is left to round 2: going back would unpeer it."""
    facts = rollout.sandbox.workspace.facts
    new = [member for member in rollout.members if not (facts / f"{member.name}.json").is_file()]
    changes = each(new, lambda member: str(rollout.stack(member.name, log.line).up()))
    return "; ".join(f"{member.name} {told}" for member, told in zip(new, changes, strict=True)) or "done before"


def _round_2(rollout: Rollout, log: StageLog) -> str:
    """In the order of names: each member finds the requests of those before it (docs/interfaces.md, "Pulumi")."""
    told = []
    for member in sorted(rollout.members, key=lambda member: member.name):
        told.append(f"{member.name} {rollout.stack(member.name, log.line).up(peers_open=True)}")
    return "; ".join(told)


def _hosts(rollout: Rollout) -> str:
    count = sum(len(member.hosts) for member in rollout.members)
    rollout.sandbox.converged()  # what was attached to an instance last is known, too
    hosts = rollout.sandbox.wait_for_hosts(count)
    return ", ".join(f"{host['name']} {host['address']}" for host in hosts)
