"""EC2 VPC block public access: the account's options for a region, and exclusions, which moto lacks.

API: {Modify,Describe}VpcBlockPublicAccessOptions and {Create,Modify,Delete,Describe}VpcBlockPublicAccessExclusion(s).
"""

from __future__ import annotations

import secrets
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.responses import EC2Response

from gchain.sandbox.cloud.overriding import add

__all__ = ["install"]


def _options(backend: Any) -> dict[str, Any]:
    if not hasattr(backend, "gchain_block_public_access"):
        backend.gchain_block_public_access = {
            "AwsAccountId": backend.account_id,
            "AwsRegion": backend.region_name,
            "State": "default-state",
            "InternetGatewayBlockMode": "off",
            "ManagedBy": "account",
            "ExclusionsAllowed": "allowed",
        }
    found: dict[str, Any] = backend.gchain_block_public_access
    return found


def _describe_options(self: Any) -> ActionResult:
    return ActionResult({"VpcBlockPublicAccessOptions": _options(self.ec2_backend)})


def _modify_options(self: Any) -> ActionResult:
    options = _options(self.ec2_backend)
    options["InternetGatewayBlockMode"] = self._get_param("InternetGatewayBlockMode")
    options["State"] = "update-complete"
    options["LastUpdateTimestamp"] = utcnow()
    return ActionResult({"VpcBlockPublicAccessOptions": options})


def _exclusions(backend: Any) -> dict[str, dict[str, Any]]:
    if not hasattr(backend, "gchain_bpa_exclusions"):
        backend.gchain_bpa_exclusions = {}
    found: dict[str, dict[str, Any]] = backend.gchain_bpa_exclusions
    return found


def _create_exclusion(self: Any) -> ActionResult:
    backend = self.ec2_backend
    subnet, vpc = self._get_param("SubnetId"), self._get_param("VpcId")
    kind, identifier = ("subnet", backend.get_subnet(subnet).id) if subnet else ("vpc", backend.get_vpc(vpc).id)
    tags = self._parse_tag_specification("vpc-block-public-access-exclusion")
    exclusion = {
        "ExclusionId": f"vpcbpa-exclude-{secrets.token_hex(8)}1",
        "InternetGatewayExclusionMode": self._get_param("InternetGatewayExclusionMode"),
        "ResourceArn": f"arn:{backend.partition}:ec2:{backend.region_name}:{backend.account_id}:{kind}/{identifier}",
        "State": "create-complete",
        "CreationTimestamp": utcnow(),
        "Tags": [
            {"Key": key, "Value": value} for key, value in tags.get("vpc-block-public-access-exclusion", {}).items()
        ],
    }
    _exclusions(backend)[str(exclusion["ExclusionId"])] = exclusion
    return ActionResult({"VpcBlockPublicAccessExclusion": exclusion})


def _modify_exclusion(self: Any) -> ActionResult:
    exclusion = _exclusions(self.ec2_backend)[self._get_param("ExclusionId")]
    exclusion["InternetGatewayExclusionMode"] = self._get_param("InternetGatewayExclusionMode")
    exclusion["State"] = "update-complete"
    return ActionResult({"VpcBlockPublicAccessExclusion": exclusion})


def _delete_exclusion(self: Any) -> ActionResult:
    exclusion = _exclusions(self.ec2_backend).pop(self._get_param("ExclusionId"))
    return ActionResult({"VpcBlockPublicAccessExclusion": {**exclusion, "State": "delete-complete"}})


def _describe_exclusions(self: Any) -> ActionResult:
    wanted = self._get_param("ExclusionIds", [])
    found = [entry for key, entry in _exclusions(self.ec2_backend).items() if not wanted or key in wanted]
    return ActionResult({"VpcBlockPublicAccessExclusions": found})


_ACTIONS = {
    "describe_vpc_block_public_access_options": _describe_options,
    "modify_vpc_block_public_access_options": _modify_options,
    "create_vpc_block_public_access_exclusion": _create_exclusion,
    "modify_vpc_block_public_access_exclusion": _modify_exclusion,
    "delete_vpc_block_public_access_exclusion": _delete_exclusion,
    "describe_vpc_block_public_access_exclusions": _describe_exclusions,
}


def install() -> None:
    add(EC2Response, _ACTIONS)
