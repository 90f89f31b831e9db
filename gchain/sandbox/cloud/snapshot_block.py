"""EC2 {Get,Enable,Disable}SnapshotBlockPublicAccess(State), an account's setting in a region, which moto lacks.

The setting is kept and answered; sharing is not refused.
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.responses import EC2Response

from gchain.sandbox.cloud.overriding import add

__all__ = ["install"]

_UNBLOCKED = "unblocked"


def _get(self: Any) -> ActionResult:
    return ActionResult({"State": getattr(self.ec2_backend, "gchain_snapshot_block", _UNBLOCKED)})


def _enable(self: Any) -> ActionResult:
    self.ec2_backend.gchain_snapshot_block = self._get_param("State")
    return _get(self)


def _disable(self: Any) -> ActionResult:
    self.ec2_backend.gchain_snapshot_block = _UNBLOCKED
    return _get(self)


def install() -> None:
    add(
        EC2Response,
        {
            "get_snapshot_block_public_access_state": _get,
            "enable_snapshot_block_public_access": _enable,
            "disable_snapshot_block_public_access": _disable,
        },
    )
