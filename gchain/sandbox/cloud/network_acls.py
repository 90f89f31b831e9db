"""EC2 CreateNetworkAcl: a new list denies everything by its last entry (32767), in both directions, as AWS shows it."""

from __future__ import annotations

from typing import Any

from moto.ec2.models.network_acls import NetworkAclBackend

from gchain.sandbox.cloud.overriding import override

__all__ = ["install"]


def install() -> None:
    override(NetworkAclBackend, "create_network_acl", _denying_last)


def _denying_last(original: Any) -> Any:
    def create_network_acl(self: Any, vpc_id: str, tags: Any = None, default: bool = False) -> Any:
        acl = original(self, vpc_id, tags, default)
        for egress in () if default else (False, True):
            cidr, nothing = "0.0.0.0/0", None
            self.create_network_acl_entry(
                acl.id, 32767, "-1", "deny", egress, cidr, nothing, nothing, nothing, nothing, nothing
            )
        return acl

    return create_network_acl
