"""EC2 ModifyVpcEndpoint of a gateway endpoint: a route table that joins gets its route, one that leaves loses it.

moto only notes the tables, and crashes on deleting an endpoint whose noted tables have no such route.
"""

from __future__ import annotations

from typing import Any

from moto.ec2.models.vpcs import VPCBackend

from gchain.sandbox.cloud.overriding import override

__all__ = ["install"]


def install() -> None:
    override(VPCBackend, "modify_vpc_endpoint", _moving_routes)


def _moving_routes(original: Any) -> Any:
    def modify_vpc_endpoint(self: Any, vpc_id: str, *positional: Any, **given: Any) -> None:
        endpoint = self.describe_vpc_endpoints(vpc_end_point_ids=[vpc_id])[0]
        before = set(endpoint.route_table_ids or [])
        original(self, vpc_id, *positional, **given)
        _move_routes(self, endpoint, before, set(endpoint.route_table_ids or []))

    return modify_vpc_endpoint


def _move_routes(backend: Any, endpoint: Any, before: set[str], after: set[str]) -> None:
    if str(endpoint.vpc_endpoint_type).lower() != "gateway":
        return
    services = endpoint.destination_prefix_list_id
    for table in before - after:
        backend.delete_route(table, services)
    for table in after - before:
        backend.create_route(table, None, gateway_id=endpoint.id, destination_prefix_list_id=services)
