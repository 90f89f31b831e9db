"""A workspace of the sandbox's environment without a sandbox: credentials and keys in temporary directories."""

from __future__ import annotations

from pathlib import Path

import pytest

from gchain.environment import Environment, load
from gchain.stacks import stack_file
from gchain.stacks.facts import PublicFacts
from gchain.stacks.site import Site, site
from gchain.workspace import Workspace


@pytest.fixture
def environment() -> Environment:
    return load("sandbox")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Credentials for every member, no local cloud, and stack files of its own."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(stack_file, "INFRA", tmp_path)
    found = Workspace(tmp_path / "workspace", "sandbox", "default")
    for name in ("treasury", "health", "registry", "customs"):
        path = found.member(name).aws_credentials
        path.parent.mkdir(parents=True)
        path.write_text("[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = unused\n")
    return found


@pytest.fixture
def treasury(environment: Environment, workspace: Workspace) -> Site:
    return site(environment, workspace, "treasury")


@pytest.fixture
def told(environment: Environment) -> PublicFacts:
    """What treasury tells the others."""
    member = environment.member("treasury")
    return PublicFacts(
        member="treasury",
        account=member.account,
        region=member.region,
        vpc_id="vpc-0a1b2c3d",
        cidrs=(str(member.vpc_cidr),),
        zone=environment.zone.name,
        environment=environment.name,
        peerings={"health": "pcx-1"},
    )
