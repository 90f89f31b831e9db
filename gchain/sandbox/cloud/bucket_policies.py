"""S3 bucket policies: moto reads any statement with a condition as a refusal, whether or not the condition holds.

So a policy that denies plain HTTP, as every bucket here has, would deny everything. Statements with a condition are
left out of moto's decision; whose account may reach a bucket is decided in `gchain.sandbox.cloud.buckets`.
"""

from __future__ import annotations

import json
from typing import Any

from moto.s3.models import FakeBucket

from gchain.sandbox.cloud.overriding import override

__all__ = ["install"]


def _unconditional(policy: bytes | str) -> str:
    document = json.loads(policy)
    statements = document.get("Statement", [])
    listed = statements if isinstance(statements, list) else [statements]
    return json.dumps({**document, "Statement": [each for each in listed if not each.get("Condition")]})


def _get_permission(self: Any, action: str, resource: str) -> Any:
    from moto.iam.access_control import IAMPolicy, PermissionResult

    if self.policy is None:
        return PermissionResult.NEUTRAL
    return IAMPolicy(_unconditional(self.policy)).is_action_permitted(action, resource)


def install() -> None:
    override(FakeBucket, "get_permission", lambda _: _get_permission)
