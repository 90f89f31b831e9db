"""A bucket belongs to an account: another account's caller needs a bucket policy that names it.

moto finds any bucket for any caller. Here a request of another account is refused unless an Allow statement of the
policy names the caller's account for the kind of access (read, write, delete), and no Deny statement names it.
Conditions and object ARNs are not evaluated: a statement with a condition neither allows nor denies here.
"""

from __future__ import annotations

import fnmatch
import json
from typing import Any

from moto.s3.models import FakeBucket, s3_backends
from moto.utilities.utils import PARTITION_NAMES

from gchain.sandbox.cloud.refusals import Refusal, access_denied
from gchain.sandbox.cloud.requests import Call

__all__ = ["policy_allows", "refuse_foreign_bucket"]

_SAMPLES = {
    "GET": ("s3:GetObject", "s3:ListBucket"),
    "HEAD": ("s3:GetObject", "s3:ListBucket"),
    "PUT": ("s3:PutObject",),
    "POST": ("s3:PutObject",),
    "DELETE": ("s3:DeleteObject",),
}


def refuse_foreign_bucket(call: Call, environ: dict[str, Any], account: str) -> Refusal | None:
    """The refusal, or None when the bucket is the caller's own, shared with it, or does not exist."""
    if call.service not in ("s3", ""):
        return None
    refused = _refused(call.path.lstrip("/").split("/")[0], call.method, account)
    source = str(environ.get("HTTP_X_AMZ_COPY_SOURCE", "")).lstrip("/").split("/")[0]
    if not refused and source:
        refused = _refused(source, "GET", account)
    return access_denied(call, "the bucket belongs to another account") if refused else None


def _refused(name: str, method: str, account: str) -> bool:
    found = _find(name)
    if found is None or found.account_id == account:
        return False
    return not policy_allows(found.policy, account, method)


def _find(name: str) -> FakeBucket | None:
    for partitions in list(s3_backends.values()):
        for partition in PARTITION_NAMES:
            bucket = partitions[partition].buckets.get(name)
            if bucket is not None:
                return bucket
    return None


def policy_allows(policy: bytes | str | None, account: str, method: str) -> bool:
    """Whether a bucket policy lets `account` read, write or delete, by HTTP method; without a policy it does not."""
    if not policy:
        return False
    statements = json.loads(policy).get("Statement", [])
    listed = statements if isinstance(statements, list) else [statements]
    samples = _SAMPLES.get(method, ())
    allowed = any(_applies(each, "Allow", account, samples) and not each.get("Condition") for each in listed)
    # Policies commonly deny unencrypted transport for everyone: that says nothing about the account.
    denied = any(_applies(each, "Deny", account, samples) and not each.get("Condition") for each in listed)
    return allowed and not denied


def _applies(statement: dict[str, Any], effect: str, account: str, samples: tuple[str, ...]) -> bool:
    return (
        statement.get("Effect") == effect
        and _names(statement.get("Principal"), account, anyone=effect == "Deny")
        and any(
            fnmatch.fnmatchcase(sample, pattern) for sample in samples for pattern in _list(statement.get("Action"))
        )
    )


def _names(principal: Any, account: str, *, anyone: bool) -> bool:
    if principal == "*":
        return anyone
    named = _list(principal.get("AWS")) if isinstance(principal, dict) else []
    return any(entry == account or f":{account}:" in entry or (entry == "*" and anyone) for entry in named)


def _list(value: Any) -> list[str]:
    return [] if value is None else [str(entry) for entry in value] if isinstance(value, list) else [str(value)]
