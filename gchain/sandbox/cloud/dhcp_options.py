"""EC2 CreateDhcpOptions: moto drops the tags given at creation."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.responses import EC2Response
from moto.ec2.responses.dhcp_options import DHCPOptions

__all__ = ["install"]


def _create(self: Any) -> ActionResult:
    result = DHCPOptions.create_dhcp_options(self)
    tags = self._parse_tag_specification("dhcp-options").get("dhcp-options", {})
    result.result["DhcpOptions"].add_tags(tags)
    return result


def install() -> None:
    EC2Response.create_dhcp_options = _create
