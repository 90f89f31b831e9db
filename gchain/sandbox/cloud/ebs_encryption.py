"""EC2 GetEbsDefaultKmsKeyId and ResetEbsDefaultKmsKeyId, and encryption by default that takes effect on new volumes."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.elastic_block_store import EBSBackend
from moto.ec2.responses import EC2Response

from gchain.sandbox.cloud.overriding import override

__all__ = ["install"]


def _get_default(self: Any) -> ActionResult:
    backend = self.ec2_backend
    key = getattr(backend, "default_kms_key_id", None) or backend._create_default_encryption_key()
    return ActionResult({"KmsKeyId": key})


def _reset_default(self: Any) -> ActionResult:
    return ActionResult({"KmsKeyId": self.ec2_backend._create_default_encryption_key()})


def install() -> None:
    """Add the actions, and let `create_volume` honour the account's encryption by default."""
    override(EC2Response, "get_ebs_default_kms_key_id", lambda _: _get_default)
    override(EC2Response, "reset_ebs_default_kms_key_id", lambda _: _reset_default)
    override(EBSBackend, "create_volume", _encrypting)


def _encrypting(original: Any) -> Any:
    def create_volume(self: Any, size: int, zone_name: str, snapshot_id: Any = None, **given: Any) -> Any:
        if self.ebs_encryption_by_default and not given.get("encrypted"):
            given["encrypted"] = True
            given["kms_key_id"] = given.get("kms_key_id") or getattr(self, "default_kms_key_id", None)
        return original(self, size, zone_name, snapshot_id, **given)

    return create_volume
