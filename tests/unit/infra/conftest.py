"""The program under Pulumi's mocks: what it would register, without an engine or a cloud."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pulumi
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gchain.environment import load
from gchain.stacks import facts, ssh_key
from infra import composition
from infra.settings import Settings


@dataclass
class Recorder(pulumi.runtime.Mocks):
    """Answers a registration with its own inputs and an invented id."""

    registered: list[pulumi.runtime.MockResourceArgs] = field(default_factory=list)

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.registered.append(args)
        outputs = {"arn": f"arn:aws:mock:::{args.name}", "availabilityZone": "eu-central-1a", **args.inputs}
        if args.typ == "aws:organizations/organization:Organization":
            outputs["roots"] = [{"id": "r-mock"}]
        return f"{args.name}-id", outputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        raise AssertionError(f"the program must not look anything up in the cloud: {args.token}")

    def of_type(self, kind: str) -> list[pulumi.runtime.MockResourceArgs]:
        return [each for each in self.registered if each.typ.endswith(f":{kind}")]

    @property
    def cloud(self) -> list[pulumi.runtime.MockResourceArgs]:
        return [each for each in self.registered if each.typ.startswith("aws:")]


@dataclass
class Stack:
    recorder: Recorder
    outputs: dict[str, Any]


Composed = Callable[[Settings], Stack]


@pytest.fixture(scope="session")
def _known() -> list[tuple[Settings, Stack]]:
    """What was composed from settings alone, for every test that reads it."""
    return []


@pytest.fixture
def compose(monkeypatch: pytest.MonkeyPatch, _known: list[tuple[Settings, Stack]]) -> Iterator[Composed]:
    """Run the composition of one stack and wait until everything is registered. Tests only read what they get: the
    stack of settings without peers' files is composed once.

    The mocks open an event loop in each of their threads and never close one, so every loop made here is noted.
    """
    make_loop = asyncio.new_event_loop
    loops = [make_loop()]
    asyncio.set_event_loop(loops[0])
    monkeypatch.setattr(asyncio, "new_event_loop", lambda: loops.append(make_loop()) or loops[-1])

    def run(settings: Settings) -> Stack:
        for known, stack in _known:
            if known == settings:
                return stack
        recorder = Recorder()
        pulumi.runtime.set_mocks(recorder, project="gchain", stack="test", preview=False)
        found: dict[str, Any] = {}

        @pulumi.runtime.test
        def program() -> pulumi.Output[Any]:
            build = composition.foundation_stack if settings.foundation else composition.member_stack
            outputs = build(settings, composition.provider(settings))
            return pulumi.Output.from_input(outputs).apply(found.update)

        program()
        made = Stack(recorder, found)
        if settings.peers is None:
            _known.append((settings, made))
        return made

    yield run
    loops[0].run_until_complete(loops[0].shutdown_default_executor())
    asyncio.set_event_loop(None)
    for loop in loops:
        loop.close()


@pytest.fixture(params=["sandbox", "us-gov", "eu-sovereign", "uk"])
def any_settings(request: pytest.FixtureRequest) -> Settings:
    return settings_of(request.param)


def settings_of(name: str = "sandbox", *, foundation: bool = False) -> Settings:
    environment = load(name)
    return Settings(
        environment=environment,
        stack=environment.stack_settings,
        member=environment.convenor,
        foundation=foundation,
        ssh_public_key="ssh-ed25519 AAAA",
    )


@pytest.fixture
def settings() -> Settings:
    return settings_of()


@pytest.fixture
def with_peers(settings: Settings, tmp_path: Path) -> Settings:
    """Round 2 of the convenor: every other member has handed out signed facts, and those before it their requests."""
    environment = settings.environment
    for member in environment.consortium.members:
        told = facts.PublicFacts(
            member=member.name,
            account=member.account,
            region=member.region,
            vpc_id=f"vpc-{int(member.account):x}",
            cidrs=(str(member.vpc_cidr),),
            zone=environment.zone.name,
            environment=environment.name,
            peerings={other.name: f"pcx-{member.name}" for other in environment.consortium.members},
            hosts={f"validator-1.{member.name}.gchain.internal": member.vpc_cidr[10]},
        )
        key = ssh_key.ensure(tmp_path / member.name / "id_ed25519")
        assert isinstance(key, Ed25519PrivateKey)
        facts.write(told, key, tmp_path / "facts")
    return replace(settings, peers=tmp_path / "facts")
