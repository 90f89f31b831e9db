"""Open the members' accounts, as the cloud company does: a platform user and an access key in each.

Everything after this uses a member's own credentials; only the sandbox, as the company, may act across accounts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from gchain.sandbox.cloud.company import COMPANY_HEADER
from gchain.sandbox.layout import Layout, MemberSite, Plan

__all__ = ["Company", "open_accounts"]

_USER = "platform"
_CONFIG = Config(
    retries={"total_max_attempts": 2},
    s3={"addressing_style": "path"},
    connect_timeout=3,
    read_timeout=30,
    max_pool_connections=16,
)


class Company:
    """Clients that act in any account, for the sandbox's own processes; of one thread, which makes them on demand."""

    def __init__(self, layout: Layout) -> None:
        self._endpoint = layout.endpoint
        self._token = layout.company_token.read_text().strip()
        self._session = botocore.session.Session()
        self._session.set_credentials("company", "company")
        self._clients: dict[tuple[str, str, str], Any] = {}

    def client(self, service: str, account: str, region: str) -> Any:
        key = (service, account, region)
        if key not in self._clients:
            made = self._session.create_client(service, region_name=region, endpoint_url=self._endpoint, config=_CONFIG)
            made.meta.events.register("before-sign.*.*", self._as_company(account))
            self._clients[key] = made
        return self._clients[key]

    def _as_company(self, account: str) -> Callable[..., None]:
        def add(request: Any, **_: Any) -> None:
            request.headers["x-moto-account-id"] = account
            request.headers[COMPANY_HEADER] = self._token

        return add


def open_accounts(layout: Layout, plan: Plan, company: Company) -> None:
    """Write `members/<member>/aws/credentials` (0600) for every member that has none yet."""
    for member in plan.members:
        path = layout.workspace.member(member.name).aws_credentials
        if not path.exists():
            _open(company.client("iam", member.account, member.region), member, path)


def _open(iam: Any, member: MemberSite, path: Path) -> None:
    try:
        iam.create_user(UserName=_USER)
    except ClientError as error:
        if error.response["Error"]["Code"] != "EntityAlreadyExists":
            raise
    key = iam.create_access_key(UserName=_USER)["AccessKey"]
    root = path.parent.parent
    for directory in (root, path.parent):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
    text = (
        "[default]\n"
        f"aws_access_key_id = {key['AccessKeyId']}\n"
        f"aws_secret_access_key = {key['SecretAccessKey']}\n"
        f"region = {member.region}\n"
    )
    draft = path.with_name(".credentials")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.rename(path)
