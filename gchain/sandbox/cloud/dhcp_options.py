"""EC2 CreateDhcpOptions: moto drops the tags given at creation."""

from __future__ import annotations

from typing import Any

from moto.ec2.responses import EC2Response

from gchain.sandbox.cloud.overriding import override

__all__ = ["install"]


def _tagging(original: Any) -> Any:
    def create_dhcp_options(self: Any) -> Any:
        answer = original(self)
        tags = self._parse_tag_specification("dhcp-options").get("dhcp-options", {})
        answer.result["DhcpOptions"].add_tags(tags)
        return answer

    return create_dhcp_options


def install() -> None:
    override(EC2Response, "create_dhcp_options", _tagging)
