"""EC2 CreateNetworkAcl: a new list denies everything by its last entry (32767), in both directions, as AWS shows it."""

from __future__ import annotations

from typing import Any

from moto.ec2.models.network_acls import NetworkAclBackend

__all__ = ["install"]


def install() -> None:
    original = NetworkAclBackend.create_network_acl
    if getattr(original, "denies_last", False):
        return

    def create_network_acl(self: Any, vpc_id: str, tags: Any = None, default: bool = False) -> Any:
        acl = original(self, vpc_id, tags, default)
        if not default:
            for egress in (False, True):
                self.create_network_acl_entry(
                    acl.id, 32767, "-1", "deny", egress, "0.0.0.0/0", None, None, None, None, None
                )
        return acl

    create_network_acl.denies_last = True  # type: ignore[attr-defined]
    NetworkAclBackend.create_network_acl = create_network_acl
