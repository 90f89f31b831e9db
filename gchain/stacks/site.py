"""Where one member's stack is run from: its cloud API, credentials, backend, and the processes' environment."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from gchain.environment import Environment, Member
from gchain.errors import ConfigurationError
from gchain.sandbox.layout import Layout, Plan
from gchain.workspace import MemberDirectory, Workspace, cache_directory

__all__ = ["FOUNDATION", "Site", "endpoint_of", "site"]

FOUNDATION = "foundation"


@dataclass(frozen=True)
class Site:
    """One stack of one environment: `name` is a member or `foundation`, `member` whose account and credentials it uses.

    `endpoint` is the URL of the cloud's API, `None` for the partition's own.
    """

    environment: Environment
    workspace: Workspace
    name: str
    member: Member
    endpoint: str | None

    @property
    def stack(self) -> str:
        return self.workspace.stack(self.name)

    @property
    def directory(self) -> MemberDirectory:
        return self.workspace.member(self.member.name)

    @property
    def bucket(self) -> str:
        """The bucket of the member's own backend; bucket names are global, the account makes it unique."""
        return f"gchain-state-{self.member.name}-{self.member.account}"

    @property
    def key_alias(self) -> str:
        return f"alias/gchain-{self.member.name}-state"

    @property
    def backend_url(self) -> str:
        query = {"region": self.member.region}
        if self.endpoint:
            address = urlsplit(self.endpoint)
            query |= {"endpoint": address.netloc, "s3ForcePathStyle": "true"}
            query |= {"disableSSL": "true"} if address.scheme == "http" else {}
        return f"s3://{self.bucket}?{urlencode(query, safe=':')}"

    @property
    def secrets_provider(self) -> str:
        return f"awskms://{self.key_alias}?{urlencode({'region': self.member.region})}"

    def variables(self) -> dict[str, str]:
        """The environment of the engine, its language host and the provider; nothing of the caller's cloud."""
        search = [str(Path(sys.executable).parent), str(cache_directory() / "bin"), os.environ.get("PATH", "")]
        return {
            "PATH": os.pathsep.join(search),
            "PULUMI_HOME": str(self.directory.pulumi_home),
            "PULUMI_BACKEND_URL": self.backend_url,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "AWS_SHARED_CREDENTIALS_FILE": str(self.directory.aws_credentials),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_PROFILE": "default",
            "AWS_REGION": self.member.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            # Keys of the caller's shell would win over the member's file.
            "AWS_ACCESS_KEY_ID": "",
            "AWS_SECRET_ACCESS_KEY": "",
            "AWS_SESSION_TOKEN": "",
            **({"AWS_ENDPOINT_URL": self.endpoint} if self.endpoint else {}),
        }


def site(environment: Environment, workspace: Workspace, name: str) -> Site:
    """The site of a member's stack, or of the foundation, which lives in the convenor's account.

    Raises:
        ConfigurationError: no such member, or the member's cloud credentials are missing.
    """
    member = environment.convenor if name == FOUNDATION else environment.member(name)
    found = Site(environment, workspace, name, member, endpoint_of(workspace))
    credentials = found.directory.aws_credentials
    if not credentials.is_file():
        raise ConfigurationError(
            f"{credentials}: no cloud credentials of {member.name}",
            remedy="write the account's access key there (profile [default], mode 0600); a sandbox does so by itself",
        )
    return found


def endpoint_of(workspace: Workspace) -> str | None:
    """The cloud API of a workspace: a sandbox's own, else `$AWS_ENDPOINT_URL`, else the partition's."""
    plan = workspace.root / "sandbox.json"
    if workspace.sandbox and plan.is_file():
        return Layout(workspace.sandbox, Plan.read(plan).slot).endpoint
    return os.environ.get("AWS_ENDPOINT_URL") or None
