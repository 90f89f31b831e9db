"""EC2 interface endpoints: their network interfaces stand in the given subnets, with a free address and their groups.

moto gives them a random address outside the subnet and the VPC's default group. No service answers there
(docs/sandbox.md).
"""

from __future__ import annotations

from typing import Any

from moto.ec2.models.vpcs import VPCBackend

from gchain.sandbox.cloud.overriding import override

__all__ = ["install"]


def install() -> None:
    override(VPCBackend, "create_vpc_endpoint", _inside_subnets)


def _inside_subnets(original: Any) -> Any:
    def create_vpc_endpoint(self: Any, *positional: Any, **given: Any) -> Any:
        endpoint = original(self, *positional, **given)
        if str(endpoint.vpc_endpoint_type).lower() == "interface":
            _move_inside(self, endpoint)
        return endpoint

    return create_vpc_endpoint


def _move_inside(backend: Any, endpoint: Any) -> None:
    """Replace the invented interfaces by ones that the subnet itself numbered."""
    for stale in endpoint.network_interface_ids or []:
        backend.delete_network_interface(stale)
    groups = endpoint.security_group_ids or None
    endpoint.network_interface_ids = [
        backend.create_network_interface(
            subnet_id,
            _free_address(backend, subnet_id, endpoint),
            group_ids=groups,
            description=f"VPC Endpoint Interface {endpoint.id}",
        ).id
        for subnet_id in endpoint.subnet_ids or []
    ]


def _free_address(backend: Any, subnet_id: str, holder: Any) -> str:
    return str(backend.get_subnet(subnet_id).get_available_subnet_ip(holder))
