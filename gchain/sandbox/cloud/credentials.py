"""Who calls: an access key that the cloud did not issue is refused, and a key reaches its own account only.

moto takes any key, and a request header that names any account. Here a key must have been issued (IAM access key or STS
session) and be active, and the header is honoured only from the cloud company, which shows a token. Signatures are not
verified: the key id is the secret (docs/sandbox.md).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any

from moto.core.utils import utcnow
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends
from moto.utilities.utils import PARTITION_NAMES

from gchain.sandbox.cloud import refusals
from gchain.sandbox.cloud.buckets import refuse_foreign_bucket
from gchain.sandbox.cloud.requests import describe

__all__ = ["CredentialCheck", "account_of"]

_ACCOUNT = "HTTP_X_MOTO_ACCOUNT_ID"


class CredentialCheck:
    """WSGI middleware in front of moto."""

    def __init__(self, app: Any, company_token: str | None) -> None:
        self._app = app
        self._token = company_token

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        call = describe(environ)
        if self._is_company(environ):
            environ["gchain.account"] = environ.get(_ACCOUNT, "")
            return list(self._app(environ, start_response))
        environ.pop(_ACCOUNT, None)
        account = account_of(call.access_key)
        if account is None:
            return refusals.unknown_key(call)(environ, start_response)
        environ["gchain.account"] = account
        refusal = refuse_foreign_bucket(call, environ, account)
        if refusal is not None:
            return refusal(environ, start_response)
        return list(self._app(environ, start_response))

    def _is_company(self, environ: dict[str, Any]) -> bool:
        shown = environ.get("HTTP_X_GCHAIN_COMPANY", "")
        return bool(self._token) and hmac.compare_digest(shown.encode(), (self._token or "").encode())


def account_of(access_key: str) -> str | None:
    """The account that an active, issued access key belongs to, else None."""
    for account, partitions in list(iam_backends.items()):
        for partition in PARTITION_NAMES:
            key = partitions[partition].access_keys.get(access_key) if access_key else None
            if key is not None:
                return (
                    str(account) if key.status == "Active" and _session_lives(account, partition, access_key) else None
                )
    return None


def _session_lives(account: str, partition: str, access_key: str) -> bool:
    """Whether the key is a user's own, or of a role session that has not expired."""
    for role in sts_backends[account][partition].assumed_roles:
        if role.access_key_id == access_key:
            return bool(role.expiration > utcnow())
    return True
