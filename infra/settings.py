"""What one stack is told: its environment's files, and the few values that the kit writes into its stack file.

The stack file (`Pulumi.<stack>.yaml`, written by `gchain.stacks`) repeats the environment's `gchain:` settings, so
that plain `pulumi` sees them too, and adds `environment`, `member` or `foundation`, `peers`, `facts`,
`ssh_public_key`, `endpoint`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi

from gchain.environment import Environment, Member, Region, StackSettings, load
from gchain.environment.tags import compliance_tags
from gchain.errors import ConfigurationError

__all__ = ["Settings", "read"]


@dataclass(frozen=True)
class Settings:
    """Everything that the composition needs; `member` is the convenor in the foundation stack.

    `peers` are the directory of the other members' signed facts in round 2, and `None` in round 1. `endpoint` is the
    URL of a cloud API other than the partition's own.
    """

    environment: Environment
    stack: StackSettings
    member: Member
    foundation: bool = False
    peers: Path | None = None
    ssh_public_key: str | None = None
    endpoint: str | None = None

    @property
    def region(self) -> Region:
        found = self.environment.zone.region(self.member.region)
        assert found is not None  # noqa: S101 - gchain.environment checks that every member's region is in the zone
        return found

    @property
    def partition(self) -> str:
        return self.environment.zone.partition

    @property
    def owner_name(self) -> str:
        """The member's name, or `foundation`: what the stack's resources are named after."""
        return "foundation" if self.foundation else self.member.name

    @property
    def tags(self) -> dict[str, str]:
        """The compliance tags of this stack's resources."""
        return compliance_tags(self.environment, self.stack, self.member, self.owner_name)


def read() -> Settings:
    """The settings of the stack that runs.

    Raises:
        ConfigurationError: a key is missing, unknown or out of range.
    """
    config = pulumi.Config("gchain")
    environment = load(config.require("environment"))
    foundation = config.get_bool("foundation") or False
    member = environment.convenor if foundation else environment.member(config.require("member"))
    facts = config.get("facts")
    if config.get("peers") == "open" and not facts:
        raise ConfigurationError("gchain:peers is open, but gchain:facts names no directory of signed facts")
    return Settings(
        environment=environment,
        stack=_stack_settings(config, environment),
        member=member,
        foundation=foundation,
        peers=Path(facts) if facts and config.get("peers") == "open" else None,
        ssh_public_key=config.get("ssh_public_key"),
        endpoint=config.get("endpoint"),
    )


def _stack_settings(config: pulumi.Config, environment: Environment) -> StackSettings:
    """The environment's settings with what the stack file says on top."""
    given = environment.stack_settings.model_dump()
    for name, default in given.items():
        text = config.get(name)
        if text is not None:
            given[name] = text if isinstance(default, str) else config.require_object(name)
    return StackSettings.model_validate(given)
