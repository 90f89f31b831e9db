"""Members that AWS always sends and moto leaves out or mixes up: who reads strictly takes such an answer for broken.

EC2 DescribeSubnets names `enableDns64`, DescribeSnapshots a description, if an empty one, KMS DescribeKey says of every
key whether it is a multi-Region one and of a replica that it is one (in moto primary and replica share that word), and
RDS DescribeDBInstanceAutomatedBackups where the database of a backup is. Bedrock has no logging configuration where
nobody made one, and no empty one either.
"""

from __future__ import annotations

import json
from typing import Any

from moto.bedrock.responses import BedrockResponse
from moto.ec2.models.elastic_block_store import Snapshot
from moto.ec2.models.subnets import Subnet
from moto.ec2.responses import EC2Response
from moto.kms.models import Key
from moto.rds.models import DBInstanceAutomatedBackup

from gchain.sandbox.cloud.overriding import override

__all__ = ["install"]


def _with_description(original: Any) -> Any:
    def start(self: Any, *given: Any, **named: Any) -> None:
        original(self, *given, **named)
        self.description = self.description or ""

    return start


def _with_dns64(original: Any) -> Any:
    def modify_subnet_attribute(self: Any) -> Any:
        answer = original(self)
        if (wanted := self._get_param("EnableDns64.Value")) is not None:
            subnet = self.ec2_backend.get_subnet(self._get_param("SubnetId"))
            subnet.enable_dns64 = str(wanted).lower() == "true"
        return answer

    return modify_subnet_attribute


def _with_multi_region(original: Any) -> Any:
    def to_dict(self: Any) -> dict[str, Any]:
        document: dict[str, Any] = original(self)
        found = document["KeyMetadata"]
        found["MultiRegion"] = bool(found["MultiRegion"])
        if found["MultiRegion"]:
            halves = found["MultiRegionConfiguration"]
            role = "PRIMARY" if halves["PrimaryKey"]["Arn"] == found["Arn"] else "REPLICA"
            found["MultiRegionConfiguration"] = {**halves, "MultiRegionKeyType": role}
        return document

    return to_dict


def _without_nothing(original: Any) -> Any:
    def get_model_invocation_logging_configuration(self: Any) -> str:
        return json.dumps({name: value for name, value in json.loads(original(self)).items() if value})

    return get_model_invocation_logging_configuration


def install() -> None:
    Subnet.enable_dns64 = False  # type: ignore[attr-defined]
    DBInstanceAutomatedBackup.region = property(lambda self: self.backend.region_name)  # type: ignore[attr-defined]
    override(BedrockResponse, "get_model_invocation_logging_configuration", _without_nothing)
    override(EC2Response, "modify_subnet_attribute", _with_dns64)
    override(Snapshot, "__init__", _with_description)
    override(Key, "to_dict", _with_multi_region)
